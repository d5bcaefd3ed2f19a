import { expect, it } from 'vitest';
import { Together } from './together.js';

interface Put {
  readonly to: number;
  readonly lanes: number;
  end(error?: Error): void;
}

function recorded(): { together: Together; puts: Put[] } {
  const puts: Put[] = [];
  const together = new Together((to, lanes) => new Promise((resolve, reject) => {
    const number = puts.length;
    puts.push({ to, lanes, end: (error) => (error === undefined ? resolve(number) : reject(error)) });
  }));
  return { together, puts };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('puts one question for all who ask at a time, and one after the other about the same', async () => {
  const { together, puts } = recorded();
  const first = Array.from({ length: 10_000 }, (_, i) => together.ask(i % 2, 8));
  await turn();
  expect(puts.map(({ to, lanes }) => [to, lanes])).toEqual([[0, 8], [1, 8]]);
  // Asked later than what is under way was put, so its answer is not theirs.
  const second = Array.from({ length: 100 }, () => together.ask(0, 8));
  await turn();
  expect(puts.length).toBe(2);
  puts[0]!.end();
  await turn();
  expect(puts.slice(2).map(({ to, lanes }) => [to, lanes])).toEqual([[0, 8]]);
  puts[1]!.end();
  puts[2]!.end();
  expect(new Set(await Promise.all(first))).toEqual(new Set([0, 1]));
  expect(new Set(await Promise.all(second))).toEqual(new Set([2]));
});

it('does not let a question about other lanes wait', async () => {
  const { together, puts } = recorded();
  void together.ask(0, 8);
  await turn();
  const other = together.ask(0, 2);
  await turn();
  puts[1]!.end();
  expect(await other).toBe(1);
});

it('tells all who have asked together that it failed, and goes on', async () => {
  const { together, puts } = recorded();
  const failing = [together.ask(0), together.ask(0)];
  await turn();
  const later = together.ask(0);
  puts[0]!.end(new Error('died'));
  expect((await Promise.allSettled(failing)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await turn();
  puts[1]!.end();
  expect(await later).toBe(1);
  // Nothing is left of them.
  void together.ask(0);
  await turn();
  expect(puts.length).toBe(3);
});
