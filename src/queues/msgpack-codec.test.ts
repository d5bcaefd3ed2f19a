import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { msgpack } from './codec.js';
import { codecOf } from './codecs.js';
import { dirtyMemory, EDGE_BIGINTS, EDGE_NUMBERS, errorOf, roundTrip } from './fixtures/codec-round-trip.js';
import { MsgpackCodec } from './msgpack-codec.js';
import { recordMemory } from './record-memory.js';

const trip = (value: unknown, at = 16): unknown => roundTrip(new MsgpackCodec(), new MsgpackCodec(), value, at);
const wellFormed = fc.string({ unit: 'binary', maxLength: 80 });
const noNegativeZero = fc.oneof(fc.double(), fc.constantFrom(...EDGE_NUMBERS)).map((x) => (x === 0 ? 0 : x));

describe('a value as MessagePack', () => {
  it('comes back equal: numbers, bigints, text, dates', () => {
    for (const value of EDGE_NUMBERS) expect(trip(value)).toBe(value === 0 ? 0 : value);
    for (const value of EDGE_BIGINTS) expect(trip(value)).toBe(value);
    for (const value of [
      '', '\0', 'ü€😀', '\ufeff', `\ufeff${'x'.repeat(100)}`, `\ufeff${'ü'.repeat(100)}`, 'x'.repeat(300_000),
      '€'.repeat(70_000),
    ])
      expect(trip(value) === value).toBe(true);
    for (const ms of [
      0, 1, 500, -1, -1500, 8.64e15, -8.64e15, 2 ** 32 * 1000, 2 ** 32 * 1000 + 5, 2 ** 34 * 1000 - 1, NaN,
    ])
      expect((trip(new Date(ms)) as Date).getTime()).toBe(ms);
    fc.assert(
      fc.property(
        fc.oneof(noNegativeZero, fc.bigInt(), wellFormed, fc.date(), fc.boolean(), fc.constantFrom(null, undefined)),
        fc.nat({ max: 41 }),
        (value, at) => {
          expect(trip(value, at)).toStrictEqual(value);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('comes back equal: objects, arrays, sets and bytes in one another, at any offset', () => {
    const leaf = fc.oneof(
      noNegativeZero, fc.integer(), fc.bigInt(), wellFormed, fc.boolean(), fc.constantFrom(null, undefined), fc.date(),
      fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }).map((part) => Buffer.from(part)),
      fc.float64Array({ maxLength: 4 }), fc.int16Array({ maxLength: 4 }), fc.bigUint64Array({ maxLength: 4 }),
      fc.uint8ClampedArray({ maxLength: 4 }), fc.uint8Array({ maxLength: 9 }).map((part) => part.buffer as ArrayBuffer),
      fc.constant(/a\/b/giu),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('tree'), { maxLength: 20 }),
        fc.dictionary(
          wellFormed.filter((key) => key !== '__proto__'), tie('tree'), { noNullPrototype: true },
        ),
        fc.array(tie('tree'), { maxLength: 5 }).map((items) => new Set(items)),
      ),
    }));
    fc.assert(fc.property(tree, fc.nat({ max: 41 }), (value, at) => {
      expect(trip(value, at)).toStrictEqual(value);
    }), { numRuns: 500 });
  });

  it('comes back equal: every typed array, and its buffer', () => {
    const words = new ArrayBuffer(16);
    new Uint8Array(words).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    const views = [
      Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
      Float64Array, BigInt64Array, BigUint64Array,
    ].map((View) => new View(words, 8, 1));
    expect(trip(views)).toStrictEqual(views);
    expect(trip(words)).toStrictEqual(words);
  });

  it('is an object again if it had no prototype, or that of another realm, or a constructor of its own', () => {
    expect(trip(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 });
    expect(trip(runInNewContext('({ a: { b: 1 } })'))).toStrictEqual({ a: { b: 1 } });
    for (const value of [
      { constructor: 'Ford' }, { constructor: null }, { hasOwnProperty: 1, toJSON: 'x', length: 3, size: 4 },
    ])
      expect(trip(value)).toStrictEqual(value);
  });

  it('changes -0 to 0, sends twice what occurs twice, leaves out what is no element, and changes nothing else', () => {
    expect(Object.is(trip(-0), 0)).toBe(true);
    const part = { n: 1 };
    const back = trip([part, part]) as object[];
    expect(back).toStrictEqual([part, part]);
    expect(back[0]).not.toBe(back[1]);
    expect(trip('abc'.match(/b/))).toStrictEqual(['b']);
  });

  it('can be large: more than 65,535 properties or elements, more than the buffer that is kept', () => {
    const many = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]));
    expect(trip(many)).toStrictEqual(many);
    expect(trip(Array.from({ length: 70_000 }, (_, i) => i))).toHaveLength(70_000);
    expect((trip({ a: Buffer.alloc(300_000, 7) }) as { a: Buffer }).a.every((byte) => byte === 7)).toBe(true);
  });

  it('is complete in each record, and of standard types where possible', () => {
    const writer = new MsgpackCodec();
    const memory = dirtyMemory(256);
    // In msgpackr's own mode, a shape that occurs again and again would become a record, which the other side must
    // know.
    for (let i = 0; i < 20; i++) {
      writer.measure({ id: i, by: Buffer.from('x') });
      const taken = writer.write({}, memory, 8);
      expect(memory.buffer.subarray(8, 8 + taken).toString('hex')).toBe(
        `82a26964${i.toString(16).padStart(2, '0')}a26279c40178`,
      );
    }
  });

  it('never shares memory with the queue or another value: bytes belong to the reader', () => {
    const reader = new MsgpackCodec();
    const memory = dirtyMemory(256);
    const read = [1, 2].map((byte) => {
      const writer = new MsgpackCodec();
      writer.measure({ bin: Buffer.alloc(4, byte), ext: new Uint8Array(4).fill(byte) });
      return reader.read(memory, 8, writer.write(undefined, memory, 8)) as { bin: Buffer; ext: Uint8Array };
    });
    memory.bytes.fill(0xff);
    expect(read.map(({ bin, ext }) => [...bin, ...ext])).toEqual([[1, 1, 1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2, 2, 2]]);
    expect(read.map(({ bin }) => bin.buffer.byteLength)).toEqual([4, 4]);
  });

  it('is read in another thread that shares nothing but the memory', async () => {
    const memory = recordMemory(new SharedArrayBuffer(1024));
    const codec = codecOf(msgpack);
    const value = {
      id: 7, tags: ['a', 'ü'], at: new Date(5), sizes: Float64Array.of(1.5), all: new Set([1, 2]), none: undefined,
      big: 2n ** 64n,
    };
    codec.measure(value);
    const length = codec.write(value, memory, 24);
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { module, codec, buffer, length } = workerData;
      import(module).then(({ codecOf, recordMemory }) =>
        parentPort.postMessage(codecOf(codec).read(recordMemory(buffer), 24, length)));`;
    const worker = new Worker(script, {
      eval: true,
      workerData: {
        module: new URL('./index.js', import.meta.url).href, codec: msgpack(), buffer: memory.bytes.buffer, length,
      },
    });
    const back = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    expect(back).toStrictEqual(value);
  });

  it('is not written unless it was measured', () => {
    const codec = new MsgpackCodec();
    expect(errorOf(() => codec.write(1, dirtyMemory(64), 8)).code).toBe('ERR_PERCORE_CLAIM');
    codec.measure(1);
    codec.forget();
    expect(errorOf(() => codec.write(1, dirtyMemory(64), 8)).code).toBe('ERR_PERCORE_CLAIM');
    codec.measure(1);
    errorOf(() => codec.measure(() => 1));
    expect(errorOf(() => codec.write(1, dirtyMemory(64), 8)).code).toBe('ERR_PERCORE_CLAIM');
  });
});

class Order { price = 1; }
class Names extends Array<string> {}

describe('a value that would not come back from MessagePack', () => {
  const deep = (levels: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  const cycle: Record<string, unknown> = { fine: { a: 1 } };
  cycle['list'] = [1, { back: cycle }];
  const hole = [1, 2, 3];
  delete hole[1];
  const cases: [what: string, value: unknown, path: string][] = [
    ['a function', () => 1, 'value (a function)'],
    ['a symbol', Symbol('x'), 'value (a symbol)'],
    ['a method', { name: 'a', handlers: { done() { return 1; } } }, 'value.handlers.done (a function)'],
    ['a function in a list', { handlers: [1, () => 1] }, 'value.handlers[1] (a function)'],
    ['a function in a set', [new Set([1, () => 1])], 'value[0].values()[1] (a function)'],
    ['a function that serializes', { toJSON: () => 1 }, 'value.toJSON (a function)'],
    ['a symbol under an odd name', { 'odd name': { '': Symbol('x') } }, 'value["odd name"][""] (a symbol)'],
    ['a map', { by: new Map([['k', 1]]) }, 'value.by (a Map)'],
    ['an error', [new RangeError('x')], 'value[0] (a RangeError)'],
    ['a promise', { later: Promise.resolve(1) }, 'value.later (a Promise)'],
    ['a weak map', [{ a: new WeakMap() }], 'value[0].a (a WeakMap)'],
    ['a DataView', { a: new DataView(new ArrayBuffer(8)) }, 'value.a (a DataView)'],
    ['shared memory', { a: new SharedArrayBuffer(8) }, 'value.a (a SharedArrayBuffer)'],
    ['a number in a box', { a: new Number(1) }, 'value.a (a Number)'],
    ['an instance of a class', { order: new Order() }, 'value.order (an instance of Order)'],
    ['an instance without a class\'s name', { a: Object.create({ inherited: 1 }) }, 'value.a (an object)'],
    ['a list of a class', { names: new Names('a', 'b') }, 'value.names (an instance of Names)'],
    ['bytes of a class', new (class Hash extends Uint8Array {})(4), 'value (an instance of Hash)'],
    ['a hole', { a: hole }, 'value.a[1] (a hole)'],
    ['a very long list of holes', new Array(2 ** 32 - 1), 'value[0] (a hole)'],
    ['half a surrogate pair', { a: ['\ud800'] }, 'value.a[0] (text with half a surrogate pair)'],
    ['half a surrogate pair in a name', { a: { '\udc00': 1 } }, 'value.a["\\udc00"] (a name that msgpackr changes)'],
    ['__proto__ as a name', { a: JSON.parse('{"__proto__": 1}') }, 'value.a.__proto__ (a name that msgpackr changes)'],
    ['a cycle', cycle, 'value.list[1].back (a cycle)'],
    ['a date\'s look-alike', { a: Object.create(Map.prototype) }, 'value.a (a Map)'],
  ];
  for (const [what, value, path] of cases) {
    it(`names the path to it: ${what}`, () => {
      const error = errorOf(() => new MsgpackCodec().measure(value));
      expect([error.code, error.argument]).toEqual(['ERR_PERCORE_UNSERIALIZABLE', path]);
      expect(error.message).toBe(
        `${path} would not come back from MessagePack as it is. Send plain objects, arrays, numbers, text, dates, `
          + `bytes or sets, or choose the codec value`,
      );
    });
  }

  it('may be one that is nested too deep for a stack, ours or the reader\'s', () => {
    expect(trip(deep(256))).toStrictEqual(deep(256));
    const error = errorOf(() => new MsgpackCodec().measure(deep(257)));
    expect(error.argument).toMatch(/^value\[0\]\.a\[0\].*… \(more than 256 objects within objects\)$/);
    expect(errorOf(() => new MsgpackCodec().measure(deep(100_000))).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
  });

  it('is refused with the cause if it throws by itself, or changes while it is looked at', () => {
    const getter = errorOf(() =>
      new MsgpackCodec().measure({
        get bad(): never {
          throw new Error('no');
        },
      }),
    );
    expect([getter.code, getter.argument, (getter.cause as Error).message]).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE', 'value.bad (a getter that throws)', 'no',
    ]);
    for (const look of [Date, Set, Uint8Array])
      expect(errorOf(() => new MsgpackCodec().measure({ a: Object.create(look.prototype) as unknown })).code).toBe(
        'ERR_PERCORE_UNSERIALIZABLE',
      );
    let times = 0;
    const error = errorOf(() =>
      new MsgpackCodec().measure({
        get a(): unknown {
          return times++ === 0 ? 1 : () => 1;
        },
      }),
    );
    expect(error.argument).toBe('value.a (a function)');
  });

  it('does not disturb the next value', () => {
    const codec = new MsgpackCodec();
    for (const bad of [{ f: () => 1 }, { get bad(): never { throw new Error('no'); } }, cycle]) {
      errorOf(() => codec.measure(bad));
      expect(roundTrip(codec, codec, { a: 1 } as unknown, 8)).toStrictEqual({ a: 1 });
    }
  });
});

describe('without msgpackr', () => {
  /** Runs `script` in a folder that has the codecs; of msgpackr it has only what `install` puts there. */
  function withoutMsgpackr(script: string, install: (folder: string) => void = () => undefined): unknown {
    const folder = mkdtempSync(join(tmpdir(), 'percore-no-msgpackr-'));
    try {
      const compiled = fileURLToPath(new URL('../../modules/', import.meta.url));
      cpSync(join(compiled, 'queues'), join(folder, 'queues'), { recursive: true });
      for (const file of ['byte-views.js', 'errors.js', 'layout.js', 'result-codes.js'])
        cpSync(join(compiled, file), join(folder, file));
      writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
      writeFileSync(join(folder, 'main.js'), script);
      install(folder);
      return JSON.parse(
        execFileSync(process.execPath, [join(folder, 'main.js')], {
          encoding: 'utf8', cwd: folder, env: { ...process.env, NODE_PATH: '' },
        }),
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const script = `
    import { msgpack, value } from './queues/codec.js';
    import { codecOf } from './queues/codecs.js';
    let error;
    try { codecOf(msgpack); } catch (caught) { error = caught; }
    const { code, message, argument, cause } = error ?? {};
    console.log(JSON.stringify([code, message, argument, cause?.code, codecOf(value).measure({ a: 1 }) > 0]));`;

  it('the codec says how to install it, and the others work', () => {
    expect(withoutMsgpackr(script)).toEqual([
      'ERR_PERCORE_CODEC_UNAVAILABLE',
      'codec msgpack needs the package msgpackr, which is not installed: npm install msgpackr', 'codec',
      'MODULE_NOT_FOUND', true,
    ]);
  });

  it('with a msgpackr that does not work, the codec gives the reason', () => {
    const error = withoutMsgpackr(script, (folder) => {
      mkdirSync(join(folder, 'node_modules', 'msgpackr'), { recursive: true });
      writeFileSync(join(folder, 'node_modules', 'msgpackr', 'index.js'), 'throw new Error("broken install");');
    });
    expect(error).toEqual([
      'ERR_PERCORE_CODEC_UNAVAILABLE',
      'codec msgpack cannot load the package msgpackr: Error: broken install. Install it anew: npm install msgpackr',
      'codec', null, true,
    ]);
  });

  it('a missing package that msgpackr needs is not taken for msgpackr', () => {
    const [code, message] = withoutMsgpackr(script, (folder) => {
      mkdirSync(join(folder, 'node_modules', 'msgpackr'), { recursive: true });
      writeFileSync(join(folder, 'node_modules', 'msgpackr', 'index.js'), 'require("no-such-package-at-all");');
    }) as string[];
    expect([code, message.startsWith('codec msgpack cannot load the package msgpackr: ')]).toEqual([
      'ERR_PERCORE_CODEC_UNAVAILABLE', true,
    ]);
  });

  it('is not how this checkout is', () => {
    expect(createRequire(import.meta.url).resolve('msgpackr')).toContain('msgpackr');
  });

  it('a value over memory that is shared or was detached is refused', () => {
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const shared = new Int32Array(new SharedArrayBuffer(8));
    expect(errorOf(() => new MsgpackCodec().measure({ a: [shared] })).argument).toBe(
      'value.a[0] (an Int32Array over a SharedArrayBuffer)',
    );
    expect(errorOf(() => new MsgpackCodec().measure({ a: detached })).argument).toBe(
      'value.a (a Uint8Array whose memory was detached or resized away)',
    );
  });

  it('an array of another realm is not refused', () => {
    expect(trip(runInNewContext('({ a: [1, { b: [2] }] })'))).toEqual({ a: [1, { b: [2] }] });
  });
});
