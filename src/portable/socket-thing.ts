/**
 * A stream of Node's as a descriptor that is read and written without blocking: what has come waits here until it is
 * read, and what is written is taken as long as the kernel takes it at once.
 *
 * Node tells of an end or a reset only to who reads. So a peer that resets a connection which nobody reads is noticed
 * at the next write.
 */
import type { Socket } from 'node:net';
import { EAGAIN, EPIPE } from '../errno.js';
import { errnoOf } from './errno.js';
import { ERROR, HANG_UP, ignore, READABLE, READ_CLOSED, WRITABLE, type OpenThing } from './things.js';

/** What may wait here unread before Node is told to read no more. */
const MOST_UNREAD_BYTES = 65_536;
/** Written at once; what the kernel does not take of it is with Node until there is room. */
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
    // Before there is a listener for data, which would begin to read.
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

  /** The kernel has not taken all that was written. */
  get isFull(): boolean {
    return this.isConnecting || this.socket.writableLength > 0;
  }

  get hasUnread(): boolean {
    return this.unreadBytes > 0;
  }

  /** Reads from now on, or no more; what has come already stays. */
  setReading(isRead: boolean): void {
    this.isRead = isRead;
    if (!isRead) this.socket.pause();
    else if (this.unreadBytes < MOST_UNREAD_BYTES) this.socket.resume();
  }

  /** Bytes, 0 at the end, or -errno. An error is told after what had come before it. */
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

  /** Bytes taken, or -errno. Copies, since the caller's memory is its own again when this returns. */
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

  /** A positive errno, which is thereby taken; 0 for none. */
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
