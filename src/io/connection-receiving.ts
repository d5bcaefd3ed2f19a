/**
 * The receiving half of a connection: what has arrived and is not read yet, and the handler that is given it.
 *
 *      native ──add──> moved (out of the pool) · first, how far it was read · behind ──read, a piece a step──> handler
 *      four unread: PAUSE, and the kernel's window holds the peer back; none unread: RECEIVE
 *
 * Arrivals stay in the thread's pool until they are read, so nothing is copied. This works as long as the pool
 * suffices: bytes that nobody reads must not keep others from receiving. So for a paused connection native code
 * receives at most one arrival more; and while more than half of the pool is in use, what that connection has not read
 * is copied into memory of its own. When the pool is empty, the same happens to arrivals whose step has not run for a
 * while because higher bands run (pool-relief.ts). So a connection holds at most four arrivals (128 KiB each on epoll,
 * or `readBytes` and at least 16 KiB if less was asked for; 32 KiB on io_uring), and what native code had received
 * before it heard of the pause.
 *
 * The two halves of a connection know each other only through it: see connection-endpoint.ts.
 */
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import type { Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import { copyOf, keep, type Kept } from './kept.js';
import { followResult } from './report.js';
import { MOST_READ_BYTES } from './stream-options.js';

/** Its result means nothing, unless it is a promise: then a rejection is reported. */
export type ReceiveHandler = (bytes: Uint8Array, offset: number, length: number) => unknown;

const { RECEIVE, PAUSE } = words.ioRequest;
/** Of one receive; io_uring receives less at once in any case. */
const MOST_ARRIVAL_BYTES = 131_072;
/** With so many arrivals unread, no more is asked for. */
const MOST_ARRIVALS = 4;

/** What this half needs of its connection. */
export interface ReceivingHost extends Ready {
  readonly token: number;
  readonly isClosed: boolean;
  readonly where: string;
  bytesRead: number;
}

export class ReceivingHalf {
  lastReceivedNs: number = NaN;
  /** The peer has ended, and the connection has been told. */
  hasPeerEnded = false;
  /** Bytes of the buffers that it keeps in place; kept.ts counts them. */
  keptBytes = 0;
  private handler: ReceiveHandler | undefined;
  private isPaused = false;
  /** Native code receives for it. */
  private isReceiving = false;
  /** The peer's end has arrived. It is told after everything that arrived before it. */
  private hasArrivedEnd = false;

  /** What is read first: bytes that were copied out of the pool, or that another thread had received. */
  private moved: Uint8Array | undefined;
  /** The first arrival: where its unread rest lies in the pool; -1 when there is none. */
  private place = -1;
  private length = 0;
  /** The arrivals after it, as place, length, place, length. */
  private behind: number[] | undefined;
  /**
   * What the handler is being given: its place in the pool, unless it is the beginning of `handedMoved`. 0 bytes while
   * the handler does not run.
   */
  private handedAt = 0;
  private handedBytes = 0;
  private handedMoved: Uint8Array | undefined;
  /**
   * Most bytes that native code takes from the kernel at once. Whoever wants small pieces has others that should not
   * wait: neither for a long step nor for a long receive.
   */
  private readonly receiveBytes: number;

  constructor(
    private readonly core: IoCore, private readonly connection: ReceivingHost, private readonly readBytes: number,
  ) {
    this.receiveBytes = readBytes < MOST_READ_BYTES ? readBytes : MOST_ARRIVAL_BYTES;
  }

  /** There is a handler, and it is not paused: what the kernel has will be received sooner or later. */
  get isRead(): boolean {
    return this.handler !== undefined && !this.isPaused;
  }

  /** There are unread bytes, and a handler that takes them now. */
  get canRead(): boolean {
    return this.hasUnread && this.isWanted;
  }

  /** Everything that arrived has been read, and then the peer ended. */
  get canReadEnd(): boolean {
    return this.hasArrivedEnd && !this.hasUnread && this.isWanted;
  }

  /** Together with `bytesRead` it is everything that ever arrived. */
  get unreadBytes(): number {
    let bytes = (this.moved?.length ?? 0) + (this.place < 0 ? 0 : this.length - this.inHandBytes);
    for (let i = 1; i < (this.behind?.length ?? 0); i += 2) bytes += this.behind![i]!;
    return bytes;
  }

  private get hasUnread(): boolean {
    return this.place >= 0 || this.moved !== undefined;
  }

  private get isWanted(): boolean {
    return this.isRead && !this.connection.isClosed;
  }

  setHandler(handler: ReceiveHandler): void {
    this.handler = handler;
    this.wantMore();
  }

  pause(): void {
    this.isPaused = true;
    // Within the handler this waits until it returns, when it is known what is left.
    if (this.handedBytes === 0) this.makeRoom();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.wantMore();
  }

  /** `length` bytes lie at `place` of the pool. */
  add(place: number, length: number): void {
    this.lastReceivedNs = this.core.batchNs;
    if (this.place < 0) {
      this.place = place;
      this.length = length;
    } else {
      (this.behind ??= []).push(place, length);
      if (this.behind.length >= 2 * (MOST_ARRIVALS - 1)) this.stopReceiving();
    }
    if (!this.isPaused) return this.core.schedule(this.connection);
    // Not already at the pause: most pauses are over before anything arrives.
    this.stopReceiving();
    // The handler may have flushed, so that this arrives while it runs. Then room is made after it.
    if (this.handedBytes === 0) this.makeRoom();
  }

  private stopReceiving(): void {
    if (!this.isReceiving) return;
    this.isReceiving = false;
    this.core.request(PAUSE, this.connection.token);
  }

  /** For a paused connection: nobody may have to wait because of what it does not read. */
  private makeRoom(): void {
    if (this.place >= 0 && this.core.memory.isPoolShort) this.moveOut();
  }

  /** When the pool is empty: moves out what arrived before `beforeNs`. True when something that arrived later stays. */
  relieve(beforeNs: number): boolean {
    if (this.place < 0 || this.handedBytes !== 0) return false;
    if (this.lastReceivedNs >= beforeNs) return true;
    this.moveOut();
    return false;
  }

  /**
   * Copies what is unread out of the pool. Nothing more is asked for before that is read. Must not be called while the
   * handler runs.
   */
  private moveOut(): void {
    this.stopReceiving();
    const unread = this.copyUnread();
    this.giveBack();
    this.moved = unread;
  }

  addEnd(): void {
    this.hasArrivedEnd = true;
    if (!this.isPaused) this.core.schedule(this.connection);
  }

  /** Takes what another thread had received before this one attached the connection. */
  preload(unread: Uint8Array, hasPeerEnded: boolean): void {
    this.moved = unread.length === 0 ? undefined : unread;
    this.hasArrivedEnd = hasPeerEnded;
    // For this thread it has arrived only now.
    if (this.moved !== undefined) this.lastReceivedNs = this.core.nowNs();
  }

  /** Gives the handler one piece. Only when `canRead`. */
  read(): void {
    if (this.moved !== undefined) return this.readMoved(this.moved);
    const { place } = this;
    const count = this.length < this.readBytes ? this.length : this.readBytes;
    const isWhole = count === this.length;
    if (!isWhole) this.core.memory.hold(place);
    this.handedAt = place;
    this.handedBytes = count;
    this.connection.bytesRead += count;
    try {
      const result = this.handler!(this.core.memory.pool, place, count);
      if (result !== undefined) this.follow(result);
    } finally {
      this.handedBytes = 0;
      // If the handler has closed the connection, `giveBack` has left this piece to us.
      this.core.memory.release(place);
      if (!this.connection.isClosed) this.advance(isWhole, count);
    }
  }

  private readMoved(moved: Uint8Array): void {
    const count = Math.min(moved.length, this.readBytes);
    this.moved = count === moved.length ? undefined : moved.subarray(count);
    this.handedMoved = moved;
    this.handedBytes = count;
    this.connection.bytesRead += count;
    try {
      const result = this.handler!(moved, 0, count);
      if (result !== undefined) this.follow(result);
    } finally {
      this.handedBytes = 0;
      this.handedMoved = undefined;
      if (this.isPaused) this.makeRoom();
      else if (!this.isReceiving) this.wantMore();
    }
  }

  /** Follows what the handler has returned. */
  private follow(result: unknown): void {
    const { connection } = this;
    followResult(this.core.schedule, connection.band, result, () => connection.where);
  }

  private advance(isWhole: boolean, count: number): void {
    const { behind } = this;
    if (!isWhole) {
      this.place += count;
      this.length -= count;
    } else if (behind !== undefined && behind.length !== 0) {
      this.place = behind.shift()!;
      this.length = behind.shift()!;
    } else {
      this.place = -1;
      if (!this.isReceiving) this.wantMore();
    }
    if (this.isPaused) this.makeRoom();
  }

  /** True the first time, since the end is told once. Only when `canReadEnd`. */
  takeEnd(): boolean {
    const isFirst = !this.hasPeerEnded;
    this.hasArrivedEnd = false;
    this.hasPeerEnded = true;
    return isFirst;
  }

  private wantMore(): void {
    if (!this.isWanted) return;
    // If it has enough unread, it asks again when that has been read.
    if (!this.isReceiving && !this.hasArrivedEnd && !this.hasUnread) {
      this.isReceiving = true;
      this.core.request(RECEIVE, this.connection.token, this.receiveBytes);
    }
    if (this.hasUnread || this.hasArrivedEnd) this.core.schedule(this.connection);
  }

  /** See `Connection.keep`. */
  keep(): Kept {
    if (this.handedBytes === 0) {
      throw new PercoreError('ERR_PERCORE_CLAIM', 'keep() may be called only within onData or onReceive');
    }
    if (this.handedMoved !== undefined) return copyOf(this.handedMoved, 0, this.handedBytes);
    return keep(this.core.memory, this.handedAt, this.handedBytes, this);
  }

  /** For another thread: a copy of everything unread, and whether the peer has ended. Nothing is left here. */
  take(): { unread: Uint8Array; hasPeerEnded: boolean } {
    const unread = this.copyUnread();
    this.giveBack();
    return { unread, hasPeerEnded: this.hasPeerEnded || this.hasArrivedEnd };
  }

  private copyUnread(): Uint8Array {
    const { pool } = this.core.memory;
    const parts: Uint8Array[] = this.moved === undefined ? [] : [this.moved];
    // What the handler is being given belongs to the handler.
    const { place, length, inHandBytes, behind = [] } = this;
    if (place >= 0 && length > inHandBytes) parts.push(pool.slice(place + inHandBytes, place + length));
    for (let i = 0; i < behind.length; i += 2) parts.push(pool.slice(behind[i]!, behind[i]! + behind[i + 1]!));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /**
   * Gives back the buffers of everything unread. The piece that the handler holds is given back by `read`, after it.
   */
  giveBack(): void {
    const { memory } = this.core;
    if (this.place >= 0 && this.length > this.inHandBytes) memory.release(this.place);
    this.place = -1;
    for (let i = 0; i < (this.behind?.length ?? 0); i += 2) memory.release(this.behind![i]!);
    this.behind = undefined;
    this.moved = undefined;
  }

  /** How many bytes of the first arrival the handler is being given. */
  private get inHandBytes(): number {
    return this.handedMoved === undefined ? this.handedBytes : 0;
  }
}
