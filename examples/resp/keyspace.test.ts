/** Keys by a clock that the test moves: what a timer does, and what happens when it is late. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Keyspace, type Entry } from './keyspace.js';

let nowMs: number;
let timers: Map<number, { atMs: number; callback: () => void }>;
let keys: Keyspace;
let nextTimer: number;
const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const find = (key: string): Entry | undefined => keys.find(latin1(`<${key}>`), 1, 1 + key.length);
const insert = (key: string): Entry => keys.insert(latin1(`<${key}>`), 1, 1 + key.length);
const textOf = (entry: Entry): string => Buffer.from(entry.bytes.slice(entry.start, entry.end)).toString('latin1');
const keyOf = (entry: Entry | undefined): string | undefined =>
  entry && Buffer.from(entry.bytes.slice(entry.at, entry.start)).toString('latin1');
/** Moves the clock and runs what is due, in the order of its time. */
const advance = (byMs: number): void => {
  nowMs += byMs;
  for (const [id, { callback }] of [...timers]
    .filter(([, { atMs }]) => atMs <= nowMs)
    .toSorted((a, b) => a[1].atMs - b[1].atMs))
    if (timers.delete(id)) callback();
};

beforeEach(() => {
  nowMs = 1000;
  nextTimer = 0;
  timers = new Map();
  keys = new Keyspace({
    nowMs: () => nowMs,
    after: (delayMs, then) => {
      timers.set(++nextTimer, { atMs: nowMs + delayMs, callback: then });
      return nextTimer;
    },
    cancel: (timer) => void timers.delete(timer as number),
  });
});

describe('a keyspace', () => {
  it('finds what was put in, and tells keys apart that share a hash', () => {
    const names = Array.from({ length: 5000 }, (_, i) => `key:${i}`);
    for (const name of names) keys.setText(insert(name), latin1(name), 0, name.length);
    expect(keys.size).toBe(5000);
    for (const name of names) expect(textOf(find(name)!)).toBe(name);
    // A chain of keys with one hash: the entries are linked by hand, as equal hashes would link them.
    const [a, b, c] = ['a', 'b', 'c'].map((name) => insert(name));
    const chain = (keys as unknown as { entries: Map<number, Entry> }).entries;
    for (const entry of [a!, b!, c!]) chain.delete(entry.hash);
    Object.assign(a!, { hash: 7, next: undefined });
    Object.assign(b!, { hash: 7, next: a });
    Object.assign(c!, { hash: 7, next: b });
    chain.set(7, c!);
    keys.remove(b!);
    expect([c!.next, a!.next, chain.get(7)]).toEqual([a, undefined, c]);
    keys.remove(c!);
    keys.remove(a!);
    expect([chain.has(7), keys.size]).toEqual([false, 5000]);
  });

  it('overwrites texts in place while they fit, and gives memory back', () => {
    const entry = insert('k');
    keys.setText(entry, latin1('hello'), 0, 5);
    const { bytes, at } = entry;
    keys.setText(entry, latin1('abc'), 0, 3);
    expect([entry.bytes === bytes, entry.at, textOf(entry)]).toEqual([true, at, 'abc']);
    keys.setText(entry, new Uint8Array(100_000), 0, 100_000);
    expect([entry.bytes === bytes, entry.length, keyOf(entry)]).toEqual([false, 100_000, 'k']);
    keys.setText(entry, latin1('x'), 0, 1);
    expect([entry.capacity, textOf(entry), find('k')]).toEqual([16, 'x', entry]);
  });

  it('keeps every text whole while texts grow, shrink and go', () => {
    const model = new Map<string, string>();
    let state = 99;
    const random = (below: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) % below;
    for (let i = 0; i < 50_000; i++) {
      const name = `key:${random(300)}`;
      const entry = find(name);
      if ((entry === undefined) === model.has(name)) {
        expect.fail(`step ${i}: ${name} is ${entry === undefined ? 'lost' : 'back'}`);
      }
      if (entry !== undefined && random(4) === 0) {
        expect(textOf(entry)).toBe(model.get(name));
        keys.remove(entry);
        model.delete(name);
      } else {
        const text = String.fromCharCode(33 + random(90)).repeat(random(random(10) === 0 ? 70_000 : 200));
        keys.setText(entry ?? insert(name), latin1(text), 0, text.length);
        model.set(name, text);
      }
    }
    for (const [name, text] of model) expect(textOf(find(name)!)).toBe(text);
    for (const name of model.keys()) keys.remove(find(name)!);
    expect(keys.size).toBe(0);
  });

  it('removes a key at its end, and forgets the end when it is taken back', () => {
    for (const name of ['a', 'b', 'c']) keys.expireAt(insert(name), nowMs + 100);
    keys.persist(find('b')!);
    keys.expireAt(find('c')!, nowMs + 200);
    expect([keys.expiring, timers.size]).toEqual([2, 2]);
    advance(100);
    // The last millisecond of its life.
    expect([keyOf(find('a')), keys.size, keys.expired, timers.size]).toEqual(['a', 3, 0, 2]);
    advance(1);
    expect([keys.size, keys.expired, keys.expiring, timers.size]).toEqual([2, 1, 1, 1]);
    advance(100);
    expect([find('a'), keyOf(find('b')), find('c'), keys.expired, timers.size]).toEqual([
      undefined, 'b', undefined, 2, 0,
    ]);
  });

  it('shows no key after its end, however late the timer is, and removes it once', () => {
    keys.expireAt(insert('a'), nowMs + 100);
    nowMs += 101;
    expect([find('a'), keys.size, keys.expired, timers.size]).toEqual([undefined, 0, 1, 0]);
    insert('a');
    advance(1000);
    expect([keyOf(find('a')), keys.expired]).toEqual(['a', 1]);
  });

  it('waits for ends that are further than a timer reaches', () => {
    const year = 365 * 86_400_000;
    keys.expireAt(insert('a'), nowMs + 2.5 * year);
    advance(year);
    advance(year);
    expect([keyOf(find('a')), timers.size]).toEqual(['a', 1]);
    advance(year / 2 + 1);
    expect([find('a'), keys.expired, timers.size]).toEqual([undefined, 1, 0]);
  });
});
