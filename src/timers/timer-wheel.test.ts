/** Timers that are driven by hand, with a clock that stands still: how they run, are made, moved and walked. */
import { describe, expect, it } from 'vitest';
import { create, noTimer, type LocalTimersOptions, type LocalTimers, type TimerId } from './index.js';

/** Timers with a clock that stands still until a test moves it. */
function byHand(options: LocalTimersOptions = {}): {
  timers: LocalTimers;
  advance(byNs: number): number;
  nowNs(): number;
} {
  let ns = 0;
  const timers = create({ ...options, clock: { nowNs: () => ns } });
  return {
    timers,
    nowNs: () => ns,
    advance(byNs) {
      ns += byNs;
      return timers.turn();
    },
  };
}

describe('timers by hand', () => {
  it('run only when told to, by the clock that they were given, and not a nanosecond early', () => {
    const { timers, advance } = byHand();
    const ran: number[] = [];
    timers.after({ delayNs: 1000 }, (tick) => ran.push(tick.expectedNs));
    expect([timers.nextDeadlineNs(), timers.count]).toEqual([1000, 1]);
    expect([advance(999), ran]).toEqual([0, []]);
    expect([advance(1), ran]).toEqual([1, [1000]]);
    expect([timers.nextDeadlineNs(), timers.count]).toEqual([Infinity, 0]);
  });

  it('can be polled, selected by band and deadline, and run one by one', () => {
    let ns = 0;
    const timers = create({ clock: { nowNs: () => ns } });
    const ran: string[] = [];
    const ids = new Map<string, TimerId>();
    for (const [name, deadlineNs, priority] of [
      ['low', 1, 0], ['late', 9, 5], ['early', 2, 5], ['high', 8, 7],
    ] as const) {
      ids.set(
        name,
        timers.at({ deadlineNs, priority }, () => void ran.push(name)),
      );
    }
    expect([timers.poll(), timers.select()]).toEqual([0, noTimer]);
    ns = 10;
    expect([timers.poll(), timers.poll()], 'each expires only once').toEqual([4, 0]);
    for (const name of ['high', 'early', 'late', 'low']) {
      const id = timers.select();
      expect(id).toBe(ids.get(name));
      expect([timers.run(id), timers.run(id)], 'once').toEqual([true, false]);
    }
    expect([timers.select(), ran]).toEqual([noTimer, ['high', 'early', 'late', 'low']]);
  });

  it('can still be cancelled or moved after they were selected', () => {
    let ns = 0;
    const timers = create({ clock: { nowNs: () => ns } });
    const ran: string[] = [];
    const first = timers.at({ deadlineNs: 1 }, () => void ran.push('first'));
    const second = timers.at({ deadlineNs: 2 }, () => void ran.push('second'));
    ns = 5;
    timers.poll();
    expect([timers.select(), timers.cancel(first), timers.run(first)]).toEqual([first, true, false]);
    expect([timers.select(), timers.reschedule(second, { delayNs: 10 }), timers.run(second)]).toEqual([
      second, true, false,
    ]);
    expect(timers.nextDeadlineNs()).toBe(15);
    ns = 15;
    expect([timers.turn(), ran]).toEqual([1, ['second']]);
  });

  it('run in several turns, in order, if one turn cannot take them all', () => {
    const { timers, advance } = byHand({ expiriesPerTurn: 100 });
    const ran: number[] = [];
    for (let i = 0; i < 1050; i++) {
      timers.at({ deadlineNs: (i * 389) % 1050 }, (tick) => void ran.push(tick.expectedNs));
    }
    const turns: number[] = [];
    for (let count = advance(5000); count > 0; count = advance(0)) turns.push(count);
    expect(turns).toEqual([...Array.from({ length: 10 }, () => 100), 50]);
    expect(ran).toEqual(Array.from({ length: 1050 }, (_, i) => i));
  });

  it('take a tick of any length, and round it up to a power of two', () => {
    for (const [tickNs, granted] of [
      [undefined, 65_536], [1, 1], [1000, 1024], [65_536, 65_536], [65_537, 131_072], [2 ** 40, 2 ** 40],
    ] as const) {
      const { timers, advance } = byHand(tickNs === undefined ? {} : { tickNs });
      expect(timers.tickNs).toBe(granted);
      const ran: number[] = [];
      for (const deadlineNs of [70_001, 3, 69_999, 70_000]) {
        timers.at({ deadlineNs }, (tick) => void ran.push(tick.expectedNs));
      }
      advance(70_000);
      expect(ran, `${tickNs}`).toEqual([3, 69_999, 70_000]);
    }
  });
});

describe('create', () => {
  it('makes a timer of the kind that its options name', () => {
    const { timers, advance } = byHand();
    const ran: string[] = [];
    timers.create({ delayNs: 10 }, () => void ran.push('after'));
    timers.create({ deadlineNs: 20 }, () => void ran.push('at'));
    const every = timers.create({ intervalNs: 1000, firstNs: 30 }, () => void ran.push('every'));
    timers.create({ intervalsNs: [1000, 1000], order: 'linear' }, () => void ran.push('walk'));
    advance(50);
    expect(ran).toEqual(['after', 'at', 'every']);
    timers.cancel(every);
    advance(2000);
    expect([ran, timers.count]).toEqual([['after', 'at', 'every', 'walk'], 0]);
  });

  it('refuses options out of range, and names them', () => {
    const cases: [LocalTimersOptions, string][] = [
      [{ tickNs: 0 }, 'tickNs must be a whole number from 1 to 1099511627776, not 0'],
      [{ tickNs: 2 ** 41 }, 'tickNs must be a whole number from 1 to 1099511627776, not 2199023255552'],
      [{ tickNs: 1.5 }, 'tickNs must be a whole number from 1 to 1099511627776, not 1.5'],
      [{ expiriesPerTurn: 0 }, 'expiriesPerTurn must be a whole number from 1 to 1024, not 0'],
      [{ expiriesPerTurn: 1025 }, 'expiriesPerTurn must be a whole number from 1 to 1024, not 1025'],
      [{ budgetNs: 999 }, 'budgetNs must be a whole number from 1000 to 1000000000, not 999'],
      [{ onError: 'log' as never }, 'onError must be a function, not "log"'],
      [{ clock: {} as never }, 'clock must be an object with a method nowNs, not [object Object]'],
    ];
    for (const [options, message] of cases) {
      expect(() => create(options), message).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', message }),
      );
    }
  });
});

describe('walk', () => {
  it('with round-robin goes through its intervals again and again, on a grid of their sums', () => {
    const { timers, advance } = byHand();
    const seen: [number, number][] = [];
    const id = timers.walk({ intervalsNs: [1000, 2000, 5000], order: 'round-robin' }, (tick) =>
      seen.push([tick.sequence, tick.expectedNs]),
    );
    for (let i = 0; i < 180; i++) advance(100);
    expect(seen).toEqual([[0, 1000], [1, 3000], [2, 8000], [3, 9000], [4, 11_000], [5, 16_000], [6, 17_000]]);
    expect(timers.cancel(id)).toBe(true);
  });

  it('with linear goes through them once and is over', () => {
    const { timers, advance } = byHand();
    const seen: number[] = [];
    const id = timers.walk({ intervalsNs: [1000, 2000, 5000], order: 'linear' }, (tick) => {
      seen.push(tick.expectedNs);
      if (tick.sequence === 2) expect(timers.cancel(id), 'it is over before its last tick runs').toBe(false);
    });
    for (let i = 0; i < 100; i++) advance(1000);
    expect([seen, timers.count]).toEqual([[1000, 3000, 8000], 0]);
  });

  it('skips and counts ticks that are over, whole rounds at once, and keeps its grid', () => {
    const { timers, advance } = byHand();
    const seen: [number, number, number][] = [];
    timers.walk({ intervalsNs: [1000, 2000, 5000], order: 'round-robin' }, (tick) =>
      seen.push([tick.sequence, tick.expectedNs, tick.missed]),
    );
    // A round takes 8,000 ns; this is a million rounds and 3,500 ns.
    advance(8e9 + 3500);
    advance(5000);
    expect(seen).toEqual([[3_000_001, 8e9 + 3000, 3_000_001], [3_000_002, 8e9 + 8000, 0]]);
  });

  it('with linear, when late, runs its last tick and counts the others', () => {
    const { timers, advance } = byHand();
    const seen: [number, number, number][] = [];
    timers.walk({ intervalsNs: [1000, 2000, 5000], order: 'linear' }, (tick) =>
      seen.push([tick.sequence, tick.expectedNs, tick.missed]),
    );
    advance(1e12);
    advance(1e12);
    expect([seen, timers.count]).toEqual([[[2, 8000, 2]], 0]);
  });

  it('does not drift if its intervals have fractions of a nanosecond', () => {
    const { timers, advance, nowNs } = byHand();
    const intervalNs = 1e9 / 30_000;
    let worst = 0;
    let ticks = 0;
    timers.every({ intervalNs }, (tick) => {
      ticks++;
      worst = Math.max(worst, Math.abs(tick.expectedNs - (tick.sequence + 1) * intervalNs));
    });
    while (ticks < 100_000) advance(Math.max(1, timers.nextDeadlineNs() - nowNs()));
    expect(worst).toBeLessThan(0.001);
  });
});

describe('reschedule', () => {
  it('moves a timer to a later and an earlier time, and it runs once', () => {
    const { timers, advance } = byHand();
    const ran: [string, number][] = [];
    const later = timers.after({ delayNs: 1000 }, (tick) => ran.push(['later', tick.expectedNs]));
    const earlier = timers.after({ delayNs: 50_000 }, (tick) => ran.push(['earlier', tick.expectedNs]));
    expect([
      timers.reschedule(later, { delayNs: 20_000 }), timers.reschedule(earlier, { deadlineNs: 500 }), timers.count,
    ]).toEqual([true, true, 2]);
    for (let i = 0; i < 60; i++) advance(1000);
    expect(ran).toEqual([['earlier', 500], ['later', 20_000]]);
  });

  it('is false for a timer that is over, and does not touch the timer that has its slot now', () => {
    const { timers, advance } = byHand();
    const stale = timers.after({ delayNs: 10 }, () => undefined);
    advance(10);
    const young = timers.after({ delayNs: 100 }, () => undefined);
    expect(timers.reschedule(stale, { delayNs: 1 })).toBe(false);
    expect(timers.nextDeadlineNs()).toBe(110);
    expect(timers.cancel(young)).toBe(true);
    for (const id of [noTimer, -1, 0.5, NaN, Infinity, 2 ** 53]) {
      expect(timers.reschedule(id, { delayNs: 1 })).toBe(false);
    }
  });

  it('in its own callback moves the next tick of a timer with several, and its grid goes on from there', () => {
    const { timers, advance } = byHand();
    const seen: [number, number][] = [];
    const id: TimerId = timers.every({ intervalNs: 1000 }, (tick) => {
      seen.push([tick.sequence, tick.expectedNs]);
      if (tick.sequence === 1) timers.reschedule(id, { delayNs: 250 });
    });
    for (let i = 0; i < 90; i++) advance(50);
    expect(seen).toEqual([[0, 1000], [1, 2000], [2, 2250], [3, 3250], [4, 4250]]);
  });

  it('in its own callback is false for a timer with a single tick', () => {
    const { timers, advance } = byHand();
    let moved: boolean | undefined;
    const id: TimerId = timers.after({ delayNs: 10 }, () => void (moved = timers.reschedule(id, { delayNs: 10 })));
    advance(10);
    expect([moved, advance(100), timers.count]).toEqual([false, 0, 0]);
  });
});

describe('a callback', () => {
  it('may cancel other timers and make new ones in their slots', () => {
    const { timers, advance } = byHand();
    const ran: string[] = [];
    const others: TimerId[] = [];
    timers.after({ delayNs: 100 }, () => {
      ran.push('first');
      for (const id of others) expect(timers.cancel(id)).toBe(true);
      for (let i = 0; i < 3; i++) timers.after({ delayNs: i }, () => void ran.push(`new ${i}`));
    });
    for (let i = 0; i < 3; i++) others.push(timers.after({ delayNs: 100 }, () => void ran.push(`old ${i}`)));
    advance(100);
    advance(0);
    advance(10);
    expect([ran, timers.count]).toEqual([['first', 'new 0', 'new 1', 'new 2'], 0]);
  });

  it('that throws does not affect other timers, and onError gets each error', () => {
    const errors: unknown[] = [];
    const { timers, advance } = byHand({ onError: (error) => errors.push((error as Error).message) });
    let ran = 0;
    for (let i = 0; i < 40; i++) {
      timers.after({ delayNs: 100, priority: i % 3 }, () => {
        ran++;
        if (i % 4 === 0) throw new Error(`number ${i}`);
      });
    }
    advance(100);
    expect(ran).toBe(40);
    expect(errors.length).toBe(10);
    expect(timers.count).toBe(0);
  });

  it('that closes the timers ends all others, including those of the same turn', () => {
    const { timers, advance } = byHand();
    const ran: string[] = [];
    const every = timers.every({ intervalNs: 1000, firstNs: 5 }, () => {
      ran.push('every');
      timers.close();
    });
    timers.after({ delayNs: 5 }, () => void ran.push('after'));
    advance(5);
    expect([ran, timers.count, timers.cancel(every), timers.poll(), timers.turn(), timers.nextDeadlineNs()]).toEqual([
      ['every'], 0, false, 0, 0, Infinity,
    ]);
    expect(() => timers.after({ delayNs: 1 }, () => undefined)).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_CLOSED' }),
    );
    timers.close();
    advance(1e9);
    expect(ran).toEqual(['every']);
  });
});
