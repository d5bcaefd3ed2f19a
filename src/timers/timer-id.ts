/**
 * A timer's number: its slot, and how often the slot has been used, so that a stale number means nothing. A safe
 * integer.
 *
 *     number = generation * 2^24 + slot        slot 0 to 2^24 - 1, generation 1 to 2^26 - 1
 *
 * A slot whose generations are used up is not used again: no number ever means two timers.
 */
export type TimerId = number & { readonly timer?: never };

/** Timers at a time. */
export const MAX_TIMERS: number = 2 ** 24;
export const MAX_GENERATION: number = 2 ** 26 - 1;
/** No timer has this number. */
export const noTimer: TimerId = 0;

export const timerId = (slot: number, generation: number): TimerId => generation * MAX_TIMERS + slot;
export const generationOf = (id: TimerId): number => Math.floor(id / MAX_TIMERS);
/** Faster than a remainder, which is a library call for numbers beyond 2^31. Not a whole number when `id` is none. */
export const slotOf = (id: TimerId): number => id - Math.floor(id / MAX_TIMERS) * MAX_TIMERS;
