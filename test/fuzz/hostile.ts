/* oxlint-disable unicorn/no-thenable -- Things that look like promises are among what is passed in to do harm. */
/**
 * Seeded chance, and the values that a fuzzer gives where something else is meant. What these values throw by
 * themselves is a HostileError, which may pass through whatever calls them.
 */
import { runInNewContext } from 'node:vm';
import { Random } from '../../src/random.js';

export class HostileError extends Error {
  override name = 'HostileError';
}

export class Chance extends Random {
  is(probability: number): boolean {
    return this.next() < probability;
  }

  one<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

const fail = (): never => {
  throw new HostileError('a hostile value was asked for something');
};

/** Numbers from 2^21 to 2^30 are left out: many sizes may have them, and then they are what they ask for, memory. */
const NUMBERS = [
  0, -0, 1, -1, 2, 3, 7, 8, 63, 1024, 65_536, NaN, Infinity, -Infinity, 0.5, 1.5, 16.5, -1.5, 2 ** 31 - 1, 2 ** 31,
  -(2 ** 31), 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e300, Number.MIN_VALUE,
];
const TEXTS = [
  '', ' ', 'x', '16', 'main', '__proto__', 'constructor', 'toString', '\0', 'ü€😀', '\ud800', 'a/b/../c', '/dev/null',
  '/nowhere/at/all', 'x'.repeat(5000), 'localhost', '127.0.0.1', '999.1.1.1', '::1',
];

/** Makes a hostile value; every one is new, so that none is spoiled by the call before. */
const MAKERS: ((chance: Chance) => unknown)[] = [
  (chance) => chance.one(NUMBERS),
  (chance) => chance.one(NUMBERS),
  (chance) => chance.one(NUMBERS),
  (chance) => chance.one(TEXTS),
  (chance) => chance.one(TEXTS),
  () => undefined,
  () => null,
  () => true,
  () => false,
  () => 5n,
  () => -(2n ** 70n),
  () => Symbol('s'),
  () => Symbol.iterator,
  () => ({}),
  () => Object.create(null),
  () => [],
  () => [1, 'x', null],
  () => new Array(5),
  () => () => undefined,
  () => fail,
  () => async () => fail(),
  () => class Some {},
  () =>
    function* generator() {
      yield 1;
    },
  () => new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, set: fail }),
  () => new Proxy(() => undefined, { apply: fail, get: fail }),
  () => new Proxy(new Uint8Array(8), {}),
  () => ({
    get delayNs() {
      return fail();
    },
    get length() {
      return fail();
    },
    get kind() {
      return fail();
    },
    get then() {
      return fail();
    },
  }),
  () => ({ toString: fail, valueOf: fail, [Symbol.toPrimitive]: fail }),
  () => ({ length: 8 }),
  () => ({ then: null }),
  () => new Date(NaN),
  () => new Map([[1, 2]]),
  () => new Set(['a']),
  () => /x/y,
  () => new Error('an error'),
  () => Object(5),
  () => Object('text'),
  () => new Uint8Array(0),
  () => new Uint8Array(8),
  () => Buffer.from('bytes'),
  () => new Float64Array(3),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(16),
  () => new SharedArrayBuffer(16),
  () => new Uint8Array(new SharedArrayBuffer(16)),
  () => new Int32Array(new SharedArrayBuffer(16)),
  detached,
  outOfBounds,
  growing,
  () => new (ArrayBuffer as never as new (bytes: number, options: object) => ArrayBuffer)(8, { maxByteLength: 64 }),
  () => AbortSignal.abort(),
  () => AbortSignal.abort(new HostileError('aborted')),
  () => new AbortController().signal,
  () => ({ aborted: false, addEventListener: fail, removeEventListener: fail }),
  () => Object.create(AbortSignal.prototype),
  () => Promise.resolve(1),
  () => quiet(Promise.reject(new HostileError('rejected'))),
  () => ({ then: fail }),
  () => ({ then: (done: (v: unknown) => void) => (done(1), done(2)) }),
  () => ({ then: () => undefined }),
  () => ({ then: (_: unknown, failed: (v: unknown) => void) => (failed(new HostileError('then')), fail()) }),
  () => runInNewContext('({ delayNs: 5, kind: "spsc" })'),
  () => runInNewContext('new Uint8Array(8)'),
  () => runInNewContext('(() => undefined)'),
  () => runInNewContext('[1, 2]'),
  () => ({ kind: 'spsc', backend: 'fixed' }),
  () => ({ kind: 'mpsc', buffer: new SharedArrayBuffer(256), byteOffset: 0 }),
  () => ({ backend: 'deque' }),
  () => ({ backend: 'pipe', framing: 'line' }),
  () => ({ kind: 'readiness', memory: new SharedArrayBuffer(8), eventFd: 1e6 }),
  () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    return cyclic;
  },
];

export function hostile(chance: Chance): unknown {
  return chance.one(MAKERS)(chance);
}

function quiet(promise: Promise<unknown>): Promise<unknown> {
  promise.catch(() => undefined);
  return promise;
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function outOfBounds(): Uint8Array {
  const buffer = new (
    ArrayBuffer as never as new (bytes: number, options: object) => ArrayBuffer & { resize(bytes: number): void }
  )(8, { maxByteLength: 64 });
  const bytes = new Uint8Array(buffer, 4);
  buffer.resize(2);
  return bytes;
}

function growing(): Uint8Array {
  const buffer = new (
    SharedArrayBuffer as never as new (
      bytes: number, options: object,
    ) => SharedArrayBuffer & { grow(bytes: number): void }
  )(8, { maxByteLength: 64 });
  const bytes = new Uint8Array(buffer);
  buffer.grow(32);
  return bytes;
}
