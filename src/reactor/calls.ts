/**
 * Calls that wait for their answer: number, promise, who was asked, when the call gives up. One thread.
 *
 * A call's number is two words: its slot in a table, and a generation of 48 bits that grows with each call of this
 * party.
 *
 *     number      slot (16 bits) | generation, bits 32 to 47
 *     generation  generation, bits 0 to 31
 *
 * At a million calls a second the generation wraps after nine years. A shorter one is not enough: an answer may come as
 * late as its handler likes, and with 15 bits a late answer settled another call, 32,768 calls later.
 */
import { PercoreError } from '../errors.js';
import type { WaitOptions } from '../waiting.js';
import type { Incoming } from './call-incoming.js';

/**
 * Whom to ask, and how long to wait: `{ signal, timeoutMs }` as everywhere (src/waiting.ts). The deadline travels with
 * the call: work that has not begun by then does not begin, and a handler sees how much time is left. A handler is told
 * when the signal aborts, and work that has not begun by then does not begin either.
 */
export interface CallOptions extends WaitOptions {
  /** The reactor to ask, or 'main' for the main thread. Without it and without `key`, each living reactor in turn. */
  reactor?: number | 'main';
  /** Ask the owner of this key's bucket. Not together with `reactor`. */
  key?: string | Uint8Array;
  /** Band in which the handler runs, 0 to 7. Default 3. */
  priority?: number;
}

/** Answers a call: gets its argument and its CallContext. */
export type Handler = (argument: never, context: never) => unknown;

const SLOT_BITS = 16;
export const SLOT_MASK: number = 2 ** SLOT_BITS - 1;
/** How many calls of one party may wait for their answers. */
export const MAX_CALLS: number = 2 ** SLOT_BITS;

/** How many calls its party had made with this one, those of the threads before it included. */
export const sequenceOf = (number: number, generation: number): number =>
  (number >>> SLOT_BITS) * 2 ** 32 + (generation >>> 0);

export class PendingCall {
  number = 0;
  generation = 0;
  /** Answered or given up. */
  isOver = false;
  /** It waits for room, and has not been sent. */
  isWaiting = false;
  /** Ends the timer and the listener of the signal. */
  cleanUp: (() => void) | undefined = undefined;
  /** For a call that asks for a stream: where its values arrive. */
  stream: Incoming | undefined = undefined;

  constructor(
    readonly name: string,
    readonly to: number,
    readonly band: number,
    readonly resolve: (value: unknown) => void,
    readonly reject: (error: unknown) => void,
  ) {}
}

export class Calls {
  count = 0;
  private readonly slots: (PendingCall | undefined)[] = [];
  private readonly free: number[] = [];

  /** The two halves of the generation; tests begin just before the lower one wraps. */
  constructor(private low = 0, private high = 0) {}

  /** Gives the call a number that no other call of this party had. */
  add(call: PendingCall): void {
    const slot = this.free.pop() ?? this.slots.length;
    this.low = (this.low + 1) | 0;
    if (this.low === 0) this.high = (this.high + 1) & SLOT_MASK;
    call.number = slot | (this.high << SLOT_BITS);
    call.generation = this.low;
    this.slots[slot] = call;
    this.count++;
  }

  /** The call with this number, if party `from` was asked and the call still waits. */
  find(number: number, generation: number, from: number): PendingCall | undefined {
    const call = this.slots[number & SLOT_MASK];
    const isIt = call !== undefined && call.number === number && call.generation === generation && call.to === from;
    return isIt ? call : undefined;
  }

  /** Takes the call out; false if it was given up or answered before. */
  take(call: PendingCall): boolean {
    if (call.isOver) return false;
    call.isOver = true;
    const slot = call.number & SLOT_MASK;
    this.slots[slot] = undefined;
    this.free.push(slot);
    this.count--;
    call.cleanUp?.();
    return true;
  }

  /** Rejects every call to `to`, or every call. */
  rejectAll(to: number | undefined, error: (call: PendingCall) => Error): void {
    for (const call of this.slots) {
      if (call !== undefined && (to === undefined || call.to === to) && this.take(call)) call.reject(error(call));
    }
  }
}

/** What `call` rejects with when the party that was asked has died. */
export const died = (id: number, name: string): PercoreError => new PercoreError(
  'ERR_PERCORE_REACTOR_DIED', `call("${name}"): reactor ${id} has died`, { reactorId: id },
);

/** Why a call is answered that nobody waits for: the asker has died. */
export const askerDied = (id: number): PercoreError => new PercoreError(
  'ERR_PERCORE_REACTOR_DIED', `reactor ${id}, which has asked, has died`, { reactorId: id },
);
