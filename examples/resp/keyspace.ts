/**
 * The keys of one reactor.
 *
 *     bytes of the key --hash--> Map --> entry -> entry (same hash) ...        no string is made to look a key up
 *
 * A key with an end of life has a timer that removes it; a look-up in between compares with the clock, so no key is
 * ever seen after its time. Key and text lie behind each other in a piece of the slab, and a text is overwritten in
 * place while it fits; lists and hashes are of latin1 strings. Knows neither its transport nor its reactor:
 * `KeyspaceHost` is all it needs of them.
 */
import { copyBytes } from './bytes.js';
import { Slab } from './slab.js';
import type { TextDeque } from './text-deque.js';
import { WideMap } from './wide-map.js';

export interface KeyspaceHost {
  /** Whole milliseconds of a clock that never goes back: redis-server counts lives in them. */
  nowMs(): number;
  /** Calls back once, about `delayMs` from now; what it answers is for `cancel`. */
  after(delayMs: number, then: () => void): unknown;
  cancel(timer: unknown): void;
}

export const TEXT = 0;
export const LIST = 1;
export const HASH = 2;

export class Entry {
  kind = TEXT;
  /** A text: `length` bytes from `start` on. */
  length = 0;
  list: TextDeque | undefined = undefined;
  fields: Map<string, string> | undefined = undefined;
  /**
   * The last millisecond of its life by the host's clock; Infinity: never. A bigint where a number would not be exact:
   * comparisons take both.
   */
  expiresAtMs: number | bigint = Infinity;
  timer: unknown = undefined;
  next: Entry | undefined = undefined;

  /** Key and text lie in `bytes` from `at` on, in a piece of `capacity` bytes. */
  constructor(
    readonly hash: number,
    public bytes: Uint8Array,
    public at: number,
    public capacity: number,
    readonly keyLength: number,
  ) {}

  /** Where the text begins in `bytes`. */
  get start(): number {
    return this.at + this.keyLength;
  }

  get end(): number {
    return this.at + this.keyLength + this.length;
  }

  isKey(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.keyLength) return false;
    const own = this.bytes;
    for (let at = this.at; start < end; at++, start++) if (own[at] !== bytes[start]) return false;
    return true;
  }
}

/** Longest wait asked of a timer: a year. A later end asks again. */
const MOST_DELAY_MS = 365 * 86_400_000;

export class Keyspace {
  /** Keys that a timer, or a look after their time, has removed. */
  expired = 0;
  /** Keys with an end of life. */
  expiring = 0;
  hits = 0;
  misses = 0;
  private count = 0;
  private readonly slab: Slab;
  private readonly entries = new WideMap<Entry>();
  /** Chosen anew for each keyspace, so that nobody can prepare keys that all hash alike. */
  private readonly seed = (Math.random() * 2 ** 32) | 0;

  /** `memoryBytes`: what keys and texts may take. */
  constructor(readonly host: KeyspaceHost, memoryBytes = Infinity) {
    this.slab = new Slab(memoryBytes);
  }

  get size(): number {
    return this.count;
  }

  /** The living entry of a key. Does not allocate. */
  find(bytes: Uint8Array, start: number, end: number): Entry | undefined {
    for (let entry = this.entries.get(this.hash(bytes, start, end)); entry !== undefined; entry = entry.next) {
      if (!entry.isKey(bytes, start, end)) continue;
      if (entry.expiresAtMs === Infinity || entry.expiresAtMs >= this.host.nowMs()) return entry;
      this.expired++;
      this.remove(entry);
      return undefined;
    }
    return undefined;
  }

  /**
   * A new entry for a key that `find` does not find, with room for a text of `textLength` bytes. Changes nothing when
   * memory is short.
   */
  insert(bytes: Uint8Array, start: number, end: number, textLength = 0): Entry {
    const hash = this.hash(bytes, start, end);
    const { slab } = this;
    const capacity = slab.allocate(end - start + textLength);
    copyBytes(bytes, start, end, slab.bytes, slab.at);
    const entry = new Entry(hash, slab.bytes, slab.at, capacity, end - start);
    entry.next = this.entries.get(hash);
    this.entries.set(hash, entry);
    this.count++;
    return entry;
  }

  remove(entry: Entry): void {
    this.persist(entry);
    const first = this.entries.get(entry.hash);
    if (first === entry) {
      if (entry.next === undefined) this.entries.delete(entry.hash);
      else this.entries.set(entry.hash, entry.next);
    } else {
      let before = first!;
      while (before.next !== entry) before = before.next!;
      before.next = entry.next;
    }
    entry.next = undefined;
    this.slab.free(entry.bytes, entry.at, entry.capacity);
    if (--this.count === 0) this.slab.clear();
  }

  /** Removes every key. */
  clear(): void {
    for (const first of this.entries.values()) {
      for (let entry: Entry | undefined = first; entry !== undefined; entry = entry.next) this.persist(entry);
    }
    this.entries.clear();
    this.count = 0;
    this.slab.clear();
  }

  /**
   * Makes the entry a text of these bytes, whatever it was; its end of life stays. Allocates only when it grows, and
   * changes nothing when memory is short.
   */
  setText(entry: Entry, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const needed = entry.keyLength + length;
    // Memory much larger than the text is given back.
    if (needed > entry.capacity || entry.capacity > 64 + 2 * needed) this.move(entry, needed);
    entry.kind = TEXT;
    entry.list = entry.fields = undefined;
    copyBytes(bytes, start, end, entry.bytes, entry.start);
    entry.length = length;
  }

  /** Takes another piece for the entry, with its key. */
  private move(entry: Entry, needed: number): void {
    const { slab } = this;
    const capacity = slab.allocate(needed);
    copyBytes(entry.bytes, entry.at, entry.start, slab.bytes, slab.at);
    slab.free(entry.bytes, entry.at, entry.capacity);
    entry.bytes = slab.bytes;
    entry.at = slab.at;
    entry.capacity = capacity;
  }

  /** The entry lives until then, this millisecond included, as in redis-server. */
  expireAt(entry: Entry, atMs: number | bigint): void {
    this.persist(entry);
    this.expiring++;
    entry.expiresAtMs = atMs;
    this.arm(entry);
  }

  /** The entry lives on without an end. */
  persist(entry: Entry): void {
    if (entry.expiresAtMs === Infinity) return;
    this.host.cancel(entry.timer);
    this.expiring--;
    entry.timer = undefined;
    entry.expiresAtMs = Infinity;
  }

  private arm(entry: Entry): void {
    const leftMs = Number(entry.expiresAtMs) + 1 - this.host.nowMs();
    entry.timer = this.host.after(Math.min(Math.max(leftMs, 0), MOST_DELAY_MS), () => {
      if (leftMs > MOST_DELAY_MS) return this.arm(entry);
      this.expired++;
      this.remove(entry);
    });
  }

  /** FNV-1a with the seed, and a last step that brings the high bits down. */
  private hash(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.seed;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    return hash ^ (hash >>> 15);
  }
}
