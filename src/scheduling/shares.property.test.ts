/** What shares promise besides proportions: a debt ends, and nobody saves up. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BANDS } from '../layout.js';
import type { Ready } from './ready.js';
import { Shares } from './shares.js';

const RUNS = process.env['PERCORE_STRESS'] === undefined ? 100 : 5_000;
const DEBT_NS = 1_000_000;
const STEP_NS = 10_000;

const ready = (band: number): Ready => ({ band, isReady: true, run: () => false });
const sharesOf = fc.array(fc.integer({ min: 1, max: 16 }), { minLength: BANDS, maxLength: BANDS });

/** Selects, runs for `ns` and pushes again. Returns the band. */
function runOne(discipline: Shares, ns: number): number {
  const one = discipline.select()!;
  discipline.push(one);
  discipline.charge(one.band, ns);
  return one.band;
}

describe('shares', () => {
  it('make a band wait after a pause of any length no longer than debtNs times the others\' shares by its own', () => {
    const pauses = fc.array(fc.record({
      after: fc.integer({ min: 0, max: 60 }), ns: fc.integer({ min: 0, max: 10 * DEBT_NS }),
    }), { minLength: 1, maxLength: 20, size: 'max' });
    fc.assert(fc.property(sharesOf, pauses, (shares, list) => {
      const discipline = new Shares(shares, DEBT_NS);
      for (let band = 0; band < BANDS; band++) discipline.push(ready(band));
      const waited = new Float64Array(BANDS);
      const sum = shares.reduce((a, b) => a + b);
      const check = (band: number, ns: number): void => {
        for (let other = 0; other < BANDS; other++) {
          // What others have run since it ran last, each quantum as it was charged.
          if (other !== band) waited[other]! += Math.min(ns, DEBT_NS);
          const bound = ((sum - shares[other]!) / shares[other]!) * DEBT_NS + BANDS * DEBT_NS;
          if (waited[other]! > bound + 1) throw new Error(`band ${other} has waited ${waited[other]} of ${bound} ns`);
        }
        waited[band] = 0;
      };
      for (const { after, ns } of list) {
        for (let i = 0; i < after; i++) check(runOne(discipline, STEP_NS), STEP_NS);
        check(runOne(discipline, ns), ns);
      }
      for (let i = 0; i < 200; i++) check(runOne(discipline, STEP_NS), STEP_NS);
    }), { numRuns: RUNS });
  });

  it('forget a pause after that: the band that was held up has its share again', () => {
    const discipline = new Shares(new Array<number>(BANDS).fill(1), DEBT_NS);
    for (const band of [1, 5]) discipline.push(ready(band));
    let untilNext = 0;
    while (runOne(discipline, 100 * DEBT_NS) !== 1);
    while (runOne(discipline, STEP_NS) !== 1) untilNext++;
    // It pays 1 ms back, not 100.
    expect(untilNext).toBeLessThanOrEqual(2 * DEBT_NS / STEP_NS + 2);
    let own = 0;
    for (let i = 0; i < 1000; i++) if (runOne(discipline, STEP_NS) === 1) own++;
    expect(own).toBeGreaterThanOrEqual(499);
  });

  it('give a band that slept no more than its part and one quantum, however long it slept', () => {
    const sleeps = fc.record({ others: fc.integer({ min: 1, max: 2_000 }), sleeper: fc.integer({ min: 0, max: 7 }) });
    fc.assert(fc.property(sharesOf, sleeps, (shares, { others, sleeper }) => {
      const discipline = new Shares(shares, DEBT_NS);
      for (let band = 0; band < BANDS; band++) if (band !== sleeper) discipline.push(ready(band));
      for (let i = 0; i < others; i++) runOne(discipline, STEP_NS);
      discipline.push(ready(sleeper));
      const part = shares[sleeper]! / shares.reduce((a, b) => a + b);
      let own = 0;
      for (let total = 1; total <= 500; total++) {
        if (runOne(discipline, STEP_NS) === sleeper) own++;
        // One quantum that it begins with, and one by which the others may be ahead, each in turn.
        if (own > part * (total + BANDS) + 1.001) throw new Error(`${own} of ${total} quanta, its part is ${part}`);
      }
    }), { numRuns: RUNS });
  });

  it('give back what a collection took, all of it, and no credit', () => {
    const amounts = fc.record({
      charged: fc.integer({ min: 1, max: 5 * DEBT_NS }), collected: fc.integer({ min: 0, max: 5 * DEBT_NS }),
    });
    fc.assert(fc.property(sharesOf, amounts, (shares, { charged, collected: asked }) => {
      const collected = Math.min(asked, charged);
      const [told, untold] = [new Shares(shares, DEBT_NS), new Shares(shares, DEBT_NS)];
      for (const discipline of [told, untold]) {
        for (let band = 0; band < BANDS; band++) discipline.push(ready(band));
        discipline.push(discipline.select()!);
      }
      // As if the collection had never been.
      told.charge(7, charged);
      told.refund(7, collected, charged);
      untold.charge(7, charged - collected);
      const order = (discipline: Shares): number[] =>
        Array.from({ length: 300 }, () => runOne(discipline, STEP_NS + 1));
      expect(order(told)).toEqual(order(untold));
    }), { numRuns: RUNS });
    const discipline = new Shares(new Array<number>(BANDS).fill(1), DEBT_NS);
    for (const band of [1, 5]) discipline.push(ready(band));
    runOne(discipline, STEP_NS);
    // More than it was ever charged: it begins where the others are, not before them.
    discipline.refund(5, 100 * STEP_NS, 100 * STEP_NS);
    const bands = Array.from({ length: 20 }, () => runOne(discipline, STEP_NS));
    expect(bands.filter((band) => band === 5).length).toBeLessThanOrEqual(11);
  });
});
