import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { Calls, MAX_CALLS, PendingCall, packError, unpackError } from './calls.js';

function pending(calls: Calls, to = 0): PendingCall & { outcome: unknown[] } {
  const outcome: unknown[] = [];
  const call = new PendingCall('sum', to, (value) => void outcome.push(['resolved', value]), (error) => void outcome.push(['rejected', error]));
  calls.add(call);
  return Object.assign(call, { outcome });
}

describe('calls in flight', () => {
  it('have numbers of their own and are taken once', () => {
    const calls = new Calls();
    const [first, second] = [pending(calls), pending(calls)];
    expect(first.id).not.toBe(second.id);
    expect([calls.count, calls.has(first)]).toEqual([2, true]);
    expect(calls.take(first.id)).toBe(first);
    expect([calls.take(first.id), calls.count, calls.has(first), calls.has(second)]).toEqual([undefined, 1, false, true]);
  });

  it('do not take the answer to an older call of their slot for theirs', () => {
    const calls = new Calls();
    const old = pending(calls);
    const staleId = old.id;
    calls.take(staleId);
    const young = pending(calls);
    expect(young.id & (MAX_CALLS - 1), 'the slot is used again').toBe(staleId & (MAX_CALLS - 1));
    expect(calls.take(staleId)).toBeUndefined();
    expect(calls.has(old)).toBe(false);
    expect(calls.take(young.id)).toBe(young);
  });

  it('have positive int32 numbers also after 32,768 generations', () => {
    const calls = new Calls();
    for (let i = 0; i < 40_000; i++) {
      const call = pending(calls);
      if (call.id < 0 || call.id !== (call.id | 0)) throw new Error(`number ${call.id} at ${i}`);
      calls.take(call.id);
    }
    expect(calls.count).toBe(0);
  });

  it('use each of 65,536 slots before one is made', () => {
    const calls = new Calls();
    const all = Array.from({ length: MAX_CALLS }, () => pending(calls));
    expect(new Set(all.map(({ id }) => id & (MAX_CALLS - 1))).size).toBe(MAX_CALLS);
    for (const call of all) expect(calls.take(call.id)).toBe(call);
    expect(calls.count).toBe(0);
  });

  it('clean up when they are taken', () => {
    const calls = new Calls();
    const call = pending(calls);
    let cleaned = 0;
    call.cleanUp = () => void cleaned++;
    calls.take(call.id);
    calls.take(call.id);
    expect(cleaned).toBe(1);
  });

  it('are all rejected that go to one reactor, and no other', () => {
    const calls = new Calls();
    const all = [pending(calls, 1), pending(calls, 2), pending(calls, 1)];
    calls.rejectAll(1, () => new Error('died'));
    expect(all.map(({ outcome }) => outcome.length)).toEqual([1, 0, 1]);
    expect(calls.count).toBe(1);
  });
});

describe('an error that crosses threads', () => {
  const crossed = (error: unknown) => unpackError(structuredClone(packError(error)), 3, 'sum');

  it('keeps name, message, code and its own stack below a line that says where', () => {
    const original = Object.assign(new RangeError('too far'), { code: 'E_FAR' });
    const error = crossed(original) as Error & { code?: string; reactorId?: number };
    expect([error instanceof Error, error.name, error.message, error.code, error.reactorId]).toEqual([true, 'RangeError', 'too far', 'E_FAR', 3]);
    const lines = error.stack!.split('\n');
    expect(lines.slice(0, 2)).toEqual(['RangeError: too far', '    --- reactor 3, "sum" ---']);
    expect(lines[2]).toBe(original.stack!.split('\n')[1]);
  });

  it('is ERR_PERCORE_REMOTE without a code of its own, and a PercoreError with one of ours', () => {
    expect((crossed(new Error('plain')) as { code?: string }).code).toBe('ERR_PERCORE_REMOTE');
    const ours = crossed(new PercoreError('ERR_PERCORE_TOO_LARGE', 'big'));
    expect([ours instanceof PercoreError, (ours as PercoreError).code, ours.message]).toEqual([true, 'ERR_PERCORE_TOO_LARGE', 'big']);
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
    for (const odd of [Object.assign(new Error('x'), { code: () => 1 }), Object.assign(new Error('x'), { code: 7 }), Object.assign(new Error('x'), { name: Symbol('n') }), Object.assign(new Error('x'), { stack: () => 1 }), Object.assign(new Error(), { message: { deep: () => 1 } })]) {
      expect(() => structuredClone(packError(odd))).not.toThrow();
    }
  });
});
