/**
 * The contents of the messages in the queue benches. Every word of a message depends on its sequence, and is checked
 * when it is read, so that a message that is lost, repeated, torn or stale is noticed.
 * bench/baselines/queue_throughput.cc has the same in C++.
 *
 *     8 bytes      sequence, sequence ^ SALT
 *     64 bytes     word k: sequence + k
 *     1 KiB        the same in word 0 of each cache line; the rest is copied and not checked
 *     variable     16 to 256 bytes, according to a table; words as in messages of 64 bytes
 */
export const SALT = 0x5bd1e995 | 0;

/** A power of two. */
export const LENGTHS = 4096;
/**
 * The length in bytes of message `sequence % LENGTHS`: multiples of 4 from 16 to 256, with a mean of 136, in no order
 * that a processor could learn.
 */
export const lengths: Int32Array = Int32Array.from(
  { length: LENGTHS },
  (_, i) => 16 + 4 * ((Math.imul(i, 0x9e3779b1) >>> 16) % 61),
);
