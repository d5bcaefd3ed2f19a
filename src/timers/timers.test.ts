/** One-shot and repeating timers and their order, with a clock that stands still. */
import { describe, expect, it } from 'vitest';
import type { Tick } from './index.js';
import { ManualHost, copy } from './fixtures/manual-host.js';

describe('after', () => {
  it('runs once and not a nanosecond early', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.after({ delayNs: 500 }, (tick) => ticks.push(copy(tick)));
    host.pass(499);
    expect(ticks).toEqual([]);
    host.pass(1);
    expect(ticks).toEqual([{ sequence: 0, expectedNs: 1_000_500, actualNs: 1_000_500, latenessNs: 0, missed: 0 }]);
    host.pass(1e12);
    expect(ticks.length).toBe(1);
    expect(host.timers.count).toBe(0);
  });

  it('also takes a delay with a fraction of a nanosecond, and does not run before that', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.after({ delayNs: 0.5 }, (tick) => ticks.push(copy(tick)));
    host.pass(0);
    expect(ticks).toEqual([]);
    host.pass(1);
    expect(ticks.length).toBe(1);
    expect(ticks[0]!.latenessNs).toBeGreaterThanOrEqual(0);
  });

  it('tells how late it was', () => {
    const host = new ManualHost();
    let lateness = -1;
    host.timers.after({ delayNs: 100 }, (tick) => void (lateness = tick.latenessNs));
    host.pass(175);
    expect(lateness).toBe(75);
  });

  it('with a delay of 0 runs in the next pass and not at once', () => {
    const host = new ManualHost();
    let runs = 0;
    host.timers.after({ delayNs: 0 }, () => void runs++);
    expect(runs).toBe(0);
    host.pass(0);
    expect(runs).toBe(1);
  });

  it('with a delay of 0, made in a callback, waits for the next pass, so that a chain does not hold up a turn', () => {
    const host = new ManualHost();
    let runs = 0;
    const again = () => {
      runs++;
      host.timers.after({ delayNs: 0 }, again);
    };
    again();
    host.pass(0);
    expect(runs).toBe(2);
    host.pass(0);
    expect(runs).toBe(3);
  });

  it('takes a delay of a century and does not fire early', () => {
    const host = new ManualHost();
    let runs = 0;
    host.timers.after({ delayNs: 2 ** 62 }, () => void runs++);
    host.pass(2 ** 52);
    expect([runs, host.timers.count]).toEqual([0, 1]);
    const [deadlineNs] = [...host.wheel.values()];
    expect(deadlineNs, 'not early, and less than two microseconds late').toBeGreaterThanOrEqual(2 ** 62 + 1_000_000);
    expect(deadlineNs).toBeLessThan(2 ** 62 + 1_002_000);
  });

  it('runs in the band that was asked for, or else in band 3', () => {
    const host = new ManualHost();
    host.timers.after({ delayNs: 0, priority: 7 }, () => undefined);
    host.timers.after({ delayNs: 0 }, () => undefined);
    host.timers.every({ intervalNs: 1000, firstNs: 0, priority: 0 }, () => undefined);
    host.expire(0);
    expect(host.ready.map(({ band }) => band)).toEqual([7, 3, 0]);
  });
});

describe('every', () => {
  it('keeps its grid of deadlines, however late each tick ran', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.every({ intervalNs: 1000 }, (tick) => ticks.push(copy(tick)));
    for (const step of [1000, 1300, 900, 800, 1000]) host.pass(step);
    expect(
      ticks.map(({ sequence, expectedNs, latenessNs, missed }) => [
        sequence, expectedNs - 1_000_000, latenessNs, missed,
      ]),
    ).toEqual([
      [0, 1000, 0, 0], [1, 2000, 300, 0], [2, 3000, 200, 0], [3, 4000, 0, 0], [4, 5000, 0, 0],
    ]);
  });

  it('skips and counts ticks that are over, without a burst afterwards', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.every({ intervalNs: 1000 }, (tick) => ticks.push(copy(tick)));
    host.pass(1000);
    host.pass(5400);
    host.pass(0);
    host.pass(600);
    host.pass(1000);
    expect(
      ticks.map(({ sequence, expectedNs, latenessNs, missed }) => [
        sequence, expectedNs - 1_000_000, latenessNs, missed,
      ]),
    ).toEqual([
      [0, 1000, 0, 0], [5, 6000, 400, 4], [6, 7000, 0, 0], [7, 8000, 0, 0],
    ]);
  });

  it('counts a tick that is over by exactly one interval as missed', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.every({ intervalNs: 1000 }, (tick) => ticks.push(copy(tick)));
    host.pass(2000);
    expect(
      ticks.map(({ sequence, expectedNs, latenessNs, missed }) => [
        sequence, expectedNs - 1_000_000, latenessNs, missed,
      ]),
    ).toEqual([[1, 2000, 0, 1]]);
  });

  it('begins its grid after firstNs, which may be 0', () => {
    const host = new ManualHost();
    const at: number[] = [];
    host.timers.every({ intervalNs: 1000, firstNs: 0 }, (tick) => at.push(tick.expectedNs - 1_000_000));
    host.timers.every({ intervalNs: 1000, firstNs: 250 }, (tick) => at.push(tick.expectedNs - 1_000_000));
    for (const step of [0, 250, 750, 250]) host.pass(step);
    expect(at).toEqual([0, 250, 1000, 1250]);
  });

  it('loses no tick and no nanosecond over 100,000 ticks', () => {
    const host = new ManualHost();
    let [ticks, missed, wrong] = [0, 0, 0];
    host.timers.every({ intervalNs: 1_000_003 }, (tick) => {
      ticks++;
      missed += tick.missed;
      if (tick.expectedNs !== 1_000_000 + (tick.sequence + 1) * 1_000_003) wrong++;
    });
    for (let i = 0; i < 100_000; i++) host.pass(1_000_003 + (i % 7) - 3);
    expect(wrong).toBe(0);
    expect(ticks + missed).toBe(Math.floor((host.clockNs - 1_000_000) / 1_000_003));
    expect(ticks).toBeGreaterThan(80_000);
  });

  it('goes on after a callback that throws, at its next deadline and not at once', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.every({ intervalNs: 1000 }, (tick) => {
      ticks.push(copy(tick));
      throw new Error(`tick ${tick.sequence}`);
    });
    host.pass(1000);
    expect(ticks.length, 'it runs at the first deadline').toBe(1);
    host.pass(400);
    host.pass(600);
    host.pass(1000);
    expect(
      ticks.map(({ sequence, expectedNs, latenessNs, missed }) => [
        sequence, expectedNs - 1_000_000, latenessNs, missed,
      ]),
    ).toEqual([
      [0, 1000, 0, 0], [1, 2000, 0, 0], [2, 3000, 0, 0],
    ]);
    expect(host.errors.map((error) => (error as Error).message)).toEqual(['tick 0', 'tick 1', 'tick 2']);
  });
});

describe('order', () => {
  it('is that of deadlines, and among equal deadlines that of creation', () => {
    const host = new ManualHost();
    const order: string[] = [];
    for (const [name, delayNs] of [
      ['c', 300], ['a', 100], ['b1', 200], ['b2', 200],
    ] as const)
      host.timers.after({ delayNs }, () => void order.push(name));
    host.pass(1000);
    expect(order).toEqual(['a', 'b1', 'b2', 'c']);
  });
});
