/** Rolling figures of each key, and how those of one bucket are taken out and put in. */
import { bucketOf } from 'percore';

/** One key and its figures, as they go with their bucket. */
export type KeyFigures = [key: Uint8Array, hash: number, count: number, bytes: number];

/**
 * Finds a key by its bytes and their hash without making a string: an open-addressing table with linear probing (Knuth,
 * volume 3, 6.4), at most half full.
 */
export class KeyTable {
  /** Figures of the key that `touch` found last. */
  count = 0;
  bytes = 0;
  private size = 1024;
  private used = 0;
  private hashes = new Int32Array(this.size);
  private keys: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(this.size).fill(undefined);
  private counts = new Float64Array(this.size);
  private byteSums = new Float64Array(this.size);

  /** Keys seen. */
  get keyCount(): number {
    return this.used;
  }

  /**
   * Counts one line of `payloadBytes` for a key, which is new or known; returns how many lines it has had, this one
   * included.
   */
  touch(memory: Uint8Array, start: number, end: number, hash: number, payloadBytes: number): number {
    let slot = hash & (this.size - 1);
    for (;;) {
      const key = this.keys[slot];
      if (key === undefined) return this.insert(memory, start, end, hash, payloadBytes);
      if (this.hashes[slot] === hash && equals(key, memory, start, end)) break;
      slot = (slot + 1) & (this.size - 1);
    }
    this.bytes = this.byteSums[slot]! += payloadBytes;
    return (this.count = ++this.counts[slot]!);
  }

  /** Takes out the keys of a bucket. Looks at all keys, since the table is made for finding one. */
  take(bucket: number): KeyFigures[] {
    const taken: KeyFigures[] = [];
    const stay: KeyFigures[] = [];
    for (const [slot, key] of this.keys.entries()) {
      if (key === undefined) continue;
      const hash = this.hashes[slot]!;
      (bucketOf(hash) === bucket ? taken : stay).push([key, hash, this.counts[slot]!, this.byteSums[slot]!]);
    }
    if (taken.length === 0) return taken;
    // Anew, so that no key that stays is behind a gap.
    this.keys.fill(undefined);
    this.used = 0;
    for (const one of stay) this.add(one);
    return taken;
  }

  /** Puts in a key that is not in it. */
  add([key, hash, count, bytes]: KeyFigures): void {
    if ((this.used + 1) * 2 > this.size) this.grow();
    const slot = this.freeSlot(hash);
    this.used++;
    this.hashes[slot] = hash;
    this.keys[slot] = key;
    this.counts[slot] = count;
    this.byteSums[slot] = bytes;
  }

  private insert(memory: Uint8Array, start: number, end: number, hash: number, payloadBytes: number): number {
    this.add([memory.slice(start, end), hash, 1, payloadBytes]);
    this.bytes = payloadBytes;
    return (this.count = 1);
  }

  private freeSlot(hash: number): number {
    let slot = hash & (this.size - 1);
    while (this.keys[slot] !== undefined) slot = (slot + 1) & (this.size - 1);
    return slot;
  }

  private grow(): void {
    const { hashes, keys, counts, byteSums } = this;
    this.size *= 2;
    this.hashes = new Int32Array(this.size);
    this.keys = new Array<Uint8Array | undefined>(this.size).fill(undefined);
    this.counts = new Float64Array(this.size);
    this.byteSums = new Float64Array(this.size);
    for (let old = 0; old < keys.length; old++) {
      if (keys[old] === undefined) continue;
      const slot = this.freeSlot(hashes[old]!);
      this.hashes[slot] = hashes[old]!;
      this.keys[slot] = keys[old];
      this.counts[slot] = counts[old]!;
      this.byteSums[slot] = byteSums[old]!;
    }
  }
}

function equals(key: Uint8Array, memory: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) {
    if (key[i] !== memory[start + i]) return false;
  }
  return true;
}
