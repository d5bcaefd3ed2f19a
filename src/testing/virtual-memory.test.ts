import { describe, expect, it } from 'vitest';
import type { Access } from './access.js';
import { VirtualMemory } from './virtual-memory.js';

/** A virtual memory with one buffer, and the list of accesses to it. */
function recorded(byteLength: number): { memory: VirtualMemory; buffer: SharedArrayBuffer; accesses: string[] } {
  const memory = new VirtualMemory();
  const buffer = new memory.globals.SharedArrayBuffer(byteLength);
  const accesses: string[] = [];
  memory.perform = (access: Access) => {
    accesses.push(`${access.verb} ${access.word} ${(access.mask >>> 0).toString(16)}`);
    return memory.apply(access);
  };
  return { memory, buffer, accesses };
}

const KINDS = [
  'Int8Array', 'Uint8Array', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array',
  'BigInt64Array', 'BigUint64Array',
] as const;
type Kind = typeof KINDS[number];
/** Makes any typed array, typed as one whose elements are numbers. */
const makeView = (globals: Record<string, unknown>, kind: Kind, buffer: unknown): Float64Array =>
  new (globals[kind] as Float64ArrayConstructor)(buffer as SharedArrayBuffer, 8, 2);

describe('virtual views', () => {
  it.each(KINDS)('%s reads and writes the same as a real one', (kind) => {
    const { memory, buffer } = recorded(32);
    const isBig = kind.startsWith('Big');
    const real = makeView(globalThis as never, kind, new SharedArrayBuffer(32));
    const virtual = makeView(memory.globals, kind, buffer);
    for (const value of [0, 1, -1, 200, -2.5, 2 ** 31, 2 ** 40 + 3]) {
      const given = (isBig ? BigInt(Math.trunc(value)) : value) as number;
      real[1] = given;
      virtual[1] = given;
      expect([virtual[1], virtual[0]]).toEqual([real[1], real[0]]);
      real.fill(given);
      virtual.fill(given);
      expect([virtual.slice(), virtual.slice(1, 2)]).toEqual([real.slice(), real.slice(1, 2)]);
      virtual.set([real[0]], 1);
      expect(virtual.slice()).toEqual(real.slice());
    }
    expect([virtual.length, virtual.byteOffset, virtual.byteLength, virtual.buffer]).toEqual([
      2, 8, real.byteLength, buffer,
    ]);
    expect(virtual).toBeInstanceOf(globalThis[kind]);
  });

  it('DataView reads and writes the same as a real one, aligned or not, in both byte orders', () => {
    const { memory, buffer } = recorded(32);
    const real = new DataView(new SharedArrayBuffer(32), 4) as unknown as Record<
      string,
      (...values: unknown[]) => unknown
    >;
    const virtual = new memory.globals.DataView(buffer, 4) as unknown as typeof real;
    for (const name of Object.getOwnPropertyNames(DataView.prototype).filter((each) => each.startsWith('set'))) {
      for (const littleEndian of [true, false]) {
        for (let offset = 0; offset < 8; offset++) {
          const value = name.includes('Big') ? 0x1122334455667788n : 1234.5678 * (offset + 1);
          real[name](offset, value, littleEndian);
          virtual[name](offset, value, littleEndian);
          const get = name.replace('set', 'get');
          for (let at = 0; at < 8; at++)
            expect(virtual[get](at, littleEndian), `${get}(${at})`).toBe(real[get](at, littleEndian));
        }
      }
    }
  });

  it('access each word once, and in it only the bytes that are meant', () => {
    const { memory, buffer, accesses } = recorded(32);
    const { Int32Array, Uint8Array, DataView, Atomics } = memory.globals;
    const made = (run: () => unknown): string[] => {
      accesses.length = 0;
      run();
      return [...accesses];
    };
    const bytes = new Uint8Array(buffer);
    const view = new DataView(buffer);
    const words = new Int32Array(buffer, 4);
    expect(made(() => void (words[1] = 7))).toEqual(['write 2 ffffffff']);
    expect(made(() => words[0])).toEqual(['read 1 ffffffff']);
    expect(made(() => bytes[6])).toEqual(['read 1 ff0000']);
    expect(made(() => bytes.set([1, 2, 3, 4, 5, 6], 3))).toEqual([
      'write 0 ff000000', 'write 1 ffffffff', 'write 2 ff',
    ]);
    expect(made(() => bytes.slice(2, 5))).toEqual(['read 0 ffff0000', 'read 1 ff']);
    expect(made(() => view.getInt32(2))).toEqual(['read 0 ffff0000', 'read 1 ffff']);
    expect(made(() => view.setFloat64(8, 1))).toEqual(['write 2 ffffffff', 'write 3 ffffffff']);
    expect(made(() => Atomics.add(words, 0, 1))).toEqual(['add 1 ffffffff']);
  });

  it('give the same results to Atomics as real ones', () => {
    const { memory, buffer } = recorded(8);
    const words = new memory.globals.Int32Array(buffer);
    const real = new Int32Array(new SharedArrayBuffer(8));
    const both = (run: (atomics: Atomics, view: Int32Array) => number): void =>
      expect([run(memory.globals.Atomics, words), words[1]]).toEqual([run(Atomics, real), real[1]]);
    for (const value of [5, -7, 2 ** 31 - 1, 2 ** 31]) {
      both((atomics, view) => atomics.store(view, 1, value));
      both((atomics, view) => atomics.load(view, 1));
      for (const verb of ['add', 'sub', 'and', 'or', 'xor', 'exchange'] as const)
        both((atomics, view) => atomics[verb](view, 1, value));
      both((atomics, view) => atomics.compareExchange(view, 1, 1, 2));
      both((atomics, view) => atomics.compareExchange(view, 1, view[1], 9));
    }
  });

  it('refuse accesses outside of them, and methods that they do not have', () => {
    const { memory, buffer } = recorded(16);
    const { Int32Array, Uint8Array, DataView, Atomics } = memory.globals;
    const words = new Int32Array(buffer);
    expect(() => words[4]).toThrow(new RangeError('Int32Array[4] of 4'));
    expect(() => void (words[-1] = 0)).toThrow(RangeError);
    expect(() => Atomics.load(words, 4)).toThrow(new RangeError('Atomics.load: index 4 of 4 words'));
    expect(() => new Uint8Array(buffer).set([1, 2], 15)).toThrow(RangeError);
    expect(() => new DataView(buffer).getInt32(13)).toThrow(new RangeError('getInt32(13) of 16 bytes'));
    expect(() => new Int32Array(buffer, 8, 3)).toThrow(
      new RangeError('Int32Array: 3 elements at byte 8 do not fit a buffer of 16 bytes'),
    );
    expect(() => new Int32Array(buffer, 2)).toThrow(RangeError);
    expect(() => words.subarray(1)).toThrow(new TypeError('a virtual Int32Array has no subarray'));
    expect(() => Atomics.load(new Uint8Array(buffer), 0)).toThrow('virtual memory knows it on Int32Array only');
    expect(() => Atomics.load(new globalThis.Int32Array(1), 0)).toThrow('not a view of this virtual memory');
  });

  it('are real ones over ordinary memory', () => {
    const { memory, accesses } = recorded(8);
    const ordinary = new memory.globals.Uint8Array([1, 2, 3]);
    expect([ordinary, new memory.globals.Int32Array(2)]).toEqual([Uint8Array.of(1, 2, 3), new Int32Array(2)]);
    expect(accesses).toEqual([]);
  });

  it('have names for their words', () => {
    const memory = new VirtualMemory();
    const { SharedArrayBuffer } = memory.globals;
    const first = new SharedArrayBuffer(8);
    const second = new SharedArrayBuffer(6);
    memory.name(second, 'ring', { fields: { cursor: { at: 0 } } });
    expect([0, 2, 3].map((word) => memory.nameOf(word))).toEqual(['word 0', 'ring.cursor', 'ring+4']);
    memory.name(first, 'flag');
    expect(memory.nameOf(1)).toBe('flag+4');
  });

  it('refuse ranges that are not whole words of their buffer', () => {
    const memory = new VirtualMemory();
    const buffer = new memory.globals.SharedArrayBuffer(8);
    const after = new memory.globals.SharedArrayBuffer(4);
    for (const range of [{ from: 2 }, { to: 6 }, { to: 12 }, { from: 12 }, { from: 4, to: 0 }]) {
      const invalid = expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT' });
      expect(() => memory.note({ buffer, ...range }), JSON.stringify(range)).toThrow(invalid);
    }
    memory.note({ buffer, from: 4, to: 8 });
    expect([0, 1, 2].map((word) => memory.isNoted(word)), String(after.byteLength)).toEqual([false, true, false]);
    expect(() => memory.as(-1, () => undefined)).toThrow('threadId must be a whole number');
    expect(() => memory.as(1, 5 as never)).toThrow('run must be a function');
  });
});

describe('a module in a virtual world', () => {
  const record = new URL('../../modules/queues/record.js', import.meta.url);
  /** Loads a module with the text `text`, at the address of record.js. */
  const load = (text: string): Record<string, unknown> =>
    new VirtualMemory().load(record, (shipped, url) => (url === record.href ? text : shipped));

  it('exports what it declares, in all forms that the compiler writes', () => {
    const exports = load([
      "import { basename as base } from 'node:path';",
      "import * as codes from '../result-codes.js';",
      "export { CLOSED, EMPTY as NOTHING } from '../result-codes.js';",
      "export * from './lazy.js';",
      'export const one = base("/a/one");',
      'export class Two {}',
      'export function three() { return codes.OK + 3; }',
      'export async function* four() {}',
      'const five = 5;',
      'export const at = import.meta.url;',
      'export { five, five as cinq };',
    ].join('\n')) as { three(): number };
    expect(exports).toMatchObject({ CLOSED: -2, NOTHING: -4, one: 'one', five: 5, cinq: 5, at: record.href });
    expect(exports.three()).toBe(3);
    expect(Object.keys(exports).sort()).toEqual([
      'CLOSED', 'NOTHING', 'Two', 'at', 'cinq', 'five', 'four', 'lazyHost', 'one', 'publishEveryOf', 'setLazyHost',
      'three',
    ]);
  });

  it('runs in strict mode with the virtual globals, as do the modules that it imports', () => {
    const memory = new VirtualMemory();
    const names = '{ atomics: Atomics, buffer: SharedArrayBuffer, self: (function () { return this; })() }';
    const { own, imported } = memory.load<Record<string, Record<string, unknown>>>(record, (_text, url) =>
      url === record.href
        ? `import { theirs } from '../result-codes.js';\nexport const own = ${names};\nexport { theirs as imported };`
        : `export const theirs = ${names};`,
    );
    expect(own).toEqual({ atomics: memory.globals.Atomics, buffer: memory.globals.SharedArrayBuffer, self: undefined });
    expect(imported).toEqual(own);
  });

  it('is refused if it has a form that would run wrongly', () => {
    for (const text of [
      'export default 1;', "export * as all from '../result-codes.js';", 'export const { a } = { a: 1 };',
      "import '../result-codes.js';", 'const at = import.meta.dirname;',
    ]) {
      expect(() => load(text), text).toThrow('loadModule does not know this form');
    }
    expect(() => load("import { HEADER_BYTES } from './record.js';")).toThrow('imports itself, by a circle');
    expect(load('/* export default */\n// import x\nexport const fine = 1;')).toEqual({ fine: 1 });
  });
});
