/**
 * What is behind a `Connection`; connection.ts draws its states. This file has its life, and each direction has a half
 * of its own. Both halves work within `run`, which is the connection's step in its band.
 *
 * Receiving (connection-receiving.ts): native code has already read into the thread's pool, and the handler is given
 * what arrived in place. With four arrivals unread, no more is asked for, and the kernel's window holds the peer back.
 * `pause()` does the same; what a paused connection has not read does not keep others from receiving.
 *
 * Sending (connection-sending.ts): `offer` copies into the thread's outbox, which goes to the kernel at the end of the
 * turn, for all connections at once. What the kernel does not take comes back into the connection's backlog. With more
 * than `highWaterBytes` waiting, `offer` answers BACK_PRESSURED and takes nothing. Large pieces go to the kernel at
 * once, from where they lie.
 */
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { CLOSED } from '../queues/index.js';
import type { Ready } from '../scheduling/internal.js';
import type { Claimable } from './claims.js';
import { ReceivingHalf, type ReceiveHandler, type ReceivingHost } from './connection-receiving.js';
import { SendingHalf, type SendingHost } from './connection-sending.js';
import type { ConnectionState, ConnectionStatus, DetachedConnection } from './connection-status.js';
import { Deadlines, type DeadlineOptions } from './deadlines.js';
import type { Endpoint } from './endpoint.js';
import { callBack, followResult } from './report.js';
import type { StreamOptions } from './stream-options.js';
import type { TimedIoCore } from './timed-core.js';

const { WRITABLE, HANG_UP, ERROR } = words.readiness;
const { STREAM, CONNECTING } = words.ioKind;

export class ConnectionEndpoint implements Endpoint, Ready, Claimable, ReceivingHost, SendingHost {
  isReady = false;
  token = -1;
  readonly band: number;
  readonly highWaterBytes: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;
  handlersSet = 0;
  handlersClaimed = 0;
  claimedBy = '';
  endHandler: (() => void) | undefined;
  closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  isClosed = false;

  readonly receiving: ReceivingHalf;
  readonly sending: SendingHalf;
  private readonly createdNs: number;
  /** When a connection that this thread has opened was connected. Others were open when they were made. */
  private connectedNs: number | undefined;
  private deadlines: Deadlines | undefined;
  private isConnecting: boolean;
  private readonly isOurs: boolean;
  /** The handler was set by `onData` and not by `onReceive`. */
  private isViewGiven = false;
  /** The drain in which it was closed. While this is the present drain, its descriptor is still open. */
  private closedInDrain = -1;
  /** The kernel has reported an error, and nobody has asked which; a receive or a send may have told it since. */
  private hasError = false;
  /** The errno that closes it in its next step, after everything that had arrived is read. 0 for none. */
  private failure = 0;
  private failedCall = '';

  constructor(
    readonly core: TimedIoCore, readonly fd: number, options: Required<StreamOptions>, isConnecting: boolean,
  ) {
    this.band = options.priority;
    this.highWaterBytes = options.highWaterBytes;
    this.receiving = new ReceivingHalf(core, this, options.readBytes);
    this.sending = new SendingHalf(core, this, isConnecting);
    this.isConnecting = this.isOurs = isConnecting;
    this.createdNs = core.turnNs();
  }

  get state(): ConnectionState {
    const { hasPeerEnded } = this.receiving;
    const { isEnding, hasEnded } = this.sending;
    if (this.isClosed) return 'closed';
    if (this.isConnecting) return 'connecting';
    if (isEnding) return hasPeerEnded || !hasEnded ? 'closing' : 'half-closed-local';
    return hasPeerEnded ? 'half-closed-remote' : 'open';
  }

  /** See `Ready`. If something in its steps throws, it is the handler of what arrived. */
  get where(): string {
    return `handler ${this.isViewGiven ? 'onData' : 'onReceive'} of ${this.describe()}`;
  }

  /** For reports: "a connection from 127.0.0.1:1234". Makes a system call. */
  describe(): string {
    const { memory } = this.core;
    // Afterwards its number may belong to another descriptor.
    const isOpen = !this.isClosed || (this.closedInDrain === memory.drains && memory.hasRequests);
    const peer = isOpen ? this.core.native.sockets.peerName(this.fd) : '';
    return peer === '' ? 'a connection' : `a connection ${this.isOurs ? 'to' : 'from'} ${peer}`;
  }

  follow(result: unknown): void {
    followResult(this.core.schedule, this.band, result, () => this.where);
  }

  get pendingBytes(): number {
    return this.sending.pendingBytes;
  }

  status(): ConnectionStatus {
    const { state, bytesRead, bytesWritten, pendingBytes, createdNs } = this;
    const openedNs = this.connectedNs ?? (this.isOurs ? NaN : createdNs);
    const { unreadBytes, lastReceivedNs } = this.receiving;
    return { state, bytesRead, bytesWritten, pendingBytes, unreadBytes, createdNs, openedNs, lastReceivedNs };
  }

  // ---- What users ask of it -----------------------------------------------------------------------------------------

  setDataHandler(handler: ReceiveHandler, isViewGiven: boolean): void {
    this.receiving.setHandler(handler);
    this.isViewGiven = isViewGiven;
  }

  pause(): void {
    this.receiving.pause();
    if (this.hasError) this.core.schedule(this);
  }

  /** See `Connection.offer`. */
  offer(bytes: Uint8Array, offset: number, length: number): number {
    return this.isClosed || this.failure !== 0 ? CLOSED : this.sending.offer(bytes, offset, length);
  }

  end(): void {
    if (this.isClosed || this.sending.isEnding) return;
    this.sending.isEnding = true;
    this.core.schedule(this);
  }

  setDeadlines(options: DeadlineOptions): void {
    const { core, receiving, sending } = this;
    const before = this.deadlines;
    this.deadlines = new Deadlines(core.timers, core.nowNs, this.band, options, {
      progress: () => ({
        written: this.bytesWritten - sending.inOutbox,
        stuck: sending.stuckBytes,
        lastReceivedNs: receiving.lastReceivedNs,
      }),
      expire: (error) => this.closeBy(error),
    });
    before?.cancel();
    if (this.isClosed) this.deadlines.cancel();
  }

  headerDone(): void {
    this.deadlines?.headerDone();
  }

  /** See `Connection.detach`. */
  detach(): Required<DetachedConnection> | undefined {
    const { core, receiving, sending, fd } = this;
    sending.emptyOutbox();
    const isOver = this.isClosed || sending.isEnding || this.failure !== 0;
    if (isOver || this.isConnecting || sending.pendingBytes !== 0) return undefined;
    core.detach(this.token);
    // The events of what had been received before it was taken out.
    core.takeEvents();
    const { unread, hasPeerEnded } = receiving.take();
    this.isClosed = true;
    this.deadlines?.cancel();
    core.forget(this.token, fd);
    return { fd, unread, hasPeerEnded };
  }

  close(): void {
    if (this.isClosed) return;
    this.sending.emptyOutbox();
    this.isClosed = true;
    this.deadlines?.cancel();
    this.receiving.giveBack();
    this.core.release(this.token, this.fd);
    const { closeHandler, error } = this;
    this.closedInDrain = this.core.memory.drains;
    // Whoever has closed it is not to blame for what the handler throws.
    if (closeHandler !== undefined) callBack(this.core.schedule, 'handler onClose', this, () => closeHandler(error));
    this.sending.drop();
  }

  // ---- Its step -----------------------------------------------------------------------------------------------------

  /**
   * One step: sends what waits, gives the handler one piece of what arrived, then sends what the handler has offered.
   */
  run(): boolean {
    if (this.isClosed) return false;
    const { receiving, sending } = this;
    if (this.hasUntoldError) this.askForError();
    if (this.failure !== 0 && !receiving.canRead) {
      this.fail();
      return false;
    }
    if (sending.canSend) this.send();
    if (receiving.canRead) receiving.read();
    if (receiving.canReadEnd) this.readEnd();
    if (!this.isClosed && sending.canSend) this.send();
    if (this.isClosed) return false;
    return receiving.canRead || receiving.canReadEnd || sending.canSend || this.failure !== 0 || this.hasUntoldError;
  }

  private send(): void {
    this.sending.send();
    this.closeIfBothEnded();
  }

  private readEnd(): void {
    if (!this.receiving.takeEnd()) return;
    const { endHandler } = this;
    if (endHandler === undefined || !callBack(this.core.schedule, 'handler onEnd', this, endHandler)) this.end();
    this.closeIfBothEnded();
  }

  private closeIfBothEnded(): void {
    if (this.sending.hasEnded && this.receiving.hasPeerEnded) this.close();
  }

  /**
   * After a reset or a refused connect that no system call would report, because nobody reads, or not now: the error
   * has to be asked for. If the connection is read, the next receive reports the error after what arrived before it.
   */
  private get hasUntoldError(): boolean {
    if (!this.hasError || this.failure !== 0) return false;
    return this.isConnecting || !this.receiving.isRead || this.receiving.hasPeerEnded;
  }

  private askForError(): void {
    this.hasError = false;
    const errno = this.core.native.sockets.error(this.fd);
    if (errno === 0) return;
    this.failure = errno;
    this.failedCall = this.isConnecting ? 'connect' : 'getsockopt';
    this.sending.isWritable = false;
  }

  private fail(): void {
    const errno = this.core.native.system.errorName(this.failure);
    const details = { errno, syscall: this.failedCall };
    this.closeBy(new PercoreError('ERR_PERCORE_SYSTEM', `${this.failedCall}: ${errno} on a connection`, details));
  }

  private closeBy(error: PercoreError): void {
    if (this.isClosed) return;
    this.error = error;
    this.close();
  }

  // ---- What the core tells it ---------------------------------------------------------------------------------------

  onReceived(place: number, length: number): void {
    this.receiving.add(place, length);
  }

  onEnded(): void {
    this.receiving.addEnd();
  }

  /**
   * It will be closed in its next step, after everything that had arrived is read. The sending half calls this as well.
   */
  onFailed(errno: number, call: string): void {
    if (this.failure === 0) {
      this.failure = errno;
      // Whichever call hears of it first: what has failed is the connecting.
      this.failedCall = this.isConnecting ? 'connect' : call;
    }
    this.sending.isWritable = false;
    this.core.schedule(this);
  }

  onUnsent(place: number, length: number): void {
    this.sending.addUnsent(place, length);
  }

  relieve(beforeNs: number): boolean {
    return this.receiving.relieve(beforeNs);
  }

  pushPending(): boolean {
    return this.sending.pushPending();
  }

  onReadiness(readiness: number): void {
    if ((readiness & (HANG_UP | ERROR)) !== 0) this.hasError = true;
    if ((readiness & WRITABLE) !== 0 && this.failure === 0) {
      this.sending.isWritable = true;
      if (this.isConnecting && (readiness & ERROR) === 0) {
        this.isConnecting = false;
        this.connectedNs = this.core.batchNs;
      }
    }
    this.core.schedule(this);
  }
}

/** Makes an endpoint of a descriptor that this thread owns. If that fails, the descriptor is closed. */
export function openConnection(
  core: TimedIoCore, fd: number, options: Required<StreamOptions>, isConnecting = false,
): ConnectionEndpoint {
  const endpoint = new ConnectionEndpoint(core, fd, options, isConnecting);
  core.open(endpoint, fd, isConnecting ? CONNECTING : STREAM);
  return endpoint;
}
