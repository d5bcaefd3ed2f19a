import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { PercoreError } from '../errors.js';
import { createIds, formatId, parseId, partsOfId, readId, type Ids } from './ids.js';

/** A clock that shows what the test says. */
function clockAt(startMs: number): { nowMs: () => number; ms: number } {
  const clock = { ms: startMs, nowMs: () => clock.ms };
  return clock;
}

function errorOf(run: () => unknown): PercoreError {
  try {
    run();
  } catch (error) {
    return error as PercoreError;
  }
  throw new Error('nothing was thrown');
}

const times = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const origins = fc.bigInt({ min: 0n, max: 2n ** 48n - 1n });
const ids128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });

describe('identifiers', () => {
  it('grow with each one, whatever the clock does forwards, and say when they were made and by whom', () => {
    fc.assert(fc.property(times, origins, fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 200 }), (
      start, origin, steps,
    ) => {
      const clock = clockAt(start);
      const ids = createIds({ origin, nowMs: clock.nowMs });
      let before = -1n;
      for (const step of steps) {
        clock.ms = Math.min(clock.ms + step, Number.MAX_SAFE_INTEGER);
        const id = ids.next();
        if (id <= before) throw new Error(`${id} after ${before}`);
        const parts = partsOfId(id);
        const isNew = before < 0n || partsOfId(before).timeMs < clock.ms;
        expect(parts).toEqual({ timeMs: clock.ms, origin, counter: isNew ? 0 : partsOfId(before).counter + 1 });
        before = id;
      }
    }));
  });

  it('are the same as bytes and as a number, and bytes sort as numbers do', () => {
    fc.assert(fc.property(times, origins, fc.integer({ min: 0, max: 5 }), (start, origin, offset) => {
      const [one, other] = [clockAt(start), clockAt(start)];
      const numbers = createIds({ origin, nowMs: one.nowMs });
      const bytes = createIds({ origin, nowMs: other.nowMs });
      let before = Buffer.alloc(16);
      for (let i = 0; i < 20; i++) {
        const target = Buffer.alloc(16 + offset, 0xee);
        bytes.nextBytes(target, offset);
        const written = target.subarray(offset);
        expect(readId(target, offset)).toBe(numbers.next());
        expect(target.subarray(0, offset).every((byte) => byte === 0xee)).toBe(true);
        if (i > 0) expect(Buffer.compare(written, before)).toBe(1);
        before = written;
        if (i % 3 === 0 && start < 2 ** 52) one.ms = other.ms += 1;
      }
    }));
  });

  it('have a text that is parsed to the same number, and sorts as numbers do', () => {
    fc.assert(fc.property(ids128, ids128, (one, other) => {
      expect(parseId(formatId(one))).toBe(one);
      expect(formatId(one) < formatId(other)).toBe(one < other);
    }));
    const clock = clockAt(7);
    expect(createIds({ origin: 5, nowMs: clock.nowMs }).nextText()).toBe('00000000000000070000000000050000');
  });

  it('of one origin in one thread differ, from however many generators', () => {
    const seen = new Set<bigint>();
    const generators: Ids[] = Array.from({ length: 8 }, () => createIds());
    for (let i = 0; i < 4000; i++) for (const ids of generators) seen.add(ids.next());
    expect(seen.size).toBe(32_000);
  });

  it('of threads that say no origin differ in it, and those of one process share its 32 bits', async () => {
    const source = `import('${new URL('./ids.js', import.meta.url).href}').then(({ createIds }) =>
      require('node:worker_threads').parentPort.postMessage(createIds().origin))`;
    const workers = [0, 1, 2].map(() => new Worker(source, { eval: true }));
    const found = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as bigint));
    const all = [createIds().origin, ...found];
    expect(new Set(all).size).toBe(4);
    expect(new Set(all.map((origin) => origin >> 16n)).size).toBe(1);
  });
});

describe('the clock of identifiers', () => {
  it('is named when it runs backwards, and nothing is lost once it has come up again', () => {
    const clock = clockAt(1000);
    const ids = createIds({ origin: 1, nowMs: clock.nowMs });
    const first = ids.next();
    clock.ms = 990;
    const bytes = new Uint8Array(16);
    for (const attempt of [() => ids.next(), () => ids.nextBytes(bytes), () => ids.nextText()]) {
      const error = errorOf(attempt);
      expect(error).toMatchObject({ code: 'ERR_PERCORE_CLOCK_BACKWARDS', value: 990 });
      expect(error.message).toContain('10 ms behind');
    }
    expect(bytes).toEqual(new Uint8Array(16));
    clock.ms = 1000;
    expect(ids.next()).toBe(first + 1n);
  });

  it('is waited for when a millisecond is full: 65,536 are made in it, and the next one in the next', () => {
    let looks = 0;
    let ms = 5;
    const nowMs = (): number => {
      // Time goes on only when somebody waits for it.
      if (++looks > 65_536 + 1000) ms = 6;
      return ms;
    };
    const ids = createIds({ origin: 2, nowMs });
    let last = 0n;
    for (let i = 0; i < 65_536; i++) last = ids.next();
    expect(partsOfId(last)).toEqual({ timeMs: 5, origin: 2n, counter: 65_535 });
    expect(partsOfId(ids.next())).toEqual({ timeMs: 6, origin: 2n, counter: 0 });
  });

  it('that stands still with a full millisecond is an error, not an endless wait', () => {
    const clock = clockAt(3);
    const ids = createIds({ origin: 3, nowMs: clock.nowMs });
    for (let i = 0; i < 65_536; i++) ids.next();
    expect(errorOf(() => ids.next()).code).toBe('ERR_PERCORE_BACK_PRESSURED');
    clock.ms = 4;
    expect(partsOfId(ids.next()).counter).toBe(0);
  });

  it.each([NaN, -1, 0.5, Infinity, 'now', undefined])('that shows %s is refused', (shown) => {
    const ids = createIds({ origin: 4, nowMs: () => shown as number });
    expect(errorOf(() => ids.next()).code).toBe('ERR_PERCORE_INVALID_ARGUMENT');
  });
});

describe('what identifiers are not made of', () => {
  it.each<[string, () => unknown]>([
    ['origin', () => createIds({ origin: -1 })],
    ['origin', () => createIds({ origin: 2 ** 48 })],
    ['origin', () => createIds({ origin: 1.5 })],
    ['origin', () => createIds({ origin: 'here' as never })],
    ['nowMs', () => createIds({ nowMs: 5 as never })],
    ['options.clock', () => createIds({ clock: Date.now } as never)],
    ['target', () => createIds().nextBytes(new Uint8Array(15))],
    ['target', () => createIds().nextBytes([] as never)],
    ['offset', () => createIds().nextBytes(new Uint8Array(20), 5)],
    ['offset', () => readId(new Uint8Array(20), -1)],
    ['id', () => formatId(2n ** 128n)],
    ['id', () => partsOfId(-1n)],
    ['id', () => formatId(5 as never)],
    ['text', () => parseId('5')],
    ['text', () => parseId('0000000000000007000000000005000G')],
    ['text', () => parseId(`${'0'.repeat(32)}\n`)],
  ])('%s', (argument, run) => {
    const error = errorOf(run);
    expect([error.code, error.argument]).toEqual(['ERR_PERCORE_INVALID_ARGUMENT', argument]);
  });

  it('is known to the compiler', () => {
    expectTypeOf(createIds().next()).toEqualTypeOf<bigint>();
    // @ts-expect-error A number is no identifier.
    expect(() => formatId(1)).toThrow();
  });
});
