import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collect } from './fixtures/collect.js';
import { ValueChain } from './value-chain.js';

describe('a chain of values', () => {
  it('doubles its slots from 16 as it grows, and no array is longer than 65,536', () => {
    const chain = new ValueChain<number>();
    const sizes = new Set([chain.slots]);
    for (let i = 0; i < 300_000; i++) {
      chain.push(i);
      sizes.add(chain.slots);
    }
    const doubling = Array.from({ length: 14 }, (_, i) => 16 * 2 ** i);
    expect([...sizes]).toEqual([...doubling, ...[3, 4, 5].map((arrays) => arrays * 65_536)]);
  });

  it('gives memory back as a burst is read: at most three arrays more than the values need, and at most 1,024 slots '
    + 'when empty', () => {
    for (const burst of [17, 1000, 5000, 300_000]) {
      const chain = new ValueChain<number>();
      for (let i = 0; i < burst; i++) chain.push(i);
      const grown = chain.slots;
      let most = 0;
      let wrong = 0;
      for (let i = 0; i < burst; i++) {
        if (chain.shift() !== i || chain.slots > grown || chain.slots < chain.length) wrong++;
        most = Math.max(most, chain.slots - chain.length);
      }
      expect(wrong).toBe(0);
      expect(most, `slots without a value, burst of ${burst}`).toBeLessThanOrEqual(3 * Math.min(burst, 65_536));
      expect(chain.length).toBe(0);
      expect(chain.slots).toBeLessThanOrEqual(1024);
    }
  });

  it('keeps no spare array that is longer than the values ask for', () => {
    const chain = new ValueChain<number>();
    // Arrays of 16, 16, 32 ... 2,048 and 4,096 slots, of which the last holds 904 values.
    for (let i = 0; i < 5000; i++) chain.push(i);
    while (chain.length > 904) chain.shift();
    expect(chain.slots).toBe(4096);
  });

  it('needs no new memory at a steady depth', () => {
    for (const depth of [1, 15, 16, 17, 100, 1000]) {
      const chain = new ValueChain<number>();
      for (let i = 0; i < depth; i++) chain.push(i);
      let [least, most] = [Infinity, 0];
      for (let i = 0; i < 20_000; i++) {
        chain.push(depth + i);
        if (chain.shift() !== i) throw new Error(`value ${i} is not where it belongs`);
        if (i < 5 * depth + 100) continue;
        least = Math.min(least, chain.slots);
        most = Math.max(most, chain.slots);
      }
      expect(most, `at depth ${depth}`).toBeLessThanOrEqual(Math.max(64, 6 * depth));
      expect(least).toBeGreaterThanOrEqual(depth);
    }
  });

  it('keeps order and count whatever comes and goes', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 100 }) }), fc.record({ shift: fc.integer({ min: 1, max: 100 }) }),
      fc.constant('clear' as const),
    );
    let grown = 0;
    fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const chain = new ValueChain<number>();
      const model: number[] = [];
      let next = 0;
      for (const each of steps) {
        if (each === 'clear') {
          chain.clear();
          model.length = 0;
        } else if ('push' in each) {
          for (let i = 0; i < each.push; i++) {
            chain.push(next);
            model.push(next++);
          }
        } else {
          for (let i = 0; i < each.shift && model.length > 0; i++) expect(chain.shift()).toBe(model.shift());
        }
        expect(chain.length).toBe(model.length);
        expect(chain.slots).toBeGreaterThanOrEqual(chain.length);
        if (chain.slots > 128) grown++;
      }
      while (model.length > 0) expect(chain.shift()).toBe(model.shift());
    }), { numRuns: 300 });
    expect(grown, 'the runs have used several arrays').toBeGreaterThan(100);
  });

  it('keeps no value alive that was read or cleared', async () => {
    const chain = new ValueChain<object>();
    const refs: WeakRef<object>[] = [];
    const push = () => {
      const value = {};
      refs.push(new WeakRef(value));
      chain.push(value);
    };
    for (let i = 0; i < 100; i++) push();
    for (let i = 0; i < 90; i++) chain.shift();
    await collect();
    expect(refs.filter((ref) => ref.deref() !== undefined)).toHaveLength(10);
    chain.clear();
    await collect();
    expect(refs.filter((ref) => ref.deref() !== undefined)).toHaveLength(0);
    expect(chain.length).toBe(0);
  });
});
