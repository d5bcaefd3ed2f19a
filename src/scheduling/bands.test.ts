import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BANDS } from '../layout.js';
import type { Ready } from './ready.js';
import { Bands } from './bands.js';

const ready = (band: number): Ready => ({ band, isReady: true, run: () => false });

describe('bands', () => {
  it('have nothing at first', () => {
    const bands = new Bands();
    expect([bands.isEmpty, bands.hasAbove(-1), bands.select()]).toEqual([true, false, undefined]);
  });

  it('give the highest band first, whatever came first', () => {
    const bands = new Bands();
    for (const band of [3, 0, 7, 5, 1, 6, 2, 4]) bands.push(ready(band));
    expect([0, 6, 7].map((band) => bands.hasAbove(band))).toEqual([true, true, false]);
    expect(Array.from({ length: BANDS }, () => bands.select()!.band)).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
    expect(bands.isEmpty).toBe(true);
  });

  it('are first in, first out within a band', () => {
    const bands = new Bands();
    const tasks = Array.from({ length: 5 }, () => ready(2));
    for (const task of tasks) bands.push(task);
    expect(tasks.map(() => bands.select())).toEqual(tasks);
  });

  it('keep their order when a queue grows while it is wrapped', () => {
    const bands = new Bands();
    const tasks = Array.from({ length: 60 }, () => ready(4));
    // 16 places at first: ten in, ten out, then more than fit, so that the ring is wrapped when it grows.
    for (const task of tasks.slice(0, 10)) bands.push(task);
    for (const task of tasks.slice(0, 10)) expect(bands.select()).toBe(task);
    for (const task of tasks.slice(10)) bands.push(task);
    for (const task of tasks.slice(10)) expect(bands.select()).toBe(task);
    expect(bands.isEmpty).toBe(true);
  });

  it('agree with a list sorted by band and age, for any mixture of push and select', () => {
    const lists = fc.array(fc.option(fc.integer({ min: 0, max: BANDS - 1 }), { freq: 2 }), { maxLength: 300 });
    fc.assert(fc.property(lists, (operations) => {
      const bands = new Bands();
      const model: Ready[] = [];
      for (const band of operations) {
        if (band === null) {
          const highest = Math.max(-1, ...model.map((task) => task.band));
          const at = model.findIndex((task) => task.band === highest);
          expect(bands.select()).toBe(at < 0 ? undefined : model.splice(at, 1)[0]);
        } else {
          const task = ready(band);
          bands.push(task);
          model.push(task);
        }
        for (let b = -1; b < BANDS; b++) expect(bands.hasAbove(b)).toBe(model.some((task) => task.band > b));
        expect(bands.isEmpty).toBe(model.length === 0);
      }
    }), { numRuns: 200 });
  });
});
