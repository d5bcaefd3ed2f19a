/**
 * The loop around a reactor's turn: looks at lanes, timers and I/O, calls JavaScript once when there is something, and
 * sleeps when there is nothing. Its order, and how it goes to sleep without missing a wake-up, is in native/turn.h.
 *
 * Required: all, for there is no reactor without it; `openSource` as far as `sources` is there.
 */
import type { IoHandle } from './sources.js';

/** A turn attached to this thread's loop. Opaque. */
export type TurnHandle = { readonly turn: unique symbol };

export interface TurnOptions {
  /** The whole inbox of this party, which begins with its Party block: see `partyLayout` and `laneOffset`. */
  inbox: Uint8Array;
  /** Laid out as `deliveryLayout` says. */
  delivery: Int32Array;
  /** Laid out as `timerRequestsLayout` says. */
  timerRequests: Float64Array;
  /**
   * Called with the delivery filled. Runs a turn, and then others for as long as `next` says so, where there is a
   * `next`.
   */
  deliver: () => void;
  /** The waker of this party. */
  eventFd: number;
  /** CLOCK_MONOTONIC nanoseconds at the runtime's start. */
  originNs: number;
}

export interface NativeTurns {
  /** One a thread. It runs from the next pass of the thread's loop on. */
  create(options: TurnOptions): TurnHandle;
  /**
   * Called within `deliver` after each turn: ends it, runs promises and ticks, and waits for the next one, whose
   * delivery is then filled. False: `deliver` must return, since libuv may have something to do, or the thread sleeps.
   * A call into JavaScript takes five times as long as this. Left out where each turn is a call of `deliver`.
   */
  next?(turn: TurnHandle): boolean;
  /** Calls nothing any more; its I/O source has gone with it. */
  stop(turn: TurnHandle): void;
  /** Whether the turn keeps this thread's loop going. */
  setReferenced(turn: TurnHandle, isReferenced: boolean): void;
  /**
   * JavaScript has asked for something between two turns: a task is ready, a timer or I/O was requested. Left out where
   * the backend itself looks before the thread sleeps, at each pass of its loop.
   */
  knock?(turn: TurnHandle): void;
  /** Does what `timerRequests` asks for: the array is full. */
  drainTimers(turn: TurnHandle): void;
  /** `records` is chunk `index` of the timers' records: see timers/timer-table.ts. */
  shareTimers(turn: TurnHandle, index: number, records: Float64Array): void;
  /** The turn's I/O source; at most one. Its memory (io/io-memory.ts) is used until the turn ends. Or -errno. */
  openSource(
    turn: TurnHandle, isUring: boolean, block: Int32Array, pool: Uint8Array, outbox: Uint8Array,
    counters: Float64Array,
  ): IoHandle | number;
}
