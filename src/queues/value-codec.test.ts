import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { ValueCodec, type ValueMemory } from './value-codec.js';

function memoryOf(bytes: number): ValueMemory {
  const buffer = new SharedArrayBuffer(bytes);
  return { words: new Int32Array(buffer), bytes: new Uint8Array(buffer), view: new DataView(buffer), buffer: Buffer.from(buffer) };
}

/** Writes a value at byte 16 of dirty memory and reads it back; checks what `measure` promised and that nothing outside is touched. */
function roundTrip(value: unknown): unknown {
  const codec = new ValueCodec();
  const most = codec.measure(value);
  const memory = memoryOf((16 + most + 16 + 7) & ~7);
  memory.bytes.fill(0xa5);
  const taken = codec.write(value, memory, 16);
  expect(taken, 'measure() is an upper bound').toBeLessThanOrEqual(most);
  expect([...memory.bytes.subarray(0, 16)].every((byte) => byte === 0xa5), 'nothing before the value is written').toBe(true);
  expect([...memory.bytes.subarray(16 + most)].every((byte) => byte === 0xa5), 'nothing behind what was measured is written').toBe(true);
  const read = new ValueCodec().read(memory, 16, taken);
  memory.bytes.fill(0xff);
  return read;
}

function errorOf(value: unknown): PercoreError {
  try {
    new ValueCodec().measure(value);
  } catch (error) {
    if (error instanceof PercoreError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a value in a record', () => {
  it('comes back equal: any number', () => {
    fc.assert(fc.property(fc.double(), (value) => {
      expect(Object.is(roundTrip(value), value)).toBe(true);
    }));
    for (const value of [0, -0, NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER, Number.MIN_VALUE]) expect(Object.is(roundTrip(value), value)).toBe(true);
  });

  it('comes back equal: any well-formed string', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (value) => {
      expect(roundTrip(value)).toBe(value);
    }));
    for (const value of ['', '\0', 'ü€😀', 'x'.repeat(100_000)]) expect(roundTrip(value) === value).toBe(true);
  });

  it('comes back equal: a string with half a surrogate pair, as from structured clone', () => {
    for (const value of ['\ud800', 'a\udc00b', '\ud83d']) expect(roundTrip(value)).toBe(structuredClone(value));
  });

  it('comes back equal: the small ones', () => {
    for (const value of [true, false, null, undefined]) expect(roundTrip(value)).toBe(value);
  });

  it('comes back equal: bytes, as a copy that is its reader\'s own', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
      expect(roundTrip(value)).toEqual(value);
    }));
    const part = new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4);
    expect(roundTrip(part)).toEqual(Uint8Array.of(2, 3, 4));
    expect(roundTrip(Buffer.from('abc'))).toEqual(Uint8Array.from(Buffer.from('abc')));
  });

  it('comes back equal: anything structured clone knows, nested', () => {
    const plain = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true });
    fc.assert(fc.property(plain, (value) => {
      expect(roundTrip(value)).toEqual(structuredClone(value));
    }), { numRuns: 500 });
  });

  it('keeps cycles and shared parts', () => {
    const part = { n: 1 };
    const value: Record<string, unknown> = { a: part, b: part };
    value['self'] = value;
    const back = roundTrip(value) as Record<string, unknown>;
    expect(back['self']).toBe(back);
    expect(back['a']).toBe(back['b']);
  });

  it('keeps an error\'s name, message and code-less shape', () => {
    const back = roundTrip(new RangeError('too far')) as Error;
    expect([back instanceof RangeError, back.message]).toEqual([true, 'too far']);
  });

  it('keeps other typed arrays what they are', () => {
    expect(roundTrip(Float64Array.of(1.5, -0))).toEqual(Float64Array.of(1.5, -0));
    expect(roundTrip(Int16Array.of(-3))).toEqual(Int16Array.of(-3));
  });

  it('can be given up after it was measured, and another written', () => {
    const codec = new ValueCodec();
    codec.measure({ large: 'object' });
    codec.forget();
    const memory = memoryOf(64);
    codec.measure(Uint8Array.of(7));
    const taken = codec.write(Uint8Array.of(7), memory, 0);
    expect(codec.read(memory, 0, taken)).toEqual(Uint8Array.of(7));
  });

  it('is left alone by a measure that failed before it', () => {
    const codec = new ValueCodec();
    expect(() => codec.measure({ f: () => 1 })).toThrow(PercoreError);
    const memory = memoryOf(64);
    codec.measure(Uint8Array.of(7));
    expect(codec.read(memory, 0, codec.write(Uint8Array.of(7), memory, 0))).toEqual(Uint8Array.of(7));
  });
});

describe('a value that cannot be sent', () => {
  const cases: [what: string, value: unknown, path: string][] = [
    ['a function', () => 1, 'value (a function)'],
    ['a symbol', Symbol('x'), 'value (a symbol)'],
    ['a method', { name: 'a', handlers: { done() { return 1; } } }, 'value.handlers.done (a function)'],
    ['a function in a list', { handlers: [1, () => 1] }, 'value.handlers[1] (a function)'],
    ['a symbol in a map', { by: new Map([['k', Symbol('x')]]) }, 'value.by.get(k) (a symbol)'],
    ['a function as a map\'s key', new Map([[() => 1, 1]]), 'value.keys()[0] (a function)'],
    ['a function in a set', [new Set([1, () => 1])], 'value[0].values()[1] (a function)'],
    ['a promise', { later: Promise.resolve(1) }, 'value.later ([object Promise])'],
    ['a weak map', [{ a: new WeakMap() }], 'value[0].a ([object WeakMap])'],
  ];
  for (const [what, value, path] of cases) {
    it(`names the path to it: ${what}`, () => {
      const error = errorOf(value);
      expect(error.code).toBe('ERR_PERCORE_UNSERIALIZABLE');
      expect(error.argument).toBe(path);
      expect(error.message).toBe(`${path} cannot be sent to another thread. Send plain values, typed arrays, maps, sets, dates or errors`);
    });
  }

  it('is found behind a cycle', () => {
    const value: Record<string, unknown> = {};
    value['self'] = value;
    value['f'] = () => 1;
    expect(errorOf(value).argument).toBe('value.f (a function)');
  });

  it('is reported as such where looking for the path is not safe: a getter that throws, a key without a text', () => {
    expect(errorOf({ get bad(): never { throw new Error('no'); } }).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
    expect(errorOf(new Map([[Object.create(null), () => 1]])).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
  });
});
