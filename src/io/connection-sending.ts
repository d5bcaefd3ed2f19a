/**
 * The sending half of a connection: where bytes are between `offer` and the kernel.
 *
 *      offer ──copied──> outbox of the thread ──end of the turn, all connections at once──> kernel
 *        ├─ large, or the outbox is full ─────────at once, from where they lie────────────> kernel
 *        └─ no room, or corked ──> backlog <──────what the kernel did not take───────────────┘
 *                                     └───────────in a step, once there is room───────────> kernel
 *
 * What waits in the backlog goes first: nothing goes to the outbox while there is any.
 */
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { Backlog } from './backlog.js';
import type { Connection } from './connection.js';
import type { Io } from './io.js';
import { Waiters } from './waiters.js';

const { END } = words.ioRequest;
/** Held back by a cork at most. */
const CORKED_BYTES = 65_536;
/** Bytes given to the kernel in one step before others of the band get their turn. */
const SEND_BYTES = 262_144;

export class SendingHalf implements Refuser {
  /** As far as is known, the kernel has room. */
  isWritable: boolean;
  /** `end` was called; the peer was told, after all that was offered. */
  isEnding = false;
  hasEnded = false;
  private isCorked = false;
  /** Bytes of the last offer that was refused; 0 after one that was taken. */
  private refusedBytes = 0;
  /** Bytes put into the outbox, all of them sent meanwhile unless `outboxDrains` is the present drain. */
  private outboxBytes = 0;
  private outboxDrains = -1;
  private readonly backlog = new Backlog();
  private waiters: Waiters | undefined;

  constructor(private readonly io: Io, private readonly connection: Connection, isConnecting: boolean) {
    this.isWritable = !isConnecting;
  }

  /** Bytes of it in the outbox, which the kernel has not been given yet. */
  get inOutbox(): number {
    return this.outboxDrains === this.io.memory.drains ? this.outboxBytes : 0;
  }

  get pendingBytes(): number {
    return this.backlog.bytes + this.inOutbox;
  }

  get unsent(): Uint8Array {
    return this.backlog.view();
  }

  /** There are bytes to send or an end to tell, and there is room. */
  get canSend(): boolean {
    return this.isWritable && ((this.backlog.bytes !== 0 && !this.isHeldBack) || (this.isEnding && !this.hasEnded));
  }

  private get isHeldBack(): boolean {
    return this.isCorked && !this.isEnding && this.backlog.bytes < CORKED_BYTES;
  }

  /** See `Connection.offer`. */
  offer(bytes: Uint8Array, offset: number, length: number): number {
    if (this.isEnding) return CLOSED;
    // One larger than the mark is taken when nothing waits, or it could never be sent.
    const pending = this.pendingBytes;
    if (pending !== 0 && pending + length > this.connection.highWaterBytes) {
      this.refusedBytes = length;
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    this.refusedBytes = 0;
    if (this.isWritable && !this.isCorked && this.backlog.bytes === 0) {
      // Also from a promise or a callback of libuv: native looks at the requests before it sleeps.
      if (this.io.memory.send(this.connection.token, bytes, offset, length)) this.noteOutbox(length);
      else this.sendAtOnce(bytes, offset, length);
      return OK;
    }
    this.backlog.push(bytes, offset, length);
    if (this.isWritable && !this.isHeldBack) this.io.schedule(this.connection);
    return OK;
  }

  private noteOutbox(length: number): void {
    const { drains } = this.io.memory;
    this.outboxBytes = this.outboxDrains === drains ? this.outboxBytes + length : length;
    this.outboxDrains = drains;
    this.connection.bytesWritten += length;
  }

  /** Too much for the outbox, or the outbox is full. */
  private sendAtOnce(bytes: Uint8Array, offset: number, length: number): void {
    // What was offered before goes first, and may find that there is no room.
    this.io.flush();
    const sent = this.isWritable && this.backlog.bytes === 0 ? this.sendDirectly(bytes, offset, length) : 0;
    if (sent !== length) this.backlog.push(bytes, offset + sent, length - sent);
  }

  /** Bytes that the kernel took. */
  private sendDirectly(bytes: Uint8Array, offset: number, length: number): number {
    const { io, connection } = this;
    const sent = io.native.ioSend(io.memory.handle, connection.token, bytes, offset, length);
    if (sent < 0) {
      connection.onFailed(-sent, 'send');
      return 0;
    }
    if (sent < length) this.isWritable = false;
    connection.bytesWritten += sent;
    return sent;
  }

  /** `length` bytes at `place` of the outbox were not taken. */
  addUnsent(place: number, length: number): void {
    this.isWritable = false;
    this.hasEnded = false;
    this.connection.bytesWritten -= length;
    if (!this.connection.isClosed) this.backlog.push(this.io.memory.outbox, place, length);
  }

  /** One step: the backlog, then the end. Only when `canSend`. */
  send(): void {
    const { backlog } = this;
    if (backlog.bytes !== 0) this.flushOutbox();
    for (let budget = SEND_BYTES; this.isWritable && backlog.bytes !== 0 && budget > 0;) {
      const sent = this.sendDirectly(backlog.memory, backlog.first, Math.min(backlog.bytes, budget));
      backlog.shift(sent);
      budget -= sent;
    }
    if (this.isEnding && !this.hasEnded) this.sendEnd();
    this.waiters?.tell(this.pendingBytes);
  }

  private sendEnd(): void {
    if (this.isWritable) this.flushOutbox();
    if (!this.isWritable || this.pendingBytes !== 0) return;
    this.hasEnded = true;
    this.io.request(END, this.connection.token);
  }

  cork(): void {
    this.isCorked = true;
  }

  uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    if (this.isWritable && this.backlog.bytes !== 0) this.io.schedule(this.connection);
  }

  /** Gives the kernel what lies in the outbox; what it does not take comes back into the backlog. */
  flushOutbox(): void {
    if (this.inOutbox !== 0) this.io.flush();
  }

  /** For a step that was refused; see `Refuser`. */
  awaitRoom(_needed: number, then: () => void): () => void {
    return awaitPromised(() => this.writable(), then);
  }

  /** Resolves when no more than half of the mark waits and what was refused last fits, or the connection is closed. */
  writable(): Promise<void> {
    const { highWaterBytes } = this.connection;
    return this.whenPending(Math.min(highWaterBytes / 2, Math.max(0, highWaterBytes - this.refusedBytes)));
  }

  /** Resolves when no more than `most` bytes wait, or the connection is closed. */
  whenPending(most: number): Promise<void> {
    if (this.connection.isClosed) return Promise.resolve();
    if (this.pendingBytes > most) this.flushOutbox();
    return this.pendingBytes <= most ? Promise.resolve() : (this.waiters ??= new Waiters()).add(most);
  }

  /** Nothing is sent any more: what waits is dropped, and whoever waits for room goes on. */
  drop(): void {
    this.backlog.clear();
    this.waiters?.tell(0);
  }
}
