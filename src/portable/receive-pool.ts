/**
 * Where received bytes lie until they are given back: buffers of 128 KiB, into which small arrivals are packed one
 * after the other, as in native/epoll_io.cc.
 */
import { ioBlockLayout, ioCountersLayout } from '../layout.js';

const BUFFER_BITS = 17;
const BUFFER_BYTES = 2 ** BUFFER_BITS;
/** With less room than this, the next buffer is begun. */
const LEAST_ROOM = 16_384;
const ALIGNMENT = 64;
const { released, bufferBits, releasedBuffer, bufferUsers } = ioBlockLayout.fields;
const RELEASED = released.at >> 2;
const RELEASED_BUFFER = releasedBuffer.at >> 2;
const USERS = bufferUsers.at >> 2;
const POOL_WAITS = ioCountersLayout.fields.poolWaits.at >> 3;

export class ReceivePool {
  private readonly free: number[] = [];
  private readonly isFree: boolean[];
  private current = 0;
  private at = 0;

  constructor(
    private readonly block: Int32Array, readonly bytes: Uint8Array, private readonly counters: Float64Array,
  ) {
    block[bufferBits.at >> 2] = BUFFER_BITS;
    const buffers = Math.min(bytes.length >> BUFFER_BITS, bufferUsers.count);
    for (let buffer = buffers - 1; buffer > 0; buffer--) this.free.push(buffer);
    this.isFree = Array.from({ length: buffers }, (_, buffer) => buffer !== 0);
  }

  /** Where the next arrival goes, and how long it may be. */
  get place(): number {
    return this.current * BUFFER_BYTES + this.at;
  }

  get room(): number {
    return BUFFER_BYTES - this.at;
  }

  /** False: no buffer is free, which is counted. */
  makeRoom(): boolean {
    if (this.room >= LEAST_ROOM) return true;
    if (this.block[USERS + this.current] !== 0) {
      const next = this.free.pop();
      if (next === undefined) {
        this.counters[POOL_WAITS]!++;
        return false;
      }
      this.current = next;
      this.isFree[next] = false;
    }
    this.at = 0;
    return true;
  }

  /** `count` bytes lie at `place` now. */
  use(count: number): void {
    this.block[USERS + this.current]!++;
    this.at = Math.min(BUFFER_BYTES, (this.at + count + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
  }

  /** Takes back the buffers that nobody uses any more. */
  takeReleased(): void {
    const { block } = this;
    for (let i = 0; i < block[RELEASED]!; i++) {
      const buffer = block[RELEASED_BUFFER + i]!;
      // Something may have been delivered from it again since.
      if (block[USERS + buffer] !== 0 || this.isFree[buffer]) continue;
      if (buffer === this.current) this.at = 0;
      else {
        this.isFree[buffer] = true;
        this.free.push(buffer);
      }
    }
    block[RELEASED] = 0;
  }
}
