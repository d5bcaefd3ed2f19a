/** Disciplines that are changed while things are ready: nothing is lost or comes twice, bands keep their order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BANDS } from '../layout.js';
import { AgeingBands } from './ageing-bands.js';
import { makeDiscipline, type BuiltInOptions } from './choose.js';
import { CheckedDiscipline } from './checked-discipline.js';
import { EarliestDeadline } from './earliest-deadline.js';
import { LatencyGoals } from './latency-goals.js';
import type { Ready } from './ready.js';
import { RoundRobin } from './round-robin.js';
import { Scheduler, type SchedulerHost } from './scheduler.js';
import { WeightedBands } from './weighted-bands.js';

const STRESSED = process.env['PERCORE_STRESS'] !== undefined;
const RUNS = STRESSED ? 6_000 : 50;

interface Numbered extends Ready {
  readonly number: number;
}

class Host implements SchedulerHost {
  timeNs = 0;
  readonly nowNs = (): number => this.timeNs;
  wantTurn(): void {}
  mustEndTurn(): boolean { return false; }
  noteThrown(error: unknown): void { throw error; }
}

const KINDS: BuiltInOptions[] = [
  { kind: 'strict' }, { kind: 'strict', ageing: 3 }, { kind: 'roundRobin' },
  { kind: 'weighted', weights: { 7: 3, others: 1 } }, { kind: 'weighted', weights: { 2: 9 } },
  { kind: 'shares', shares: { 5: 8, others: 1 } }, { kind: 'shares', goalsNs: { 6: 100, 1: 5000 } },
  // Of deadlines one kind alone: what waits keeps its own, so what comes after a change to shorter ones goes first.
  { kind: 'deadline', deadlinesNs: { 7: 10, others: 500 } },
];
/** Number of a kind of `KINDS`, or beyond them, one of a user's. */
const change = fc.record({ to: fc.integer({ min: 0, max: KINDS.length }) });
const push = fc.record({ band: fc.integer({ min: 0, max: BANDS - 1 }) });
const select = fc.record({ ns: fc.integer({ min: 0, max: 1000 }) });
const operations = fc.array(
  fc.oneof({ weight: 10, arbitrary: push }, { weight: 8, arbitrary: select }, { weight: 1, arbitrary: change }),
  // Without `size` nearly all would be shorter than ten.
  { maxLength: 400, size: 'max' },
);

describe('a discipline that is changed', () => {
  it('hands over all that is ready, each once, and each band in its order', () => {
    fc.assert(fc.property(operations, (list) => {
      const host = new Host();
      const clock = { nowNs: host.nowNs, readyNs: host.nowNs };
      const scheduler = new Scheduler(makeDiscipline({ kind: 'strict' }, clock), host, 1);
      const waiting: number[][] = Array.from({ length: BANDS }, () => []);
      let number = 0;
      const take = (ns: number): void => {
        const selected = scheduler.take() as Numbered | undefined;
        const isEmpty = waiting.every((one) => one.length === 0);
        expect(selected === undefined).toBe(isEmpty);
        if (selected === undefined) return;
        expect(selected.number).toBe(waiting[selected.band]!.shift());
        scheduler.discipline.charge?.(selected.band, ns);
        host.timeNs += ns;
      };
      for (const step of list) {
        if ('band' in step) {
          const ready: Numbered = { band: step.band, number: number++, isReady: false, run: () => false };
          waiting[step.band]!.push(ready.number);
          scheduler.schedule(ready);
        } else if ('ns' in step) {
          take(step.ns);
        } else {
          const options = KINDS[step.to];
          scheduler.setDiscipline(options === undefined
            ? new CheckedDiscipline(new RoundRobin() as never, (error) => { throw error; })
            : makeDiscipline(options, clock, scheduler.discipline));
        }
        expect(scheduler.discipline.isEmpty).toBe(waiting.every((one) => one.length === 0));
      }
      while (!scheduler.discipline.isEmpty) take(1);
      expect(waiting.flat()).toEqual([]);
    }), { numRuns: RUNS });
  });

  it('amid a quantum selects what comes next, and what has more waits with it', () => {
    const host = new Host();
    const clock = { nowNs: host.nowNs, readyNs: host.nowNs };
    const scheduler = new Scheduler(makeDiscipline({ kind: 'strict' }, clock), host, 100);
    const ran: string[] = [];
    let left = 2;
    const make = (name: string, band: number, run: () => boolean = () => false): Ready =>
      ({ band, isReady: false, run: () => (ran.push(name), run()) });
    scheduler.schedule(make('changes', 7, () => {
      if (left === 2) scheduler.setDiscipline(new RoundRobin());
      return --left > 0;
    }));
    for (const [name, band] of [['low', 0], ['high', 6], ['higher', 7]] as const) scheduler.schedule(make(name, band));
    scheduler.run(Infinity);
    expect(ran).toEqual(['changes', 'higher', 'high', 'low', 'changes']);
  });

  it('keeps what it knows where only its numbers change', () => {
    const clock = { nowNs: () => 0, readyNs: () => 0 };
    const ones = new Array<number>(BANDS).fill(1);
    const before = [
      new WeightedBands(ones), new LatencyGoals(ones, [], () => 0), new EarliestDeadline(ones, () => 0),
    ] as const;
    expect(makeDiscipline({ kind: 'weighted', weights: { 7: 3 } }, clock, before[0])).toBe(before[0]);
    expect(makeDiscipline({ kind: 'shares', shares: { 7: 3 } }, clock, before[1])).toBe(before[1]);
    expect(before[1].sharesOf(7)).toBe(3);
    expect(makeDiscipline({ kind: 'deadline', deadlinesNs: { 7: 3 } }, clock, before[2])).toBe(before[2]);
    expect(makeDiscipline({ kind: 'strict', ageing: 3 }, clock, before[2])).toBeInstanceOf(AgeingBands);
  });

  it('keeps the virtual time of each band when shares change: nobody gains by the change itself', () => {
    const clock = { nowNs: () => 0, readyNs: () => 0 };
    const discipline = makeDiscipline({ kind: 'shares', shares: { 1: 1, 2: 1 } }, clock);
    const used = [0, 0, 0];
    const run = (times: number): void => {
      for (let i = 0; i < times; i++) {
        const ready = discipline.select()!;
        used[ready.band]! += 100;
        discipline.charge!(ready.band, 100);
        discipline.push(ready);
      }
    };
    for (const band of [1, 2]) discipline.push({ band, isReady: true, run: () => false });
    // Band 1 has a debt of nine quanta.
    discipline.charge!(1, 900);
    makeDiscipline({ kind: 'shares', shares: { 1: 2, 2: 1 } }, clock, discipline);
    run(9);
    expect(used).toEqual([0, 0, 900]);
    run(300);
    expect(used[1]! / (used[2]! - 900)).toBeCloseTo(2, 1);
  });

  it('begins the waits of a new goal at the change, and forgets those of an old one', () => {
    let now = 0;
    const discipline = new LatencyGoals(new Array<number>(BANDS).fill(1), [], () => now);
    const ready = (): Ready => ({ band: 6, isReady: true, run: () => false });
    for (let i = 0; i < 40; i++) discipline.push(ready());
    now = 1e9;
    const ones = new Array<number>(BANDS).fill(1);
    discipline.adjust(ones, [{ band: 6, goalNs: 1e6 }], 1e7);
    // They have waited for nothing since the goal is there, so it needs no more shares.
    for (let i = 0; i < 40; i++) discipline.select();
    expect(discipline.sharesOf(6)).toBe(1);
    for (let i = 0; i < 40; i++) discipline.push(ready());
    now += 1e9;
    for (let i = 0; i < 20; i++) discipline.select();
    discipline.adjust(ones, [], 1e7);
    for (let i = 0; i < 20; i++) discipline.select();
    expect([discipline.isEmpty, discipline.sharesOf(6)]).toEqual([true, 1]);
  });
});
