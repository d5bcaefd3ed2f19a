import { runInNewContext } from 'node:vm';
import { deserialize, serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { packError, shortFailure, unpackError } from './failure.js';

describe('an error that crosses threads', () => {
  const crossed = (error: unknown) => unpackError(deserialize(serialize(packError(error))), 3, '"sum"');

  it('keeps name, message, code and its own stack below a line that says where', () => {
    const original = Object.assign(new RangeError('too far'), { code: 'E_FAR' });
    const error = crossed(original) as Error & { code?: string; reactorId?: number };
    expect([error instanceof Error, error.name, error.message, error.code, error.reactorId]).toEqual([
      true, 'RangeError', 'too far', 'E_FAR', 3,
    ]);
    const lines = error.stack!.split('\n');
    expect(lines.slice(0, 2)).toEqual(['RangeError: too far', '    --- reactor 3, "sum" ---']);
    expect(lines[2]).toBe(original.stack!.split('\n')[1]);
  });

  it('is ERR_PERCORE_REMOTE without a code of its own, and a PercoreError with one of ours', () => {
    expect((crossed(new Error('plain')) as { code?: string }).code).toBe('ERR_PERCORE_REMOTE');
    const ours = crossed(new PercoreError('ERR_PERCORE_TOO_LARGE', 'big'));
    expect([ours instanceof PercoreError, (ours as PercoreError).code, ours.message]).toEqual([
      true, 'ERR_PERCORE_TOO_LARGE', 'big',
    ]);
  });

  it('may be no error at all: a string is its message, anything else says so', () => {
    expect(crossed('why').message).toBe('why');
    expect(crossed({ a: 1 }).message).toBe('a value was thrown that is not an Error');
    expect(crossed(undefined).message).toBe('a value was thrown that is not an Error');
  });

  it('keeps a message of several lines, and its frames once', () => {
    const error = crossed(new Error('first\nsecond'));
    expect(error.message).toBe('first\nsecond');
    expect(error.stack!.split('second').length - 1, 'times the second line of the message stands in the stack').toBe(1);
  });

  it('can be packed whatever its fields are', () => {
    for (const odd of [
      Object.assign(new Error('x'), { code: () => 1 }), Object.assign(new Error('x'), { code: 7 }),
      Object.assign(new Error('x'), { name: Symbol('n') }), Object.assign(new Error('x'), { stack: () => 1 }),
      Object.assign(new Error(), { message: { deep: () => 1 } }),
    ]) {
      expect(() => structuredClone(packError(odd))).not.toThrow();
    }
  });

  it('keeps its own fields, but for those that cannot be cloned or whose getter throws', () => {
    const original = Object.assign(new Error('x'), {
      retryAfterMs: 30, detail: { at: [1, 2] }, action: () => 1, mark: Symbol('m'),
    });
    Object.defineProperty(original, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('getter');
      },
    });
    const error = crossed(original) as unknown as Record<string, unknown>;
    expect([error['retryAfterMs'], error['detail']]).toEqual([30, { at: [1, 2] }]);
    expect(['action', 'mark', 'bad'].filter((key) => key in error)).toEqual([]);
  });

  it('keeps the argument, value and range of a PercoreError, and the reactor that it names', () => {
    const error = crossed(
      new PercoreError('ERR_PERCORE_REACTOR_DIED', 'gone', { reactorId: 7, argument: 'a', value: 5, allowed: 'less' }),
    ) as PercoreError;
    expect([error instanceof PercoreError, error.reactorId, error.argument, error.value, error.allowed]).toEqual([
      true, 7, 'a', 5, 'less',
    ]);
  });

  it('keeps its cause, and the cause of that, errors or not; a circle ends', () => {
    const inner = Object.assign(new RangeError('inner'), { code: 'E_IN', cause: { plain: true } });
    const error = crossed(new Error('outer', { cause: inner })) as Error & { cause: Error & { code: string } };
    expect([error.cause instanceof RangeError, error.cause.message, error.cause.code, error.cause.cause]).toEqual([
      true, 'inner', 'E_IN', { plain: true },
    ]);
    expect(Object.keys(error)).not.toContain('cause');
    const circle = new Error('circle');
    circle.cause = new Error('back', { cause: circle });
    expect((crossed(circle).cause as Error).message).toBe('back');
  });

  it('keeps the errors of an AggregateError, each with what it has', () => {
    const error = crossed(
      new AggregateError([new TypeError('one'), Object.assign(new Error('two'), { code: 2 }), 'three'], 'several'),
    ) as AggregateError;
    expect([error instanceof AggregateError, error.name, error.message, error.errors.length]).toEqual([
      true, 'AggregateError', 'several', 3,
    ]);
    const [one, two, three] = error.errors as [Error, { code: number }, string];
    expect([one instanceof TypeError, one.message, two.code, three]).toEqual([true, 'one', 2, 'three']);
  });

  it('may be of another realm, which is an Error all the same', () => {
    const error = crossed(runInNewContext("Object.assign(new TypeError('elsewhere'), { code: 'E_REALM' })"));
    expect([error instanceof TypeError, error.message, error.code]).toEqual([true, 'elsewhere', 'E_REALM']);
  });

  it('that is a value has it as its cause, where it can be cloned', () => {
    expect(crossed({ a: 1 }).cause).toEqual({ a: 1 });
    expect(crossed(() => 1).cause).toBeUndefined();
    expect(crossed(null).cause).toBeNull();
  });

  it('can be packed when it is a Proxy that refuses everything, or a chain of a thousand causes', () => {
    const refuse = (): never => {
      throw new Error('no');
    };
    expect(() =>
      crossed(new Proxy(new Error('x'), { get: refuse, getPrototypeOf: refuse, ownKeys: refuse, has: refuse })),
    ).not.toThrow();
    expect(() => crossed(new Proxy(new Error('x'), { get: refuse, ownKeys: refuse }))).not.toThrow();
    let chain = new Error('0');
    for (let i = 1; i < 1000; i++) chain = new Error(`${i}`, { cause: chain });
    expect(crossed(chain).message).toBe('999');
  });

  it('has no field that would change what it is', () => {
    const error = crossed(JSON.parse('{ "__proto__": 5 }')) as Error;
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
    const hostile = Object.defineProperty(new Error('x'), '__proto__', { value: null, enumerable: true });
    expect(Object.getPrototypeOf(crossed(hostile))).toBe(Error.prototype);
  });

  it('that is too long keeps its name, its code and the beginning of its message', () => {
    const long = Object.assign(new RangeError('y'.repeat(5000)), { code: 'E_LONG', big: 'z'.repeat(5000) });
    const failure = deserialize(serialize(shortFailure(packError(long)))) as ReturnType<typeof packError>;
    const short = unpackError(failure, 3, '"sum"');
    expect([
      short.name, short.code, short.message.startsWith('y'.repeat(300)), short.message.length < 400, 'big' in short,
    ]).toEqual(['RangeError', 'E_LONG', true, true, false]);
    expect(serialize(failure).length).toBeLessThan(1000);
  });
});
