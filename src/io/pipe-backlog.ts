/** Bytes that wait to be written, in order: one piece of memory that grows to what waits and is given back when it was large. */
const FIRST_BYTES = 16_384;
const KEPT_BYTES = 16 * FIRST_BYTES;
const EMPTY = new Uint8Array(0);

export class Backlog {
  /** Bytes `first` to `last` wait. */
  bytes: Uint8Array = EMPTY;
  first = 0;
  private last = 0;

  get length(): number {
    return this.last - this.first;
  }

  push(bytes: Uint8Array, offset: number, length: number): void {
    this.reserve(length);
    this.bytes.set(length === bytes.length ? bytes : bytes.subarray(offset, offset + length), this.last);
    this.last += length;
  }

  /** The first `count` are written. */
  skip(count: number): void {
    this.first += count;
    if (this.first === this.last) this.clear();
  }

  clear(): void {
    this.first = this.last = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = EMPTY;
  }

  private reserve(length: number): void {
    if (this.last + length <= this.bytes.length) return;
    const pending = this.length;
    if (pending + length <= this.bytes.length && this.first >= this.bytes.length / 2) {
      this.bytes.copyWithin(0, this.first, this.last);
    } else {
      let size = Math.max(this.bytes.length, FIRST_BYTES);
      while (size < pending + length) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(this.bytes.subarray(this.first, this.last));
      this.bytes = grown;
    }
    this.first = 0;
    this.last = pending;
  }
}
