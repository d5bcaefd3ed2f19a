import { describe, expect, it } from 'vitest';
import {
  ManualClock, RateController, RateSurface, createRateState,
  type JitterWarning, type RateControllerOptions, type RateStats,
} from './index.js';

const surface = () => new RateSurface({ targetHz: 2, minimumHz: 0.5, maximumHz: 5 });

/** A controller by a manual clock, and what it has emitted, with the time of each token. */
function start(options: Partial<RateControllerOptions<number>> = {}) {
  const clock = new ManualClock();
  const emitted: [number, number][] = [];
  const controller = new RateController<number>({
    surface: surface(),
    tokens: Array.from({ length: 1000 }, (_, i) => i),
    emit: (token) => emitted.push([token, clock.nowNs()]),
    clock,
    ...options,
  });
  const stats: RateStats[] = [];
  const warnings: JitterWarning[] = [];
  controller.on('stats', (one) => stats.push(one)).on('warning', (one) => warnings.push(one));
  return { clock, controller, emitted, stats, warnings };
}

describe('rate surface', () => {
  it('grants the nearest rate within its limits', () => {
    const rates = surface();
    expect([rates.rateHz, rates.set(3), rates.rateHz]).toEqual([2, 3, 3]);
    expect([rates.set(100), rates.set(0.1), rates.adjust(3), rates.adjust(100), rates.adjust(0.001)]).toEqual([
      5, 0.5, 1.5, 5, 0.5,
    ]);
    expect([rates.reset(), rates.rateHz]).toEqual([2, 2]);
    const fixed = new RateSurface({ targetHz: 7 });
    expect([fixed.minimumHz, fixed.maximumHz, fixed.set(9)]).toEqual([7, 7, 7]);
  });

  it('refuses rates out of range and limits on the wrong side of the target', () => {
    const invalid = (argument: string) => expect.objectContaining({ code: 'ERR_PERCORE_TIMER_INVALID_RATE', argument });
    for (const targetHz of [0, -1, NaN, Infinity]) {
      expect(() => new RateSurface({ targetHz })).toThrow(invalid('targetHz'));
    }
    expect(() => new RateSurface({ targetHz: 2, minimumHz: 3 })).toThrow(
      /^minimumHz must be at most targetHz, which is 2, not 3$/,
    );
    expect(() => new RateSurface({ targetHz: 2, maximumHz: 1 })).toThrow(
      /^maximumHz must be at least targetHz, which is 2, not 1$/,
    );
    expect(() => new RateSurface({ targetHz: 2, minimumHz: 0 })).toThrow(invalid('minimumHz'));
    expect(() => surface().set(NaN)).toThrow(invalid('rateHz'));
    for (const factor of [0, -1, NaN, Infinity]) expect(() => surface().adjust(factor)).toThrow(/^factor must be/);
    expect(() => new RateSurface(undefined as never)).toThrow(/^options must be/);
  });
});

describe('rate controller', () => {
  it('emits one token in each tick, in order, at the rate', () => {
    const { clock, emitted } = start();
    clock.advance(2e9);
    expect(emitted).toEqual([[0, 5e8], [1, 1e9], [2, 1.5e9], [3, 2e9]]);
  });

  it('changes its rate while it runs, within the surface', () => {
    const { clock, controller, emitted } = start();
    clock.advance(1e9);
    expect(controller.setRate(4)).toBe(4);
    clock.advance(1e9);
    expect(emitted.slice(2).map(([, ns]) => ns)).toEqual([1.25e9, 1.5e9, 1.75e9, 2e9]);
    expect(controller.setRate(1000)).toBe(5);
    expect(controller.adjust(0.5)).toBe(2.5);
    expect(controller.status()).toMatchObject({
      rateHz: 2.5,
      emitted: 6,
      surface: { minimumHz: 0.5, targetHz: 2, maximumHz: 5 },
    });
    expect(() => controller.setRate(-1)).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_TIMER_INVALID_RATE' }));
    clock.advance(0.4e9);
    expect(emitted.length).toBe(7);
  });

  it('tells its statistics every 100 ticks', () => {
    const { clock, controller, stats, warnings } = start();
    clock.advance(99.5 * 5e8);
    expect(stats).toEqual([]);
    clock.advance(5e8);
    expect(stats).toEqual([
      expect.objectContaining({
        rateHz: 2,
        missed: 0,
        jitter: expect.objectContaining({ count: 100, p99Ns: 0, maxNs: 0, withinTolerance: 100, isExact: true }),
      }),
    ]);
    clock.advance(200 * 5e8);
    expect(stats.map(({ jitter }) => jitter.count)).toEqual([100, 100, 100]);
    expect(warnings).toEqual([]);
    expect(controller.stats()).toMatchObject({ count: 300, p999Ns: 0 });
  });

  it('warns when the p99 of the last ticks exceeds the tolerance, and at no other time', () => {
    const { clock, controller, stats, warnings } = start({ statsEvery: 10, toleranceNs: 1e6 });
    // One tick of ten is late by more than the tolerance, and the one after it seems early by as much.
    for (let i = 1; i <= 20; i++) clock.setNs(i * 5e8 + (i === 5 ? 1_000_001 : i === 15 ? 1_000_000 : 0));
    expect(stats.length).toBe(2);
    expect(warnings).toEqual([
      expect.objectContaining({
        p99Ns: 1_000_001,
        toleranceNs: 1e6,
        rateHz: 2,
        jitter: expect.objectContaining({
          withinTolerance: 8,
          signed: expect.objectContaining({ minNs: -1_000_001, maxNs: 1_000_001 }),
        }),
      }),
    ]);
    expect(controller.status().warnings).toBe(1);
  });

  it('tells how many ticks it left out', () => {
    const { clock, emitted, stats } = start({ statsEvery: 3 });
    for (const ns of [5e8, 2.6e9, 3e9, 3.5e9, 4e9, 5.1e9]) clock.setNs(ns);
    expect(emitted.map(([token]) => token)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(stats.map(({ missed }) => missed)).toEqual([3, 1]);
  });

  it('ends at the first tick that finds no token', async () => {
    const { clock, controller, emitted } = start({ tokens: [7, 8] });
    const ended = controller.ended;
    clock.advance(1e9);
    expect(controller.status().isClosed).toBe(false);
    clock.advance(10e9);
    await ended;
    await controller.ended;
    expect(emitted.length).toBe(2);
    expect(controller.stats().count).toBe(2);
    expect(clock.nextDeadlineNs()).toBe(Infinity);
  });

  it('can be closed within emit, closes its iterator, and ends once', () => {
    let returned = 0;
    function* endless(): Generator<number> {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        returned++;
      }
    }
    let ends = 0;
    const { clock, controller, emitted } = start({
      tokens: endless(),
      emit: (token, tick) => {
        emitted.push([token, tick.expectedNs]);
        if (token === 2) controller.close();
      },
    });
    controller.on('end', () => ends++);
    clock.advance(10e9);
    controller.close();
    expect([emitted.length, returned, ends, controller.stats().count]).toEqual([3, 1, 1, 3]);
  });

  it('goes on after emit has thrown, and tells that by an event', () => {
    const errors: unknown[] = [];
    const { clock, controller, emitted } = start({
      emit: (token) => {
        if (token === 1) throw new Error('token 1');
        emitted.push([token, 0]);
      },
    });
    expect(() => clock.advance(1e9)).toThrow('token 1');
    controller.on('error', (error) => errors.push(error));
    clock.advance(1e9);
    expect(emitted.map(([token]) => token)).toEqual([0, 2, 3]);
    expect(controller.stats().count).toBe(4);
    expect(errors).toEqual([]);
  });

  it('goes on after listeners that throw: only the one that throws is affected', () => {
    const { clock, controller, emitted, warnings } = start({ statsEvery: 2, toleranceNs: 0 });
    const errors: unknown[] = [];
    controller.on('error', (error) => errors.push((error as Error).message));
    controller.on('stats', () => {
      throw new Error('stats');
    });
    controller.on('warning', () => {
      throw new Error('warning');
    });
    for (const ns of [5e8, 1e9 + 7, 1.5e9]) clock.setNs(ns);
    expect([emitted.length, warnings.length, errors]).toEqual([3, 1, ['stats', 'warning']]);
    expect(controller.status().errors).toBe(2);
    expect(controller.stats().count).toBe(3);
  });

  it('runs by a real clock too', async () => {
    const seen: string[] = [];
    const controller = new RateController<string>({
      surface: new RateSurface({ targetHz: 1000 }),
      tokens: 'the grammar is eternal'.split(' '),
      emit: (token) => seen.push(token),
    });
    await controller.ended;
    expect(seen.join(' ')).toBe('the grammar is eternal');
    expect(controller.status()).toMatchObject({
      emitted: 4,
      isClosed: true,
      backend: { asked: 'auto', granted: 'timerfd' },
    });
    await controller[Symbol.asyncDispose]();
  });

  it('refuses options with which it cannot run', () => {
    const make = (options: unknown) => () => new RateController(options as RateControllerOptions<number>);
    const emit = () => undefined;
    expect(make(undefined)).toThrow(/^options must be/);
    expect(make({ surface: 2, tokens: [], emit })).toThrow(/^surface must be a RateSurface, not 2$/);
    expect(make({ surface: surface(), tokens: 5, emit })).toThrow(/^tokens must be iterable, not 5$/);
    expect(make({ surface: surface(), tokens: [] })).toThrow(/^emit must be a function/);
    expect(make({ surface: surface(), tokens: [], emit, statsEvery: 0 })).toThrow(/^statsEvery must be a whole number/);
    expect(make({ surface: surface(), tokens: [], emit, toleranceNs: -1 })).toThrow(/^toleranceNs must be/);
    const withState = { surface: surface(), tokens: [], emit, state: createRateState() };
    expect(make({ ...withState, clock: {} })).toThrow(expect.objectContaining({ argument: 'clock' }));
    expect(make({ ...withState, state: new Float64Array(5) })).toThrow(/^state must be what createRateState\(\)/);
  });
});
