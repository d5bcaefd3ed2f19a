/**
 * Bytes that wait to be sent: `bytes` of them, from `first` on in `memory`. The memory grows by doubling, and is given
 * back once a burst is over.
 */
import { lengthOf, partOf } from '../byte-views.js';

const FIRST_BYTES = 16_384;
/** An empty backlog keeps at most this much memory. */
const KEPT_BYTES = 16 * FIRST_BYTES;
const EMPTY = new Uint8Array(0);

export class Backlog {
  memory: Uint8Array = EMPTY;
  first = 0;
  private last = 0;

  get bytes(): number {
    return this.last - this.first;
  }

  push(bytes: Uint8Array, offset: number, length: number): void {
    // Bytes that were transferred to another thread have no memory: not even zero of them can be copied.
    if (length === 0) return;
    this.reserve(length);
    this.memory.set(length === lengthOf(bytes) ? bytes : partOf(bytes, offset, offset + length), this.last);
    this.last += length;
  }

  /** Inserts bytes `at` bytes behind the first one; those that follow move. */
  insert(at: number, bytes: Uint8Array, offset: number, length: number): void {
    this.reserve(length);
    const place = this.first + at;
    this.memory.copyWithin(place + length, place, this.last);
    this.memory.set(partOf(bytes, offset, offset + length), place);
    this.last += length;
  }

  shift(length: number): void {
    this.first += length;
    if (this.first !== this.last) return;
    this.first = this.last = 0;
    if (this.memory.length > KEPT_BYTES) this.memory = EMPTY;
  }

  /** Drops all bytes and gives back the memory. */
  clear(): void {
    this.first = this.last = 0;
    this.memory = EMPTY;
  }

  view(): Uint8Array {
    return this.memory.subarray(this.first, this.last);
  }

  /** Makes room for `length` more bytes at the end. */
  private reserve(length: number): void {
    if (this.last + length <= this.memory.length) return;
    const pending = this.bytes;
    if (pending + length <= this.memory.length && this.first >= this.memory.length / 2) {
      this.memory.copyWithin(0, this.first, this.last);
    } else {
      let size = Math.max(this.memory.length, FIRST_BYTES);
      while (size < pending + length) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(this.view());
      this.memory = grown;
    }
    this.first = 0;
    this.last = pending;
  }
}
