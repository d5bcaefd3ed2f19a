/**
 * Bells in memory that other processes share. `Atomics.wait` and `notify` know only the threads of one process. Such a
 * bell is therefore rung and slept at through the kernel's futex: see sharers.ts, which is loaded with the first queue
 * in a file. Until then this costs one look at a variable, and only when somebody rings or sleeps.
 */
export interface FarBells {
  /** Wakes everybody who sleeps at this word. */
  wake(words: Int32Array, at: number): void;
  /** True for the number of a thread, of any process, that has joined those who share this memory, and not died. */
  isThere(sharer: number): boolean;
  /** Sleeps while the word is `seen`, for a moment only: the caller looks again. Blocks. */
  sleep(words: Int32Array, at: number, seen: number, timeoutMs: number): void;
  /** Resolves when the word is no longer `seen`, or after `timeoutMs`. Does not keep the event loop alive. */
  sleepLater(words: Int32Array, at: number, seen: number, timeoutMs: number): Promise<void>;
}

let find: ((words: Int32Array) => FarBells | undefined) | null = null;

/** Sets who knows which memory is shared with other processes. Called once in a thread. */
export function setFarBells(finder: (words: Int32Array) => FarBells | undefined): void {
  find = finder;
}

/** Null for memory that only this process has. */
export const farBellsOf = (words: Int32Array): FarBells | null => (find === null ? null : (find(words) ?? null));
