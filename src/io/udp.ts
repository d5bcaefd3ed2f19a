/**
 * A datagram socket of this thread, UDP or Unix. Up to 64 datagrams come with one system call and go with one:
 *
 *      readiness -> run(): recvmmsg -> handler for each -> send() gathers ------> sendmmsg
 *                          ^ one batch a step                 ^ also from timers and other sources: at the next step
 *
 * `onDatagram` makes no object: it is given a place in the batch, and a peer's number to answer it. Datagrams may be lost, by the
 * network, by a full receive buffer (`kernelDropped`) or by a slot that is too short (`truncated`): each kind is counted.
 *
 * Writable readiness is asked for only while the kernel refuses, since UDP reports it for each datagram that has left.
 */
import { PercoreError, checkFunction, checkInteger, checkText, invalidArgument } from '../errors.js';
import { DATAGRAM_BATCH, MOST_KEPT_PEERS, words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type WaitOptions } from '../queues/index.js';
import { awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import type { Ready } from '../scheduling/internal.js';
import { noTimer, type TimerId } from '../timers/index.js';
import { internetHost } from './internet-host.js';
import type { Io } from './io.js';
import { checkSpan, restOf } from './stream-options.js';
import type { Source } from './token.js';
import { batchPool, CUT_BYTES, ENTRY_WORDS, LENGTH, OFFSET, PEER, type BatchPool, type ReceiveBatch } from './udp-batch.js';
import { Outbox } from './udp-outbox.js';
import { checkUnixPath } from './unix-path.js';
import { checkWaitOptions, Waiters } from './waiters.js';

/** The socket that `send` sends to and that a received datagram came from. A Unix socket without a name has the path ''. */
export type DatagramAddress = { address: string; port: number } | { path: string };
export type DatagramTarget = DatagramAddress | { host: string; port: number };
/** `bytes[offset]` to `bytes[offset + length - 1]`, valid during the call; `cutBytes` more were sent and had no room. */
export type DatagramHandler = (bytes: Uint8Array, offset: number, length: number, peer: number, cutBytes: number) => void;

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
const { CONNECTED } = words.datagramPeer;
const LOOPBACK = '127.0.0.1';
/** Longest slot, and longest Unix datagram taken here. */
export const MOST_DATAGRAM_BYTES = 65_536;
/** 65,535 less the headers of UDP and, in its own length, IPv4. */
const MOST_UDP4_BYTES = 65_507;
const MOST_UDP6_BYTES = 65_527;
/** The kernel has no memory, or a Unix receiver is full and nobody will tell when it is not. */
const RETRY_NS = 1_000_000;
/** Errors in a row without a datagram: the socket is not usable. */
const MOST_ERRORS = 16;

export class DatagramSocket implements Source, Ready, Refuser {
  isReady = false;
  token = -1;
  readonly band: number;
  received = 0;
  receivedBytes = 0;
  sent = 0;
  sentBytes = 0;
  /** Received datagrams that were longer than `datagramBytes`. */
  truncated = 0;
  /** ECONNREFUSED: nobody listens where something was sent. Of a batch, the kernel may tell only one. */
  refused = 0;
  /** Datagrams that `send` took and that were never sent: the kernel refused each for good, or the socket was closed. */
  dropped = 0;
  /** Calls of `send` answered BACK_PRESSURED. */
  backPressured = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;

  /** Longest datagram that `send` takes. */
  readonly maxDatagramBytes: number;

  private readonly pool: BatchPool;
  private readonly slotBytes: number;
  private batch: ReceiveBatch | undefined;
  private outbox_: Outbox | undefined;
  private handler: DatagramHandler | undefined;
  private errorHandler: ((error: PercoreError) => void) | undefined;
  private closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  private readonly waiters = new Waiters();
  private isReadable = false;
  private isBlocked = false;
  private isPaused = false;
  private isClosed_ = false;
  private errorsInARow = 0;
  private retry: TimerId = noTimer;
  private isWatchingWrites = false;
  private isDelivering = false;
  private readonly freeKept: number[] = [];
  /** Whether the kept peer of this index is good. */
  private readonly isKept: boolean[] = [];

  constructor(private readonly io: Io, private readonly fd: number, private readonly settings: DatagramSettings, readonly address: string, readonly port: number) {
    this.band = settings.priority;
    this.pool = batchPool(io);
    const protocolMost = settings.isUnix ? MOST_DATAGRAM_BYTES : address.includes(':') ? MOST_UDP6_BYTES : MOST_UDP4_BYTES;
    this.maxDatagramBytes = Math.min(protocolMost, settings.sendBytes);
    this.slotBytes = (settings.datagramBytes + 7) & ~7;
    try {
      io.register(this, fd, READABLE);
    } catch (error) {
      io.native.descriptors.close(fd);
      throw error;
    }
  }

  /** See `Ready`: what runs in its steps and throws is the handler of what arrived. */
  get where(): string {
    return `handler onDatagram of a datagram socket at ${this.settings.isUnix ? this.address || 'no path' : `${this.address}:${this.port}`}`;
  }

  get isClosed(): boolean {
    return this.isClosed_;
  }

  /** Datagrams that `send` took and the kernel did not yet. */
  get pending(): number {
    return this.outbox_?.count ?? 0;
  }

  /** Datagrams that the kernel dropped since this socket was made because its receive buffer was full. One system call. */
  get kernelDropped(): number {
    return this.isClosed_ ? 0 : Math.max(0, this.io.native.datagrams.drops(this.fd));
  }

  /** Called for each datagram, without an object a datagram: the fast form. `peer` is good for `send` and `keep` during the call. */
  onDatagram(handler: DatagramHandler): this {
    checkFunction('handler', handler);
    this.handler = handler;
    if (this.canReceive()) this.io.schedule(this);
    return this;
  }

  /** The comfortable form: bytes of this datagram alone, valid during the call, and the sender's address, which `send` takes. About a microsecond more. */
  onMessage(handler: (bytes: Uint8Array, from: DatagramAddress) => void): this {
    checkFunction('handler', handler);
    return this.onDatagram((bytes, offset, length, peer) => handler(bytes.subarray(offset, offset + length), this.addressOf(peer)));
  }

  /** Called with what went wrong with one datagram (ECONNREFUSED, ENETUNREACH ...): the socket goes on. Counted as well. */
  onError(handler: (error: PercoreError) => void): this {
    checkFunction('handler', handler);
    this.errorHandler = handler;
    return this;
  }

  /** Called once, after the descriptor is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    this.closeHandler = handler;
    return this;
  }

  /** Receives no more until `resume`; what the kernel holds meanwhile is bounded by its buffer. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.canReceive()) this.io.schedule(this);
  }

  /**
   * Copies one datagram; it leaves at the end of this step, with the others. `to`: a peer's number, an address (about a microsecond more),
   * or nothing on a connected socket. OK; BACK_PRESSURED: nothing taken, wait for `writable()`; TOO_LARGE; CLOSED.
   */
  send(bytes: Uint8Array, offset = 0, length = restOf(bytes, offset), to: number | DatagramTarget = CONNECTED): number {
    checkSpan(bytes, offset, length);
    if (this.isClosed_) return CLOSED;
    if (length > this.maxDatagramBytes) return TOO_LARGE;
    const outbox = this.outbox_ ??= new Outbox(this.io.native.datagrams, this.settings.sendBytes);
    if (!outbox.hasRoom(length) && (this.isBlocked || !this.flush() || !outbox.hasRoom(length))) {
      if (this.isClosed_) return CLOSED;
      this.backPressured++;
      this.io.memory.countRefused();
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    const peer = typeof to === 'number' ? this.placeOf(to, outbox) : this.placeOfAddress(to, outbox);
    const { current } = this.pool;
    outbox.add(bytes, offset, length, peer, current !== undefined && bytes === current.region ? current.words : undefined);
    if (!this.isReady && !this.isBlocked) this.io.schedule(this);
    return OK;
  }

  /** Where a datagram came from. During the handler's call, as with `send`. Allocates. */
  addressOf(peer: number): DatagramAddress {
    const from = this.io.native.datagrams.addressOf(this.batchOf(peer).handle, peer % DATAGRAM_BATCH);
    return this.settings.isUnix ? { path: from.address } : from;
  }

  /** A number for this peer that stays good until `forget`: for sending to it later, without an address in text. At most 65,536. */
  keep(peer: number | DatagramTarget): number {
    if (this.isClosed_) throw new PercoreError('ERR_PERCORE_CLOSED', 'keep(): the socket is closed');
    const outbox = this.outbox_ ??= new Outbox(this.io.native.datagrams, this.settings.sendBytes);
    const batch = typeof peer === 'number' ? this.batchOf(peer) : undefined;
    if (this.freeKept.length === 0 && this.isKept.length === MOST_KEPT_PEERS) throw new PercoreError('ERR_PERCORE_TOO_LARGE', `this socket keeps ${MOST_KEPT_PEERS} peers already; forget some`);
    const index = this.freeKept.pop() ?? this.isKept.push(false) - 1;
    const place = Outbox.keptPlace(index);
    if (batch !== undefined) this.io.native.datagrams.keep(outbox.handle, place, batch.handle, (peer as number) % DATAGRAM_BATCH);
    else {
      try {
        this.writeAddress(outbox, place, peer as DatagramTarget);
      } catch (error) {
        this.freeKept.push(index);
        throw error;
      }
    }
    this.isKept[index] = true;
    return -2 - index;
  }

  /** The number may be used for another peer from now on. What was sent to it and waits still goes there. */
  forget(peer: number): void {
    const index = this.keptIndex(peer);
    this.outbox_?.hold(this.batch?.handle);
    this.isKept[index] = false;
    this.freeKept.push(index);
  }

  /** For a step that was refused; see `Refuser`. */
  awaitRoom(_needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.writable(options), then);
  }

  /**
   * Resolves when the kernel has taken all that waited, or the socket is closed. Rejects with ERR_PERCORE_ABORTED or ERR_PERCORE_TIMEOUT
   * if `options` says so.
   */
  writable(options?: WaitOptions): Promise<void> {
    checkWaitOptions(options);
    return this.isClosed_ || this.pending === 0 ? Promise.resolve() : this.waiters.add(0, options);
  }

  /** Closes at once. What waits is sent if the kernel takes it now, else dropped and counted. */
  close(): void {
    if (this.isClosed_) return;
    if (this.pending !== 0 && this.error === undefined) this.flush();
    if (this.isClosed_) return;
    this.isClosed_ = true;
    this.dropped += this.pending;
    this.outbox_?.clear();
    if (this.retry !== noTimer) this.io.timers.cancel(this.retry);
    this.io.releaseNow(this, this.fd);
    // In mid batch the handler still reads from it: then `receive` gives it back.
    if (this.batch !== undefined && !this.isDelivering) this.giveBatch();
    this.io.tell(this.closeHandler, this.error, 'handler onClose of a datagram socket');
    this.waiters.tell(0);
  }

  onReadiness(readiness: number): void {
    if ((readiness & (CAN_READ | HANG_UP | ERROR)) !== 0) this.isReadable = true;
    if ((readiness & (CAN_WRITE | ERROR)) !== 0) this.isBlocked = false;
    this.io.schedule(this);
  }

  run(): boolean {
    if (this.isClosed_) return false;
    // First what waits: it may name slots of the last batch, which a new one would overwrite.
    if (this.pending !== 0 && !this.isBlocked) this.flush();
    if (this.canReceive()) this.receive();
    if (this.pending !== 0 && !this.isBlocked) this.flush();
    if (this.batch !== undefined && this.batch.next === this.batch.count) this.giveBatch();
    return this.canReceive();
  }

  // ---- Receiving ----------------------------------------------------------------------------------------------------

  private canReceive(): boolean {
    return !this.isClosed_ && !this.isPaused && this.handler !== undefined && (this.isReadable || this.batch !== undefined);
  }

  private receive(): void {
    const batch = this.batch ??= this.pool.take(this.slotBytes);
    if (batch.next === batch.count) {
      if (!this.isReadable) return;
      this.pool.renew(batch);
      const count = this.io.native.datagrams.receive(batch.handle, this.fd, batch.region, batch.entries, this.settings.batch);
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
      while (batch.next < batch.count && !this.isClosed_ && !this.isPaused) {
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
      if (this.isClosed_) this.giveBatch();
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
      this.io.tell(this.errorHandler, this.errorOf(code, 'recvmmsg'), 'handler onError of a datagram socket');
      return this.isClosed_ ? undefined : this.retryLater();
    }
    // Each error is taken from the socket by the call that tells it; a datagram may stand behind it, so it is tried again.
    this.failed(code, 'recvmmsg');
    if (++this.errorsInARow >= MOST_ERRORS && !this.isClosed_) this.fail(this.errorOf(code, 'recvmmsg'));
  }

  // ---- Sending ------------------------------------------------------------------------------------------------------

  /** Sends what waits. True when all of it is gone. */
  private flush(): boolean {
    const outbox = this.outbox_!;
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
        if (this.isClosed_) return false;
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
      this.io.reregister(this, this.fd, READABLE | WRITABLE);
    } catch {
      return false;
    }
    this.isWatchingWrites = true;
    return true;
  }

  private retryLater(): void {
    if (this.retry !== noTimer) return;
    this.retry = this.io.timers.after({ delayNs: RETRY_NS, priority: this.band }, () => {
      this.retry = noTimer;
      this.isBlocked = false;
      this.isReadable = true;
      this.io.schedule(this);
    });
  }

  private unblock(): void {
    if (this.isWatchingWrites && !this.isClosed_) {
      this.isWatchingWrites = false;
      this.io.reregister(this, this.fd, READABLE);
    }
    this.waiters.tell(0);
  }

  // ---- Peers --------------------------------------------------------------------------------------------------------

  /** The entry's word for a peer's number. */
  private placeOf(peer: number, outbox: Outbox): number {
    if (peer === CONNECTED) {
      if (!this.settings.isConnected) throw invalidArgument('peer', undefined, 'a peer or an address, since this socket is not connected');
      return CONNECTED;
    }
    // Also NaN and fractions, which are nobody's number.
    if (!Number.isInteger(peer)) throw invalidArgument('peer', peer, 'the number of a peer, a whole one');
    if (peer < CONNECTED) return Outbox.keptPlace(this.keptIndex(peer));
    const batch = this.batchOf(peer);
    const slot = peer % DATAGRAM_BATCH;
    // In this socket's own step the slot lasts until the batch is sent. Elsewhere, or when nothing can be sent now, its address is copied.
    if (batch === this.batch && !this.isBlocked) return slot;
    const place = outbox.nextPlace;
    this.io.native.datagrams.keep(outbox.handle, place, batch.handle, slot);
    return place;
  }

  private placeOfAddress(to: DatagramTarget, outbox: Outbox): number {
    const place = outbox.nextPlace;
    this.writeAddress(outbox, place, to);
    return place;
  }

  private writeAddress(outbox: Outbox, place: number, to: DatagramTarget): void {
    const { native } = this.io;
    if (typeof to !== 'object' || to === null) throw invalidArgument('to', to, this.settings.isUnix ? 'a peer\'s number or { path }' : 'a peer\'s number or { host, port }');
    if (this.settings.isUnix) {
      const path = checkText('path', (to as { path?: string }).path);
      if (native.datagrams.keepAddress(outbox.handle, place, path, -1) !== 0) checkUnixPath('path', path);
      return;
    }
    const { host, address, port } = to as { host?: string; address?: string; port?: number };
    const text = checkText('host', host ?? address);
    checkInteger('port', port, 1, 65_535);
    if (native.datagrams.keepAddress(outbox.handle, place, text === 'localhost' ? LOOPBACK : text, port!) === 0) return;
    internetHost('host', text);
    throw invalidArgument('host', text, 'an address whose zone (after "%") is a network interface here');
  }

  private keptIndex(peer: number): number {
    const index = typeof peer === 'number' ? -2 - peer : NaN;
    if (this.isKept[index] !== true) throw invalidArgument('peer', peer, 'a number from keep() that was not forgotten');
    return index;
  }

  private batchOf(peer: number): ReceiveBatch {
    const { current } = this.pool;
    if (current === undefined || !Number.isInteger(peer) || Math.floor(peer / DATAGRAM_BATCH) !== current.generation) throw invalidArgument('peer', peer, 'the peer of a datagram that is being delivered; keep(peer) gives one that lasts');
    return current;
  }

  // ---- Errors -------------------------------------------------------------------------------------------------------

  /** What concerns one datagram is counted and told; what concerns the descriptor closes it. */
  private failed(code: number, syscall: string): void {
    if (code === ECONNREFUSED) this.refused++;
    if (code === EBADF || code === ENOTSOCK) return this.fail(this.errorOf(code, syscall));
    this.io.tell(this.errorHandler, this.errorOf(code, syscall), 'handler onError of a datagram socket');
  }

  private fail(error: PercoreError): void {
    this.error = error;
    this.close();
  }

  private errorOf(code: number, syscall: string): PercoreError {
    const errno = this.io.native.system.errorName(-code);
    return new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${errno} on a datagram socket`, { errno, syscall });
  }
}
