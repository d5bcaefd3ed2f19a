import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newTick, TickGrid, type CatchUp } from './tick-grid.js';

const take = (grid: TickGrid, nowNs: number) => {
  const tick = newTick();
  grid.take(nowNs, tick);
  return tick;
};

describe('tick grid', () => {
  it('still has its points where the rate puts them after a million ticks, however late those were', () => {
    const interval = 1e9 / 30;
    const grid = new TickGrid(0, interval, interval, 'skip');
    const tick = newTick();
    for (let n = 0; n < 1_000_000; n++) {
      // Late by less than an interval, and by another amount each time.
      grid.take(grid.nextNs + ((n * 7919) % 33_000_000), tick);
      if (tick.sequence !== n || tick.missed !== 0) expect.fail(`tick ${n}: ${JSON.stringify(tick)}`);
    }
    expect(tick.expectedNs).toBe(Math.ceil(1_000_000 * interval));
  });

  it('skips to the last point that is due, and tells how many it left out', () => {
    const grid = new TickGrid(0, 100, 100, 'skip');
    expect(take(grid, 130)).toEqual({
      sequence: 0, expectedNs: 100, actualNs: 130, latenessNs: 30, missed: 0, expectedIntervalNs: 100,
      actualIntervalNs: 130,
    });
    expect(take(grid, 555)).toEqual({
      sequence: 4, expectedNs: 500, actualNs: 555, latenessNs: 55, missed: 3, expectedIntervalNs: 400,
      actualIntervalNs: 425,
    });
    expect(take(grid, 600)).toEqual({
      sequence: 5, expectedNs: 600, actualNs: 600, latenessNs: 0, missed: 0, expectedIntervalNs: 100,
      actualIntervalNs: 45,
    });
  });

  it('makes up for all points in a burst', () => {
    const grid = new TickGrid(0, 100, 100, 'burst');
    const ticks = [450, 451, 452, 453, 500].map((now) => take(grid, now));
    expect(ticks.map(({ sequence, expectedNs, missed }) => [sequence, expectedNs, missed])).toEqual([
      [0, 100, 0], [1, 200, 0], [2, 300, 0], [3, 400, 0], [4, 500, 0],
    ]);
    expect(ticks.map(({ latenessNs }) => latenessNs)).toEqual([350, 251, 152, 53, 0]);
  });

  it('moves the grid after a tick that is late by an interval or more, but not for less', () => {
    const grid = new TickGrid(0, 100, 100, 'delay');
    expect(take(grid, 199).expectedNs).toBe(100);
    expect(grid.nextNs).toBe(200);
    expect(take(grid, 330)).toMatchObject({ sequence: 1, expectedNs: 200, latenessNs: 130, missed: 0 });
    expect(grid.nextNs).toBe(430);
    expect(take(grid, 431)).toMatchObject({
      sequence: 2, expectedNs: 430, latenessNs: 1, expectedIntervalNs: 100, actualIntervalNs: 101,
    });
  });

  it('goes on from the last tick when the interval changes, or from now if that time is over', () => {
    const grid = new TickGrid(0, 100, 100, 'skip');
    take(grid, 105);
    grid.setInterval(50, 110);
    expect(grid.nextNs).toBe(150);
    grid.setInterval(20, 140);
    expect(grid.nextNs).toBe(140);
    expect(take(grid, 140)).toMatchObject({ sequence: 1, missed: 0 });
    expect(grid.nextNs).toBe(160);
  });

  it.each<CatchUp>(['skip', 'burst', 'delay'])('agrees with a list of points: %s', (catchUp) => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1000, max: 1e12 }), fc.double({ min: 1000, max: 1e9, noNaN: true })),
        fc.integer({ min: 0, max: 2 ** 50 }),
        fc.array(fc.oneof(fc.double({ min: 0, max: 0.99, noNaN: true }), fc.double({ min: 1, max: 50, noNaN: true })), {
          minLength: 1,
          maxLength: 60,
        }),
        (interval, start, lateness) => {
          const grid = new TickGrid(start, start + interval, interval, catchUp);
          let sequence = 0;
          let lastActual = start;
          for (const late of lateness) {
            const due = grid.nextNs;
            const now = Math.max(due + Math.floor(late * interval), lastActual);
            const tick = take(grid, now);
            expect(tick.actualNs).toBe(now);
            expect(tick.latenessNs).toBe(now - tick.expectedNs);
            expect(tick.expectedNs).toBeLessThanOrEqual(now);
            expect(tick.actualIntervalNs).toBe(now - lastActual);
            expect(tick.sequence).toBe(sequence + tick.missed);
            if (catchUp === 'skip') {
              // The last point that is not after now: the one after it is.
              expect(grid.nextNs).toBeGreaterThan(now);
              expect(tick.latenessNs).toBeLessThanOrEqual(Math.ceil(interval));
              expect(Math.abs(tick.expectedNs - (start + (tick.sequence + 1) * interval))).toBeLessThanOrEqual(2);
            } else {
              expect(tick.missed).toBe(0);
              expect(tick.expectedNs).toBe(due);
            }
            if (catchUp === 'burst') {
              expect(Math.abs(tick.expectedNs - (start + (tick.sequence + 1) * interval))).toBeLessThanOrEqual(2);
            }
            if (catchUp === 'delay') expect(grid.nextNs).toBeGreaterThan(now);
            sequence = tick.sequence + 1;
            lastActual = now;
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
