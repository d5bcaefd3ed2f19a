/** Streams numbers, and reads those of its peer. */
import { callStream, type Reactor } from 'percore';
import { check } from '../../harness.js';

export type StreamServices = {
  /** 0 to count - 1. */
  numbers(count: number): AsyncIterable<number>;
  /** Reads so many from reactor 0; returns the values a second. */
  readFromPeer(count: number): Promise<number>;
};

export const CREDITS = 256;

/** Values a second. Throws CheckFailed when a value is missing or wrong. */
export async function readAll(values: AsyncIterable<number>, count: number): Promise<number> {
  let sum = 0;
  const startMs = performance.now();
  for await (const value of values) sum += value;
  const seconds = (performance.now() - startMs) / 1000;
  check(sum === (count * (count - 1)) / 2, `the sum of ${count} values is ${sum}`);
  return count / seconds;
}

export default function start(reactor: Reactor<{ calls: StreamServices }>): void {
  reactor.handle('numbers', async function* (count) {
    for (let i = 0; i < count; i++) yield i;
  });
  reactor.handle('readFromPeer', (count) => {
    return readAll(callStream(reactor, 'numbers', count, { reactor: 0, credits: CREDITS }), count);
  });
}
