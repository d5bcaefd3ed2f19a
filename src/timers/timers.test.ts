import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deliveryLayout, timerRequestsLayout } from '../layout.js';
import { inside, remoteRuntime, sleep } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';
import type { Ready } from '../scheduling/internal.js';
import { Timers, noTimer, type Tick, type TimerId, type TimersHost } from './index.js';

const COUNT = deliveryLayout.fields.timers.at >> 2;
const IDS = deliveryLayout.fields.timer.at >> 2;
const REQUESTS = deliveryLayout.fields.timerRequests.at >> 2;

/** A thread with a clock that stands still, and a wheel that is a map. `pass` is what a turn does. */
class ManualHost implements TimersHost {
  readonly delivery = new Int32Array(deliveryLayout.bytes >> 2);
  readonly timerRequests = new Float64Array(timerRequestsLayout.bytes >> 3);
  readonly wheel = new Map<number, number>();
  readonly ready: Ready[] = [];
  readonly errors: unknown[] = [];
  drains = 0;
  clockNs = 1_000_000;
  readonly timers = new Timers(this);

  nowNs(): number {
    return this.clockNs;
  }

  onError(error: unknown): void {
    this.errors.push(error);
  }

  schedule = (ready: Ready): void => {
    if (ready.isReady) return;
    ready.isReady = true;
    this.ready.push(ready);
  };

  drainTimerRequests(): void {
    this.drains++;
    for (let i = 0; i < this.delivery[REQUESTS]!; i++) {
      const [slot, deadlineNs] = [this.timerRequests[i * 2]!, this.timerRequests[i * 2 + 1]!];
      if (deadlineNs < 0) this.wheel.delete(slot);
      // Whole nanoseconds, as the native one.
      else this.wheel.set(slot, Math.trunc(deadlineNs));
    }
    this.delivery[REQUESTS] = 0;
  }

  /** Moves the clock, expires what is due in order of deadlines and makes it ready; runs nothing. */
  expire(byNs: number): void {
    this.clockNs += byNs;
    this.drainTimerRequests();
    const due = [...this.wheel].filter(([, deadlineNs]) => deadlineNs <= this.clockNs).sort((a, b) => a[1] - b[1]);
    for (const [i, [slot]] of due.entries()) {
      this.delivery[IDS + i] = slot;
      this.wheel.delete(slot);
    }
    this.delivery[COUNT] = due.length;
    this.timers.poll();
    this.delivery[COUNT] = 0;
  }

  /**
   * Runs what is ready as a reactor does: what throws is reported and offered again. Bounded, so that a loop is seen.
   */
  run(): void {
    for (let runs = 0; this.ready.length !== 0; runs++) {
      if (runs === 10_000) throw new Error('10,000 runs in one pass');
      const ready = this.ready.shift()!;
      let hasMore = false;
      try {
        hasMore = ready.run();
      } catch (error) {
        this.errors.push(error);
        hasMore = true;
      }
      ready.isReady = false;
      if (hasMore) this.schedule(ready);
    }
  }

  pass(byNs: number): void {
    this.expire(byNs);
    this.run();
  }
}

const copy = ({ sequence, expectedNs, actualNs, latenessNs, missed }: Tick) => ({
  sequence, expectedNs, actualNs, latenessNs, missed,
});

describe('after', () => {
  it('runs once, not a nanosecond early', () => {
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

  it('runs after a fraction of a nanosecond too, and not before', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.after({ delayNs: 0.5 }, (tick) => ticks.push(copy(tick)));
    host.pass(0);
    expect(ticks).toEqual([]);
    host.pass(1);
    expect(ticks.length).toBe(1);
    expect(ticks[0]!.latenessNs).toBeGreaterThanOrEqual(0);
  });

  it('says how late it was', () => {
    const host = new ManualHost();
    let lateness = -1;
    host.timers.after({ delayNs: 100 }, (tick) => void (lateness = tick.latenessNs));
    host.pass(175);
    expect(lateness).toBe(75);
  });

  it('with no delay runs in the next pass, not at once', () => {
    const host = new ManualHost();
    let runs = 0;
    host.timers.after({ delayNs: 0 }, () => void runs++);
    expect(runs).toBe(0);
    host.pass(0);
    expect(runs).toBe(1);
  });

  it('made in a callback of no delay waits for the next pass, so a chain does not hold a turn', () => {
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

  it('takes a delay of a century, and does not fire it', () => {
    const host = new ManualHost();
    let runs = 0;
    host.timers.after({ delayNs: 2 ** 62 }, () => void runs++);
    host.pass(2 ** 52);
    expect([runs, host.timers.count]).toEqual([0, 1]);
    const [deadlineNs] = [...host.wheel.values()];
    expect(deadlineNs, 'not before, and no two microseconds late').toBeGreaterThanOrEqual(2 ** 62 + 1_000_000);
    expect(deadlineNs).toBeLessThan(2 ** 62 + 1_002_000);
  });

  it('runs in the band that was asked for, 3 if none was', () => {
    const host = new ManualHost();
    host.timers.after({ delayNs: 0, priority: 7 }, () => undefined);
    host.timers.after({ delayNs: 0 }, () => undefined);
    host.timers.every({ intervalNs: 1000, firstNs: 0, priority: 0 }, () => undefined);
    host.expire(0);
    expect(host.ready.map(({ band }) => band)).toEqual([7, 3, 0]);
  });
});

describe('every', () => {
  it('keeps to its grid of deadlines, however late each tick ran', () => {
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

  it('skips what is over and counts it, and does not burst afterwards', () => {
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

  it('begins after firstNs, 0 included, and the grid begins there', () => {
    const host = new ManualHost();
    const at: number[] = [];
    host.timers.every({ intervalNs: 1000, firstNs: 0 }, (tick) => at.push(tick.expectedNs - 1_000_000));
    host.timers.every({ intervalNs: 1000, firstNs: 250 }, (tick) => at.push(tick.expectedNs - 1_000_000));
    for (const step of [0, 250, 750, 250]) host.pass(step);
    expect(at).toEqual([0, 250, 1000, 1250]);
  });

  it('loses no tick and no nanosecond over 100,000 of them', () => {
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

  it('goes on after a callback that throws: next at its next deadline, not at once', () => {
    const host = new ManualHost();
    const ticks: Tick[] = [];
    host.timers.every({ intervalNs: 1000 }, (tick) => {
      ticks.push(copy(tick));
      throw new Error(`tick ${tick.sequence}`);
    });
    host.pass(1000);
    expect(ticks.length, 'runs at the first deadline').toBe(1);
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
  it('is that of deadlines, and of creation among equals', () => {
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

describe('cancel', () => {
  it('ends a timer before it runs, once', () => {
    const host = new ManualHost();
    let runs = 0;
    const id = host.timers.after({ delayNs: 100 }, () => void runs++);
    expect([host.timers.cancel(id), host.timers.cancel(id), host.timers.count]).toEqual([true, false, 0]);
    host.pass(1000);
    expect(runs).toBe(0);
    expect(host.wheel.size).toBe(0);
  });

  it('ends one that has expired and waits in its band', () => {
    const host = new ManualHost();
    const ran: string[] = [];
    let second: TimerId = noTimer;
    host.timers.after({ delayNs: 100 }, () => {
      ran.push('first');
      ran.push(`cancelled ${host.timers.cancel(second)}`);
    });
    second = host.timers.after({ delayNs: 100 }, () => void ran.push('second'));
    host.pass(100);
    expect(ran).toEqual(['first', 'cancelled true']);
  });

  it('in its own callback ends a periodic timer, and is false for one that ran its only time', () => {
    const host = new ManualHost();
    let ticks = 0;
    const every: TimerId = host.timers.every({ intervalNs: 1000 }, () => {
      ticks++;
      expect(host.timers.cancel(every)).toBe(true);
    });
    const once: TimerId = host.timers.after({ delayNs: 1000 }, () => expect(host.timers.cancel(once)).toBe(false));
    for (let i = 0; i < 3; i++) host.pass(1000);
    expect([ticks, host.timers.count, host.errors]).toEqual([1, 0, []]);
  });

  it('of a number that is over harms nobody who has its slot now', () => {
    const host = new ManualHost();
    const stale = host.timers.after({ delayNs: 100 }, () => undefined);
    host.pass(100);
    let runs = 0;
    const young = host.timers.after({ delayNs: 100 }, () => void runs++);
    expect(young).not.toBe(stale);
    expect(host.timers.cancel(stale)).toBe(false);
    host.pass(100);
    expect(runs).toBe(1);
  });

  it('of any nonsense is false', () => {
    const host = new ManualHost();
    host.timers.after({ delayNs: 100 }, () => undefined);
    for (const id of [noTimer, -1, 0.5, NaN, Infinity, 2 ** 53, 12345]) expect(host.timers.cancel(id)).toBe(false);
    expect(host.timers.count).toBe(1);
  });

  it('of an expired timer does not fire the one that takes its slot at once', () => {
    const host = new ManualHost();
    const ran: string[] = [];
    const old = host.timers.after({ delayNs: 100 }, () => void ran.push('old'));
    // Expired by the wheel and on its way in the delivery, but not polled yet.
    host.drainTimerRequests();
    host.clockNs += 100;
    host.delivery[IDS] = 0;
    host.delivery[COUNT] = 1;
    host.wheel.clear();
    expect(host.timers.cancel(old)).toBe(true);
    host.timers.after({ delayNs: 50 }, () => void ran.push('young'));
    host.timers.poll();
    host.delivery[COUNT] = 0;
    host.run();
    expect(ran).toEqual([]);
    host.pass(50);
    expect(ran).toEqual(['young']);
  });
});

describe('a callback', () => {
  it('that throws harms no other timer', () => {
    const host = new ManualHost();
    const ran: string[] = [];
    host.timers.after({ delayNs: 100 }, () => void ran.push('a'));
    host.timers.after({ delayNs: 100 }, () => {
      throw new Error('b');
    });
    host.timers.after({ delayNs: 100 }, () => void ran.push('c'));
    host.pass(100);
    host.pass(1e9);
    expect(ran).toEqual(['a', 'c']);
    expect(host.errors.length).toBe(1);
    expect(host.timers.count).toBe(0);
  });
});

describe('requests', () => {
  it('of more than 1,024 in one step are handed over before the array overflows', () => {
    const host = new ManualHost();
    const most = timerRequestsLayout.fields.pair.count / 2;
    const ran = new Set<number>();
    for (let i = 0; i < 3 * most + 5; i++) host.timers.after({ delayNs: 100 + i }, () => void ran.add(i));
    expect(host.drains).toBe(3);
    host.pass(100 + 3 * most + 5);
    expect(ran.size).toBe(3 * most + 5);
  });
});

describe('a wrong argument', () => {
  it('is refused with its name, its value and what is allowed, and makes no timer', () => {
    const host = new ManualHost();
    const { timers } = host;
    const run = () => undefined;
    const [argument, delay, interval] = [
      'ERR_PERCORE_INVALID_ARGUMENT', 'ERR_PERCORE_TIMER_INVALID_DELAY', 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
    ];
    const delays = 'nanoseconds from 0 to 4611686018427388000';
    const intervals = 'nanoseconds from 1000 to 4611686018427388000';
    const live = timers.after({ delayNs: 1 }, run);
    const cases: [() => unknown, string, string][] = [
      [() => timers.after({ delayNs: -1 }, run), delay, `delayNs must be ${delays}, not -1`],
      [() => timers.after({ delayNs: NaN }, run), delay, `delayNs must be ${delays}, not NaN`],
      [() => timers.after({ delayNs: Infinity }, run), delay, `delayNs must be ${delays}, not Infinity`],
      [
        () => timers.after({ delayNs: 2 ** 62 + 1024 }, run),
        delay,
        `delayNs must be ${delays}, not 4611686018427389000`,
      ],
      [() => timers.after({ delayNs: '5' as never }, run), delay, `delayNs must be ${delays}, not "5"`],
      [() => timers.after({} as never, run), delay, `delayNs must be ${delays}, not undefined`],
      [
        () => timers.after({ delayMs: 5 } as never, run),
        argument,
        'options has no option "delayMs"; did you mean "delayNs"? It takes delayNs, priority',
      ],
      [
        () => timers.after(5 as never, run),
        argument,
        'options must be an object with delayNs (and priority if wanted), not 5',
      ],
      [
        () => timers.at({ deadline: 5 } as never, run),
        argument,
        'options has no option "deadline"; did you mean "deadlineNs"? It takes deadlineNs, priority',
      ],
      [
        () => timers.at(undefined as never, run),
        argument,
        'options must be an object with deadlineNs (and priority if wanted), not undefined',
      ],
      [
        () => timers.after({ delayNs: 1, priority: 8 }, run),
        argument,
        'priority must be a whole number from 0 to 7, not 8',
      ],
      [
        () => timers.after({ delayNs: 1, priority: -1 }, run),
        argument,
        'priority must be a whole number from 0 to 7, not -1',
      ],
      [
        () => timers.after({ delayNs: 1, priority: 1.5 }, run),
        argument,
        'priority must be a whole number from 0 to 7, not 1.5',
      ],
      [() => timers.after({ delayNs: 1 }, undefined as never), argument, 'callback must be a function, not undefined'],
      [() => timers.at({ deadlineNs: -1 }, run), delay, `deadlineNs must be ${delays}, not -1`],
      [() => timers.at({ deadlineNs: NaN }, run), delay, `deadlineNs must be ${delays}, not NaN`],
      [() => timers.every({ intervalNs: 999 }, run), interval, `intervalNs must be ${intervals}, not 999`],
      [() => timers.every({ intervalNs: 0 }, run), interval, `intervalNs must be ${intervals}, not 0`],
      [() => timers.every({ intervalNs: -1000 }, run), interval, `intervalNs must be ${intervals}, not -1000`],
      [() => timers.every({ intervalNs: NaN }, run), interval, `intervalNs must be ${intervals}, not NaN`],
      [() => timers.every({ intervalNs: Infinity }, run), interval, `intervalNs must be ${intervals}, not Infinity`],
      [() => timers.every({ intervalNs: 1000, firstNs: -1 }, run), delay, `firstNs must be ${delays}, not -1`],
      [
        () => timers.every({ intervalNs: 1000 }, 'later' as never),
        argument,
        'callback must be a function, not "later"',
      ],
      [
        () => timers.walk({ intervalsNs: [], order: 'linear' }, run),
        argument,
        'intervalsNs must be an array of 1 to 4096 intervals, not [object Array]',
      ],
      [
        () => timers.walk({ intervalsNs: 1000 as never, order: 'linear' }, run),
        argument,
        'intervalsNs must be an array of 1 to 4096 intervals, not 1000',
      ],
      [
        () => timers.walk({ intervalsNs: [1000, 1], order: 'linear' }, run),
        interval,
        `intervalsNs[1] must be ${intervals}, not 1`,
      ],
      [
        () => timers.walk({ intervalsNs: [1000], order: 'random' as never }, run),
        argument,
        "order must be 'round-robin' or 'linear', not \"random\"",
      ],
      [
        () => timers.create({} as never, run),
        argument,
        'options must be an object with delayNs, deadlineNs, intervalNs or intervalsNs, not [object Object]',
      ],
      [() => timers.reschedule(live, { delayNs: -1 }), delay, `delayNs must be ${delays}, not -1`],
      [() => timers.reschedule(live, { deadlineNs: NaN }), delay, `deadlineNs must be ${delays}, not NaN`],
      [() => timers.reschedule(live, {} as never), delay, `deadlineNs must be ${delays}, not undefined`],
    ];
    for (const [create, code, message] of cases) {
      expect(create, message).toThrow(expect.objectContaining({ code, message }));
    }
    expect([timers.count, host.delivery[REQUESTS]], 'the one that was right').toEqual([1, 1]);
  });
});

describe('timers of a real reactor', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await remoteRuntime(1, { idle: { strategy: 'park' } });
  });
  afterAll(() => runtime.close());

  it('are never early, and run in the order of their deadlines', async () => {
    const ticks = await inside(runtime, 0, async (reactor) => {
      const seen: { asked: number; elapsed: number; lateness: number }[] = [];
      const delays = [3, 1, 0.2, 2, 0, 0.7, 0.05, 1.5].map((ms) => ms * 1e6);
      await Promise.all(delays.map((delayNs) => new Promise<void>((resolve) => {
        const from = reactor.nowNs();
        reactor.timers.after({ delayNs }, (tick) => {
          seen.push({ asked: delayNs, elapsed: reactor.nowNs() - from, lateness: tick.latenessNs });
          resolve();
        });
      })));
      return seen;
    });
    expect(ticks.length).toBe(8);
    expect(ticks.filter(({ asked, elapsed, lateness }) => elapsed < asked || lateness < 0)).toEqual([]);
    expect(ticks.map(({ asked }) => asked)).toEqual(ticks.map(({ asked }) => asked).sort((a, b) => a - b));
  });

  it('do not drift: 1,000 ticks at 1 kHz stand on their grid to the nanosecond', async () => {
    const { grid, early, order, ticks, missed } = await inside(
      runtime,
      0,
      (reactor) =>
        new Promise<{ grid: number; early: number; order: number; ticks: number; missed: number }>((resolve) => {
          const result = { grid: 0, early: 0, order: 0, ticks: 0, missed: 0 };
          let first = 0;
          let last = -1;
          const id = reactor.timers.every({ intervalNs: 1_000_000 }, (tick) => {
            if (last === -1) first = tick.expectedNs - tick.sequence * 1_000_000;
            if (tick.expectedNs !== first + tick.sequence * 1_000_000) result.grid++;
            if (reactor.nowNs() < tick.expectedNs || tick.latenessNs < 0) result.early++;
            if (tick.sequence !== last + 1 + tick.missed) result.order++;
            last = tick.sequence;
            result.ticks++;
            result.missed += tick.missed;
            if (tick.sequence < 999) return;
            reactor.timers.cancel(id);
            resolve(result);
          });
        }),
    );
    expect({ grid, early, order }).toEqual({ grid: 0, early: 0, order: 0 });
    expect(
      ticks + missed, 'each of the first 1,000 deadlines was a tick or is counted as missed',
    ).toBeGreaterThanOrEqual(1000);
  });

  it('wake a parked reactor, and nothing else does meanwhile', async () => {
    const before = runtime.status().reactors[0]!;
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['ran'] = 0;
      reactor.timers.after({ delayNs: 200e6 }, (tick) => void (state['ran'] = tick.latenessNs));
    });
    await sleep(100);
    const asleep = runtime.status().reactors[0]!;
    expect(asleep.parks).toBeGreaterThan(before.parks);
    await sleep(50);
    expect(runtime.status().reactors[0]!.turns, 'asleep').toBe(asleep.turns);
    await sleep(150);
    expect(runtime.status().reactors[0]!.turns, 'one turn for the timer').toBe(asleep.turns + 1);
    expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['ran'] as number)).toBeGreaterThan(0);
  });

  it('are woken by the earliest deadline, though a later one was armed before it', async () => {
    const late = await inside(runtime, 0, (reactor) => new Promise<number>((resolve) => {
      reactor.timers.after({ delayNs: 60e9 }, () => undefined);
      // Made outside a turn, while the reactor sleeps for the other.
      setTimeout(() => reactor.timers.after({ delayNs: 5e6 }, (tick) => resolve(tick.latenessNs)), 20);
    }), undefined, { timeoutMs: 5000 });
    expect(late).toBeLessThan(1e9);
  });

  it('of 3,000 made in one step all run, in several turns', async () => {
    const ran = await inside(runtime, 0, (reactor) => new Promise<number>((resolve) => {
      let count = 0;
      for (let i = 0; i < 3000; i++) {
        reactor.timers.after({ delayNs: (i % 3) * 1e6 }, () => {
          if (++count === 3000) resolve(count);
        });
      }
    }), undefined, { timeoutMs: 10_000 });
    expect(ran).toBe(3000);
  });

  it('throw without harm: the error is reported, a periodic timer keeps its pace', async () => {
    const errors: string[] = [];
    const listen = ({ error, where }: { error: Error; where: string }) =>
      void errors.push(`${where}: ${error.message}`);
    runtime.on('stepError', listen);
    const { ticks, others, elapsedMs } = await inside(
      runtime,
      0,
      (reactor) =>
        new Promise<{ ticks: number; others: number; elapsedMs: number }>((resolve) => {
          let [ticks, others] = [0, 0];
          const from = reactor.nowNs();
          reactor.timers.every({ intervalNs: 10e6 }, () => void others++);
          const id = reactor.timers.every({ intervalNs: 10e6 }, (tick) => {
            ticks++;
            if (tick.sequence >= 9) {
              reactor.timers.cancel(id);
              resolve({ ticks, others, elapsedMs: (reactor.nowNs() - from) / 1e6 });
            }
            throw new Error('tick');
          });
        }),
      undefined,
      { timeoutMs: 10_000 },
    );
    runtime.off('stepError', listen);
    expect(ticks).toBeLessThanOrEqual(10);
    expect(elapsedMs).toBeGreaterThanOrEqual(100);
    expect(others).toBeGreaterThan(0);
    expect(errors[0]).toBe('a timer of band 3: tick');
  });
});
