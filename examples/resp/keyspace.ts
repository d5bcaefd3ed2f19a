/**
 * The keys of one reactor.
 *
 *     bytes of the key --hash--> Map --> entry -> entry (same hash) ...        no string is made to look a key up
 *
 * A key with an end of life has a timer that removes it; who asks in between compares with the clock, so no key is ever seen after its time.
 * Values: text as bytes that are overwritten in place while they fit; lists and hashes of latin1 strings, since a small Uint8Array is ten
 * times its content. Knows neither its transport nor its reactor: `KeyspaceHost` is all it needs of them.
 */
import { textOf } from './arguments.js';
import { copyBytes } from './bytes.js';
import type { TextDeque } from './text-deque.js';

export interface KeyspaceHost {
  /** Milliseconds of a clock that never goes back. */
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
  /** A text: the first `length` of `bytes`. */
  bytes: Uint8Array = NOTHING;
  length = 0;
  list: TextDeque | undefined = undefined;
  fields: Map<string, string> | undefined = undefined;
  /** By the host's clock; Infinity: never. */
  expiresAtMs = Infinity;
  timer: unknown = undefined;
  next: Entry | undefined = undefined;

  constructor(readonly hash: number, readonly key: string) {}
}

const NOTHING = new Uint8Array(0);
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
  private readonly entries = new Map<number, Entry>();
  /** Chosen anew for each keyspace, so that nobody can prepare keys that all hash alike. */
  private readonly seed = (Math.random() * 2 ** 32) | 0;

  constructor(readonly host: KeyspaceHost) {}

  get size(): number {
    return this.count;
  }

  /** The living entry of a key. Does not allocate. */
  find(bytes: Uint8Array, start: number, end: number): Entry | undefined {
    for (let entry = this.entries.get(this.hash(bytes, start, end)); entry !== undefined; entry = entry.next) {
      if (!isSame(entry.key, bytes, start, end)) continue;
      if (entry.expiresAtMs === Infinity || entry.expiresAtMs > this.host.nowMs()) return entry;
      this.expired++;
      this.remove(entry);
      return undefined;
    }
    return undefined;
  }

  /** A new entry for a key that `find` does not find. */
  insert(bytes: Uint8Array, start: number, end: number): Entry {
    const hash = this.hash(bytes, start, end);
    const entry = new Entry(hash, textOf(bytes, start, end));
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
    this.count--;
  }

  /** Makes the entry a text of these bytes, whatever it was; its end of life stays. Allocates only when it grows. */
  setText(entry: Entry, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    entry.kind = TEXT;
    entry.list = entry.fields = undefined;
    // Memory much larger than the text is given back.
    if (length > entry.bytes.length || entry.bytes.length > 64 + 2 * length) entry.bytes = new Uint8Array(length);
    copyBytes(bytes, start, end, entry.bytes, 0);
    entry.length = length;
  }

  /** The entry lives until then, by the host's clock. */
  expireAt(entry: Entry, atMs: number): void {
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
    const leftMs = entry.expiresAtMs - this.host.nowMs();
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

function isSame(key: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
