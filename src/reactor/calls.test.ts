import { describe, expect, it } from 'vitest';
import { Calls, MAX_CALLS, PendingCall } from './calls.js';

function pending(calls: Calls, to = 0): PendingCall & { outcome: unknown[] } {
  const outcome: unknown[] = [];
  const call = new PendingCall(
    'sum', to, 3, (value) => void outcome.push(['resolved', value]), (error) => void outcome.push(['rejected', error]),
  );
  calls.add(call);
  return Object.assign(call, { outcome });
}

const numberOf = ({ number, generation }: PendingCall): [number, number] => [number, generation];
const slotOf = ({ number }: PendingCall): number => number & (MAX_CALLS - 1);

describe('calls in flight', () => {
  it('have numbers of their own and are taken once', () => {
    const calls = new Calls();
    const [first, second] = [pending(calls), pending(calls)];
    expect(numberOf(first)).not.toEqual(numberOf(second));
    expect(calls.find(...numberOf(first), 0)).toBe(first);
    expect([calls.take(first), calls.take(first), first.isOver, second.isOver, calls.count]).toEqual([
      true, false, true, false, 1,
    ]);
    expect([calls.find(...numberOf(first), 0), calls.find(...numberOf(second), 0)]).toEqual([undefined, second]);
  });

  it('are found by the party that was asked alone', () => {
    const calls = new Calls();
    const call = pending(calls, 3);
    expect([calls.find(...numberOf(call), 2), calls.find(...numberOf(call), 3)]).toEqual([undefined, call]);
  });

  it('do not take the answer to an older call of their slot for theirs, however many calls later it comes', () => {
    // The lower half of the generation comes round within these.
    const calls = new Calls(-50_000, 0);
    const old = pending(calls);
    const stale = numberOf(old);
    calls.take(old);
    for (let i = 0; i < 100_000; i++) {
      const young = pending(calls);
      if (slotOf(young) !== slotOf(old)) throw new Error(`call ${i} has another slot`);
      if (calls.find(...stale, 0) !== undefined) throw new Error(`the answer to the old call settles call ${i}`);
      if (calls.find(...numberOf(young), 0) !== young) throw new Error(`call ${i} is not found`);
      calls.take(young);
    }
    expect(calls.count).toBe(0);
  });

  it('have other numbers when the lower half of the generation comes round', () => {
    const calls = new Calls(-1, 0);
    const before = pending(calls);
    calls.take(before);
    const numbers = new Set([`${numberOf(before)}`]);
    for (const high of [1, 2, 0xffff]) {
      const later = new Calls(-1, high);
      numbers.add(`${numberOf(pending(later))}`);
    }
    expect(numbers.size).toBe(4);
    for (const text of numbers)
      expect(
        text
          .split(',')
          .map(Number)
          .every((word) => word === (word | 0)),
        text,
      ).toBe(true);
  });

  it('use each of 65,536 slots before one is made', () => {
    const calls = new Calls();
    const all = Array.from({ length: MAX_CALLS }, () => pending(calls));
    expect(new Set(all.map(slotOf)).size).toBe(MAX_CALLS);
    for (const call of all) expect(calls.find(...numberOf(call), 0)).toBe(call);
    for (const call of all) expect(calls.take(call)).toBe(true);
    expect(calls.count).toBe(0);
  });

  it('clean up when they are taken', () => {
    const calls = new Calls();
    const call = pending(calls);
    let cleaned = 0;
    call.cleanUp = () => void cleaned++;
    calls.take(call);
    calls.take(call);
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
