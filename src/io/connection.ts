/**
 * A stream connection of this thread: TCP or Unix.
 *
 *      connecting --> open --peer ends--> half-closed-remote --end()--> closing --all sent--> closed
 *                     open --end()------> half-closed-local  --peer ends---------------------^
 *      any  --close(), reset, error, deadline-----------------------------------------------^
 *
 * Here are what users call and its life; each way has a half of its own. Both work within `run`, the connection's step in its band.
 *
 * Receiving (connection-receiving.ts): native has read already, into the thread's pool; `onData` or `onReceive` gets what arrived in
 * place. With four arrivals unread nothing more is asked for, and the kernel's window holds the peer back; `pause()` does the same, and
 * what is not read then does not keep others from receiving.
 *
 * Sending (connection-sending.ts): `offer` copies into the thread's outbox, which goes to the kernel at the end of the turn, all
 * connections at once. What the kernel did not take comes back into the connection's backlog; above `highWaterBytes` it answers
 * BACK_PRESSURED and takes nothing. Large pieces go to the kernel at once, from where they lie.
 */
import { checkFunction, PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { CLOSED, type WaitOptions } from '../queues/index.js';
import type { Ready } from '../scheduling/internal.js';
import type { ConnectionInfo, ConnectionState } from './connection-info.js';
import { ReceivingHalf } from './connection-receiving.js';
import { SendingHalf } from './connection-sending.js';
import { Deadlines, type DeadlineOptions } from './deadlines.js';
import type { Io } from './io.js';
import type { Kept } from './kept.js';
import { checkSpan, restOf, type StreamOptions } from './stream-options.js';
import type { Source } from './token.js';

export type ConnectionOptions = StreamOptions;
export type { ConnectionInfo, ConnectionState };

const { WRITABLE, HANG_UP, ERROR } = words.readiness;

export class Connection implements Source, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  readonly highWaterBytes: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;

  private readonly receiving: ReceivingHalf;
  private readonly sending: SendingHalf;
  private readonly createdNs: number;
  private openedNs = NaN;
  private endHandler: (() => void) | undefined;
  private closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  private deadlines: Deadlines | undefined;

  private isConnecting: boolean;
  private readonly isOurs: boolean;
  /** The handler is that of `onData`. */
  private isViewGiven = false;
  /** While this is the present drain, what it closes is open still. */
  private closedInDrain = -1;
  private isClosed_ = false;
  /** The kernel has reported an error, and nobody has asked which one; a receive or a send may have told it meanwhile. */
  private hasError = false;
  /** An errno that closes it in its next step, after what had arrived was read. */
  private failure = 0;
  private failedCall = '';

  constructor(private readonly io: Io, readonly fd: number, options: Required<ConnectionOptions>, isConnecting: boolean) {
    this.band = options.priority;
    this.highWaterBytes = options.highWaterBytes;
    this.receiving = new ReceivingHalf(io, this, options.readBytes);
    this.sending = new SendingHalf(io, this, isConnecting);
    this.isConnecting = this.isOurs = isConnecting;
    this.createdNs = io.turnNs();
    if (!isConnecting) this.openedNs = this.createdNs;
  }

  get isClosed(): boolean {
    return this.isClosed_;
  }

  get state(): ConnectionState {
    const { hasPeerEnded } = this.receiving;
    const { isEnding, hasEnded } = this.sending;
    if (this.isClosed_) return 'closed';
    if (this.isConnecting) return 'connecting';
    if (isEnding) return hasPeerEnded || !hasEnded ? 'closing' : 'half-closed-local';
    return hasPeerEnded ? 'half-closed-remote' : 'open';
  }

  /** See `Ready`: what runs in its steps and throws is the handler of what arrived. */
  get where(): string {
    return `handler ${this.isViewGiven ? 'onData' : 'onReceive'} of ${this.describe()}`;
  }

  /** For reports: "a connection from 127.0.0.1:1234". A system call. */
  describe(): string {
    const { memory } = this.io;
    // After that its number may be another's.
    const isOpen = !this.isClosed_ || (this.closedInDrain === memory.drains && memory.hasRequests);
    const peer = isOpen ? this.io.native.sockets.peerName(this.fd) : '';
    return peer === '' ? 'a connection' : `a connection ${this.isOurs ? 'to' : 'from'} ${peer}`;
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.sending.pendingBytes;
  }

  /** A picture of it, any time. Allocates. */
  get info(): ConnectionInfo {
    const { state, bytesRead, bytesWritten, pendingBytes, createdNs, openedNs } = this;
    const { unreadBytes, lastReceivedNs } = this.receiving;
    return { state, bytesRead, bytesWritten, pendingBytes, unreadBytes, createdNs, openedNs, lastReceivedNs };
  }

  // ---- Receiving --------------------------------------------------------------------------------------------------

  /** Called with what was received; the bytes are valid during the call only, see `keep`. Without a handler nothing is received. */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    this.onReceive((bytes, offset, length) => handler(bytes.subarray(offset, offset + length)));
    this.isViewGiven = true;
    return this;
  }

  /** The same without an object a call: `length` bytes from `offset` on of `bytes`, which is the thread's whole pool. */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    this.receiving.setHandler(handler);
    this.isViewGiven = false;
    return this;
  }

  /**
   * Called when the peer will send no more. Without a handler the connection ends too, after what is pending; and so it does when the
   * handler throws, since nobody else would end it.
   */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    this.endHandler = handler;
    return this;
  }

  /** Called once, after the connection is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    this.closeHandler = handler;
    return this;
  }

  /**
   * Within `onData` or `onReceive`: keeps what this call was given, in place, until `release` of what it returns. A connection keeps at
   * most an eighth of the pool in place; beyond it, and when the pool is short, it returns a copy instead.
   */
  keep(): Kept {
    return this.receiving.keep();
  }

  /** Hands over no more until `resume`. A reset closes it all the same; then what had arrived and was not read is lost. */
  pause(): void {
    this.receiving.pause();
    if (this.hasError) this.io.schedule(this);
  }

  resume(): void {
    this.receiving.resume();
  }

  // ---- Sending ----------------------------------------------------------------------------------------------------

  /**
   * Takes `length` bytes from `offset` on, copied before it returns; they are sent by the end of the turn. OK; BACK_PRESSURED: nothing
   * taken, wait for `writable()`; CLOSED after `end` or close. Does not block and does not allocate unless the kernel is full.
   */
  offer(bytes: Uint8Array, offset = 0, length = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.isClosed_ || this.failure !== 0 ? CLOSED : this.sending.offer(bytes, offset, length);
  }

  /** The same for text, encoded as `encoding`. Allocates the encoded bytes. */
  offerText(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): number {
    return this.offer(Buffer.from(text, encoding));
  }

  /** Holds back what is offered until 64 KiB wait or `uncork` is called: for many small offers of which none is urgent. */
  cork(): void {
    this.sending.cork();
  }

  /** Sends what was held back, at the next step. */
  uncork(): void {
    this.sending.uncork();
  }

  /** What `offer` took and the kernel did not: in `onClose`, what is lost. Valid until the next call here. */
  get unsent(): Uint8Array {
    return this.sending.unsent;
  }

  /** Resolves when the kernel has taken everything offered, or the connection is closed. Rejects as `writable` does. */
  flushed(options?: WaitOptions): Promise<void> {
    return this.sending.whenPending(0, options);
  }

  /**
   * Resolves when no more than half of `highWaterBytes` waits and the largest offer that was refused would be taken, or the connection is
   * closed. Rejects with ERR_PERCORE_ABORTED or ERR_PERCORE_TIMEOUT if `options` says so.
   */
  writable(options?: WaitOptions): Promise<void> {
    return this.sending.writable(options);
  }

  /** Sends what is pending, then says that no more will follow. Closed when the peer has ended too. */
  end(): void {
    if (this.isClosed_ || this.sending.isEnding) return;
    this.sending.isEnding = true;
    this.io.schedule(this);
  }

  // ---- Life -------------------------------------------------------------------------------------------------------

  /** Closes it with ERR_PERCORE_TIMEOUT when one of them passes; replaces those set before. `{}` takes them away. */
  setDeadlines(options: DeadlineOptions): this {
    const { receiving, sending } = this;
    const before = this.deadlines;
    this.deadlines = new Deadlines(this.io.timers, this.io.nowNs, this.band, options, {
      progress: () => ({ written: this.bytesWritten - sending.inOutbox, stuck: sending.stuckBytes, lastReceivedNs: receiving.lastReceivedNs }),
      expire: (error) => this.closeBy(error),
    });
    before?.cancel();
    if (this.isClosed_) this.deadlines.cancel();
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
    const { io, receiving, sending, fd } = this;
    sending.emptyOutbox();
    if (this.isClosed_ || sending.isEnding || this.isConnecting || this.failure !== 0 || sending.pendingBytes !== 0) return undefined;
    io.detach(this.token);
    // What had been received before it was taken out.
    io.takeEvents();
    const { unread, hasPeerEnded } = receiving.take();
    this.isClosed_ = true;
    this.deadlines?.cancel();
    io.forget(this.token, fd);
    return { fd, unread, hasPeerEnded };
  }

  /** Closes at once; what is pending is lost. */
  close(): void {
    if (this.isClosed_) return;
    this.sending.emptyOutbox();
    this.isClosed_ = true;
    this.deadlines?.cancel();
    this.receiving.giveBack();
    this.io.release(this.token, this.fd);
    const { closeHandler } = this;
    this.closedInDrain = this.io.memory.drains;
    // Closed by whomever, so what it throws is not that one's.
    if (closeHandler !== undefined) this.io.callBack('handler onClose', this, () => closeHandler(this.error));
    this.sending.drop();
  }

  /** One step: sends what waits, gives the handler one piece of what arrived, sends what the handler left. */
  run(): boolean {
    if (this.isClosed_) return false;
    const { receiving, sending } = this;
    if (this.hasUntoldError) this.askForError();
    if (this.failure !== 0 && !receiving.canRead) {
      this.fail();
      return false;
    }
    if (sending.canSend) this.send();
    if (receiving.canRead) receiving.read();
    if (receiving.canReadEnd) this.readEnd();
    if (!this.isClosed_ && sending.canSend) this.send();
    return !this.isClosed_ && (receiving.canRead || receiving.canReadEnd || sending.canSend || this.failure !== 0 || this.hasUntoldError);
  }

  private send(): void {
    this.sending.send();
    this.closeIfBothEnded();
  }

  private readEnd(): void {
    if (!this.receiving.takeEnd()) return;
    const { endHandler } = this;
    if (endHandler === undefined || !this.io.callBack('handler onEnd', this, endHandler)) this.end();
    this.closeIfBothEnded();
  }

  private closeIfBothEnded(): void {
    if (this.sending.hasEnded && this.receiving.hasPeerEnded) this.close();
  }

  /**
   * A reset or a refused connect, and nobody reads, or not now: the error is asked for, since no system call would tell. Of a connection that
   * is read the next receive tells it, after what arrived before.
   */
  private get hasUntoldError(): boolean {
    return this.hasError && this.failure === 0 && (this.isConnecting || !this.receiving.isRead || this.receiving.hasPeerEnded);
  }

  private askForError(): void {
    this.hasError = false;
    const errno = this.io.native.sockets.error(this.fd);
    if (errno === 0) return;
    this.failure = errno;
    this.failedCall = this.isConnecting ? 'connect' : 'getsockopt';
    this.sending.isWritable = false;
  }

  private fail(): void {
    const name = this.io.native.system.errorName(this.failure);
    this.closeBy(new PercoreError('ERR_PERCORE_SYSTEM', `${this.failedCall}: ${name} on a connection`, { errno: name, syscall: this.failedCall }));
  }

  private closeBy(error: PercoreError): void {
    if (this.isClosed_) return;
    this.error = error;
    this.close();
  }

  // ---- What native says of it -------------------------------------------------------------------------------------

  /** For Io alone: `length` bytes lie at `place` of the pool. */
  onReceived(place: number, length: number): void {
    this.receiving.add(place, length);
  }

  /** For Io alone: the peer has ended. */
  onEnded(): void {
    this.receiving.addEnd();
  }

  /** For Io and the sending half alone: it is closed in its next step, after what had arrived was read. */
  onFailed(errno: number, call: string): void {
    if (this.failure === 0) {
      this.failure = errno;
      // Whoever hears of it first: what failed is the connecting.
      this.failedCall = this.isConnecting ? 'connect' : call;
    }
    this.sending.isWritable = false;
    this.io.schedule(this);
  }

  /** For Io alone: `length` bytes at `place` of the outbox were not taken. */
  onUnsent(place: number, length: number): void {
    this.sending.addUnsent(place, length);
  }

  /** For Io alone. */
  relieve(beforeNs: number): boolean {
    return this.receiving.relieve(beforeNs);
  }

  onReadiness(readiness: number): void {
    if ((readiness & (HANG_UP | ERROR)) !== 0) this.hasError = true;
    if ((readiness & WRITABLE) !== 0 && this.failure === 0) {
      this.sending.isWritable = true;
      if (this.isConnecting && (readiness & ERROR) === 0) {
        this.isConnecting = false;
        this.openedNs = this.io.batchNs;
      }
    }
    this.io.schedule(this);
  }

  /** For Io alone: of an attached connection, what another thread had received. */
  preload(unread: Uint8Array, hasPeerEnded: boolean): void {
    this.receiving.preload(unread, hasPeerEnded);
  }
}
