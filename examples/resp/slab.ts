/**
 * Memory for keys and texts: pieces of a few large arrays, by size.
 *
 *     16 32 48 ... 1024 | 1280 1536 1792 2048 | 2560 ... 32 KiB | larger: an array of its own
 *
 * A piece that is freed waits in the list of its size for the next one. Why not an array for each value: a small
 * Uint8Array is ten times its content, the collector visits every one of them, and a look-up reads three more cache
 * lines to find the bytes. What it costs: at most a quarter of a piece is unused, and memory of one size does not
 * become memory of another until the keyspace is empty (`clear`).
 */
const CHUNK_BYTES = 2 ** 20;
const STEP_BYTES = 16;
/** Up to here sizes are multiples of STEP_BYTES; above, four to a doubling. */
const STEPPED_BYTES = 1024;
const MOST_BYTES = 2 ** 15;
const SIZES = 85;

interface Freed {
  readonly bytes: Uint8Array[];
  readonly at: number[];
}

export class Slab {
  /** Where the piece lies that `allocate` has given: `at` in `bytes`. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  private chunk: Uint8Array | undefined;
  /** The first byte of the chunk that was never given. */
  private unused = CHUNK_BYTES;
  private freed: Freed[] = makeLists();
  /** Bytes of the chunks and of what has an array of its own. */
  private taken = 0;

  /** `mostBytes`: what it may take from the system. */
  constructor(private readonly mostBytes = Infinity) {}

  /**
   * Gives a piece of at least `size` bytes in `bytes` and `at`, and returns how many it has. Its content is arbitrary.
   * Throws a RangeError, and changes nothing, where it would take more than it may.
   */
  allocate(size: number): number {
    if (size > MOST_BYTES) {
      this.checkRoom(size);
      // Not zeroed: a text is written over all that is ever read of it.
      this.bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
      this.at = 0;
      this.taken += size;
      return size;
    }
    const capacity = capacityFor(size);
    const freed = this.freed[listOf(capacity)]!;
    if (freed.at.length !== 0) {
      this.bytes = freed.bytes.pop()!;
      this.at = freed.at.pop()!;
      return capacity;
    }
    if (this.unused + capacity > CHUNK_BYTES) {
      this.checkRoom(CHUNK_BYTES);
      this.chunk = new Uint8Array(CHUNK_BYTES);
      this.taken += CHUNK_BYTES;
      this.unused = 0;
    }
    this.bytes = this.chunk!;
    this.at = this.unused;
    this.unused += capacity;
    return capacity;
  }

  /** Takes a piece back. */
  free(bytes: Uint8Array, at: number, capacity: number): void {
    if (capacity > MOST_BYTES) {
      this.taken -= capacity;
      return;
    }
    const freed = this.freed[listOf(capacity)]!;
    freed.bytes.push(bytes);
    freed.at.push(at);
  }

  /** Takes every piece back and lets the memory go. */
  clear(): void {
    this.chunk = undefined;
    this.unused = CHUNK_BYTES;
    this.freed = makeLists();
    this.taken = 0;
  }

  private checkRoom(bytes: number): void {
    const { taken, mostBytes } = this;
    if (taken + bytes <= mostBytes) return;
    throw new RangeError(`keys and values have ${taken} of ${mostBytes} bytes, and ${bytes} more are needed`);
  }
}

/** What a piece for `size` bytes holds: 0 to MOST_BYTES. */
export function capacityFor(size: number): number {
  if (size <= STEPPED_BYTES) return size === 0 ? STEP_BYTES : (size + STEP_BYTES - 1) & -STEP_BYTES;
  const step = quarterOf(size);
  return (size + step - 1) & -step;
}

/** A quarter of the largest power of two below `size`. */
const quarterOf = (size: number): number => 1 << (29 - Math.clz32(size - 1));

/** The list of a capacity: 1 to 64 in steps of 16 bytes, then four for each doubling, 65 to 84. */
export function listOf(capacity: number): number {
  if (capacity <= STEPPED_BYTES) return capacity / STEP_BYTES;
  const step = quarterOf(capacity);
  return 64 + 4 * (23 - Math.clz32(step)) + capacity / step - 4;
}

const makeLists = (): Freed[] => Array.from({ length: SIZES }, () => ({ bytes: [], at: [] }));
