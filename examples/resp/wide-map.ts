/**
 * A map from 32-bit hashes that has no limit of its own. A Map throws a RangeError at its 16,777,217th entry, which a
 * keyspace reaches; so this is 64 of them, and the highest bits of a hash say in which one it is. Growing is cheaper as
 * well: only one of the 64 is copied at a time.
 */
const MAPS = 64;
const SHIFT = 26;

export class WideMap<Value> {
  private readonly maps = Array.from({ length: MAPS }, () => new Map<number, Value>());

  get(hash: number): Value | undefined {
    return this.maps[hash >>> SHIFT]!.get(hash);
  }

  has(hash: number): boolean {
    return this.maps[hash >>> SHIFT]!.has(hash);
  }

  set(hash: number, value: Value): void {
    this.maps[hash >>> SHIFT]!.set(hash, value);
  }

  delete(hash: number): boolean {
    return this.maps[hash >>> SHIFT]!.delete(hash);
  }

  clear(): void {
    for (const map of this.maps) map.clear();
  }

  *values(): Generator<Value> {
    for (const map of this.maps) yield* map.values();
  }
}
