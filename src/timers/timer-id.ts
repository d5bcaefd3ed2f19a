/** A timer's number: its slot and the slot's generation, so that a stale number means nothing. A safe integer. */
export type TimerId = number & { readonly timer?: never };

const SLOT_BITS = 24;
export const MAX_TIMERS = 2 ** SLOT_BITS;
/** No timer has this number. */
export const noTimer: TimerId = 0;

/** `generation` starts at 1 and may grow to 2^29. */
export const timerId = (slot: number, generation: number): TimerId => (generation % 2 ** 29) * MAX_TIMERS + slot;
export const slotOf = (id: TimerId): number => id % MAX_TIMERS;
