/**
 * The receiving half of a datagram socket: one batch a step, filled by one system call, given to the handler one
 * datagram after the other. A handler that throws, pauses or closes in mid batch gets the rest later, or not at all.
 */
import { EAGAIN, ENOBUFS, ENOMEM } from '../errno.js';
import { DATAGRAM_BATCH } from '../layout.js';
import type { Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import { CUT_BYTES, ENTRY_WORDS, LENGTH, OFFSET, PEER, type BatchPool, type ReceiveBatch } from './udp-batch.js';

/** `cutBytes` more were sent and had no room. `peer` is a number for `send` and `keep`. */
export type DatagramHandler = (
  bytes: Uint8Array, offset: number, length: number, peer: number, cutBytes: number,
) => void;

/** Figures of a datagram socket since it was made. */
export interface DatagramStatus {
  /** Datagrams that handlers were given. */
  readonly received: number;
  /** Their bytes. */
  readonly receivedBytes: number;
  /** Datagrams that the kernel has taken. */
  readonly sent: number;
  /** Their bytes. */
  readonly sentBytes: number;
  /** Datagrams that `send` took and the kernel did not yet. */
  readonly pending: number;
  /** Received datagrams that were longer than `datagramBytes`. */
  readonly truncated: number;
  /** ECONNREFUSED: nobody listens where something was sent. Of a batch, the kernel may tell only one. */
  readonly unreachable: number;
  /**
   * Datagrams that `send` took and that were never sent: the kernel refused each for good, or the socket was closed.
   */
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

/** What this half needs of its socket. */
export interface DatagramReceivingHost extends Ready {
  readonly fd: number;
  readonly isClosed: boolean;
  /** What concerns one datagram is counted and told; what concerns the descriptor closes the socket. */
  noteError(code: number, syscall: string): void;
  /** The kernel has no memory: told, and tried again a little later. */
  noteShortage(code: number, syscall: string): void;
  /** Closes the socket. */
  fail(code: number, syscall: string): void;
}

/** Errors in a row without a datagram: the socket is not usable. */
const MOST_ERRORS = 16;

export class DatagramReceivingHalf {
  received = 0;
  receivedBytes = 0;
  truncated = 0;
  /** The kernel has something, as far as is known. */
  isReadable = false;
  /** The handler is that of `onData`. */
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

  /** Delivers what is left of a batch, or the next. Only when `canReceive`. */
  receive(): void {
    const batch = this.batch ??= this.pool.take(this.slotBytes);
    if (batch.next === batch.count) {
      if (!this.isReadable) return;
      this.pool.renew(batch);
      const most = this.settings.batch;
      const count = this.core.native.datagrams.receive(batch.handle, this.socket.fd, batch.region, batch.entries, most);
      if (count <= 0) return this.noneReceived(count);
      // A short batch: the kernel has no more. What comes now is an edge of its own.
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
        this.handler!(region, entries[at + OFFSET]!, length, base + entries[at + PEER]!, cutBytes);
      }
    } finally {
      // Also when the handler throws: the rest of the batch is delivered by the next step.
      this.isDelivering = false;
      if (socket.isClosed) this.giveBatch();
    }
  }

  /** The batch is delivered: the next socket may have it. Only after what was sent to its slots has left. */
  giveDelivered(): void {
    if (this.batch !== undefined && this.batch.next === this.batch.count) this.giveBatch();
  }

  /** The socket is closed. In mid batch the handler still reads from it: then `deliver` gives it back. */
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
    // Each error is taken from the socket by the call that tells it; a datagram may stand behind it, so it is tried
    // again.
    socket.noteError(code, 'recvmmsg');
    if (++this.errorsInARow >= MOST_ERRORS && !socket.isClosed) socket.fail(code, 'recvmmsg');
  }
}
