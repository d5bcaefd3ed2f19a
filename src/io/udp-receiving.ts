/**
 * The receiving half of a datagram socket. One system call fills one batch in each step, and the handler is given one
 * datagram after the other. If the handler throws or pauses in the middle of a batch, the rest is delivered later; if
 * it closes the socket, the rest is dropped.
 */
import { EAGAIN, ENOBUFS, ENOMEM } from '../errno.js';
import { DATAGRAM_BATCH } from '../layout.js';
import type { Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import { followResult } from './report.js';
import { CUT_BYTES, ENTRY_WORDS, LENGTH, OFFSET, PEER, type BatchPool, type ReceiveBatch } from './udp-batch.js';

/** `peer` is a number for `send` and `keep`. `cutBytes` more bytes were sent, for which the slot had no room. */
export type DatagramHandler = (
  bytes: Uint8Array, offset: number, length: number, peer: number, cutBytes: number,
) => void;

/** Figures of a datagram socket since it was made. */
export interface DatagramStatus {
  /** How many datagrams the handler was given. */
  readonly received: number;
  /** How many bytes they had. */
  readonly receivedBytes: number;
  /** How many datagrams the kernel has taken. */
  readonly sent: number;
  /** How many bytes they had. */
  readonly sentBytes: number;
  /** How many datagrams `send` has taken and the kernel has not. */
  readonly pending: number;
  /** How many received datagrams were longer than `datagramBytes`. */
  readonly truncated: number;
  /**
   * How many ECONNREFUSED there were: nobody listens where something was sent. Of a batch, the kernel may report only
   * one.
   */
  readonly unreachable: number;
  /**
   * How many datagrams `send` took that were never sent, because the kernel refused them for good or the socket was
   * closed.
   */
  readonly dropped: number;
  /** How many calls of `send` were answered with BACK_PRESSURED. */
  readonly refused: number;
  /** How many datagrams the kernel dropped because its receive buffer was full; 0 once the socket is closed. */
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

/** What this half needs of its socket. */
export interface DatagramReceivingHost extends Ready {
  readonly fd: number;
  readonly isClosed: boolean;
  readonly where: string;
  /** Counts and reports an error. If it concerns the descriptor and not one datagram, the socket is closed. */
  noteError(code: number, syscall: string): void;
  /** The kernel has no memory: reports that, and tries again a little later. */
  noteShortage(code: number, syscall: string): void;
  /** Closes the socket. */
  fail(code: number, syscall: string): void;
}

/** After so many errors in a row without a datagram, the socket counts as unusable. */
const MOST_ERRORS = 16;

export class DatagramReceivingHalf {
  received = 0;
  receivedBytes = 0;
  truncated = 0;
  /** As far as is known, the kernel has something to receive. */
  isReadable = false;
  /** The handler was set by `onData` and not by `onReceive`. */
  isViewGiven = false;
  batch: ReceiveBatch | undefined;
  private readonly slotBytes: number;
  private handler: DatagramHandler | undefined;
  private isPaused = false;
  private isDelivering = false;
  private errorsInARow = 0;

  constructor(
    private readonly core: IoCore, private readonly socket: DatagramReceivingHost, private readonly pool: BatchPool,
    private readonly settings: DatagramSettings,
  ) {
    this.slotBytes = (settings.datagramBytes + 7) & ~7;
  }

  get canReceive(): boolean {
    if (this.socket.isClosed || this.isPaused || this.handler === undefined) return false;
    return this.isReadable || this.batch !== undefined;
  }

  setHandler(handler: DatagramHandler, isViewGiven: boolean): void {
    this.handler = handler;
    this.isViewGiven = isViewGiven;
    if (this.canReceive) this.core.schedule(this.socket);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.canReceive) this.core.schedule(this.socket);
  }

  /** Delivers the rest of a batch, or the next batch. Only when `canReceive`. */
  receive(): void {
    const batch = this.batch ??= this.pool.take(this.slotBytes);
    if (batch.next === batch.count) {
      if (!this.isReadable) return;
      this.pool.renew(batch);
      const most = this.settings.batch;
      const count = this.core.native.datagrams.receive(batch.handle, this.socket.fd, batch.region, batch.entries, most);
      if (count <= 0) return this.noneReceived(count);
      // A short batch means that the kernel has no more. What comes from now on is an edge of its own.
      if (count < most) this.isReadable = false;
      this.errorsInARow = 0;
      batch.next = 0;
      batch.count = count;
    }
    this.deliver(batch);
  }

  private deliver(batch: ReceiveBatch): void {
    const { socket } = this;
    const { entries, region } = batch;
    const base = batch.generation * DATAGRAM_BATCH;
    this.pool.current = batch;
    this.isDelivering = true;
    try {
      // A handler may close or pause this very socket.
      while (batch.next < batch.count && !socket.isClosed && !this.isPaused) {
        const at = batch.next++ * ENTRY_WORDS;
        const length = entries[at + LENGTH]!, cutBytes = entries[at + CUT_BYTES]!;
        this.received++;
        this.receivedBytes += length;
        if (cutBytes !== 0) this.truncated++;
        const peer = base + entries[at + PEER]!;
        const result: unknown = this.handler!(region, entries[at + OFFSET]!, length, peer, cutBytes);
        if (result !== undefined) followResult(this.core.schedule, socket.band, result, () => socket.where);
      }
    } finally {
      // This is done when the handler throws, too; then the next step delivers the rest of the batch.
      this.isDelivering = false;
      if (socket.isClosed) this.giveBatch();
    }
  }

  /**
   * A batch that is delivered may be lent to the next socket. Only after everything that was sent to its slots has
   * left.
   */
  giveDelivered(): void {
    if (this.batch !== undefined && this.batch.next === this.batch.count) this.giveBatch();
  }

  /** The socket is closed. In the middle of a batch the handler still reads from it; then `deliver` gives it back. */
  giveAll(): void {
    if (this.batch !== undefined && !this.isDelivering) this.giveBatch();
  }

  private giveBatch(): void {
    this.pool.give(this.batch!);
    this.batch = undefined;
  }

  private noneReceived(code: number): void {
    if (code === -EAGAIN || code === 0) {
      this.isReadable = false;
      return;
    }
    const { socket } = this;
    if (code === -ENOMEM || code === -ENOBUFS) {
      this.isReadable = false;
      return socket.noteShortage(code, 'recvmmsg');
    }
    // The call that reports an error takes it from the socket. A datagram may be waiting behind it, so it is tried
    // again.
    socket.noteError(code, 'recvmmsg');
    if (++this.errorsInARow >= MOST_ERRORS && !socket.isClosed) socket.fail(code, 'recvmmsg');
  }
}
