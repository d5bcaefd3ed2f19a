/**
 * What the messages of the queue benches say. Every word of a message depends on its sequence, so that neither a lost
 * nor a repeated, torn or stale one goes unnoticed; each is checked when it is read.
 * bench/baselines/queue_throughput.cc says the same in C++.
 *
 *     8 bytes      sequence, sequence ^ SALT
 *     64 bytes     word k: sequence + k
 *     1 KiB        the same in word 0 of each cache line; the rest is copied and not looked at
 *     variable     16 to 256 bytes, a table says how many; words as those of 64 bytes
 */
export const SALT = 0x5bd1e995 | 0;

/** A power of two. */
export const LENGTHS = 4096;
/**
 * Bytes of message `sequence % LENGTHS`: multiples of 4 from 16 to 256, 136 in the mean, in no order that a processor
 * could learn.
 */
export const lengths: Int32Array = Int32Array.from(
  { length: LENGTHS },
  (_, i) => 16 + 4 * ((Math.imul(i, 0x9e3779b1) >>> 16) % 61),
);
