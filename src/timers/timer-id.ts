/**
 * The number of a timer. It consists of the timer's slot and of how often that slot has been used, so that an old
 * number does not mean the timer that has the slot now. It is a safe integer.
 *
 *     number = generation * 2^24 + slot        slot 0 to 2^24 - 1, generation 1 to 2^26 - 1
 *
 * A slot whose generations are used up is not used again, so no number ever means two timers.
 */

/**
 * The number of a timer, as `after`, `at`, `every` and `walk` return it. No two timers of a thread have the same one.
 */
export type TimerId = number & { readonly timer?: never };

/** The most timers that a thread can have at a time. */
export const MAX_TIMERS: number = 2 ** 24;
export const MAX_GENERATION: number = 2 ** 26 - 1;
/** A number that no timer has. */
export const noTimer: TimerId = 0;

export const timerId = (slot: number, generation: number): TimerId => generation * MAX_TIMERS + slot;
export const generationOf = (id: TimerId): number => Math.floor(id / MAX_TIMERS);
/**
 * The slot in a number. This is faster than a remainder, which is a library call for numbers beyond 2^31. If `id` is
 * not a whole number, neither is the result.
 */
export const slotOf = (id: TimerId): number => id - Math.floor(id / MAX_TIMERS) * MAX_TIMERS;
