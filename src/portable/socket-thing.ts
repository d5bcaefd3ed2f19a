/**
 * A stream of Node's, presented as a descriptor that is read and written without blocking: what has arrived waits here
 * until it is read, and a write is accepted as long as the kernel takes it at once.
 *
 * Node reports an end or a reset only to a reader. So when a peer resets a connection that nobody reads, this is
 * noticed at the next write.
 */
import type { Socket } from 'node:net';
import { EAGAIN, EPIPE } from '../errno.js';
import { errnoOf } from './errno.js';
import { ERROR, HANG_UP, ignore, READABLE, READ_CLOSED, WRITABLE, type OpenThing } from './things.js';

/** How much may wait here unread before Node is told to stop reading. */
const MOST_UNREAD_BYTES = 65_536;
/** How much is written at once. What the kernel does not take of it stays with Node until there is room. */
const MOST_WRITE_BYTES = 65_536;

export class SocketThing implements OpenThing {
  onChange: (bits: number) => void = ignore;
  hasEnded = false;
  isConnecting: boolean;
  private readonly chunks: Buffer[] = [];
  private unreadBytes = 0;
  private errno = 0;
  private isRead = false;
  private isClosed = false;
  private readonly written = (): void => {
    if (this.socket.writableLength === 0) this.onChange(WRITABLE);
  };

  constructor(private readonly socket: Socket, isConnecting = false) {
    this.isConnecting = isConnecting;
    // Called before there is a listener for data, which would begin to read.
    socket.pause();
    socket.unref();
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.unreadBytes += chunk.length;
      if (this.unreadBytes >= MOST_UNREAD_BYTES) socket.pause();
      this.onChange(READABLE);
    });
    socket.on('end', () => {
      this.hasEnded = true;
      this.onChange(READABLE | READ_CLOSED);
    });
    socket.on('connect', () => {
      this.isConnecting = false;
      this.onChange(WRITABLE);
    });
    socket.on('error', (error) => {
      this.errno = errnoOf(error);
      this.onChange(READABLE | WRITABLE | HANG_UP | ERROR);
    });
    socket.on('close', () => {
      if (!this.isClosed && !this.hasEnded && this.errno === 0) this.onChange(READABLE | HANG_UP);
    });
  }

  readiness(): number {
    return (this.unreadBytes > 0 || this.hasEnded ? READABLE : 0) | (this.isFull ? 0 : WRITABLE)
      | (this.errno === 0 ? 0 : HANG_UP | ERROR);
  }

  /** The kernel has not taken everything that was written. */
  get isFull(): boolean {
    return this.isConnecting || this.socket.writableLength > 0;
  }

  get hasUnread(): boolean {
    return this.unreadBytes > 0;
  }

  /** Starts or stops reading; what has already arrived stays. */
  setReading(isRead: boolean): void {
    this.isRead = isRead;
    if (!isRead) this.socket.pause();
    else if (this.unreadBytes < MOST_UNREAD_BYTES) this.socket.resume();
  }

  /** Bytes, 0 at the end, or -errno. An error is reported after what had arrived before it. */
  read(bytes: Uint8Array, offset: number, length: number): number {
    const chunk = this.chunks[0];
    if (chunk === undefined) {
      if (this.errno !== 0) return -this.takeError();
      return this.hasEnded || this.socket.destroyed ? 0 : -EAGAIN;
    }
    const count = Math.min(length, chunk.length);
    bytes.set(count === chunk.length ? chunk : chunk.subarray(0, count), offset);
    if (count === chunk.length) this.chunks.shift();
    else this.chunks[0] = chunk.subarray(count);
    this.unreadBytes -= count;
    if (this.isRead && this.socket.isPaused() && this.unreadBytes < MOST_UNREAD_BYTES) this.socket.resume();
    return count;
  }

  /** Bytes taken, or -errno. Copies, since the memory is the caller's own again when this returns. */
  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.errno !== 0) return -this.errno;
    if (this.socket.destroyed || this.socket.writableEnded) return -EPIPE;
    if (this.isFull) return -EAGAIN;
    const count = Math.min(length, MOST_WRITE_BYTES);
    this.socket.write(Buffer.from(bytes.subarray(offset, offset + count)), this.written);
    return count;
  }

  /** The peer reads the end after what was written. */
  end(): void {
    this.socket.end();
  }

  /** Returns a positive errno and clears it; 0 if there is none. */
  takeError(): number {
    const { errno } = this;
    this.errno = 0;
    return errno;
  }

  peerName(): string {
    const { remoteAddress: address, remotePort: port } = this.socket;
    if (address === undefined) return '';
    return `${address.includes(':') ? `[${address}]` : address}:${port}`;
  }

  close(): void {
    this.isClosed = true;
    this.onChange = ignore;
    if (this.isConnecting || this.errno !== 0) this.socket.destroy();
    else this.socket.destroySoon();
  }
}
