/**
 * What travels between two reactors: frames, one behind the other, cut into records of a lane wherever a record ends.
 * So a record costs its hundred nanoseconds once for many commands, and a value may be longer than the longest record.
 *
 *     request   bytes | command, arguments | length, length, ... | argument 1 | argument 2 | ...
 *     reply     bytes | the reply as the client gets it
 *
 * All numbers are 32 bits, little-endian. `Outbox` writes frames and sends what it has at the end of a step; when the
 * lane is full it keeps them and goes on when there is room. `FrameReader` is the other end.
 */
import { BACK_PRESSURED, CLOSED, type Address } from 'percore';
import type { Arguments } from './arguments.js';
import { copyBytes } from './bytes.js';

/** Longest piece sent as one record. */
const RECORD_BYTES = 32_768;
/** When more than this waits for a full lane, the outbox is full and its users must stop. */
const FULL_BYTES = 262_144;
const FIRST_BYTES = 4096;

export class Outbox {
  /** The reactor at the other end has died. */
  isClosed = false;
  private bytes = new Uint8Array(FIRST_BYTES);
  private view = new DataView(this.bytes.buffer);
  private first = 0;
  private last = 0;
  private isWaiting = false;
  private waiters: (() => void)[] = [];

  constructor(private readonly address: Address, private readonly onClosed: () => void) {}

  get isFull(): boolean {
    return this.last - this.first > FULL_BYTES;
  }

  request(command: number, args: Arguments): void {
    const { count, starts, ends, bytes } = args;
    let length = 4 + 4 * count;
    for (let i = 1; i < count; i++) length += ends[i]! - starts[i]!;
    this.reserve(length);
    const { view } = this;
    let at = this.last;
    view.setInt32(at, length, true);
    view.setInt32(at + 4, (count << 8) | command, true);
    at += 8;
    for (let i = 1; i < count; i++, at += 4) view.setInt32(at, ends[i]! - starts[i]!, true);
    // The place of argument 0 is not needed: the command says its name.
    at = this.last + 4 + 4 * count;
    for (let i = 1; i < count; i++) {
      copyBytes(bytes, starts[i]!, ends[i]!, this.bytes, at);
      at += ends[i]! - starts[i]!;
    }
    this.last = at;
  }

  reply(bytes: Uint8Array, length: number): void {
    this.reserve(4 + length);
    this.view.setInt32(this.last, 4 + length, true);
    copyBytes(bytes, 0, length, this.bytes, this.last + 4);
    this.last += 4 + length;
  }

  /**
   * Hands everything to the lane, or as much as it takes. While it waits, the lane refuses: so a step that is kept for
   * it waits for that lane.
   */
  flush(): void {
    if (this.first === this.last) return;
    const { address } = this;
    const most = Math.min(RECORD_BYTES, address.maxBytes);
    while (this.first < this.last) {
      const length = Math.min(this.last - this.first, most);
      const at = address.tryClaim(length);
      if (at === BACK_PRESSURED) return this.wait();
      if (at < 0) {
        if (at === CLOSED) this.close();
        return;
      }
      copyBytes(this.bytes, this.first, this.first + length, address.bytes, at);
      address.commit(length);
      this.first += length;
    }
    this.first = this.last = 0;
    if (this.bytes.length > 4 * FULL_BYTES) this.allocate(FIRST_BYTES);
    // The lane may have taken it all without having been full.
    if (this.waiters.length !== 0) this.tellWaiters();
  }

  /** Calls back when it is not full any more, or closed. */
  whenRoom(then: () => void): void {
    this.waiters.push(then);
  }

  /** The reactor behind the lane has gone. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.first = this.last = 0;
    this.onClosed();
    this.tellWaiters();
  }

  private wait(): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.address.whenRoom(() => {
      this.isWaiting = false;
      this.flush();
      if (!this.isFull && this.waiters.length !== 0) this.tellWaiters();
    });
  }

  private tellWaiters(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const then of waiters) then();
  }

  private reserve(length: number): void {
    if (this.last + length <= this.bytes.length) return;
    let size = this.bytes.length;
    while (size < this.last - this.first + length) size *= 2;
    this.allocate(size);
  }

  private allocate(size: number): void {
    const waiting = this.bytes.subarray(this.first, this.last);
    if (size === this.bytes.length) {
      this.bytes.copyWithin(0, this.first, this.last);
    } else {
      this.bytes = new Uint8Array(size);
      this.bytes.set(waiting);
      this.view = new DataView(this.bytes.buffer);
    }
    this.last -= this.first;
    this.first = 0;
  }
}

/** Handles one frame; `at` is where it begins, with its length. */
export type FrameHandler = (bytes: Uint8Array, view: DataView, at: number, length: number) => void;

export class FrameReader {
  /** A frame that came in pieces: its first `have` bytes. */
  private bytes = new Uint8Array(FIRST_BYTES);
  private view = new DataView(this.bytes.buffer);
  private have = 0;
  /** How much of the record that is being read was handled before `mayGoOn` said no. */
  private done = 0;

  constructor(private readonly handle: FrameHandler, private readonly mayGoOn: () => boolean) {}

  /** Handles the frames of a record. False: stopped in the middle; give it the same record again. */
  read(bytes: Uint8Array, view: DataView, offset: number, length: number): boolean {
    const end = offset + length;
    let at = offset + this.done;
    if (this.have !== 0) {
      if (!this.mayGoOn()) return false;
      at = this.complete(bytes, at, end);
      this.done = at - offset;
    }
    while (at + 4 <= end) {
      const size = view.getInt32(at, true);
      if (at + size > end) break;
      if (!this.mayGoOn()) {
        this.done = at - offset;
        return false;
      }
      this.handle(bytes, view, at, size);
      at += size;
    }
    this.done = 0;
    if (at < end) this.hold(bytes, at, end);
    return true;
  }

  /** Adds to the frame in pieces; handles it when it is whole. Returns where the next one begins. */
  private complete(bytes: Uint8Array, from: number, end: number): number {
    let at = from;
    if (this.have < 4) {
      const part = Math.min(4 - this.have, end - at);
      this.hold(bytes, at, at + part);
      at += part;
      if (this.have < 4) return at;
    }
    const size = this.view.getInt32(0, true);
    this.reserve(size);
    const part = Math.min(size - this.have, end - at);
    this.hold(bytes, at, at + part);
    at += part;
    if (this.have === size) {
      this.have = 0;
      this.handle(this.bytes, this.view, 0, size);
      if (this.bytes.length > FULL_BYTES) {
        this.bytes = new Uint8Array(FIRST_BYTES);
        this.view = new DataView(this.bytes.buffer);
      }
    }
    return at;
  }

  private hold(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.have + end - start;
    this.reserve(needed);
    copyBytes(bytes, start, end, this.bytes, this.have);
    this.have = needed;
  }

  private reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    grown.set(this.bytes.subarray(0, this.have));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** A request's arguments where they lie in its frame. */
export class FrameArguments implements Arguments {
  bytes: Uint8Array = new Uint8Array(0);
  count = 0;
  starts = new Int32Array(16);
  ends = new Int32Array(16);
  command = 0;

  read(bytes: Uint8Array, view: DataView, at: number): void {
    const word = view.getInt32(at + 4, true);
    const count = word >>> 8;
    if (count > this.starts.length) {
      this.starts = new Int32Array(2 ** Math.ceil(Math.log2(count)));
      this.ends = new Int32Array(this.starts.length);
    }
    let from = at + 4 + 4 * count;
    for (let i = 1; i < count; i++) {
      this.starts[i] = from;
      from += view.getInt32(at + 4 + 4 * i, true);
      this.ends[i] = from;
    }
    this.bytes = bytes;
    this.count = count;
    this.command = word & 0xff;
  }
}
