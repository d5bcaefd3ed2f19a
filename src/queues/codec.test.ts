import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, msgpack, value, type Codec, type CodecDescription, type ValueOf } from './codec.js';
import { codecOf } from './codecs.js';
import { dirtyMemory, errorOf, roundTrip } from './fixtures/codec-round-trip.js';
import { recordMemory } from './record-memory.js';
import { struct } from './struct-layout.js';

describe('bytes', () => {
  it('come back equal at any offset, as a Uint8Array that belongs to the reader', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 41 }), (sent, at) => {
      const read = roundTrip(codecOf(bytes), codecOf(bytes), sent, at);
      expect(read).toEqual(sent);
      expect(read.buffer).toBeInstanceOf(ArrayBuffer);
    }));
  });

  it('may be sent as a Buffer or as a part of something longer', () => {
    expect(roundTrip(codecOf(bytes), codecOf(bytes), Buffer.from('abc'), 8)).toEqual(Uint8Array.of(97, 98, 99));
    expect(roundTrip(codecOf(bytes), codecOf(bytes), new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4), 8)).toEqual(
      Uint8Array.of(2, 3, 4),
    );
  });

  it('are a copy even if the memory\'s bytes are a Buffer, whose slice would not be one', () => {
    const memory = dirtyMemory(32);
    const codec = codecOf(bytes);
    codec.write(Uint8Array.of(1, 2, 3), memory, 8);
    const read = codec.read({ ...memory, bytes: memory.buffer }, 8, 3);
    memory.bytes.fill(0);
    expect([...read]).toEqual([1, 2, 3]);
  });

  it('must be bytes: the error says what was given instead', () => {
    const cases: [unknown, string][] = [
      ['text', 'a string'], [undefined, 'undefined'], [null, 'null'], [Float64Array.of(1), 'a Float64Array'],
      [[1], 'an Array'], [{}, 'an object'], [new ArrayBuffer(1), 'an ArrayBuffer'], [() => 1, 'a function'],
      [Object.create(null), 'an object'],
    ];
    for (const [sent, kind] of cases) {
      const error = errorOf(() => codecOf(bytes).measure(sent as Uint8Array));
      expect([error.code, error.argument, error.value]).toEqual(['ERR_PERCORE_UNSERIALIZABLE', 'value', sent]);
      expect(error.message).toBe(
        `value (${kind}) is not bytes. Send a Uint8Array or a Buffer, or choose another codec`,
      );
    }
  });
});

describe('a description', () => {
  const all: readonly CodecDescription[] = [bytes, value(), msgpack(), struct({ price: 'f64', size: 'u32' })];

  it('survives structured clone, and the clone makes a codec that reads what the original has written', () => {
    const sent = [Uint8Array.of(1, 2), { a: [1, 'x'] }, { a: [1, 'x'] }, { price: 101.5, size: 20 }];
    for (const [i, description] of all.entries()) {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage(description);
      const clone = receiveMessageOnPort(port2)!.message as CodecDescription;
      port1.close();
      expect(clone).toEqual(description);
      expect(roundTrip<unknown>(codecOf(description), codecOf(clone), sent[i], 16)).toEqual(sent[i]);
      expect(codecOf(clone).description).toEqual(clone);
    }
  });

  it('makes a new codec each time, since a codec remembers what it has measured', () => {
    for (const description of all) expect(codecOf(description)).not.toBe(codecOf(description));
  });

  it('has a record length only if it is a struct', () => {
    expect(all.map((description) => codecOf(description).recordBytes)).toEqual([0, 0, 0, 16]);
  });

  it('is refused if it is something else, and the error says what is allowed', () => {
    for (const wrong of [undefined, null, 'bytes', {}, { name: 'json' }, { name: 'constructor' }]) {
      const error = errorOf(() => codecOf(wrong as unknown as CodecDescription));
      expect([error.code, error.argument, error.allowed]).toEqual([
        'ERR_PERCORE_INVALID_ARGUMENT', 'codec', 'bytes, struct({ ... }), value() or msgpack()',
      ]);
    }
    expect(errorOf(() => codecOf({ name: 'json' } as never)).message).toBe(
      'codec must be bytes, struct({ ... }), value() or msgpack(), not "json"',
    );
    expect(errorOf(() => codecOf({ name: 'struct' } as never)).argument).toBe('fields');
  });

  it('carries the type of its values', () => {
    // The compiler is the test; at run time there is nothing to check.
    const order = struct({
      price: 'f64', id: 'u64', side: 'bool', name: 'utf8[8]', hash: 'u8[16]', levels: 'f64[4]', steps: 'i64[2]',
    });
    type Order = {
      price: number; id: bigint; side: boolean; name: string; hash: Uint8Array; levels: Float64Array;
      steps: BigInt64Array;
    };
    type Value = ValueOf<typeof order>;
    const same: [Value] extends [Order] ? ([Order] extends [Value] ? true : false) : false = true;
    const ofOrder: Codec<Order> = codecOf(order);
    const ofBytes: Codec<Uint8Array> = codecOf(bytes);
    const ofPrice: Codec<{ price: number }> = codecOf(value<{ price: number }>());
    const named: Codec<number> = codecOf<number>({ name: 'value' });
    // @ts-expect-error A struct's field has its own type.
    expect(() => ofOrder.measure({ ...exampleOrder, price: '1' })).toThrow('value.price');
    // @ts-expect-error There is no such type of field.
    expect(() => struct({ price: 'f65' })).toThrow('fields.price');
    expect([same, ofOrder.measure(exampleOrder), ofBytes.recordBytes, ofPrice.recordBytes, named.recordBytes]).toEqual([
      true, order.recordBytes, 0, 0, 0,
    ]);
  });
  const exampleOrder = {
    price: 1, id: 1n, side: true, name: 'a', hash: new Uint8Array(16), levels: new Float64Array(4),
    steps: new BigInt64Array(2),
  };
});

describe('between measure and write', () => {
  const samples: readonly [CodecDescription, unknown[]][] = [
    [bytes, [Uint8Array.of(1), new Uint8Array(100), Buffer.from('abc')]],
    [value(), [{ a: 1 }, 'text', Uint8Array.of(1), 7, null, undefined, '\ud800', [1, 2], true]],
    [msgpack(), [{ a: 1 }, 'text', Uint8Array.of(1), 7, null, undefined, [1, 2], true, 2n ** 64n]],
    [struct({ a: 'f64', b: 'utf8[8]' }), [{ a: 1, b: 'x' }, { a: -1, b: 'yy' }, { a: NaN, b: '' }]],
  ];
  const unsendable: Readonly<Record<CodecDescription['name'], unknown>> = {
    bytes: 'text', value: { f: () => 1 }, msgpack: { f: () => 1 }, struct: { a: '1', b: 1 },
  };

  for (const [description, values] of samples) {
    it(`${description.name}: whatever was measured before, forgotten or not, failed or not, the last is what is `
      + `written`, () => {
      const steps = fc.array(
        fc.record({
          at: fc.nat({ max: values.length - 1 }), next: fc.constantFrom('write', 'forget', 'nothing', 'fail'),
        }),
        { maxLength: 12 },
      );
      fc.assert(
        fc.property(steps, (run) => {
          const codec = codecOf<unknown>(description);
          for (const { at, next } of run) {
            codec.measure(values[at]);
            if (next === 'forget') codec.forget();
            if (next === 'fail')
              expect(errorOf(() => codec.measure(unsendable[description.name])).code).toBe(
                'ERR_PERCORE_UNSERIALIZABLE',
              );
            if (next !== 'write') continue;
            const memory = dirtyMemory(160);
            const taken = codec.write(values[at], memory, 8);
            // A Buffer comes back as bytes from all codecs except msgpack, which keeps it a Buffer.
            expect(codecOf<unknown>(description).read(memory, 8, taken)).toEqual(
              description.name === 'bytes' ? Uint8Array.from(values[at] as Uint8Array) : values[at],
            );
          }
        }),
      );
    });

    it(`${description.name}: two codecs of one thread do not disturb one another`, () => {
      const [one, two] = [codecOf<unknown>(description), codecOf<unknown>(description)];
      const memory = dirtyMemory(320);
      one.measure(values[0]);
      two.measure(values[1]);
      const ofOne = one.write(values[0], memory, 0);
      const ofTwo = two.write(values[1], memory, 160);
      expect([two.read(memory, 0, ofOne), one.read(memory, 160, ofTwo)]).toEqual([values[0], values[1]]);
    });
  }
});

describe('memory for records', () => {
  it('is four views of the same bytes', () => {
    const memory = recordMemory(new SharedArrayBuffer(32), 8, 16);
    memory.view.setUint32(4, 0x04030201, true);
    expect([
      memory.words[1], [...memory.bytes.subarray(4, 8)], [...memory.buffer.subarray(4, 8)], memory.bytes.length,
    ]).toEqual([0x04030201, [1, 2, 3, 4], [1, 2, 3, 4], 16]);
  });

  it('that is too short for a value is an error, and never holds a part of one', () => {
    for (const size of [4, 8, 12, 16]) {
      const memory = recordMemory(new ArrayBuffer(size));
      for (const sent of ['four letters', 'ü€😀', true, null, undefined, 1.5, new Uint8Array(9).fill(1)]) {
        const codec = codecOf(value<unknown>());
        const needed = codec.measure(sent);
        const write = (): number => codec.write(sent, memory, 0);
        if (needed > size) expect(errorOf(write), `${String(sent)} in ${size}`).toMatchObject({ argument: 'at' });
        else expect(codec.read(memory, 0, write())).toEqual(sent);
      }
      const raw = codecOf(bytes);
      const sent = new Uint8Array(13).fill(7);
      raw.measure(sent);
      if (size < 13) expect(errorOf(() => raw.write(sent, memory, 0)).argument).toBe('at');
      else expect(raw.read(memory, 0, raw.write(sent, memory, 0))).toEqual(sent);
    }
    const memory = recordMemory(new ArrayBuffer(16));
    const codec = codecOf(value<unknown>());
    codec.measure(true);
    expect(errorOf(() => codec.write(true, memory, 16)).argument).toBe('at');
  });

  it('begins and ends at word boundaries', () => {
    expect(errorOf(() => recordMemory(new ArrayBuffer(16), 2, 8)).argument).toBe('byteOffset');
    expect(errorOf(() => recordMemory(new ArrayBuffer(16), 4, 7)).argument).toBe('byteLength');
  });
});
