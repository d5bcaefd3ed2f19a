/**
 * How threads wake each other: one table of the process has a word for each waker, and Atomics.waitAsync waits at it.
 * Why not a MessagePort: docs/decisions/2026-11-29-portable-doorbell.md.
 *
 *     table   header 0 | waker 0 64 | waker 1 128 | …          two words each: generation, odd while it is open; rings
 *     number  generation * SLOTS + slot, so that a number is not given out again before its generations are used up
 *
 * Every thread must know the table, whoever started it. So the table is environment data of Node's, which each thread
 * inherits from the one that starts it. A thread that was started before its parent had loaded this has a table of its
 * own, and shares no waker with the others.
 *
 * | pair           | write side               | read side           | carries                           |
 * |----------------|--------------------------|---------------------|-----------------------------------|
 * | waker.rings    | `wake`, adds, notifies   | `sleep`, `ringsOf`  | "something is there, look again"  |
 * | waker.open     | `create`, `close`        | `wake`              | whose the number is, if anybody's |
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { NativeWakers } from '../native/index.js';
import { systemError } from './errno.js';

const SLOTS = 4096;
const SLOT_WORDS = 16;
const RINGS = 1;
const MOST_GENERATION = 2 ** 31 / SLOTS - 1;
const KEY = 'percore: wakers of the portable backend, 1';

let table: Int32Array | undefined;

/** Whether the thread that started this one had loaded the portable backend. */
export const isInherited = (): boolean => getEnvironmentData(KEY) !== undefined;

/** Makes or finds the table. Call it before this thread starts another. */
export function shareWakers(): Int32Array {
  if (table !== undefined) return table;
  let memory = getEnvironmentData(KEY) as unknown as SharedArrayBuffer | undefined;
  if (memory === undefined) {
    memory = new SharedArrayBuffer((SLOTS + 1) * SLOT_WORDS * 4);
    setEnvironmentData(KEY, memory as never);
  }
  return (table = new Int32Array(memory));
}

const wordOf = (number: number): number => (1 + number % SLOTS) * SLOT_WORDS;
const generationOf = (number: number): number => Math.floor(number / SLOTS);

/** Whether the number is that of an open waker. */
export function isWaker(number: number): boolean {
  // waker.open: pairs with close().
  return Number.isInteger(number) && number >= SLOTS
    && Atomics.load(shareWakers(), wordOf(number)) === generationOf(number);
}

/** How often it was rung; the count wraps. */
export function ringsOf(number: number): number {
  // waker.rings: pairs with wake(). Loaded before the last look at what a ring is about.
  return Atomics.load(shareWakers(), wordOf(number) + RINGS);
}

type WaitAsync = (words: Int32Array, at: number, value: number) =>
  { async: false; value: string } | { async: true; value: Promise<string> };
const { waitAsync } = Atomics as unknown as { waitAsync?: WaitAsync };

/** Calls `then` once it has been rung more often than `seen`; always later, never at once. Keeps no thread alive. */
export function sleep(number: number, seen: number, then: () => void): void {
  // waker.rings: pairs with wake(), which adds before it notifies.
  const wait = waitAsync!(shareWakers(), wordOf(number) + RINGS, seen);
  if (wait.async) void wait.value.then(then);
  else queueMicrotask(then);
}

export const wakers: NativeWakers = {
  create() {
    const words = shareWakers();
    // A hint where to look, and no more: several threads may look at the same time.
    const from = Atomics.add(words, 0, 1);
    for (let tries = 0; tries < SLOTS; tries++) {
      const slot = (from + tries & 0x7fffffff) % SLOTS;
      const at = (1 + slot) * SLOT_WORDS;
      // waker.open: pairs with close(). Even: nobody has it.
      const generation = Atomics.load(words, at);
      const next = generation >= MOST_GENERATION - 1 ? 1 : generation + 1;
      if (generation % 2 === 0 && Atomics.compareExchange(words, at, generation, next) === generation)
        return next * SLOTS + slot;
    }
    throw systemError('EMFILE', 'eventfd', `this process has ${SLOTS} wakers open, and no more`);
  },

  wake(number) {
    if (!isWaker(number)) return;
    const words = shareWakers();
    // waker.rings: pairs with sleep(). What this ring is about was stored before.
    Atomics.add(words, wordOf(number) + RINGS, 1);
    Atomics.notify(words, wordOf(number) + RINGS);
  },

  close(number) {
    if (!isWaker(number)) return;
    const generation = generationOf(number);
    // waker.open: pairs with wake() and create(). Whoever comes second finds another generation.
    Atomics.compareExchange(shareWakers(), wordOf(number), generation, generation + 1);
  },
};
