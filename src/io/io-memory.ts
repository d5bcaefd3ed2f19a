/**
 * The memory that a thread's I/O source shares with JavaScript; its layout is `ioBlockLayout`. All words are plain,
 * because both sides are the same thread.
 *
 *     block   events upwards, requests downwards, buffers that are given back
 *     pool    received bytes lie here until they are given back; native code decides where
 *     outbox  bytes lie here that are sent at the end of the turn. It has two halves, so that what the kernel has left
 *             of a send is still there when JavaScript hears of it
 *
 * It is made with the first endpoint of a thread. Most of its pages are touched only under load.
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
/** A longer piece is sent directly from where it lies. */
const MOST_OUTBOX_BYTES = 1 << 14;
/** For fewer bytes a loop is faster than a view and a call. */
const LOOP_BYTES = 32;
/** Up to so many a loop that takes eight bytes at once is faster. */
const MOST_WORD_BYTES = 256;

const { SEND } = words.ioRequest;

/** Figures of a thread's streams, under the names that layout.ts gives them. */
export type IoCounters = { readonly [Name in keyof typeof ioCountersLayout.fields]: number };

/** Memory for an IoCounters, for threads without a reactor. */
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
  private readonly poolWords = new BigInt64Array(this.pool.buffer);
  private readonly outboxWords = new BigInt64Array(this.outbox.buffer);
  /** Set once the source is open. */
  handle!: IoHandle;
  bufferBits = 0;
  /** How many times a buffer has been given back by its last user. */
  givenBack = 0;
  /** For a backend that must be told when the first request comes: see NativeTurns. */
  knock: (() => void) | undefined;
  private seenDrains = 0;
  /** Where the next bytes go; `outboxEnd` is the end of the present half. */
  private outboxAt = 0;
  private outboxEnd = HALF_BYTES;

  /** `counters` is an IoCounters, see layout.ts. */
  constructor(readonly sources: NativeSources, readonly counters: Float64Array) {
    // If a buffer were transferred, the source's memory would go to another thread with it.
    for (const buffer of [this.block.buffer, this.pool.buffer, this.outbox.buffer]) markAsUntransferable(buffer);
  }

  /** To be called after the source has been opened. */
  start(handle: IoHandle): void {
    const { sources } = this;
    this.handle = handle;
    if (sources.knock !== undefined) this.knock = () => sources.knock!(handle);
    this.bufferBits = this.block[BUFFER_BITS]!;
  }

  /** How many times requests have been carried out. */
  get drains(): number {
    return this.block[DRAINS]!;
  }

  get hasRequests(): boolean {
    return this.block[REQUESTS] !== 0;
  }

  get isRequestFull(): boolean {
    return this.block[REQUESTS] === MOST_REQUESTS;
  }

  /** Adds a request. Only when `isRequestFull` is false. */
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
   * Copies bytes into the outbox and requests a send. If the last request is a send of the same connection, the two are
   * joined. False when there is no room.
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
    // What has been received is often what is sent.
    if (bytes === this.pool && length <= MOST_WORD_BYTES && ((at | offset | length) & 7) === 0) {
      this.copyWords(at >> 3, offset >> 3, length >> 3);
    } else if (length < LOOP_BYTES) for (let i = 0; i < length; i++) outbox[at + i] = bytes[offset + i]!;
    else outbox.set(length === lengthOf(bytes) ? bytes : partOf(bytes, offset, offset + length), at);
    this.outboxAt = at + length;
    const last = REQUEST + (requests - 1) * 4;
    // It is of this half, since requests are empty after a drain.
    const isJoined = requests !== 0 && block[last + 1] === token && block[last] === SEND
      && block[last + 2]! + block[last + 3]! === at;
    if (isJoined) block[last + 3]! += length;
    else this.request(SEND, token, at, length);
    return true;
  }

  private copyWords(to: number, from: number, count: number): void {
    const { outboxWords, poolWords } = this;
    for (let i = 0; i < count; i++) outboxWords[to + i] = poolWords[from + i]!;
  }

  /** The buffer at `place` of the pool has one user less. */
  release(place: number): void {
    const { block } = this;
    const buffer = place >> this.bufferBits;
    if (--block[BUFFER_USERS + buffer]! !== 0) return;
    block[RELEASED_BUFFER + block[RELEASED]!++] = buffer;
    this.givenBack++;
  }

  /** The buffer at `place` has one more user. */
  hold(place: number): void {
    this.block[BUFFER_USERS + (place >> this.bufferBits)]!++;
  }

  /**
   * True when more than half of the buffers are in use. Then nothing may lie there that nobody is about to read. Looks
   * at each buffer.
   */
  get isPoolShort(): boolean {
    const buffers = POOL_BYTES >> this.bufferBits;
    let inUse = 0;
    for (let buffer = 0; buffer < buffers; buffer++) if (this.block[BUFFER_USERS + buffer] !== 0) inUse++;
    return 2 * inUse > buffers;
  }

  /** How many times native code found no free buffer. */
  get poolWaits(): number {
    return this.counters[POOL_WAITS]!;
  }

  /** Counts an offer that an endpoint has answered with BACK_PRESSURED. */
  countRefused(): void {
    this.counters[REFUSED]!++;
  }

  /** Counts connections that a listener has closed at once. */
  countShed(connections: number): void {
    this.counters[SHED]! += connections;
  }

  drain(): void {
    this.sources.drain(this.handle);
  }
}
