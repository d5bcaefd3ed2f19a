/**
 * What a thread's I/O source and its JavaScript share: see `ioBlockLayout`. Plain words, since both are one thread.
 *
 *     block   events up, requests down, buffers given back
 *     pool    where received bytes lie until they are given back; native decides where in it
 *     outbox  where bytes lie that are sent at the end of the turn; two halves, so that what one send left over is
 *             still there when JavaScript hears of it
 *
 * Made with the first endpoint of a thread, since most pages of it are touched only under load.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { lengthOf, partOf } from '../byte-views.js';
import { ioBlockLayout, ioCountersLayout, words } from '../layout.js';
import type { IoHandle, NativeSources } from '../native.js';

const fields = ioBlockLayout.fields;
export const EVENTS: number = fields.events.at >> 2;
export const EVENT: number = fields.event.at >> 2;
const REQUESTS = fields.requests.at >> 2;
const REQUEST = fields.request.at >> 2;
const MOST_REQUESTS = fields.request.count / 4;
const RELEASED = fields.released.at >> 2;
const RELEASED_BUFFER = fields.releasedBuffer.at >> 2;
const BUFFER_USERS = fields.bufferUsers.at >> 2;
export const UNSENT: number = fields.unsent.at >> 2;
const DRAINS = fields.drains.at >> 2;
const BUFFER_BITS = fields.bufferBits.at >> 2;
const POOL_WAITS = ioCountersLayout.fields.poolWaits.at >> 3;
const SHED = ioCountersLayout.fields.shed.at >> 3;
const REFUSED = ioCountersLayout.fields.refused.at >> 3;

export const POOL_BYTES: number = 1 << 23;
const HALF_BYTES = 1 << 18;
/** Larger ones are sent from where they are. */
const MOST_OUTBOX_BYTES = 1 << 14;
/** Below this a loop beats a view and a call. */
const LOOP_BYTES = 128;

const { SEND } = words.ioRequest;

/** Figures of the streams of a thread, by the names that layout.ts has for them. */
export type IoCounters = { readonly [Name in keyof typeof ioCountersLayout.fields]: number };

/** Memory for an IoCounters, where no reactor has any. */
export function createIoCounters(): Float64Array {
  return new Float64Array(ioCountersLayout.bytes >> 3);
}

export function readIoCounters(counters: Float64Array): IoCounters {
  const entries = Object.entries(ioCountersLayout.fields).map(([name, { at }]) => [name, counters[at >> 3]!]);
  return Object.fromEntries(entries) as IoCounters;
}

export class IoMemory {
  readonly block: Int32Array = new Int32Array(ioBlockLayout.bytes >> 2);
  readonly pool: Uint8Array = new Uint8Array(new ArrayBuffer(POOL_BYTES));
  readonly outbox: Uint8Array = new Uint8Array(new ArrayBuffer(2 * HALF_BYTES));
  /** Set once the source is open. */
  handle!: IoHandle;
  bufferBits = 0;
  /** Buffers that nobody used any more, so far. */
  givenBack = 0;
  /** For a backend that must be told about the first request, see NativeTurns. */
  knock: (() => void) | undefined;
  private seenDrains = 0;
  /** Where the next bytes go, and the end of the half. */
  private outboxAt = 0;
  private outboxEnd = HALF_BYTES;

  /** `counters`: an IoCounters, see layout.ts. */
  constructor(readonly sources: NativeSources, readonly counters: Float64Array) {
    // One that is transferred would take the source's memory to another thread.
    for (const buffer of [this.block.buffer, this.pool.buffer, this.outbox.buffer]) markAsUntransferable(buffer);
  }

  /** After the source has been opened. */
  start(handle: IoHandle): void {
    const { sources } = this;
    this.handle = handle;
    if (sources.knock !== undefined) this.knock = () => sources.knock!(handle);
    this.bufferBits = this.block[BUFFER_BITS]!;
  }

  /** Times that requests were taken. */
  get drains(): number {
    return this.block[DRAINS]!;
  }

  get hasRequests(): boolean {
    return this.block[REQUESTS] !== 0;
  }

  get isRequestFull(): boolean {
    return this.block[REQUESTS] === MOST_REQUESTS;
  }

  /** Not when full. */
  request(kind: number, token: number, a = 0, b = 0): void {
    const { block } = this;
    const at = REQUEST + block[REQUESTS]! * 4;
    block[at] = kind;
    block[at + 1] = token;
    block[at + 2] = a;
    block[at + 3] = b;
    if (block[REQUESTS]!++ === 0) this.knock?.();
  }

  /**
   * Copies into the outbox and requests a send; joined to the send before it, if that is the same connection's. False:
   * no room.
   */
  send(token: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (length > MOST_OUTBOX_BYTES) return false;
    const { block, outbox } = this;
    const drains = block[DRAINS]!;
    if (drains !== this.seenDrains) {
      this.seenDrains = drains;
      this.outboxAt = (drains & 1) * HALF_BYTES;
      this.outboxEnd = this.outboxAt + HALF_BYTES;
    }
    const at = this.outboxAt;
    const requests = block[REQUESTS]!;
    if (at + length > this.outboxEnd || requests === MOST_REQUESTS) return false;
    if (length < LOOP_BYTES) for (let i = 0; i < length; i++) outbox[at + i] = bytes[offset + i]!;
    else outbox.set(length === lengthOf(bytes) ? bytes : partOf(bytes, offset, offset + length), at);
    this.outboxAt = at + length;
    const last = REQUEST + (requests - 1) * 4;
    // Of this half, since requests are empty after a drain.
    const isJoined = requests !== 0 && block[last + 1] === token && block[last] === SEND
      && block[last + 2]! + block[last + 3]! === at;
    if (isJoined) block[last + 3]! += length;
    else this.request(SEND, token, at, length);
    return true;
  }

  /** What lies at `place` of the pool is used by one less. */
  release(place: number): void {
    const { block } = this;
    const buffer = place >> this.bufferBits;
    if (--block[BUFFER_USERS + buffer]! !== 0) return;
    block[RELEASED_BUFFER + block[RELEASED]!++] = buffer;
    this.givenBack++;
  }

  /** What lies at `place` is used by one more. */
  hold(place: number): void {
    this.block[BUFFER_USERS + (place >> this.bufferBits)]!++;
  }

  /**
   * More than half of the buffers are in use: what nobody is about to read must not lie there. Looks at each buffer.
   */
  get isPoolShort(): boolean {
    const buffers = POOL_BYTES >> this.bufferBits;
    let inUse = 0;
    for (let buffer = 0; buffer < buffers; buffer++) if (this.block[BUFFER_USERS + buffer] !== 0) inUse++;
    return 2 * inUse > buffers;
  }

  /** Times that native found no buffer free. */
  get poolWaits(): number {
    return this.counters[POOL_WAITS]!;
  }

  /** An endpoint has answered an offer with BACK_PRESSURED. */
  countRefused(): void {
    this.counters[REFUSED]!++;
  }

  /** A listener has closed this many connections at once. */
  countShed(connections: number): void {
    this.counters[SHED]! += connections;
  }

  drain(): void {
    this.sources.drain(this.handle);
  }
}
