/**
 * What is behind a `DatagramSocket`: up to 64 datagrams come with one system call and go with one.
 *
 *      readiness -> run(): recvmmsg -> handler for each -> send() gathers ------> sendmmsg
 *                          ^ one batch a step                 ^ also from timers and other endpoints: at the next step
 *
 * It asks for writable readiness only while the kernel refuses, since UDP reports it for each datagram that has left.
 */
import { EAGAIN, EBADF, ECONNREFUSED, ENOBUFS, ENOMEM, ENOTSOCK } from '../errno.js';
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import type { Ready } from '../scheduling/internal.js';
import { noTimer, type TimerId } from '../timers/index.js';
import type { WaitOptions } from '../waiting.js';
import type { Endpoint } from './endpoint.js';
import { tell } from './report.js';
import type { TimedIoCore } from './timed-core.js';
import { batchPool, type BatchPool } from './udp-batch.js';
import { Outbox } from './udp-outbox.js';
import { DatagramPeers, type DatagramAddress, type DatagramTarget } from './udp-peers.js';
import {
  DatagramReceivingHalf, type DatagramHandler, type DatagramReceivingHost, type DatagramSettings, type DatagramStatus,
} from './udp-receiving.js';
import { createPendingWaiters, whenAtMost } from './waiters.js';

export type { DatagramHandler, DatagramSettings, DatagramStatus };

const { READABLE, WRITABLE } = words.interest;
const { READABLE: CAN_READ, WRITABLE: CAN_WRITE, HANG_UP, ERROR } = words.readiness;
/** The longest slot, and the longest Unix datagram that is taken here. */
export const MOST_DATAGRAM_BYTES = 65_536;
/** 65,535 less the headers of UDP and of IPv4, which counts its own header. */
const MOST_UDP4_BYTES = 65_507;
const MOST_UDP6_BYTES = 65_527;
/** When to try again: the kernel has no memory, or a Unix receiver is full and nobody will tell when it has room. */
const RETRY_NS = 1_000_000;

export class DatagramEndpoint implements Endpoint, Ready, Refuser, DatagramReceivingHost {
  isReady = false;
  token = -1;
  readonly band: number;
  sent = 0;
  sentBytes = 0;
  unreachable = 0;
  dropped = 0;
  refused = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;
  isClosed = false;
  errorHandler: ((error: PercoreError) => void) | undefined;
  closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  /** The longest datagram that `send` takes. */
  readonly maxDatagramBytes: number;

  private readonly pool: BatchPool;
  private readonly peers: DatagramPeers;
  readonly receiving: DatagramReceivingHalf;
  private outbox: Outbox | undefined;
  private readonly waiters = createPendingWaiters();
  private isBlocked = false;
  private retry: TimerId = noTimer;
  private isWatchingWrites = false;

  constructor(
    private readonly core: TimedIoCore, readonly fd: number, private readonly settings: DatagramSettings,
    readonly address: string, readonly port: number,
  ) {
    const { isUnix, isConnected, sendBytes, priority } = settings;
    this.band = priority;
    this.pool = batchPool(core);
    this.peers = new DatagramPeers(core.native.datagrams, this.pool, isUnix, isConnected);
    const protocolMost = isUnix ? MOST_DATAGRAM_BYTES : address.includes(':') ? MOST_UDP6_BYTES : MOST_UDP4_BYTES;
    this.maxDatagramBytes = Math.min(protocolMost, sendBytes);
    this.receiving = new DatagramReceivingHalf(core, this, this.pool, settings);
    try {
      core.register(this, fd, READABLE);
    } catch (error) {
      core.native.descriptors.close(fd);
      throw error;
    }
  }

  /** See `Ready`. If something in its steps throws, it is the handler of what arrived. */
  get where(): string {
    return `handler ${this.receiving.isViewGiven ? 'onData' : 'onReceive'} of a datagram socket at ${this.place}`;
  }

  private get place(): string {
    return this.settings.isUnix ? this.address || 'no path' : `${this.address}:${this.port}`;
  }

  /** How many datagrams `send` has taken and the kernel has not. */
  get pending(): number {
    return this.outbox?.count ?? 0;
  }

  status(): DatagramStatus {
    const { sent, sentBytes, pending, unreachable, dropped, refused } = this;
    const { received, receivedBytes, truncated } = this.receiving;
    const kernelDropped = this.isClosed ? 0 : Math.max(0, this.core.native.datagrams.drops(this.fd));
    return {
      received, receivedBytes, sent, sentBytes, pending, truncated, unreachable, dropped, refused, kernelDropped,
    };
  }

  /** See `DatagramSocket.send`, which has checked the arguments. */
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
    const own = this.isBlocked ? undefined : this.receiving.batch;
    const peer = typeof to === 'number' ? this.peers.placeOf(to, outbox, own) : this.peers.placeOfAddress(to, outbox);
    const { current } = this.pool;
    const sourceWords = current !== undefined && bytes === current.region ? current.words : undefined;
    outbox.add(bytes, offset, length, peer, sourceWords);
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
    this.peers.forget(peer, () => this.outbox?.hold(this.receiving.batch?.handle));
  }

  /** For a step that was refused; see `Refuser`. */
  [AWAIT_ROOM](_needed: number, then: () => void): () => void {
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
    this.giveUp(this.pending, this.error);
    if (this.retry !== noTimer) this.core.timers.cancel(this.retry);
    this.core.releaseNow(this, this.fd);
    this.receiving.giveAll();
    tell(this.core, this.closeHandler, this.error, 'handler onClose of a datagram socket');
    this.waiters.settle(0);
  }

  // ---- Its step -----------------------------------------------------------------------------------------------------

  pushPending(): boolean {
    return this.pending !== 0;
  }

  onReadiness(readiness: number): void {
    if ((readiness & (CAN_READ | HANG_UP | ERROR)) !== 0) this.receiving.isReadable = true;
    if ((readiness & (CAN_WRITE | ERROR)) !== 0) this.isBlocked = false;
    this.core.schedule(this);
  }

  run(): boolean {
    if (this.isClosed) return false;
    const { receiving } = this;
    // What waits goes first: it may name slots of the last batch, which a new batch would overwrite.
    if (this.pending !== 0 && !this.isBlocked) this.flush();
    if (receiving.canReceive) receiving.receive();
    if (this.pending !== 0 && !this.isBlocked) this.flush();
    receiving.giveDelivered();
    return receiving.canReceive;
  }

  // ---- Sending ------------------------------------------------------------------------------------------------------

  /** Sends what waits. True when all of it has gone. */
  private flush(): boolean {
    const outbox = this.outbox!;
    let refusals = 0;
    while (outbox.count !== 0) {
      const sent = outbox.send(this.fd, this.receiving.batch?.handle);
      if (sent > 0) {
        this.sent += sent;
        this.sentBytes += outbox.bytesBehind(sent);
        refusals = 0;
      } else if (sent === -EAGAIN || sent === -ENOBUFS || sent === -ENOMEM) {
        this.block(sent);
        return false;
      } else {
        // With IP, a refusal concerns a datagram that was sent before, and this one has not been tried. That is assumed
        // only once in a row, so that the loop is bounded.
        const isEarlier = sent === -ECONNREFUSED && !this.settings.isUnix && refusals++ === 0;
        if (!isEarlier) this.giveUp(1, this.errorOf(sent, 'sendmmsg'));
        this.noteError(sent, 'sendmmsg');
        if (this.isClosed) return false;
      }
    }
    this.unblock();
    return true;
  }

  /** Drops the first `count` datagrams that wait. */
  private giveUp(count: number, error: PercoreError | undefined): void {
    if (count === 0) return;
    const outbox = this.outbox!;
    outbox.skip(count);
    this.dropped += count;
    this.core.losses.note(outbox.bytesBehind(count), error);
  }

  private block(code: number): void {
    this.isBlocked = true;
    // A Unix socket that is not connected counts as writable whoever it sends to, so only time can tell. Nor does an
    // event say when there is memory again.
    const isTold = code === -EAGAIN && (!this.settings.isUnix || this.settings.isConnected);
    if (!isTold || !this.watchWrites()) this.retryLater();
  }

  /** False when the kernel has no memory even for that. */
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
      this.receiving.isReadable = true;
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

  noteError(code: number, syscall: string): void {
    if (code === -ECONNREFUSED) this.unreachable++;
    if (code === -EBADF || code === -ENOTSOCK) this.fail(code, syscall);
    else this.tellError(code, syscall);
  }

  noteShortage(code: number, syscall: string): void {
    this.tellError(code, syscall);
    if (!this.isClosed) this.retryLater();
  }

  fail(code: number, syscall: string): void {
    this.error = this.errorOf(code, syscall);
    this.close();
  }

  private tellError(code: number, syscall: string): void {
    tell(this.core, this.errorHandler, this.errorOf(code, syscall), 'handler onError of a datagram socket');
  }

  private errorOf(code: number, syscall: string): PercoreError {
    const errno = this.core.native.system.errorName(-code);
    return new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${errno} on a datagram socket`, { errno, syscall });
  }
}
