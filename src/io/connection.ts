/**
 * A stream connection of this thread: TCP or Unix.
 *
 *      connecting --> open --peer ends--> half-closed-remote --end()--> closing --all sent--> closed
 *                     open --end()------> half-closed-local  --peer ends---------------------^
 *      any  --close(), reset, error, deadline-----------------------------------------------^
 *
 * Receiving: native has read already, into the thread's pool; `onData` or `onReceive` gets what arrived in place, in the connection's
 * band. With four arrivals unread nothing more is asked for, and the kernel's window holds the peer back; `pause()` does the same.
 *
 * Sending: `offer` copies into the thread's outbox, which goes to the kernel at the end of the turn, all connections at once. What the
 * kernel did not take comes back into the connection's backlog; above `highWaterBytes` it answers BACK_PRESSURED and takes nothing.
 * Large pieces go to the kernel at once, from where they lie.
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import type { Ready } from '../ready.js';
import { Backlog } from './backlog.js';
import { Deadlines, type DeadlineOptions } from './deadlines.js';
import type { Io } from './io.js';
import { keep, type Kept } from './kept.js';
import type { StreamOptions } from './stream-options.js';
import type { Source } from './token.js';
import { Waiters } from './waiters.js';

export type ConnectionOptions = StreamOptions;

export type ConnectionState = 'connecting' | 'open' | 'half-closed-local' | 'half-closed-remote' | 'closing' | 'closed';

/** What is known of a connection; times are nanoseconds since the runtime's start, NaN for what has not happened. */
export interface ConnectionInfo {
  readonly state: ConnectionState;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes that `offer` took and the kernel did not, and bytes that arrived and no handler has had. */
  readonly pendingBytes: number;
  readonly unreadBytes: number;
  readonly createdNs: number;
  /** When it was open: for an accepted one, when it was accepted. */
  readonly openedNs: number;
  readonly lastReceivedNs: number;
}

const { WRITABLE, HANG_UP, ERROR } = words.readiness;
const { RECEIVE, PAUSE, END } = words.ioRequest;
const EPIPE = 32;
const CORKED_BYTES = 65_536;
/** Bytes given to the kernel in one step before others of the band get their turn. */
const SEND_BYTES = 262_144;
/** Arrivals unread before no more is asked for. */
const MOST_ARRIVALS = 4;

export class Connection implements Source, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  readonly highWaterBytes: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;

  private readonly readBytes: number;
  private readonly createdNs: number;
  private openedNs = NaN;
  private lastReceivedNs = NaN;
  private receiveHandler: ((bytes: Uint8Array, offset: number, length: number) => void) | undefined;
  private endHandler: (() => void) | undefined;
  private closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  private waiters: Waiters | undefined;
  private deadlines: Deadlines | undefined;

  /** What arrived and was not read: the first, how far it was read, and those behind it as place, length, place, length. */
  private place = -1;
  private length = 0;
  private behind: number[] | undefined;
  private isReceiving = false;
  private hasArrivedEnd = false;
  private isPaused = false;
  private hasPeerEnded = false;

  private isConnecting: boolean;
  private isWritable: boolean;
  private isCorked = false;
  private isEnding = false;
  private hasEnded = false;
  private hasError = false;
  private isClosed_ = false;
  /** An errno that closes it in its next step, after what had arrived was read. */
  private failure = 0;
  private failedCall = '';
  /** Bytes of the last offer that was refused; 0 after one that was taken. */
  private refusedBytes = 0;
  /** Bytes in the outbox, if `outboxDrains` is the present drain. */
  private outboxBytes = 0;
  private outboxDrains = -1;
  private backlog: Backlog | undefined;

  constructor(private readonly io: Io, readonly fd: number, options: Required<ConnectionOptions>, isConnecting: boolean) {
    this.band = options.priority;
    this.highWaterBytes = options.highWaterBytes;
    this.readBytes = options.readBytes;
    this.isConnecting = isConnecting;
    this.isWritable = !isConnecting;
    this.createdNs = io.turnNs();
    if (!isConnecting) this.openedNs = this.createdNs;
  }

  get isClosed(): boolean {
    return this.isClosed_;
  }

  get state(): ConnectionState {
    if (this.isClosed_) return 'closed';
    if (this.isConnecting) return 'connecting';
    if (this.isEnding) return this.hasPeerEnded || !this.hasEnded ? 'closing' : 'half-closed-local';
    return this.hasPeerEnded ? 'half-closed-remote' : 'open';
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return (this.backlog === undefined ? 0 : this.backlog.bytes) + (this.isInOutbox ? this.outboxBytes : 0);
  }

  /** A picture of it, any time. Allocates. */
  get info(): ConnectionInfo {
    let unreadBytes = this.place < 0 ? 0 : this.length;
    for (let i = 1; i < (this.behind?.length ?? 0); i += 2) unreadBytes += this.behind![i]!;
    const { state, bytesRead, bytesWritten, pendingBytes, createdNs, openedNs, lastReceivedNs } = this;
    return { state, bytesRead, bytesWritten, pendingBytes, unreadBytes, createdNs, openedNs, lastReceivedNs };
  }

  // ---- Receiving --------------------------------------------------------------------------------------------------

  /** Called with what was received; the bytes are valid during the call only, see `keep`. Without a handler nothing is received. */
  onData(handler: (bytes: Uint8Array) => void): this {
    return this.onReceive((bytes, offset, length) => handler(bytes.subarray(offset, offset + length)));
  }

  /** The same without an object a call: `length` bytes from `offset` on of `bytes`, which is the thread's whole pool. */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    this.receiveHandler = handler;
    this.wantMore();
    return this;
  }

  /** Called when the peer will send no more. Without a handler the connection ends too, after what is pending. */
  onEnd(handler: () => void): this {
    this.endHandler = handler;
    return this;
  }

  /** Called once, after the connection is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    this.closeHandler = handler;
    return this;
  }

  /**
   * Within `onData` or `onReceive`: keeps what this call was given, in place, until `release` of what it returns. A connection keeps at
   * most an eighth of the pool in place; beyond it, and when the pool is short, it returns a copy instead.
   */
  keep(): Kept {
    if (this.place < 0 || !this.isInHandler) throw new PercoreError('ERR_PERCORE_CLAIM', 'keep() is for what onData or onReceive is just being given');
    return keep(this.io.memory, this.handedAt, this.handedBytes, this);
  }

  /** For kept.ts alone: buffers kept in place. */
  keptBytes = 0;
  private isInHandler = false;
  private handedAt = 0;
  private handedBytes = 0;

  /** Hands over no more until `resume`. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.wantMore();
  }

  private get hasHandler(): boolean {
    return this.receiveHandler !== undefined;
  }

  private get canRead(): boolean {
    return !this.isClosed_ && !this.isPaused && this.hasHandler && (this.early !== undefined || this.place >= 0 || this.hasArrivedEnd || this.failure !== 0);
  }

  private wantMore(): void {
    if (this.isClosed_ || this.isPaused || !this.hasHandler) return;
    if (!this.isReceiving && !this.hasArrivedEnd) {
      this.isReceiving = true;
      this.io.request(RECEIVE, this.token);
    }
    if (this.canRead) this.io.schedule(this);
  }

  /** For Io alone: `length` bytes lie at `place` of the pool. */
  onReceived(place: number, length: number): void {
    this.lastReceivedNs = this.io.batchNs;
    if (this.place < 0) {
      this.place = place;
      this.length = length;
    } else {
      (this.behind ??= []).push(place, length);
      if (this.behind.length >= 2 * (MOST_ARRIVALS - 1) && this.isReceiving) {
        this.isReceiving = false;
        this.io.request(PAUSE, this.token);
      }
    }
    if (!this.isPaused) this.io.schedule(this);
  }

  /** For Io alone: the peer has ended. */
  onEnded(): void {
    this.hasArrivedEnd = true;
    if (!this.isPaused) this.io.schedule(this);
  }

  /** For Io alone. */
  onFailed(errno: number, call: string): void {
    if (this.failure === 0) {
      this.failure = errno;
      this.failedCall = call;
    }
    this.isWritable = false;
    this.io.schedule(this);
  }

  private read(): void {
    const { place } = this;
    const count = this.length < this.readBytes ? this.length : this.readBytes;
    const isWhole = count === this.length;
    if (!isWhole) this.io.memory.hold(place);
    this.handedAt = place;
    this.handedBytes = count;
    this.isInHandler = true;
    this.bytesRead += count;
    try {
      this.receiveHandler!(this.io.memory.pool, place, count);
    } finally {
      this.isInHandler = false;
      // Closed by the handler: close() has given back the rest and left this to us.
      this.io.memory.release(place);
      if (!this.isClosed_) this.advance(isWhole, count);
    }
  }

  private advance(isWhole: boolean, count: number): void {
    if (!isWhole) {
      this.place += count;
      this.length -= count;
    } else if (this.behind !== undefined && this.behind.length !== 0) {
      this.length = this.behind[1]!;
      this.place = this.behind[0]!;
      this.behind.splice(0, 2);
    } else {
      this.place = -1;
      if (!this.isReceiving) this.wantMore();
    }
  }

  private readEnd(): void {
    this.hasArrivedEnd = false;
    if (this.hasPeerEnded) return;
    this.hasPeerEnded = true;
    if (this.endHandler === undefined) this.end();
    else this.endHandler();
    if (this.hasEnded) this.close();
  }

  // ---- Sending ----------------------------------------------------------------------------------------------------

  /**
   * Takes `length` bytes from `offset` on, copied before it returns; they are sent by the end of the turn. OK; BACK_PRESSURED: nothing
   * taken, wait for `writable()`; CLOSED after `end` or close. Does not block and does not allocate unless the kernel is full.
   */
  offer(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (offset < 0 || length < 0 || offset + length > bytes.length) throw invalidArgument('length', length, `0 to ${bytes.length - offset}, from offset ${offset} of ${bytes.length} bytes`);
    if (this.isClosed_ || this.isEnding || this.failure !== 0) return CLOSED;
    const { io } = this;
    // One larger than the mark is taken when nothing waits, or it could never be sent.
    const pending = this.pendingBytes;
    if (pending !== 0 && pending + length > this.highWaterBytes) {
      this.refusedBytes = length;
      return BACK_PRESSURED;
    }
    this.refusedBytes = 0;
    if (this.isWritable && !this.isCorked && (this.backlog === undefined || this.backlog.bytes === 0)) {
      if (io.memory.send(this.token, bytes, offset, length)) {
        this.noteOutbox(length);
        return OK;
      }
      return this.sendAtOnce(bytes, offset, length);
    }
    (this.backlog ??= new Backlog()).push(bytes, offset, length);
    if (this.isWritable && (!this.isCorked || this.backlog.bytes >= CORKED_BYTES)) io.schedule(this);
    return OK;
  }

  /** The same for text, encoded as `encoding`. Allocates the encoded bytes. */
  offerText(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): number {
    return this.offer(Buffer.from(text, encoding));
  }

  private get isInOutbox(): boolean {
    return this.outboxDrains === this.io.memory.drains;
  }

  private noteOutbox(length: number): void {
    const { drains } = this.io.memory;
    this.outboxBytes = this.outboxDrains === drains ? this.outboxBytes + length : length;
    this.outboxDrains = drains;
    this.bytesWritten += length;
    // From a promise or a libuv callback: native looks at the requests before it sleeps.
  }

  /** Too much for the outbox, or the outbox is full. */
  private sendAtOnce(bytes: Uint8Array, offset: number, length: number): number {
    const { io } = this;
    // What was offered before goes first, and may find that there is no room.
    if (io.memory.hasRequests) io.flush();
    if (this.isWritable && (this.backlog === undefined || this.backlog.bytes === 0)) {
      const sent = this.sendDirectly(bytes, offset, length);
      offset += sent;
      length -= sent;
    }
    if (length !== 0) (this.backlog ??= new Backlog()).push(bytes, offset, length);
    return OK;
  }

  /** Bytes that the kernel took. */
  private sendDirectly(bytes: Uint8Array, offset: number, length: number): number {
    const { io } = this;
    const sent = io.native.ioSend(io.memory.handle, this.token, bytes, offset, length);
    if (sent < 0) {
      this.onFailed(-sent, 'send');
      return 0;
    }
    if (sent < length) this.isWritable = false;
    this.bytesWritten += sent;
    return sent;
  }

  /** For Io alone: `length` bytes at `place` of the outbox were not taken. */
  onUnsent(place: number, length: number): void {
    this.isWritable = false;
    this.hasEnded = false;
    this.bytesWritten -= length;
    if (this.isClosed_) return;
    (this.backlog ??= new Backlog()).push(this.io.memory.outbox, place, length);
  }

  /** Holds back what is offered until 64 KiB wait or `uncork` is called: for many small offers of which none is urgent. */
  cork(): void {
    this.isCorked = true;
  }

  /** Sends what was held back, at the next step. */
  uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    if (this.isWritable && this.backlog !== undefined && this.backlog.bytes !== 0) this.io.schedule(this);
  }

  /** What `offer` took and the kernel did not: in `onClose`, what is lost. Valid until the next call here. */
  get unsent(): Uint8Array {
    return this.backlog === undefined ? EMPTY : this.backlog.view();
  }

  /** Resolves when the kernel has taken everything offered, or the connection is closed. */
  flushed(): Promise<void> {
    return this.whenPending(0);
  }

  /** Resolves when no more than half of `highWaterBytes` waits and what was refused last fits, or the connection is closed. */
  writable(): Promise<void> {
    const most = Math.min(this.highWaterBytes / 2, Math.max(0, this.highWaterBytes - this.refusedBytes));
    return this.whenPending(most);
  }

  /** Sends what is pending, then says that no more will follow. Closed when the peer has ended too. */
  end(): void {
    if (this.isClosed_ || this.isEnding) return;
    this.isEnding = true;
    this.io.schedule(this);
  }

  private send(): void {
    const { backlog } = this;
    if (backlog !== undefined && backlog.bytes !== 0) {
      if (this.isInOutbox) this.io.flush();
      let budget = SEND_BYTES;
      while (this.isWritable && backlog.bytes !== 0 && budget > 0) {
        const asked = Math.min(backlog.bytes, budget);
        const sent = this.sendDirectly(backlog.memory, backlog.first, asked);
        backlog.shift(sent);
        budget -= sent;
      }
      if (this.failure !== 0) return this.fail();
    }
    if (this.isEnding && !this.hasEnded && this.isWritable && this.pendingBytes !== 0) this.io.flush();
    if (this.isEnding && !this.hasEnded && this.isWritable && this.pendingBytes === 0) {
      this.hasEnded = true;
      this.io.request(END, this.token);
      if (this.hasPeerEnded) return this.close();
    }
    this.waiters?.tell(this.pendingBytes);
  }

  /** True when there are bytes to send or an end to tell, and the kernel took the last ones. */
  private get canSend(): boolean {
    return !this.isClosed_ && this.isWritable && ((this.backlog !== undefined && this.backlog.bytes !== 0 && !this.isHeldBack) || (this.isEnding && !this.hasEnded));
  }

  private get isHeldBack(): boolean {
    return this.isCorked && !this.isEnding && this.backlog!.bytes < CORKED_BYTES;
  }

  private whenPending(most: number): Promise<void> {
    if (!this.isClosed_ && this.pendingBytes > most && this.isInOutbox) this.io.flush();
    return this.isClosed_ || this.pendingBytes <= most ? Promise.resolve() : (this.waiters ??= new Waiters()).add(most);
  }

  // ---- Life -------------------------------------------------------------------------------------------------------

  /** Closes it with ERR_PERCORE_TIMEOUT when one of them passes; replaces those set before. `{}` takes them away. */
  setDeadlines(options: DeadlineOptions): this {
    this.deadlines?.cancel();
    this.deadlines = new Deadlines(this.io.timers, this.io.nowNs, this.band, options, {
      progress: () => ({ read: this.bytesRead, written: this.bytesWritten - (this.isInOutbox ? this.outboxBytes : 0), pending: this.pendingBytes, lastReceivedNs: this.lastReceivedNs }),
      expire: (error) => this.closeBy(error),
    });
    return this;
  }

  /** The first request is whole: the deadline `headerMs` is met. */
  headerDone(): void {
    this.deadlines?.headerDone();
  }

  /**
   * Takes the descriptor out of this thread, with what arrived and was not read: for another thread's `attach`. Undefined when it is
   * closed, ending or has bytes that are not sent: then nothing is changed. The handlers are forgotten.
   */
  detach(): { fd: number; unread: Uint8Array; hasPeerEnded: boolean } | undefined {
    if (this.isInOutbox) this.io.flush();
    if (this.isClosed_ || this.isEnding || this.isConnecting || this.failure !== 0 || this.pendingBytes !== 0) return undefined;
    this.io.detach(this.token);
    // What had been received before it was taken out.
    this.io.takeEvents();
    const unread = this.takeUnread();
    this.isClosed_ = true;
    this.deadlines?.cancel();
    this.io.forget(this.token, this.fd);
    return { fd: this.fd, unread, hasPeerEnded: this.hasPeerEnded || this.hasArrivedEnd };
  }

  private takeUnread(): Uint8Array {
    const parts: Uint8Array[] = this.early === undefined ? [] : [this.early];
    const { pool } = this.io.memory;
    if (this.isInHandler) {
      // What the handler is being given belongs to the handler.
      if (this.length > this.handedBytes) parts.push(pool.slice(this.place + this.handedBytes, this.place + this.length));
    } else if (this.place >= 0) {
      parts.push(pool.slice(this.place, this.place + this.length));
    }
    for (let i = 0; i < (this.behind?.length ?? 0); i += 2) parts.push(pool.slice(this.behind![i]!, this.behind![i]! + this.behind![i + 1]!));
    this.giveBack();
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** For Io alone: of an attached connection, what another thread had received. */
  preload(unread: Uint8Array, hasPeerEnded: boolean): void {
    this.early = unread.length === 0 ? undefined : unread;
    this.hasArrivedEnd = hasPeerEnded;
  }
  private early: Uint8Array | undefined;

  /** Closes at once; what is pending is lost. */
  close(): void {
    if (this.isClosed_) return;
    if (this.isInOutbox) this.io.flush();
    this.isClosed_ = true;
    this.deadlines?.cancel();
    this.giveBack();
    this.io.release(this.token, this.fd);
    try {
      this.closeHandler?.(this.error);
    } finally {
      // Also when the handler throws: whoever waits for room must learn that there is nothing to wait for.
      this.backlog = undefined;
      this.waiters?.tell(0);
    }
  }

  /** Buffers of the pool that were not read; the one in a handler's hands is given back after it. */
  private giveBack(): void {
    const { memory } = this.io;
    if (this.place >= 0 && !(this.isInHandler && this.handedBytes === this.length)) memory.release(this.place);
    this.place = -1;
    for (let i = 0; i < (this.behind?.length ?? 0); i += 2) memory.release(this.behind![i]!);
    this.behind = undefined;
  }

  onReadiness(readiness: number): void {
    if ((readiness & (HANG_UP | ERROR)) !== 0) this.hasError = true;
    if ((readiness & WRITABLE) !== 0) {
      this.isWritable = true;
      if (this.isConnecting && (readiness & ERROR) === 0) {
        this.isConnecting = false;
        this.openedNs = this.io.batchNs;
      }
    }
    this.io.schedule(this);
  }

  run(): boolean {
    if (this.isClosed_) return false;
    // A reset or a refused connect, and nobody reads: the error is asked for, since no system call would tell.
    if (this.hasError && this.failure === 0 && (this.isConnecting || !this.hasHandler)) this.askForError();
    this.hasError = false;
    if (this.failure !== 0 && (this.place < 0 || this.isPaused || !this.hasHandler)) {
      this.fail();
      return false;
    }
    if (this.canSend) this.send();
    if (this.early !== undefined && this.canRead) this.readEarly();
    else if (this.place >= 0 && this.canRead) this.read();
    if (this.place < 0 && this.early === undefined && this.hasArrivedEnd && this.canRead) this.readEnd();
    if (this.canSend) this.send();
    return this.canRead || this.canSend || (this.failure !== 0 && !this.isClosed_);
  }

  private readEarly(): void {
    const early = this.early!;
    const count = Math.min(early.length, this.readBytes);
    this.bytesRead += count;
    this.early = count === early.length ? undefined : early.subarray(count);
    this.receiveHandler!(early, 0, count);
  }

  private askForError(): void {
    const errno = this.io.native.socketError(this.fd);
    if (errno === 0) return;
    this.failure = errno;
    this.failedCall = this.isConnecting ? 'connect' : 'getsockopt';
  }

  private fail(): void {
    const name = this.io.native.errorName(this.failure || EPIPE);
    this.closeBy(new PercoreError('ERR_PERCORE_SYSTEM', `${this.failedCall}: ${name} on a connection`, { errno: name, syscall: this.failedCall }));
  }

  private closeBy(error: PercoreError): void {
    if (this.isClosed_) return;
    this.error = error;
    this.close();
  }
}

const EMPTY = new Uint8Array(0);
