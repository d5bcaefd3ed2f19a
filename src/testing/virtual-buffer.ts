import type { AccessTarget } from './access.js';

/** The stand-in for a SharedArrayBuffer: words of a virtual memory, from `firstWord` on. */
export class VirtualBuffer {
  /** `lengthWord` is -1 for a buffer that does not grow. */
  constructor(
    private readonly memory: AccessTarget & { readonly cells: Int32Array }, readonly firstWord: number,
    readonly maxByteLength: number, readonly lengthWord: number,
  ) {}

  get growable(): boolean {
    return this.lengthWord >= 0;
  }

  /** The length in bytes. If the buffer can grow, reading it is one access. */
  get byteLength(): number {
    if (!this.growable) return this.maxByteLength;
    return this.memory.perform({ verb: 'load', word: this.lengthWord, mask: -1, value: 0, expected: 0 });
  }

  /** The same without an access, for views that have to know how far they reach. */
  reach(): number {
    return this.growable ? this.memory.cells[this.lengthWord] : this.maxByteLength;
  }

  grow(byteLength: number): void {
    if (!this.growable) throw new TypeError('SharedArrayBuffer.grow: this buffer was made without maxByteLength');
    for (;;) {
      const now = this.byteLength;
      if (byteLength === now) return;
      if (byteLength < now || byteLength > this.maxByteLength)
        throw new RangeError(`SharedArrayBuffer.grow: ${byteLength} bytes, not from ${now} to ${this.maxByteLength}`);
      if (
        this.memory.perform({
          verb: 'compareExchange', word: this.lengthWord, mask: -1, value: byteLength, expected: now,
        }) === now
      )
        return;
    }
  }
}
