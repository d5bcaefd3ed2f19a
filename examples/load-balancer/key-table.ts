/**
 * Rolling figures of each key, found by the key's bytes and their hash without making a string: an open-addressing
 * table with linear probing (Knuth, volume 3, 6.4), at most half full.
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

  private insert(memory: Uint8Array, start: number, end: number, hash: number, payloadBytes: number): number {
    if ((this.used + 1) * 2 > this.size) this.grow();
    const slot = this.freeSlot(hash);
    this.used++;
    this.hashes[slot] = hash;
    this.keys[slot] = memory.slice(start, end);
    this.counts[slot] = 1;
    this.byteSums[slot] = payloadBytes;
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
