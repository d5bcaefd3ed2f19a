/** One suite for every backend; tests that need a manual clock follow it. */
import { afterEach, describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { setErrorReporter } from '../uncaught.js';
import {
  createRateTimer, ManualClock, monotonicClock, SystemClock, type RateBackend, type RateTick, type RateTimer,
  type RateTimerOptions,
} from './index.js';

const MS = 1e6;
const backends: RateBackend[] = ['timerfd', 'io_uring', 'spin', 'manual'];
const code = (name: string) => expect.objectContaining({ code: `ERR_PERCORE_${name}` });

/** Lets time pass for one backend. A manual clock is moved while a test waits; the others move by themselves. */
class World {
  readonly clock: ManualClock | SystemClock;
  private readonly timers: RateTimer[] = [];

  constructor(readonly backend: RateBackend) {
    this.clock = backend === 'manual' ? new ManualClock(1e9) : monotonicClock();
  }

  timer(options: RateTimerOptions, onTick?: (tick: RateTick) => void): RateTimer {
    const timer = createRateTimer({ backend: this.backend, clock: this.clock, ...options }, onTick);
    this.timers.push(timer);
    return timer;
  }

  async wait<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => (isSettled = true), () => (isSettled = true));
    while (this.clock instanceof ManualClock && !isSettled) await this.clock.advanceAsync(MS / 4);
    return promise;
  }

  pass(ns: number): Promise<unknown> {
    if (this.clock instanceof ManualClock) return this.clock.advanceAsync(ns);
    return new Promise((resolve) => setTimeout(resolve, ns / MS));
  }

  /** Keeps the thread busy, so that nothing else runs. */
  stall(ns: number): void {
    const endNs = this.clock.nowNs() + ns;
    if (this.clock instanceof ManualClock) this.clock.setNs(endNs);
    else while (this.clock.nowNs() < endNs);
  }

  closeAll(): void {
    for (const timer of this.timers) timer.close();
  }
}

describe.each(backends)('a rate timer on %s', (backend) => {
  let world: World;
  const start = (): World => (world = new World(backend));
  afterEach(() => world.closeAll());

  it('ticks on its grid, in order and never early', async () => {
    const { clock } = start();
    const startNs = clock.nowNs();
    const timer = world.timer({ rateHz: 700 });
    const readyNs = clock.nowNs();
    let expectedSequence = 0;
    let lastActualNs = 0;
    let firstNs = 0;
    for (let i = 0; i < 15; i++) {
      const tick = await world.wait(timer.tick());
      expectedSequence += tick.missed;
      expect(tick.sequence).toBe(expectedSequence++);
      if (i === 0) firstNs = tick.expectedNs - Math.round((tick.sequence * 1e9) / 700);
      expect(Math.abs(tick.expectedNs - (firstNs + (tick.sequence * 1e9) / 700))).toBeLessThanOrEqual(2);
      expect(tick.actualNs).toBeGreaterThanOrEqual(tick.expectedNs);
      expect(tick.latenessNs).toBe(tick.actualNs - tick.expectedNs);
      if (i > 0) expect(tick.actualIntervalNs).toBe(tick.actualNs - lastActualNs);
      expect(clock.nowNs()).toBeGreaterThanOrEqual(tick.actualNs);
      lastActualNs = tick.actualNs;
    }
    expect(firstNs).toBeGreaterThanOrEqual(startNs + 1e9 / 700 - 2);
    expect(firstNs).toBeLessThanOrEqual(readyNs + 1e9 / 700 + 2);
    expect(timer.status()).toMatchObject({
      ticks: 15, missed: expectedSequence - 15, rateHz: expect.closeTo(700, 9), catchUp: 'skip', isClosed: false,
    });
  });

  it('tells what was asked for and what was granted', () => {
    start();
    const { backend: told, clock } = world.timer({ rateHz: 1 }).status();
    expect(told.asked).toBe(backend);
    if (told.granted === backend) expect(told.why).toBeUndefined();
    // On a machine that refuses io_uring the status says why, and this suite runs on the backend that took its place.
    else
      expect([backend, told]).toEqual([
        'io_uring',
        {
          asked: 'io_uring',
          granted: 'timerfd',
          why: expect.stringMatching(/^E[A-Z]+: .+, (io_uring_setup|mmap|io_uring_enter)$/),
        },
      ]);
    expect(clock).toBe(backend === 'manual' ? 'manual' : 'monotonic');
  });

  it('calls back until it is closed, which may be within a tick', async () => {
    start();
    const ticks: RateTick[] = [];
    const seen: number[] = [];
    await world.wait(new Promise<void>((resolve) => {
      const timer = world.timer({ intervalNs: MS }, (tick) => {
        ticks.push(tick);
        seen.push(tick.sequence);
        if (ticks.length === 5) {
          timer.close();
          timer.close();
          resolve();
        }
      });
    }));
    await world.pass(10 * MS);
    expect(seen.length).toBe(5);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    // The timer reuses the object.
    expect(new Set(ticks).size).toBe(1);
  });

  it('gives the same tick to all that wait and to the callback', async () => {
    start();
    const called: number[] = [];
    const timer = world.timer({ intervalNs: MS }, (tick) => called.push(tick.sequence));
    const [a, b] = await world.wait(Promise.all([timer.tick(), timer.tick()]));
    expect(a).toBe(b);
    expect(called).toContain(a.sequence);
    const next = await world.wait(timer.tick());
    expect(next).not.toBe(a);
    expect(next.sequence).toBeGreaterThan(a.sequence);
  });

  it('can be looped over until it is closed; leaving the loop does not close it', async () => {
    start();
    const timer = world.timer({ intervalNs: MS });
    const seen: number[] = [];
    await world.wait((async () => {
      for await (const tick of timer) if (seen.push(tick.sequence) === 3) break;
    })());
    expect(seen.length).toBe(3);
    const rest = (async () => {
      let count = 0;
      for await (const _tick of timer) if (++count === 3) timer.close();
      return count;
    })();
    expect(await world.wait(rest)).toBe(3);
    expect(timer.status().isClosed).toBe(true);
    // A loop that is waiting for a tick ends as well.
    const long = world.timer({ intervalNs: 3600e9 });
    const looping = (async () => {
      for await (const _tick of long) expect.unreachable();
    })();
    await world.pass(MS);
    long.close();
    await looping;
  });

  it('rejects waits that time out or are aborted, and when it is closed; the next wait gets the tick', async () => {
    start();
    // Not before the other two are over, on a busy machine either.
    const timer = world.timer({ intervalNs: 60 * MS, firstNs: 250 * MS });
    await expect(world.wait(timer.tick({ timeoutMs: 2 }))).rejects.toThrow(code('TIMEOUT'));
    const aborter = new AbortController();
    const aborted = timer.tick({ signal: aborter.signal, timeoutMs: 5000 });
    aborter.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await expect(timer.tick({ signal: aborter.signal })).rejects.toThrow('enough');
    const tick = await world.wait(timer.tick({ signal: new AbortController().signal, timeoutMs: 5000 }));
    expect(tick.sequence).toBe(tick.missed);
    const waiting = timer.tick();
    const looping = timer.ticks({ signal: aborter.signal })[Symbol.asyncIterator]().next();
    await expect(looping).rejects.toThrow('enough');
    timer.close();
    await expect(waiting).rejects.toThrow(code('CLOSED'));
    await expect(timer.tick()).rejects.toThrow(code('CLOSED'));
  });

  it('closes when it is disposed of', async () => {
    start();
    const timer = world.timer({ intervalNs: MS });
    await timer[Symbol.asyncDispose]();
    expect(timer.status().isClosed).toBe(true);
    expect(typeof (timer as unknown as Record<symbol, unknown>)[Symbol.asyncDispose]).toBe('function');
  });

  it('can change its rate while it runs, and be reset', async () => {
    start();
    const timer = world.timer({ intervalNs: 3600e9 });
    const waiting = timer.tick();
    timer.setRate(1000);
    const first = await world.wait(waiting);
    expect(first.expectedIntervalNs).toBeLessThan(1e9);
    timer.setIntervalNs(2 * MS);
    expect([timer.rateHz, timer.intervalNs]).toEqual([500, 2 * MS]);
    const second = await world.wait(timer.tick());
    expect(second.expectedNs).toBeGreaterThanOrEqual(first.expectedNs + 2 * MS);
    expect(second.expectedNs - first.expectedNs).toBeLessThan(1e9);
    timer.setIntervalNs(3600e9);
    const later = timer.tick();
    timer.setIntervalNs(MS);
    timer.reset();
    const resetNs = world.clock.nowNs();
    const third = await world.wait(later);
    expect(third.expectedNs).toBeGreaterThan(resetNs);
  });

  it('can have its first tick at once', async () => {
    start();
    const now = world.clock.nowNs();
    const tick = await world.wait(world.timer({ intervalNs: 3600e9, firstNs: 0 }).tick());
    expect(tick.expectedNs).toBeGreaterThanOrEqual(now);
    expect(tick).toMatchObject({ sequence: 0, missed: 0, expectedIntervalNs: 0 });
  });

  // The clock of a real backend goes on during the test, so the bounds are wide and the stall is long.
  it('skips the ticks that a busy thread has missed', async () => {
    start();
    const timer = world.timer({ intervalNs: 2 * MS });
    const before = await world.wait(timer.tick());
    world.stall(21 * MS);
    const late = await world.wait(timer.tick());
    expect(late.missed).toBeGreaterThanOrEqual(9);
    expect(late.sequence).toBe(before.sequence + 1 + late.missed);
    expect(late.latenessNs).toBeLessThan(2 * MS);
    const next = await world.wait(timer.tick());
    expect(next.expectedNs - late.expectedNs).toBe((1 + next.missed) * 2 * MS);
  });

  it('makes up for them in a burst', async () => {
    start();
    const timer = world.timer({ intervalNs: 2 * MS, catchUp: 'burst' });
    const first = await world.wait(timer.tick());
    world.stall(21 * MS);
    const ticks: RateTick[] = [];
    for (let i = 0; i < 10; i++) ticks.push(await world.wait(timer.tick()));
    expect(ticks.map(({ sequence }) => sequence)).toEqual(ticks.map((_tick, i) => first.sequence + 1 + i));
    expect(
      ticks.every(({ missed, expectedNs }, i) => missed === 0 && expectedNs === first.expectedNs + (i + 1) * 2 * MS),
    ).toBe(true);
    expect(ticks[0]!.latenessNs).toBeGreaterThanOrEqual(18 * MS);
  });

  it('begins a new grid with delay', async () => {
    start();
    const timer = world.timer({ intervalNs: 2 * MS, catchUp: 'delay' });
    const first = await world.wait(timer.tick());
    world.stall(21 * MS);
    const late = await world.wait(timer.tick());
    const next = await world.wait(timer.tick());
    // On a busy machine the first tick may itself have been late by an interval.
    const dueNs = (first.latenessNs >= 2 * MS ? first.actualNs : first.expectedNs) + 2 * MS;
    expect([late.sequence, late.missed, late.expectedNs]).toEqual([first.sequence + 1, 0, dueNs]);
    expect(late.latenessNs).toBeGreaterThanOrEqual(18 * MS);
    expect(next.expectedNs).toBe(late.actualNs + 2 * MS);
  });

  it('does not starve others if it can never keep up', async () => {
    if (start().clock instanceof ManualClock) return;
    const timer = world.timer({ intervalNs: 1000, catchUp: 'burst' });
    let passes = 0;
    let isDone = false;
    const count = (): void => {
      passes++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    for (let i = 0; i < 200; i++) {
      await timer.tick();
      world.stall(5000);
    }
    isDone = true;
    expect(passes).toBeGreaterThanOrEqual(190);
  });

  it('can close itself, change itself and make others within a tick', async () => {
    start();
    const seen: string[] = [];
    const doomed = world.timer({ intervalNs: MS, firstNs: 300 * MS }, () => seen.push('doomed'));
    await world.wait(new Promise<void>((resolve) => {
      const timer = world.timer({ intervalNs: MS }, () => {
        doomed.close();
        timer.setIntervalNs(3600e9);
        const inner = world.timer({ intervalNs: MS }, (tick) => {
          seen.push('inner');
          inner.close();
          expect(tick.missed).toBeGreaterThanOrEqual(0);
          resolve();
        });
        seen.push('outer');
      });
    }));
    await world.pass(310 * MS);
    expect(seen).toEqual(['outer', 'inner']);
  });
});

describe('a rate timer on a manual clock', () => {
  it('has not drifted after a million ticks, although its interval is not a whole number', async () => {
    const clock = new ManualClock(123);
    const timer = createRateTimer({ rateHz: 30, clock });
    let tick: RateTick | undefined;
    for (let i = 0; i < 1_000_000; i++) {
      const waiting = timer.tick();
      // Late by up to a third of the interval, and by another amount each time.
      clock.setNs(clock.nextDeadlineNs() + ((i * 7919) % 11_000_000));
      tick = await waiting;
      if (tick.sequence !== i || tick.missed !== 0) expect.fail(`tick ${i}: ${JSON.stringify(tick)}`);
    }
    expect(tick!.expectedNs).toBe(Math.ceil(123 + 1e9 / 30 + 999_999 * (1e9 / 30)));
  });

  it('has ideal ticks when the clock is advanced, whatever else follows the clock', async () => {
    const clock = new ManualClock();
    const ticks: string[] = [];
    for (const rateHz of [2, 10, 30]) {
      createRateTimer({ rateHz, clock }, (tick) =>
        ticks.push(`${rateHz}:${tick.sequence}:${tick.latenessNs}:${tick.missed}`),
      );
    }
    clock.advance(1e9 + 1);
    expect(ticks.length).toBe(42);
    expect(ticks.every((text) => text.endsWith(':0:0'))).toBe(true);
    expect(clock.nextDeadlineNs()).toBe(Math.ceil(31e9 / 30));
  });

  it('makes the call that moves the clock throw what its callback throws, and goes on', () => {
    const clock = new ManualClock();
    let others = 0;
    createRateTimer({ intervalNs: 1000, clock }, (tick) => {
      throw new Error(`tick ${tick.sequence}`);
    });
    createRateTimer({ intervalNs: 1000, clock }, () => void others++);
    expect(() => clock.advance(1000)).toThrow('tick 0');
    expect(() => clock.advance(3000)).toThrow(
      expect.objectContaining({ errors: [1, 2, 3].map((n) => expect.objectContaining({ message: `tick ${n}` })) }),
    );
    expect(others).toBe(4);
    const errors: unknown[] = [];
    createRateTimer({ intervalNs: 1e6, clock, onError: (error) => errors.push(error) }, () => {
      throw 'text';
    });
    expect(() => clock.advance(1e6 - 1)).toThrow(AggregateError);
    expect(errors).toEqual([]);
    expect(() => clock.advance(1)).toThrow();
    expect(errors).toEqual(['text']);
  });

  it('tells onError which callback has failed, and throws what onError throws', () => {
    const clock = new ManualClock();
    const told: [unknown, string][] = [];
    const onError = (error: unknown, where: string) => void told.push([error, where]);
    createRateTimer({ rateHz: 4, clock, onError }, function sample() {
      throw 1;
    });
    createRateTimer({ rateHz: 2, clock, onError }, () => {
      throw 2;
    });
    clock.advance(5e8);
    const [named, unnamed] = ['callback "sample" of a rate timer at 4 Hz', 'a rate timer at 2 Hz'];
    expect(told).toEqual([[1, named], [1, named], [2, unnamed]]);
    const other = new ManualClock();
    createRateTimer({ rateHz: 1, clock: other, onError: () => { throw new Error('by onError'); } }, () => {
      throw new Error('by the callback');
    });
    expect(() => other.advance(1e9)).toThrow('by onError');
  });

  it('gives errors without an onError, and those of onError, to the reporter of its thread', () => {
    const told: [unknown, string][] = [];
    setErrorReporter((error, where) => void told.push([error, where]));
    try {
      const clock = new ManualClock();
      const timer = createRateTimer({ rateHz: 2, clock }, () => {
        throw 1;
      });
      createRateTimer({ rateHz: 1, clock, onError: () => { throw 3; } }, () => {
        throw 2;
      });
      clock.advance(1e9);
      expect(timer.status()).toMatchObject({ ticks: 2, errors: 2 });
    } finally {
      setErrorReporter(undefined);
    }
    const where = 'a rate timer at 2 Hz';
    expect(told).toEqual([[1, where], [1, where], [3, 'onError of a rate timer at 1 Hz']]);
  });

  it('runs time-outs by the same clock', async () => {
    const clock = new ManualClock();
    const timer = createRateTimer({ rateHz: 1, clock });
    const waiting = timer.tick({ timeoutMs: 300 });
    clock.advance(300e6 - 1);
    clock.advance(1);
    await expect(waiting).rejects.toThrow(code('TIMEOUT'));
    expect(clock.nextDeadlineNs()).toBe(Infinity);
  });

  it('has ticks up to the end of the span', () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    const timer = createRateTimer({ intervalNs: 36_525 * 86_400e9, clock }, (tick) => seen.push(tick.expectedNs));
    clock.advance(36_525 * 86_400e9);
    expect(seen).toEqual([36_525 * 86_400e9]);
    expect(timer.status().rateHz).toBeCloseTo(3.17e-10, 12);
  });
});

describe('an invalid argument', () => {
  const make = (options: unknown, onTick?: unknown) => () =>
    createRateTimer(options as RateTimerOptions, onTick as never);

  it('is refused with the argument, its value and what is allowed', () => {
    for (const rateHz of [0, -1, NaN, Infinity, -Infinity, 1e6 + 1, 1e-10, '10', null]) {
      expect(make({ rateHz })).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_TIMER_INVALID_RATE', argument: 'rateHz', value: rateHz }),
      );
    }
    for (const intervalNs of [0, -5, 999, NaN, Infinity, 3.2e18, '1000']) {
      expect(make({ intervalNs })).toThrow(
        expect.objectContaining({
          code: 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
          argument: 'intervalNs',
          value: intervalNs,
        }),
      );
    }
    for (const firstNs of [-1, NaN, Infinity, 4e18]) {
      expect(make({ rateHz: 1, firstNs })).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_TIMER_INVALID_INTERVAL', argument: 'firstNs' }),
      );
    }
    expect(make({})).toThrow(/^rateHz must be a rate from .* not undefined$/);
    expect(make(undefined)).toThrow(/^options must be an object with rateHz or intervalNs, not undefined$/);
    expect(make({ rateHz: 1, intervalNs: 1e9 })).toThrow(/^intervalNs must be left out when rateHz is given/);
    expect(make({ rateHz: 1, catchUp: 'hurry' })).toThrow(/^catchUp must be one of skip, burst, delay, not "hurry"$/);
    expect(make({ rateHz: 1, backend: 'rtc' })).toThrow(
      /^backend must be one of timerfd, io_uring, spin, manual, auto, not "rtc"$/,
    );
    expect(make({ rateHz: 1, backend: 'manual' })).toThrow(/'manual' needs a ManualClock/);
    expect(make({ rateHz: 1, backend: 'timerfd', clock: new ManualClock() })).toThrow(
      /^backend must be 'manual' or 'auto' with a ManualClock/,
    );
    expect(make({ rateHz: 1, clock: new SystemClock({ kind: 'realtime' }) })).toThrow(/the wall clock may be set/);
    expect(make({ rateHz: 1, clock: { nowNs: () => 0 } })).toThrow(expect.objectContaining({ argument: 'clock' }));
    expect(make({ rateHz: 1, spinNs: 1e9 })).toThrow(expect.objectContaining({ argument: 'spinNs' }));
    expect(make({ rateHz: 1 }, 'tick')).toThrow(/^onTick must be a function/);
    expect(make({ rateHz: 1, onError: 1 })).toThrow(/^onError must be a function/);
    expect(make({ rateHz: 0 })).toThrow(PercoreError);
  });

  it('is refused by tick() and the setters, too', async () => {
    const timer = createRateTimer({ rateHz: 1, clock: new ManualClock() });
    await expect(timer.tick({ timeoutMs: 0 })).rejects.toThrow(/^no tick within 0 ms$/);
    await expect(timer.tick({ timeoutMs: -1 })).rejects.toThrow(/^timeoutMs must be a number of milliseconds from 0 /);
    await expect(timer.tick({ signal: 'now' as never })).rejects.toThrow(/^signal must be an AbortSignal/);
    expect(() => timer.setRate(0)).toThrow(code('TIMER_INVALID_RATE'));
    expect(() => timer.setIntervalNs(1)).toThrow(code('TIMER_INVALID_INTERVAL'));
    expect(timer.rateHz).toBe(1);
  });
});

describe('the clock of a rate timer', () => {
  it('can be the boot-time clock, with each backend that sleeps', async () => {
    const clock = new SystemClock({ kind: 'boottime', originNs: 1000 });
    for (const backend of ['timerfd', 'io_uring', 'spin'] as const) {
      const timer = createRateTimer({ rateHz: 1000, clock, backend });
      const tick = await timer.tick();
      expect(tick.actualNs).toBeGreaterThanOrEqual(tick.expectedNs);
      expect(clock.nowNs()).toBeGreaterThanOrEqual(tick.actualNs);
      expect(timer.status()).toMatchObject({ clock: 'boottime' });
      timer.close();
    }
  });

  it('get the best backend by default', () => {
    const real = createRateTimer({ rateHz: 1 });
    expect(real.status().backend).toEqual({ asked: 'auto', granted: 'timerfd' });
    real.close();
    expect(createRateTimer({ rateHz: 1, clock: new ManualClock() }).status().backend).toEqual({
      asked: 'auto',
      granted: 'manual',
    });
  });
});
