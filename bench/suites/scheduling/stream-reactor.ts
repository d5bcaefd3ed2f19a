/** Streams numbers, and reads those of its peer. */
import { callStream, type Reactor, type Runtime } from 'percore';
import { check } from '../../harness.js';

export type StreamServices = {
  /** Streams the numbers 0 to count - 1. */
  numbers(count: number): AsyncIterable<number>;
  /** Streams the same by a plain generator. */
  plainNumbers(count: number): IterableIterator<number>;
  /** Reads so many values from reactor 0; returns the values a second. */
  readFromPeer(asked: { count: number; areBatches: boolean }): Promise<number>;
};

export const CREDITS = 256;

/** Values a second. Throws CheckFailed if a value is missing or wrong. */
export async function readAll(values: AsyncIterable<number>, count: number): Promise<number> {
  let sum = 0;
  const startMs = performance.now();
  for await (const value of values) sum += value;
  const seconds = (performance.now() - startMs) / 1000;
  check(sum === (count * (count - 1)) / 2, `the sum of ${count} values is ${sum}`);
  return count / seconds;
}

/** The same for values that come in batches. */
export async function readBatches(batches: AsyncIterable<readonly number[]>, count: number): Promise<number> {
  let sum = 0;
  const startMs = performance.now();
  for await (const batch of batches) for (const value of batch) sum += value;
  const seconds = (performance.now() - startMs) / 1000;
  check(sum === (count * (count - 1)) / 2, `the sum of ${count} values is ${sum}`);
  return count / seconds;
}

/** Reads numbers one by one from an asynchronous generator, or in batches from a plain one. */
export function readNumbers(
  of: Reactor<{ calls: StreamServices }> | Runtime<{ calls: StreamServices }>, count: number, areBatches: boolean,
): Promise<number> {
  const options = { reactor: 0, credits: CREDITS };
  return areBatches
    ? readBatches(callStream(of, 'plainNumbers', count, options).batches(), count)
    : readAll(callStream(of, 'numbers', count, options), count);
}

export default function start(reactor: Reactor<{ calls: StreamServices }>): void {
  reactor.handle('numbers', async function* (count) {
    for (let i = 0; i < count; i++) yield i;
  });
  reactor.handle('plainNumbers', function* (count) {
    for (let i = 0; i < count; i++) yield i;
  });
  reactor.handle('readFromPeer', ({ count, areBatches }) => readNumbers(reactor, count, areBatches));
}
