import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BANDS } from '../layout.js';
import { AgeingBands } from './ageing-bands.js';
import type { Discipline } from './discipline.js';
import { EarliestDeadline } from './earliest-deadline.js';
import { LatencyGoals } from './latency-goals.js';
import type { Ready } from './ready.js';
import { RoundRobin } from './round-robin.js';
import { Shares } from './shares.js';
import { ShuffledBands } from './shuffled-bands.js';
import { WeightedBands } from './weighted-bands.js';

/** What a reference keeps of something that waits: when it came, and what its discipline goes by. */
interface Waiting {
  readonly ready: Ready;
  readonly order: number;
  readonly key: number;
}

/** Says which of those that wait is to be selected. `selections` counts from 1. */
type Rule = (waiting: readonly Waiting[], selections: number) => Waiting;

/** A discipline, and the rule that it is to follow. */
interface Reference {
  readonly discipline: Discipline;
  readonly rule: Rule;
  /** Called with the band of what is pushed. */
  readonly keyOf?: (band: number) => number;
  /** Called with the band of what was selected. */
  readonly selected?: (band: number) => void;
}

const ready = (band: number): Ready => ({ band, isReady: true, run: () => false });
const RUNS = process.env['PERCORE_STRESS'] === undefined ? 50 : 6_000;

/**
 * Random pushes (a band) and selections (null) of the shipped discipline beside a list and the rule in its plainest
 * form.
 */
function agrees(make: () => Reference): void {
  const step = fc.option(fc.integer({ min: 0, max: BANDS - 1 }), { freq: 2 });
  // Without `size` nearly all would be shorter than ten.
  const operations = fc.array(step, { maxLength: 400, size: 'max' });
  fc.assert(fc.property(operations, (list) => {
    const { discipline, rule, keyOf = () => 0, selected } = make();
    const waiting: Waiting[] = [];
    let order = 0;
    let selections = 0;
    for (const band of list) {
      if (band !== null) {
        const one = ready(band);
        waiting.push({ ready: one, order: order++, key: keyOf(band) });
        discipline.push(one);
      } else if (waiting.length === 0) {
        expect(discipline.select()).toBe(undefined);
      } else {
        const expected = rule(waiting, ++selections);
        expect(discipline.select()).toBe(expected.ready);
        waiting.splice(waiting.indexOf(expected), 1);
        selected?.(expected.ready.band);
      }
      expect(discipline.isEmpty).toBe(waiting.length === 0);
    }
  }), { numRuns: RUNS });
}

const firstOf = (waiting: readonly Waiting[], band: number): Waiting =>
  waiting.find(({ ready: one }) => one.band === band)!;
const bandsOf = (waiting: readonly Waiting[]): number[] => [...new Set(waiting.map(({ ready: one }) => one.band))];
const highest = (waiting: readonly Waiting[]): number => Math.max(...bandsOf(waiting));

describe('round robin', () => {
  it('selects what came first, whatever its band', () => {
    agrees(() => ({ discipline: new RoundRobin(), rule: ([first]) => first! }));
  });
});

describe('ageing', () => {
  it('selects the highest band, but first of all the one that has been passed over too often', () => {
    for (const limit of [1, 3, 20]) {
      agrees(() => {
        // When each band was served last, or became ready.
        const since = new Map<number, number>();
        let selections = 0;
        return {
          discipline: new AgeingBands(limit),
          rule(waiting, now) {
            selections = now;
            const due = bandsOf(waiting).filter((band) => now - since.get(band)! > limit);
            const oldest = due.toSorted((a, b) => since.get(a)! - since.get(b)! || b - a)[0];
            const chosen = firstOf(waiting, oldest ?? highest(waiting));
            const { band } = chosen.ready;
            if (waiting.filter(({ ready: one }) => one.band === band).length === 1) since.delete(band);
            else since.set(band, now);
            return chosen;
          },
          keyOf(band) {
            if (!since.has(band)) since.set(band, selections);
            return 0;
          },
        };
      });
    }
  });

  it('lets nothing wait for more than its limit and seven others, under a flood of all bands above', () => {
    for (const limit of [1, 10, 1000]) {
      const discipline = new AgeingBands(limit);
      for (let band = 0; band < BANDS; band++) discipline.push(ready(band));
      const last = new Array<number>(BANDS).fill(0);
      let longest = 0;
      for (let selection = 1; selection <= 20 * limit + 100; selection++) {
        const one = discipline.select()!;
        longest = Math.max(longest, selection - last[one.band]! - 1);
        last[one.band] = selection;
        discipline.push(one);
      }
      expect(longest).toBeLessThanOrEqual(limit + 7);
      expect(longest).toBeGreaterThanOrEqual(limit);
    }
  });
});

describe('weights', () => {
  it('give each band its selections in a round, the higher ones first', () => {
    const weights = [1, 2, 3, 1, 4, 1, 1, 5];
    agrees(() => {
      let left = [...weights];
      return {
        discipline: new WeightedBands(weights),
        rule(waiting) {
          if (bandsOf(waiting).every((band) => left[band] === 0)) left = [...weights];
          return firstOf(waiting, Math.max(...bandsOf(waiting).filter((band) => left[band]! > 0)));
        },
        selected: (band) => void left[band]!--,
      };
    });
  });

  it('are kept exactly by bands that are always ready, and hold up nobody for more than two rounds', () => {
    const weights = [1, 1, 2, 1, 8, 1, 1, 4];
    const sum = weights.reduce((a, b) => a + b);
    const discipline = new WeightedBands(weights);
    for (let band = 0; band < BANDS; band++) discipline.push(ready(band));
    const counts = new Array<number>(BANDS).fill(0);
    for (let i = 0; i < sum * 1000; i++) {
      const one = discipline.select()!;
      counts[one.band]!++;
      discipline.push(one);
    }
    expect(counts).toEqual(weights.map((weight) => weight * 1000));
    discipline.setWeights(weights.with(7, 1));
    for (let i = 0; i < sum; i++) discipline.push(discipline.select()!);
    counts.fill(0);
    for (let i = 0; i < (sum - 3) * 10; i++) {
      const one = discipline.select()!;
      counts[one.band]!++;
      discipline.push(one);
    }
    expect(counts[7]).toBe(10);
  });
});

describe('shares', () => {
  it('select the band with the smallest virtual run time, and charge what was used', () => {
    const shares = [1, 2, 4, 8, 1, 3, 100, 10];
    agrees(() => {
      const virtual = new Array<number>(BANDS).fill(0);
      let now = 0;
      const present = new Set<number>();
      const discipline = new Shares(shares);
      let cost = 1;
      return {
        discipline,
        keyOf(band) {
          if (!present.has(band)) virtual[band] = Math.max(virtual[band]!, now);
          present.add(band);
          return 0;
        },
        rule(waiting) {
          const band = bandsOf(waiting).toSorted((a, b) => virtual[a]! - virtual[b]! || b - a)[0]!;
          now = Math.max(now, virtual[band]!);
          if (waiting.filter(({ ready: one }) => one.band === band).length === 1) present.delete(band);
          return firstOf(waiting, band);
        },
        selected(band) {
          cost = (cost * 7919) % 1009;
          virtual[band]! += cost / shares[band]!;
          discipline.charge(band, cost);
        },
      };
    });
  });

  /** Runs bands that are always ready, each with steps of its own length, and says what share of the time each got. */
  function portions(discipline: Shares, stepNs: ReadonlyMap<number, number>, forNs: number): Map<number, number> {
    for (const band of stepNs.keys()) discipline.push(ready(band));
    const used = new Map<number, number>();
    let total = 0;
    while (total < forNs) {
      const one = discipline.select()!;
      const ns = stepNs.get(one.band)!;
      discipline.charge(one.band, ns);
      total += ns;
      used.set(one.band, (used.get(one.band) ?? 0) + ns);
      discipline.push(one);
    }
    return new Map([...used].map(([band, ns]) => [band, ns / total]));
  }

  it('8 : 4 : 2 : 1 are kept within 5 % over a second, though one of them has long steps', () => {
    const given = [1, 1, 2, 1, 4, 1, 8, 1];
    const got = portions(new Shares(given), new Map([[6, 20_000], [4, 2_000_000], [2, 5_000], [0, 50_000]]), 1e9);
    for (const [band, portion] of got) {
      expect(Math.abs(portion / (given[band]! / 15) - 1), `band ${band}`).toBeLessThan(0.05);
    }
  });

  it('change at once, and time that was not used cannot be claimed later', () => {
    const discipline = new Shares([1, 1, 1, 1, 1, 1, 1, 1]);
    portions(discipline, new Map([[1, 1000]]), 1e8);
    // Band 5 has slept for the whole of it: from now on it gets its half, and no more.
    while (!discipline.isEmpty) discipline.select();
    expect(portions(discipline, new Map([[1, 1000], [5, 1000]]), 1e7).get(5)).toBeCloseTo(0.5, 2);
    while (!discipline.isEmpty) discipline.select();
    discipline.setShares(5, 3);
    expect(portions(discipline, new Map([[1, 1000], [5, 1000]]), 1e7).get(5)).toBeCloseTo(0.75, 2);
  });
});

describe('the earliest deadline', () => {
  it('is selected first, and of equal ones what came first', () => {
    const deadlines = [50, 40, 40, 30, 7, 7, 3, 0];
    agrees(() => {
      let now = 0;
      return {
        discipline: new EarliestDeadline(deadlines, () => now),
        keyOf: (band) => now++ + deadlines[band]!,
        rule: (waiting) => waiting.toSorted((a, b) => a.key - b.key || a.order - b.order)[0]!,
      };
    });
  });

  it('may be of a Ready itself, and ends a quantum that has more time', () => {
    const discipline = new EarliestDeadline(new Array<number>(BANDS).fill(1000), () => 0);
    const own: Ready = { ...ready(0), deadlineNs: 10 };
    discipline.push(ready(7));
    expect([discipline.select()!.band, discipline.hasAbove(7)]).toEqual([7, false]);
    discipline.push(own);
    expect(discipline.hasAbove(7)).toBe(true);
    discipline.push(ready(6));
    expect([discipline.select(), discipline.hasAbove(0)]).toEqual([own, false]);
  });

  it('keeps no line for a number that nothing has any more, however often deadlines change', () => {
    const discipline = new EarliestDeadline(new Array<number>(BANDS).fill(1000), () => 0);
    discipline.push(ready(2));
    for (let ns = 0; ns < 1000; ns++) {
      discipline.setDeadlines(Array.from({ length: BANDS }, (_, band) => ns * BANDS + band));
    }
    // Those of the bands, and that of what still waits.
    expect(discipline.lineCount).toBe(BANDS + 1);
    expect(discipline.select()!.band).toBe(2);
  });

  it('meets every deadline while the load is below one', () => {
    // Three periodic tasks that use 0.95 of the thread: rate-monotonic order would miss some of them.
    const tasks = [{ periodNs: 4, costNs: 1 }, { periodNs: 6, costNs: 2 }, { periodNs: 11, costNs: 4 }];
    let now = 0;
    const discipline = new EarliestDeadline(new Array<number>(BANDS).fill(0), () => now);
    const jobs = new Map<Ready, { due: number; left: number }>();
    let missed = 0;
    let running: Ready | undefined;
    for (; now < 132 * 20; now++) {
      for (const { periodNs, costNs } of tasks) {
        if (now % periodNs !== 0) continue;
        const one: Ready = { ...ready(3), deadlineNs: periodNs };
        jobs.set(one, { due: now + periodNs, left: costNs });
        discipline.push(one);
      }
      // A unit of time each, with a choice anew after it; what goes on keeps the deadline that it had.
      if (running !== undefined && discipline.hasAbove(3)) {
        const one: Ready = { ...ready(3), deadlineNs: jobs.get(running)!.due - now };
        jobs.set(one, jobs.get(running)!);
        discipline.push(one);
        running = undefined;
      }
      running ??= discipline.select();
      if (running === undefined) continue;
      const job = jobs.get(running)!;
      if (--job.left === 0) {
        if (now + 1 > job.due) missed++;
        running = undefined;
      }
    }
    expect(missed).toBe(0);
  });
});

describe('a latency goal', () => {
  /**
   * A flood of steps of 200 µs beside a class that gets work of 50 µs in bursts; the waits of the class, and what the
   * flood got.
   */
  function run(goals: boolean): { p99Ns: number; bulk: number } {
    let now = 0;
    const shares = [100, 100, 100, 100, 100, 100, 1, 100];
    const discipline = new LatencyGoals(shares, goals ? [{ band: 6, goalNs: 1e6 }] : [], () => now);
    discipline.push(ready(1));
    const waits: number[] = [];
    const since = new Map<Ready, number>();
    let next = 0;
    let bulkNs = 0;
    while (now < 4e9) {
      for (; next <= now; next += 10_000_000) {
        for (let i = 0; i < 8; i++) {
          const one = ready(6);
          since.set(one, now);
          discipline.push(one);
        }
      }
      const one = discipline.select()!;
      const ns = one.band === 1 ? 200_000 : 50_000;
      if (one.band === 6) waits.push(now - since.get(one)!);
      else bulkNs += ns;
      now += ns;
      discipline.charge(one.band, ns);
      if (one.band === 1) discipline.push(one);
    }
    const settled = waits.slice(waits.length >> 2).toSorted((a, b) => a - b);
    return { p99Ns: settled[Math.floor(settled.length * 0.99)]!, bulk: bulkNs / now };
  }

  it('changes shares by the worst wait of a window, and nothing else', () => {
    agrees(() => {
      let now = 0;
      const discipline = new LatencyGoals(
        [1, 2, 4, 8, 1, 3, 2, 10], [{ band: 6, goalNs: 6000 }, { band: 2, goalNs: 40_000 }], () => now, 16,
      );
      const own = [1, 2, 4, 8, 1, 3, 2, 10];
      const shares = [...own];
      const goals = new Map([[6, 6000], [2, 40_000]]);
      const windows = new Map([6, 2].map((band) => [band, { worst: 0, quanta: 0, endNs: 0 }]));
      const virtual = new Array<number>(BANDS).fill(0);
      const present = new Set<number>();
      const since = Array.from({ length: BANDS }, (): number[] => []);
      let reached = 0;
      let cost = 1;
      const raise = (band: number, times: number): void => {
        const next = Math.min(shares[band]! * times, own[band]! * 16);
        const ahead = virtual[band]! - reached;
        if (ahead > 0) virtual[band] = reached + (ahead * shares[band]!) / next;
        shares[band] = next;
      };
      return {
        discipline,
        keyOf(band) {
          if (!present.has(band)) virtual[band] = Math.max(virtual[band]!, reached);
          present.add(band);
          since[band]!.push(now);
          return now;
        },
        rule(waiting) {
          const band = bandsOf(waiting).toSorted((a, b) => virtual[a]! - virtual[b]! || b - a)[0]!;
          reached = Math.max(reached, virtual[band]!);
          if (waiting.filter(({ ready: one }) => one.band === band).length === 1) present.delete(band);
          const chosen = firstOf(waiting, band);
          since[band]!.shift();
          const window = windows.get(band);
          if (window === undefined) return chosen;
          window.worst = Math.max(window.worst, now - chosen.key);
          if (++window.quanta < 32 && now < window.endNs) return chosen;
          if (window.worst > goals.get(band)! / 2) raise(band, 2);
          else if (window.worst < goals.get(band)! / 4) shares[band] = Math.max(shares[band]! * 0.9, own[band]!);
          windows.set(band, { worst: 0, quanta: 0, endNs: now + 5_000_000 });
          return chosen;
        },
        selected(band) {
          cost = (cost * 7919) % 1009;
          now += cost;
          virtual[band]! += cost / shares[band]!;
          discipline.charge(band, cost);
          for (const [other, goalNs] of goals) if (now - (since[other]![0] ?? now) > goalNs / 2) raise(other, 8);
          for (const other of goals.keys()) expect(discipline.sharesOf(other)).toBe(shares[other]);
        },
      };
    });
  });

  it('is kept beside a flood, which keeps nine tenths of the time; without a goal the same shares miss it', () => {
    const [withGoal, without] = [run(true), run(false)];
    expect(withGoal.p99Ns).toBeLessThan(1_200_000);
    expect(withGoal.bulk).toBeGreaterThan(0.9);
    expect(without.p99Ns).toBeGreaterThan(5_000_000);
  });

  it('is met again soon after a pause that the band has been charged with, though its shares are small', () => {
    let now = 0;
    const shares = [1, 100, 1, 1, 1, 1, 1, 1];
    const discipline = new LatencyGoals(shares, [{ band: 6, goalNs: 1e6 }], () => now);
    discipline.push(ready(1));
    discipline.push(ready(6));
    const runOne = (urgentNs: number): number => {
      const one = discipline.select()!;
      const ns = one.band === 6 ? urgentNs : 200_000;
      now += ns;
      discipline.push(one);
      discipline.charge(one.band, ns);
      return one.band;
    };
    while (runOne(50_000_000) !== 6);
    const pausedNs = now;
    while (runOne(50_000) !== 6);
    // It owes ten milliseconds, which at its own shares would be a second of the other's.
    expect(now - pausedNs).toBeLessThan(3_000_000);
  });

  it('gives back what it does not need, and never takes more than it may', () => {
    let now = 0;
    const discipline = new LatencyGoals(new Array<number>(BANDS).fill(10), [{ band: 6, goalNs: 1000 }], () => now, 4);
    const wait = (ns: number): void => {
      discipline.push(ready(6));
      now += ns;
      discipline.select();
    };
    for (let i = 0; i < 400; i++) wait(10_000);
    expect(discipline.sharesOf(6)).toBe(40);
    for (let i = 0; i < 2000; i++) wait(1);
    expect(discipline.sharesOf(6)).toBe(10);
  });
});

describe('shuffled bands', () => {
  it('draw one of the highest band with each selection, whatever else waits', () => {
    for (const seed of [1, 99, -5]) {
      agrees(() => {
        let state = seed;
        const draw = (limit: number): number => {
          state = (state + 0x6d2b79f5) | 0;
          let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
          mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
          return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
        };
        return {
          discipline: new ShuffledBands(seed),
          rule(waiting) {
            const equals = waiting.filter(({ ready: one }) => one.band === highest(waiting));
            return equals[draw(equals.length)]!;
          },
        };
      });
    }
  });

  const order = (seed: number): number[] => {
    const discipline = new ShuffledBands(seed);
    const all = Array.from({ length: 6 }, () => ready(3));
    for (const one of all) discipline.push(one);
    discipline.push(ready(7));
    expect(discipline.select()!.band).toBe(7);
    return all.map(() => all.indexOf(discipline.select()!));
  };

  it('select the highest band, and among equals by the seed: the same seed, the same order', () => {
    expect(order(1)).toEqual(order(1));
    expect(new Set(Array.from({ length: 50 }, (_, seed) => order(seed).join())).size).toBeGreaterThan(30);
    expect(order(7).toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
