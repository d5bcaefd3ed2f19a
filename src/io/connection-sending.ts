/**
 * The sending half of a connection: where bytes are between `offer` and the kernel.
 *
 *      offer ──copied──> outbox of the thread ──end of the turn, all connections at once──> kernel
 *        ├─ large, or the outbox is full ─────────at once, from where they lie────────────> kernel
 *        └─ no room, or corked ──> backlog <──────what the kernel did not take───────────────┘
 *                                     └───────────in a step, once there is room───────────> kernel
 *
 * Bytes leave in the order of the offers. One rule ensures that: an offer goes into the outbox only while the backlog
 * is empty. So whatever comes back from the outbox is older than everything in the backlog that did not come back
 * itself, and `returnedBytes` says where the one ends and the other begins. Native code keeps the rule as well: once
 * something has come back, everything of this connection that follows comes back too, until the first bytes of the
 * backlog are sent directly; and that happens only after the outbox has been emptied.
 *
 * A cork holds bytes back and does nothing else. What it holds back is released by an offer that is refused, and by
 * whoever waits for room or for everything to be sent.
 */
import type { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { Backlog } from './backlog.js';
import type { Ready } from '../scheduling/internal.js';
import type { Waiters, WaitOptions } from '../waiting.js';
import type { IoCore } from './core.js';
import { createPendingWaiters, NOT_FLUSHED, roomFor, whenAtMost } from './waiters.js';

const { END } = words.ioRequest;
/** Most bytes that a cork holds back. */
const CORKED_BYTES = 65_536;
/** Most bytes that are given to the kernel in one step, before others of the band have their turn. */
const SEND_BYTES = 262_144;
/** Most bytes in one call: native code cannot count more. */
const MOST_SEND_BYTES = 2 ** 30;

/** The backlog of all connections that have none of their own. */
const NONE = new Backlog();

/** What this half needs of its connection. */
export interface SendingHost extends Ready {
  readonly token: number;
  readonly isClosed: boolean;
  readonly highWaterBytes: number;
  readonly error: PercoreError | undefined;
  bytesWritten: number;
  onFailed(errno: number, call: string): void;
}

export class SendingHalf implements Refuser {
  /** As far as is known, the kernel has room. */
  isWritable: boolean;
  /** `end` was called. `hasEnded`: the peer was told so, after everything that was offered. */
  isEnding = false;
  hasEnded = false;
  private isCorked = false;
  /**
   * What waits goes out in spite of a cork, until nothing is left: once that has begun, a rest that is smaller than
   * what a cork holds back must not stay behind.
   */
  private isPushed = false;
  /** Somebody waits for bytes that the kernel was not given, though it should have been: see `emptyOutbox`. */
  private isOutboxAwaited = false;
  /** The largest offer that was refused since nothing was pending. */
  private refusedBytes = 0;
  /** Bytes that were put into the outbox. They have all been sent unless `outboxDrains` is the present drain. */
  private outboxBytes = 0;
  private outboxDrains = -1;
  /** How many of the first bytes of the backlog have come back from the outbox. */
  private returnedBytes = 0;
  /** Made when something has to wait, which most connections never need. */
  private backlog: Backlog = NONE;
  private waiters: Waiters<number> | undefined;

  constructor(private readonly core: IoCore, private readonly connection: SendingHost, isConnecting: boolean) {
    this.isWritable = !isConnecting;
  }

  /** How many of its bytes lie in the outbox, and were not given to the kernel yet. */
  get inOutbox(): number {
    return this.outboxDrains === this.core.memory.drains ? this.outboxBytes : 0;
  }

  /** With what has come back from the outbox: between the end of a turn and the next one nobody has looked there. */
  get pendingBytes(): number {
    this.core.takeUnsent();
    return this.backlog.bytes + this.inOutbox;
  }

  get unsent(): Uint8Array {
    return this.backlog.view();
  }

  /** There are bytes to send, or an end to tell, and there is room. */
  get canSend(): boolean {
    const hasMore = (this.backlog.bytes !== 0 && !this.isHeldBack) || (this.isEnding && !this.hasEnded);
    return (this.isWritable && hasMore) || this.isOutboxAwaited;
  }

  private get isHeldBack(): boolean {
    return this.isCorked && !this.isPushed && !this.isEnding && this.backlog.bytes < CORKED_BYTES;
  }

  /** Bytes that the kernel should take and does not take; bytes that a cork holds back do not count. */
  get stuckBytes(): number {
    return (this.isHeldBack ? 0 : this.backlog.bytes) + this.inOutbox;
  }

  /** See `Connection.offer`. */
  offer(bytes: Uint8Array, offset: number, length: number): number {
    if (this.isEnding) return CLOSED;
    // An offer larger than the mark is taken when nothing waits, since it could never be sent otherwise.
    const pending = this.pendingBytes;
    if (pending === 0) {
      this.refusedBytes = 0;
    } else if (pending + length > this.connection.highWaterBytes) {
      if (length > this.refusedBytes) this.refusedBytes = length;
      this.push();
      this.core.memory.countRefused();
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    if (this.isWritable && !this.isCorked && this.backlog.bytes === 0) {
      // This is right in a promise or a callback of libuv, too: native code looks at the requests before it sleeps.
      if (this.core.memory.send(this.connection.token, bytes, offset, length)) this.noteOutbox(length);
      else this.sendAtOnce(bytes, offset, length);
      return OK;
    }
    this.ownBacklog().push(bytes, offset, length);
    if (this.isWritable && !this.isHeldBack) this.core.schedule(this.connection);
    return OK;
  }

  private noteOutbox(length: number): void {
    const { drains } = this.core.memory;
    this.outboxBytes = this.outboxDrains === drains ? this.outboxBytes + length : length;
    this.outboxDrains = drains;
    this.connection.bytesWritten += length;
  }

  /** For bytes that are too long for the outbox, or when the outbox is full. */
  private sendAtOnce(bytes: Uint8Array, offset: number, length: number): void {
    // What was offered before goes first, and there may be no room even for that.
    this.emptyOutbox();
    const sent = this.isWritable && this.pendingBytes === 0 ? this.sendDirectly(bytes, offset, length) : 0;
    if (sent === length) return;
    this.ownBacklog().push(bytes, offset + sent, length - sent);
    // The outbox could not be emptied: nothing will be heard of it, so the next step looks again.
    if (this.isWritable) this.core.schedule(this.connection);
  }

  private ownBacklog(): Backlog {
    if (this.backlog === NONE) this.backlog = new Backlog();
    return this.backlog;
  }

  /** Returns how many bytes the kernel took. */
  private sendDirectly(bytes: Uint8Array, offset: number, length: number): number {
    const { core, connection } = this;
    for (let at = 0; at < length;) {
      const piece = Math.min(length - at, MOST_SEND_BYTES);
      const sent = core.memory.sources.send(core.memory.handle, connection.token, bytes, offset + at, piece);
      if (sent < 0) {
        connection.onFailed(-sent, 'send');
        return at;
      }
      connection.bytesWritten += sent;
      at += sent;
      if (sent === piece) continue;
      this.isWritable = false;
      return at;
    }
    return length;
  }

  /** The kernel has not taken the `length` bytes at `place` of the outbox. */
  addUnsent(place: number, length: number): void {
    this.isWritable = false;
    this.hasEnded = false;
    this.connection.bytesWritten -= length;
    if (this.connection.isClosed) return;
    this.ownBacklog().insert(this.returnedBytes, this.core.memory.outbox, place, length);
    this.returnedBytes += length;
    this.isPushed = true;
  }

  /** One step: the backlog, then the end. Only when `canSend`. */
  send(): void {
    if (this.backlog.bytes !== 0) this.isPushed = true;
    if (this.backlog.bytes !== 0 || this.isOutboxAwaited) this.emptyOutbox();
    this.isOutboxAwaited &&= this.inOutbox !== 0;
    const { backlog } = this;
    // The kernel was not given the outbox after all, which is very rare. The next step tries again.
    if (backlog.bytes !== 0 && this.inOutbox !== 0) return;
    for (let budget = SEND_BYTES; this.isWritable && backlog.bytes !== 0 && budget > 0;) {
      const sent = this.sendDirectly(backlog.memory, backlog.first, Math.min(backlog.bytes, budget));
      backlog.shift(sent);
      this.returnedBytes = Math.max(0, this.returnedBytes - sent);
      budget -= sent;
    }
    if (backlog.bytes === 0) this.isPushed = false;
    if (this.isEnding && !this.hasEnded) this.sendEnd();
    this.waiters?.settle(this.pendingBytes);
  }

  private sendEnd(): void {
    if (this.isWritable) this.emptyOutbox();
    if (!this.isWritable || this.pendingBytes !== 0) return;
    this.hasEnded = true;
    this.core.request(END, this.connection.token);
  }

  cork(): void {
    // What was offered before the cork is not held back.
    if (!this.isCorked && this.backlog.bytes !== 0) this.isPushed = true;
    this.isCorked = true;
  }

  uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    if (this.isWritable && this.backlog.bytes !== 0) this.core.schedule(this.connection);
  }

  /**
   * Gives the kernel what lies in the outbox. When this returns, the backlog has what the kernel did not take, and what
   * had come back before. While io_uring_enter keeps failing for want of memory, the outbox stays as it is; nothing
   * tells when it has been sent after all.
   */
  emptyOutbox(): void {
    if (this.inOutbox !== 0) this.core.flush();
    else this.core.takeUnsent();
  }

  /** Releases what a cork holds back. */
  private push(): void {
    if (!this.isHeldBack || this.backlog.bytes === 0) return;
    this.isPushed = true;
    if (this.isWritable) this.core.schedule(this.connection);
  }

  /** For a step that was refused; see `Refuser`. */
  [AWAIT_ROOM](needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.whenPending(roomFor(needed, this.connection.highWaterBytes), options), then);
  }

  /** See `Connection.room`. */
  room(options: WaitOptions | undefined): Promise<void> {
    return this.whenPending(roomFor(this.refusedBytes, this.connection.highWaterBytes), options);
  }

  /** See `Connection.flushed`. */
  flushed(options: WaitOptions | undefined): Promise<void> {
    return this.whenPending(0, options, NOT_FLUSHED);
  }

  private whenPending(most: number, options: WaitOptions | undefined, missed?: string): Promise<void> {
    const waiters = (): Waiters<number> => (this.waiters ??= createPendingWaiters());
    return whenAtMost(most, () => this.pushAbove(most), waiters, options, missed);
  }

  /** While more than `most` bytes wait, sends and releases what can go. Returns how many still wait. */
  private pushAbove(most: number): number {
    if (this.connection.isClosed) return 0;
    if (this.pendingBytes > most) this.emptyOutbox();
    if (this.pendingBytes > most) this.push();
    if (this.inOutbox !== 0 && this.pendingBytes > most) {
      this.isOutboxAwaited = true;
      this.core.schedule(this.connection);
    }
    return this.pendingBytes;
  }

  /** The thread winds down: releases what a cork holds back. True while the kernel has not taken everything. */
  pushPending(): boolean {
    if (this.pendingBytes === 0) return false;
    this.push();
    return true;
  }

  /** Nothing is sent any more: drops what waits, and lets those go on who wait for room. */
  drop(): void {
    this.core.losses.note(this.backlog.bytes, this.connection.error);
    this.backlog.clear();
    this.returnedBytes = 0;
    this.isOutboxAwaited = false;
    this.waiters?.settle(0);
  }
}
