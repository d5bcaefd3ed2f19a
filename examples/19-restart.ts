/**
 * A pipeline whose first stage is killed amid its work, three times, and goes on: the numbers that wait for it are run
 * by the thread in its place, and what a death has cost is known to the last number.
 */
import { isMainThread } from 'node:worker_threads';
import { BACK_PRESSURED, createRuntime, type EntryContext, type Reactor } from 'percore';

const COUNT = 5000;
interface Pipeline {
  tasks: { double: number; add: number };
  calls: { count(): number };
}

export default function start(reactor: Reactor<Pipeline>, _data: unknown, { generation }: EntryContext): void {
  if (reactor.id === 0) {
    const add = reactor.address('add', { reactor: 1 });
    let run = 0;
    reactor.spawn({ name: 'double' }, (number) => {
      if (++run === 1000 && generation < 3) process.exit(1);
      return add.send(2 * number);
    });
  } else {
    let count = 0;
    reactor.spawn({ name: 'add' }, () => void count++);
    reactor.handle('count', () => count);
  }
}

if (isMainThread) {
  const restart = { most: 5, withinMs: 60_000 };
  const runtime = await createRuntime<Pipeline>({ entry: new URL(import.meta.url), reactors: 2, restart });
  let lost = 0;
  runtime.on('reactorDied', (death) => {
    lost += death.lost.unpublished + death.lost.begun;
  });
  const double = runtime.address('double', { reactor: 0 });
  for (let number = 0; number < COUNT; number++) {
    while (double.send(number) === BACK_PRESSURED) await new Promise<void>((then) => double.whenRoom(then));
  }
  for (const reactor of [0, 1]) await runtime.drain(reactor);
  const count = await runtime.call('count', undefined, { reactor: 1 });
  const { generation } = runtime.status().reactors[0]!;
  const isRight = count + lost === COUNT && lost < 100;
  console.log(`${generation} deaths, and ${isRight ? 'every number has come or is counted as lost' : 'A WRONG COUNT'}`);
  await runtime.close();
}
