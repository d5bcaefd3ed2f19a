/**
 * What is behind a `DatagramSocket`: up to 64 datagrams come with one system call and go with one.
 *
 *      readiness -> run(): recvmmsg -> handler for each -> send() gathers ------> sendmmsg
 *                          ^ one batch a step                 ^ also from timers and other endpoints: at the next step
 *
 * Writable readiness is asked for only while the kernel refuses, since UDP reports it for each datagram that has left.
 */
import { PercoreError } from '../errors.js';
import { DATAGRAM_BATCH, words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import type { Ready } from '../scheduling/internal.js';
import { noTimer, type TimerId } from '../timers/index.js';
import type { WaitOptions } from '../waiting.js';
import type { Endpoint } from './endpoint.js';
import { tell } from './report.js';
import type { TimedIoCore } from './timed-core.js';
import { batchPool, CUT_BYTES, ENTRY_WORDS, LENGTH, OFFSET, PEER, type BatchPool, type ReceiveBatch } from './udp-batch.js';
import { Outbox } from './udp-outbox.js';
import { DatagramPeers, type DatagramAddress, type DatagramTarget } from './udp-peers.js';
import { createPendingWaiters, whenAtMost } from './waiters.js';

/** `cutBytes` more were sent and had no room. `peer` is a number for `send` and `keep`. */
export type DatagramHandler = (bytes: Uint8Array, offset: number, length: number, peer: number, cutBytes: number) => void;

/** Figures of a datagram socket since it was made. */
export interface DatagramStatus {
  readonly received: number;
  readonly receivedBytes: number;
  readonly sent: number;
  readonly sentBytes: number;
  /** Datagrams that `send` took and the kernel did not yet. */
  readonly pending: number;
  /** Received datagrams that were longer than `datagramBytes`. */
  readonly truncated: number;
  /** ECONNREFUSED: nobody listens where something was sent. Of a batch, the kernel may tell only one. */
  readonly unreachable: number;
  /** Datagrams that `send` took and that were never sent: the kernel refused each for good, or the socket was closed. */
  readonly dropped: number;
  /** Calls of `send` answered BACK_PRESSURED. */
  readonly refused: number;
  /** Datagrams that the kernel dropped because its receive buffer was full; 0 once the socket is closed. */
  readonly kernelDropped: number;
}

export interface DatagramSettings {
  priority: number;
  datagramBytes: number;
  batch: number;
  sendBytes: number;
  isUnix: boolean;
  isConnected: boolean;
}

const { READABLE, WRITABLE } = words.interest;
const { READABLE: CAN_READ, WRITABLE: CAN_WRITE, HANG_UP, ERROR } = words.readiness;
const [EBADF, EAGAIN, ENOMEM, ENOTSOCK, ENOBUFS, ECONNREFUSED] = [-9, -11, -12, -88, -105, -111];
/** Longest slot, and longest Unix datagram taken here. */
export const MOST_DATAGRAM_BYTES = 65_536;
/** 65,535 less the headers of UDP and, in its own length, IPv4. */
const MOST_UDP4_BYTES = 65_507;
const MOST_UDP6_BYTES = 65_527;
/** The kernel has no memory, or a Unix receiver is full and nobody will tell when it is not. */
const RETRY_NS = 1_000_000;
/** Errors in a row without a datagram: the socket is not usable. */
const MOST_ERRORS = 16;

export class DatagramEndpoint implements Endpoint, Ready, Refuser {
  isReady = false;
  token = -1;
  readonly band: number;
  received = 0;
  receivedBytes = 0;
  sent = 0;
  sentBytes = 0;
  truncated = 0;
  unreachable = 0;
  dropped = 0;
  refused = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;
  isClosed = false;
  errorHandler: ((error: PercoreError) => void) | undefined;
  closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  /** Longest datagram that `send` takes. */
  readonly maxDatagramBytes: number;

  private readonly pool: BatchPool;
  private readonly peers: DatagramPeers;
  private readonly slotBytes: number;
  private batch: ReceiveBatch | undefined;
  private outbox: Outbox | undefined;
  private handler: DatagramHandler | undefined;
  /** The handler is that of `onData`. */
  private isViewGiven = false;
  private readonly waiters = createPendingWaiters();
  private isReadable = false;
  private isBlocked = false;
  private isPaused = false;
  private errorsInARow = 0;
  private retry: TimerId = noTimer;
  private isWatchingWrites = false;
  private isDelivering = false;

  constructor(
    private readonly core: TimedIoCore, readonly fd: number, private readonly settings: DatagramSettings,
    readonly address: string, readonly port: number,
  ) {
    const { isUnix, isConnected, sendBytes, datagramBytes, priority } = settings;
    this.band = priority;
    this.pool = batchPool(core);
    this.peers = new DatagramPeers(core.native.datagrams, this.pool, isUnix, isConnected);
    const protocolMost = isUnix ? MOST_DATAGRAM_BYTES : address.includes(':') ? MOST_UDP6_BYTES : MOST_UDP4_BYTES;
    this.maxDatagramBytes = Math.min(protocolMost, sendBytes);
    this.slotBytes = (datagramBytes + 7) & ~7;
    try {
      core.register(this, fd, READABLE);
    } catch (error) {
      core.native.descriptors.close(fd);
      throw error;
    }
  }

  /** See `Ready`: what runs in its steps and throws is the handler of what arrived. */
  get where(): string {
    return `handler ${this.isViewGiven ? 'onData' : 'onReceive'} of a datagram socket at ${this.place}`;
  }

  private get place(): string {
    return this.settings.isUnix ? this.address || 'no path' : `${this.address}:${this.port}`;
  }

  /** Datagrams that `send` took and the kernel did not yet. */
  get pending(): number {
    return this.outbox?.count ?? 0;
  }

  status(): DatagramStatus {
    const { received, receivedBytes, sent, sentBytes, pending, truncated, unreachable, dropped, refused } = this;
    const kernelDropped = this.isClosed ? 0 : Math.max(0, this.core.native.datagrams.drops(this.fd));
    return { received, receivedBytes, sent, sentBytes, pending, truncated, unreachable, dropped, refused, kernelDropped };
  }

  setHandler(handler: DatagramHandler, isViewGiven: boolean): void {
    this.handler = handler;
    this.isViewGiven = isViewGiven;
    if (this.canReceive()) this.core.schedule(this);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.canReceive()) this.core.schedule(this);
  }

  /** See `DatagramSocket.send`; what is sent was checked. */
  send(bytes: Uint8Array, offset: number, length: number, to: number | DatagramTarget): number {
    if (this.isClosed) return CLOSED;
    if (length > this.maxDatagramBytes) return TOO_LARGE;
    const outbox = this.outbox ??= new Outbox(this.core.native.datagrams, this.settings.sendBytes);
    if (!outbox.hasRoom(length) && (this.isBlocked || !this.flush() || !outbox.hasRoom(length))) {
      if (this.isClosed) return CLOSED;
      this.refused++;
      this.core.memory.countRefused();
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    const own = this.isBlocked ? undefined : this.batch;
    const peer = typeof to === 'number' ? this.peers.placeOf(to, outbox, own) : this.peers.placeOfAddress(to, outbox);
    const { current } = this.pool;
    outbox.add(bytes, offset, length, peer, current !== undefined && bytes === current.region ? current.words : undefined);
    if (!this.isReady && !this.isBlocked) this.core.schedule(this);
    return OK;
  }

  addressOf(peer: number): DatagramAddress {
    return this.peers.addressOf(peer);
  }

  keep(peer: number | DatagramTarget): number {
    if (this.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'keep(): the socket is closed');
    return this.peers.keep(peer, this.outbox ??= new Outbox(this.core.native.datagrams, this.settings.sendBytes));
  }

  forget(peer: number): void {
    this.peers.forget(peer, () => this.outbox?.hold(this.batch?.handle));
  }

  /** For a step that was refused; see `Refuser`. */
  awaitRoom(_needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.room(options), then);
  }

  room(options?: WaitOptions): Promise<void> {
    return whenAtMost(0, () => (this.isClosed ? 0 : this.pending), () => this.waiters, options);
  }

  close(): void {
    if (this.isClosed) return;
    if (this.pending !== 0 && this.error === undefined) this.flush();
    if (this.isClosed) return;
    this.isClosed = true;
    this.dropped += this.pending;
    this.outbox?.clear();
    if (this.retry !== noTimer) this.core.timers.cancel(this.retry);
    this.core.releaseNow(this, this.fd);
    // In mid batch the handler still reads from it: then `deliver` gives it back.
    if (this.batch !== undefined && !this.isDelivering) this.giveBatch();
    tell(this.core, this.closeHandler, this.error, 'handler onClose of a datagram socket');
    this.waiters.settle(0);
  }

  // ---- Its step -----------------------------------------------------------------------------------------------------

  pushPending(): boolean {
    return this.pending !== 0;
  }

  onReadiness(readiness: number): void {
    if ((readiness & (CAN_READ | HANG_UP | ERROR)) !== 0) this.isReadable = true;
    if ((readiness & (CAN_WRITE | ERROR)) !== 0) this.isBlocked = false;
    this.core.schedule(this);
  }

  run(): boolean {
    if (this.isClosed) return false;
    // First what waits: it may name slots of the last batch, which a new one would overwrite.
    if (this.pending !== 0 && !this.isBlocked) this.flush();
    if (this.canReceive()) this.receive();
    if (this.pending !== 0 && !this.isBlocked) this.flush();
    if (this.batch !== undefined && this.batch.next === this.batch.count) this.giveBatch();
    return this.canReceive();
  }

  // ---- Receiving ----------------------------------------------------------------------------------------------------

  private canReceive(): boolean {
    return !this.isClosed && !this.isPaused && this.handler !== undefined && (this.isReadable || this.batch !== undefined);
  }

  private receive(): void {
    const batch = this.batch ??= this.pool.take(this.slotBytes);
    if (batch.next === batch.count) {
      if (!this.isReadable) return;
      this.pool.renew(batch);
      const count = this.core.native.datagrams.receive(batch.handle, this.fd, batch.region, batch.entries, this.settings.batch);
      if (count <= 0) return this.noneReceived(count);
      // A short batch: the kernel has no more. What comes now is an edge of its own.
      if (count < this.settings.batch) this.isReadable = false;
      this.errorsInARow = 0;
      batch.next = 0;
      batch.count = count;
    }
    this.deliver(batch);
  }

  private deliver(batch: ReceiveBatch): void {
    const { entries, region } = batch;
    const base = batch.generation * DATAGRAM_BATCH;
    this.pool.current = batch;
    this.isDelivering = true;
    try {
      // A handler may close or pause this very socket.
      while (batch.next < batch.count && !this.isClosed && !this.isPaused) {
        const at = batch.next++ * ENTRY_WORDS;
        const length = entries[at + LENGTH]!, cutBytes = entries[at + CUT_BYTES]!;
        this.received++;
        this.receivedBytes += length;
        if (cutBytes !== 0) this.truncated++;
        this.handler!(region, entries[at + OFFSET]!, length, base + entries[at + PEER]!, cutBytes);
      }
    } finally {
      // Also when the handler throws: the rest of the batch is delivered by the next step.
      this.isDelivering = false;
      if (this.isClosed) this.giveBatch();
    }
  }

  private giveBatch(): void {
    this.pool.give(this.batch!);
    this.batch = undefined;
  }

  private noneReceived(code: number): void {
    if (code === EAGAIN || code === 0) {
      this.isReadable = false;
      return;
    }
    if (code === ENOMEM || code === ENOBUFS) {
      this.isReadable = false;
      tell(this.core, this.errorHandler, this.errorOf(code, 'recvmmsg'), 'handler onError of a datagram socket');
      return this.isClosed ? undefined : this.retryLater();
    }
    // Each error is taken from the socket by the call that tells it; a datagram may stand behind it, so it is tried again.
    this.failed(code, 'recvmmsg');
    if (++this.errorsInARow >= MOST_ERRORS && !this.isClosed) this.fail(this.errorOf(code, 'recvmmsg'));
  }

  // ---- Sending ------------------------------------------------------------------------------------------------------

  /** Sends what waits. True when all of it is gone. */
  private flush(): boolean {
    const outbox = this.outbox!;
    let refusals = 0;
    while (outbox.count !== 0) {
      const sent = outbox.send(this.fd, this.batch?.handle);
      if (sent > 0) {
        this.sent += sent;
        this.sentBytes += outbox.bytesBehind(sent);
        refusals = 0;
      } else if (sent === EAGAIN || sent === ENOBUFS || sent === ENOMEM) {
        this.block(sent);
        return false;
      } else {
        // A refusal on IP concerns a datagram sent before, and this one has not been tried; once, so that the loop is bounded.
        const isEarlier = sent === ECONNREFUSED && !this.settings.isUnix && refusals++ === 0;
        if (!isEarlier) {
          outbox.skip(1);
          this.dropped++;
        }
        this.failed(sent, 'sendmmsg');
        if (this.isClosed) return false;
      }
    }
    this.unblock();
    return true;
  }

  private block(code: number): void {
    this.isBlocked = true;
    // A Unix socket that is not connected is writable whoever it sends to: then time alone tells. Memory comes back without an event.
    const isTold = code === EAGAIN && (!this.settings.isUnix || this.settings.isConnected);
    if (!isTold || !this.watchWrites()) this.retryLater();
  }

  /** False when the kernel has no memory for that either. */
  private watchWrites(): boolean {
    try {
      this.core.reregister(this, this.fd, READABLE | WRITABLE);
    } catch {
      return false;
    }
    this.isWatchingWrites = true;
    return true;
  }

  private retryLater(): void {
    if (this.retry !== noTimer) return;
    this.retry = this.core.timers.after({ delayNs: RETRY_NS, priority: this.band }, () => {
      this.retry = noTimer;
      this.isBlocked = false;
      this.isReadable = true;
      this.core.schedule(this);
    });
  }

  private unblock(): void {
    if (this.isWatchingWrites && !this.isClosed) {
      this.isWatchingWrites = false;
      this.core.reregister(this, this.fd, READABLE);
    }
    this.waiters.settle(0);
  }

  // ---- Errors -------------------------------------------------------------------------------------------------------

  /** What concerns one datagram is counted and told; what concerns the descriptor closes it. */
  private failed(code: number, syscall: string): void {
    if (code === ECONNREFUSED) this.unreachable++;
    if (code === EBADF || code === ENOTSOCK) return this.fail(this.errorOf(code, syscall));
    tell(this.core, this.errorHandler, this.errorOf(code, syscall), 'handler onError of a datagram socket');
  }

  private fail(error: PercoreError): void {
    this.error = error;
    this.close();
  }

  private errorOf(code: number, syscall: string): PercoreError {
    const errno = this.core.native.system.errorName(-code);
    return new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${errno} on a datagram socket`, { errno, syscall });
  }
}
