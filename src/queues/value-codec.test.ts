import { open } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import type { RecordMemory } from './codec.js';
import { ValueCodec } from './value-codec.js';

function memoryOf(bytes: number): RecordMemory {
  const buffer = new SharedArrayBuffer(bytes);
  return {
    words: new Int32Array(buffer), bytes: new Uint8Array(buffer), view: new DataView(buffer),
    buffer: Buffer.from(buffer),
  };
}

/**
 * Writes a value at byte 16 of dirty memory and reads it back. Checks what `measure` has promised, and that nothing
 * else is touched.
 */
function roundTrip(value: unknown): unknown {
  const codec = new ValueCodec();
  const most = codec.measure(value);
  const memory = memoryOf((16 + most + 16 + 7) & ~7);
  memory.bytes.fill(0xa5);
  const taken = codec.write(value, memory, 16);
  expect(taken, 'measure() is an upper bound').toBeLessThanOrEqual(most);
  expect(
    [...memory.bytes.subarray(0, 16)].every((byte) => byte === 0xa5), 'nothing before the value is written',
  ).toBe(true);
  expect(
    [...memory.bytes.subarray(16 + most)].every((byte) => byte === 0xa5), 'nothing behind what was measured is written',
  ).toBe(true);
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
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(Object.is(roundTrip(value), value)).toBe(true);
      }),
    );
    for (const value of [0, -0, NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER, Number.MIN_VALUE])
      expect(Object.is(roundTrip(value), value)).toBe(true);
  });

  it('comes back equal: any well-formed string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (value) => {
        expect(roundTrip(value)).toBe(value);
      }),
    );
    for (const value of ['', '\0', 'ü€😀', 'x'.repeat(100_000)]) expect(roundTrip(value) === value).toBe(true);
  });

  it('comes back equal: a string with half a surrogate pair, as from structured clone', () => {
    for (const value of ['\ud800', 'a\udc00b', '\ud83d']) expect(roundTrip(value)).toBe(structuredClone(value));
  });

  it('comes back equal: booleans, null and undefined', () => {
    for (const value of [true, false, null, undefined]) expect(roundTrip(value)).toBe(value);
  });

  it('comes back equal: bytes, as a copy that belongs to the reader', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
      expect(roundTrip(value)).toEqual(value);
    }));
    const part = new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4);
    expect(roundTrip(part)).toEqual(Uint8Array.of(2, 3, 4));
    expect(roundTrip(Buffer.from('abc'))).toEqual(Uint8Array.from(Buffer.from('abc')));
  });

  it('comes back equal: anything that structured clone knows, nested', () => {
    const plain = fc.anything({
      withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true,
    });
    fc.assert(
      fc.property(plain, (value) => {
        expect(roundTrip(value)).toEqual(structuredClone(value));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps cycles and shared parts', () => {
    const part = { n: 1 };
    const value: Record<string, unknown> = { a: part, b: part };
    value['self'] = value;
    const back = roundTrip(value) as Record<string, unknown>;
    expect(back['self']).toBe(back);
    expect(back['a']).toBe(back['b']);
  });


  it('keeps other typed arrays what they are', () => {
    expect(roundTrip(Float64Array.of(1.5, -0))).toEqual(Float64Array.of(1.5, -0));
    expect(roundTrip(Int16Array.of(-3))).toEqual(Int16Array.of(-3));
  });

  it('can be given up after it was measured, and another value written', () => {
    const codec = new ValueCodec();
    codec.measure({ large: 'object' });
    codec.forget();
    const memory = memoryOf(64);
    codec.measure(Uint8Array.of(7));
    const taken = codec.write(Uint8Array.of(7), memory, 0);
    expect(codec.read(memory, 0, taken)).toEqual(Uint8Array.of(7));
  });

  it('is not affected by a measure that failed before it', () => {
    const codec = new ValueCodec();
    expect(() => codec.measure({ f: () => 1 })).toThrow(PercoreError);
    const memory = memoryOf(64);
    codec.measure(Uint8Array.of(7));
    expect(codec.read(memory, 0, codec.write(Uint8Array.of(7), memory, 0))).toEqual(Uint8Array.of(7));
  });
});

describe('a proxy that was revoked', () => {
  const revoked = (target: object): object => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  };

  it('is refused by name, wherever it occurs', () => {
    const codec = new ValueCodec();
    for (const value of [revoked({}), revoked([]), { a: revoked({}) }, [revoked({})], new Map([[1, revoked({})]])]) {
      expect(() => codec.measure(value)).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_UNSERIALIZABLE' }));
    }
  });
});

describe('an error in a record', () => {
  it('keeps class, message, stack, code, own fields and causes, at any depth', () => {
    const sent = Object.assign(
      new RangeError('too far', {
        cause: new TypeError('why', { cause: Object.assign(new Error('root'), { code: 'EROOT' }) }),
      }),
      { code: 'EFAR', limits: { most: 3n } },
    );
    for (const back of [
      roundTrip(sent),
      (roundTrip({ list: [new Map([['k', sent]])] }) as { list: Map<string, unknown>[] }).list[0]!.get('k'),
    ] as (typeof sent)[]) {
      expect(back).toBeInstanceOf(RangeError);
      expect([back.message, back.stack, back.code, back.limits, back.name]).toEqual([
        'too far', sent.stack, 'EFAR', { most: 3n }, 'RangeError',
      ]);
      expect(Object.keys(back)).toEqual(['code', 'limits']);
      const root = (back.cause as Error).cause as typeof sent;
      expect([back.cause instanceof TypeError, root.message, root.code]).toEqual([true, 'root', 'EROOT']);
    }
  });

  it("keeps the errors of an AggregateError, the fields of a PercoreError, and a DOMException", () => {
    const many = roundTrip(
      new AggregateError([new SyntaxError('a'), 'b', { c: new Error('c') }], 'many'),
    ) as AggregateError;
    expect(many).toBeInstanceOf(AggregateError);
    expect([
      many.errors[0] instanceof SyntaxError, many.errors[0].message, many.errors[1], many.errors[2].c.message,
    ]).toEqual([true, 'a', 'b', 'c']);
    const own = roundTrip(
      new PercoreError('ERR_PERCORE_TIMEOUT', 'late', { argument: 'timeoutMs', value: 5, reactorId: 2 }),
    ) as PercoreError;
    expect(own).toBeInstanceOf(PercoreError);
    expect([own.code, own.argument, own.value, own.reactorId, own.name]).toEqual([
      'ERR_PERCORE_TIMEOUT', 'timeoutMs', 5, 2, 'PercoreError',
    ]);
    const aborted = roundTrip({ reason: AbortSignal.abort().reason as unknown }) as { reason: DOMException };
    expect([aborted.reason instanceof DOMException, aborted.reason.name, aborted.reason.code]).toEqual([
      true, 'AbortError', 20,
    ]);
  });

  it('keeps identity and cycles', () => {
    const error = Object.assign(new Error('mine'), { self: undefined as unknown });
    error.self = error;
    error.cause = { error };
    const [a, b] = roundTrip([error, error]) as Error[];
    expect([
      a === b, (a as unknown as typeof error).self === a,
      (a!.cause as typeof a as unknown as { error: Error }).error === a,
    ]).toEqual([true, true, true]);
  });

  it('loses only the fields that cannot be sent, and survives its own getters', () => {
    const shared = { ok: 1, f: () => 1 };
    const sent = Object.assign(new Error('x'), {
      callback: () => 1, shared, port: new MessageChannel().port1, later: Promise.resolve(), kept: [1],
    });
    Object.defineProperty(sent, 'evil', {
      enumerable: true,
      get() {
        throw new Error('no');
      },
    });
    sent.cause = Object.assign(new Error('y'), { shared });
    const back = roundTrip(sent) as typeof sent;
    expect([Object.keys(back), Object.keys(back.cause as object)]).toEqual([['kept'], []]);
    const hostile = new Error('unseen');
    for (const key of ['stack', 'message', 'cause'])
      Object.defineProperty(hostile, key, {
        get() {
          throw new Error('no');
        },
      });
    Object.defineProperty(hostile, 'name', { value: Symbol('name') });
    expect(roundTrip(hostile)).toBeInstanceOf(Error);
  });

  it('becomes, if it is of a user\'s class, the class of the language under that, with its name', () => {
    class Mine extends RangeError { override name = 'Mine'; }
    class Older extends TypeError {}
    Older.prototype.name = 'Older';
    const [mine, older] = [roundTrip(new Mine('m')), roundTrip(new Older('o'))] as Error[];
    expect([mine instanceof RangeError, mine!.name, older instanceof TypeError, older!.name]).toEqual([
      true, 'Mine', true, 'Older',
    ]);
  });
});

describe('what a reader gets', () => {
  it('has memory of its own, which holds nothing else', () => {
    roundTrip({ token: 'TOP-SECRET' });
    const pooled = Buffer.from('abc');
    const sent = {
      a: new Float32Array(3), b: new DataView(new ArrayBuffer(16), 4, 5), c: pooled,
      d: new Uint8Array(64).subarray(3, 10), e: new BigInt64Array(2),
    };
    const back = roundTrip(sent) as typeof sent;
    for (const key of Object.keys(sent) as (keyof typeof sent)[]) {
      expect([key, back[key].constructor, back[key].byteOffset, back[key].buffer.byteLength]).toEqual([
        key, sent[key].constructor, 0, sent[key].byteLength,
      ]);
    }
    const buffers = new Set(Object.values(back).map(({ buffer }) => buffer));
    expect(buffers.size).toBe(5);
    const top = roundTrip(pooled) as Uint8Array;
    expect([top.constructor, top.buffer.byteLength]).toEqual([Uint8Array, 3]);
  });

  it('is right if the value is of another realm', () => {
    const value = runInNewContext(`const error = new TypeError('there'); error.code = 'EVM';
      ({ error, map: new Map([[1, new Set([2])]]), date: new Date(5), list: [, 1], bytes: new Uint8Array([1, 2]), floats: new Float64Array([0.5]), view: new DataView(new ArrayBuffer(2)) })`) as Record<
      string,
      unknown
    >;
    const back = roundTrip(value) as { error: Error & { code: string } };
    expect([back.error instanceof TypeError, back.error.message, back.error.code]).toEqual([true, 'there', 'EVM']);
    expect(back).toMatchObject({
      map: new Map([[1, new Set([2])]]), date: new Date(5), bytes: Uint8Array.of(1, 2), floats: Float64Array.of(0.5),
      view: new DataView(new ArrayBuffer(2)),
    });
    expect([(roundTrip(value['bytes']) as object).constructor, 0 in (roundTrip(value['list']) as object)]).toEqual([
      Uint8Array, false,
    ]);
  });

  it('is right if a view lies about itself', () => {
    const liar = Object.defineProperties(Uint8Array.of(1, 2, 3), {
      length: { value: 1000 },
      byteLength: { value: 1000 },
      byteOffset: { value: 1 },
      constructor: {
        get() {
          throw new Error('no');
        },
      },
    });
    expect(Buffer.compare(Buffer.from(roundTrip(liar) as Uint8Array), Buffer.of(1, 2, 3))).toBe(0);
    expect(Buffer.compare(Buffer.from((roundTrip({ liar }) as { liar: Uint8Array }).liar), Buffer.of(1, 2, 3))).toBe(0);
  });

  it('keeps -0, holes, wrapped primitives, very sparse arrays, and a key "__proto__", beside an error too', () => {
    const sparse: unknown[] = [];
    sparse[4_000_000_000] = -0;
    const holes: unknown[] = [];
    holes[1] = 1;
    for (const beside of [undefined, new Error('x')]) {
      const value = {
        zero: -0, holes, wrapped: [Object(1), Object('s'), Object(2n), Object(false)] as unknown[], sparse,
        ...(JSON.parse('{"__proto__":{"a":1}}') as object), beside,
      };
      const back = roundTrip(value) as typeof value;
      expect([
        Object.is(back.zero, -0), 0 in back.holes, back.sparse.length, Object.is(back.sparse[4_000_000_000], -0),
      ]).toEqual([true, false, 4_000_000_001, true]);
      expect(back.wrapped.map((each) => Object.prototype.toString.call(each))).toEqual([
        '[object Number]', '[object String]', '[object BigInt]', '[object Boolean]',
      ]);
      expect(Object.getOwnPropertyDescriptor(back, '__proto__')?.value).toEqual({ a: 1 });
      expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    }
  });

  it('is an error if the bytes are no value: every byte changed in turn', () => {
    const codec = new ValueCodec();
    const value = { a: [1, 'x', new Uint8Array(3)], error: new Error('e') };
    const most = codec.measure(value);
    const memory = memoryOf(padded8(most));
    const length = codec.write(value, memory, 0);
    const copy = memory.bytes.slice();
    for (let i = 0; i < length; i++) {
      memory.bytes.set(copy);
      memory.bytes[i]! ^= 0xff;
      try {
        codec.read(memory, 0, length);
      } catch (error) {
        expect([(error as PercoreError).code, i]).toEqual(['ERR_PERCORE_UNSERIALIZABLE', i]);
      }
    }
  });
});

describe('the size of a value', () => {
  it('is exact, so that what fits is taken; only for text it may be a bound, if that is small enough', () => {
    for (const value of [
      'ascii', 'ü€', { a: 'x', b: new Uint8Array(5), c: new Float64Array(2) }, new Error('e'), Uint8Array.of(1),
      Buffer.alloc(0),
    ]) {
      const codec = new ValueCodec();
      const most = codec.measure(value);
      expect(codec.write(value, memoryOf(padded8(most)), 0)).toBe(most);
    }
    const codec = new ValueCodec();
    expect([codec.measure('x'.repeat(100), 308), codec.measure('x'.repeat(100), 307)]).toEqual([308, 108]);
  });
});

const padded8 = (bytes: number): number => (bytes + 7) & ~7;

describe('a value that cannot be sent', () => {
  const cases: [what: string, value: unknown, path: string][] = [
    ['a function', () => 1, 'value (a function)'],
    ['a symbol', Symbol('x'), 'value (a symbol)'],
    ['a method', { name: 'a', handlers: { done() { return 1; } } }, 'value.handlers.done (a function)'],
    ['a function in a list', { handlers: [1, () => 1] }, 'value.handlers[1] (a function)'],
    ['a symbol in a map', { by: new Map([['k', Symbol('x')]]) }, 'value.by.get(k) (a symbol)'],
    ['a function as a map\'s key', new Map([[() => 1, 1]]), 'value.keys()[0] (a function)'],
    ['a function in a set', [new Set([1, () => 1])], 'value[0].values()[1] (a function)'],
    ['shared memory', { a: [new SharedArrayBuffer(8)] }, 'value.a[0] (a SharedArrayBuffer)'],
    [
      'a typed array in shared memory', { a: [new Int32Array(new SharedArrayBuffer(8))] },
      'value.a[0] (an Int32Array over a SharedArrayBuffer)',
    ],
    [
      'a DataView in shared memory', { by: new Map([['k', new DataView(new SharedArrayBuffer(8))]]) },
      'value.by.get(k) (a DataView over a SharedArrayBuffer)',
    ],
    [
      'bytes in shared memory', new Uint8Array(new SharedArrayBuffer(8)),
      'value (a Uint8Array over a SharedArrayBuffer)',
    ],
    ['a detached array', { a: detached() }, 'value.a (a Uint8Array whose memory was detached or resized away)'],
    ['a detached array alone', detached(), 'value (a Uint8Array whose memory was detached or resized away)'],
    ['a getter that throws', { a: { get b(): never { throw new Error('no'); } } }, 'value.a.b (a getter that throws)'],
    ['a proxy', [new Proxy({}, {})], 'value[0] (a Proxy)'],
    ['a proxy of bytes', new Proxy(new Uint8Array(4), {}), 'value (a Proxy)'],
    ['a port', { port: new MessageChannel().port1 }, 'value.port (a MessagePort, an object of the platform)'],
    ['a stream', { s: new ReadableStream() }, 'value.s (a ReadableStream, an object of the platform)'],
    ['a URL', { u: new URL('http://localhost') }, 'value.u (a URL, an object of the platform)'],
    [
      'a module of WebAssembly',
      [
        new (globalThis as never as { WebAssembly: { Module: new (bytes: Uint8Array) => object } }).WebAssembly.Module(
          Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0),
        ),
      ],
      'value[0] (an instance of Module, an object of the platform)',
    ],
    ['a value nested too deeply', nested(200_000), 'value (nested too deeply for the stack of this thread)'],
    ['a promise', { later: Promise.resolve(1) }, 'value.later ([object Promise])'],
    ['a weak map', [{ a: new WeakMap() }], 'value[0].a ([object WeakMap])'],
  ];
  for (const [what, value, path] of cases) {
    it(`names the path to it: ${what}`, () => {
      const error = errorOf(value);
      expect(error.code).toBe('ERR_PERCORE_UNSERIALIZABLE');
      expect(error.argument).toBe(path);
      const hint = path.includes('SharedArrayBuffer')
        ? 'Shared memory is handed over by postMessage or workerData; send a copy: view.slice()'
        : 'Send plain values, typed arrays, maps, sets, dates or errors';
      expect(error.message).toBe(`${path} cannot be sent to another thread. ${hint}`);
    });
  }

  it('is found behind a cycle', () => {
    const value: Record<string, unknown> = {};
    value['self'] = value;
    value['f'] = () => 1;
    expect(errorOf(value).argument).toBe('value.f (a function)');
  });

  it('is reported without a path if looking for it is not safe: a getter that throws, a key without a text', () => {
    expect(errorOf({ get bad(): never { throw new Error('no'); } }).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
    expect(errorOf(new Map([[Object.create(null), () => 1]])).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
  });

  it('may be a view whose memory is taken away while it is measured', () => {
    const gone = new ArrayBuffer(16);
    const shrunk = new (
      ArrayBuffer as unknown as new (bytes: number, options: object) => ArrayBuffer & { resize(bytes: number): void }
    )(16, { maxByteLength: 16 });
    const values = [
      {
        view: new Uint8Array(gone),
        get later() {
          return gone.byteLength > 0 ? structuredClone(gone, { transfer: [gone] }).byteLength : 0;
        },
      },
      {
        empty: new Uint8Array(0),
        view: new Float64Array(shrunk, 8, 1),
        get later() {
          shrunk.resize(8);
          return 1;
        },
      },
    ];
    for (const value of values) expect(errorOf(value).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
  });

  it('may be a file that is open', async () => {
    const file = await open('/dev/null');
    try {
      expect(errorOf({ file }).argument).toBe('value.file (an instance of FileHandle, an object of the platform)');
    } finally {
      await file.close();
    }
  });
});

function detached(): Uint8Array {
  const array = new Uint8Array(8);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = { value };
  return value;
}
