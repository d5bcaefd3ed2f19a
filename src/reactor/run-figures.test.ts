/** What of many runs is recorded: all that are long, and of the others samples that stand for all. */
import { describe, expect, it, vi } from 'vitest';
import { deliveryLayout } from '../layout.js';
import { FigureTable, RESPONSE, RUN, SCHEDULE_IN, ToldCounts, createFigures } from '../observe/internal.js';
import { MeasuredRun, RunFigures, type Watched } from './run-figures.js';

const SHORT_NS = 500;
const LONG_NS = 50_000;

/** `count` runs, of which each 1,000th is long, that begin every `everyNs`. */
function measure(count: number, everyNs: number): { runs: number; longest: number; recorded: number; long: number } {
  const table = new FigureTable(createFigures(4));
  const delivery = new Int32Array(deliveryLayout.bytes >> 2);
  const figures = new RunFigures(
    table, delivery, () => { throw new Error('there is no bound'); }, () => { throw new Error('nobody traces'); });
  const slot = table.slotFor('task', 3);
  const record = vi.spyOn(slot, 'record');
  const task: Watched = {
    name: 'task', band: 3, isReady: false, run: () => false, figures: slot, told: new ToldCounts(0), meanNs: 0,
    steps: 0, refused: 0, errors: 0, again: 0, depth: 0,
  };
  const run = Object.assign(new MeasuredRun(), { task, ready: task, steps: 1 });
  let long = 0;
  for (let i = 1; i <= count; i++) {
    const fromNs = i * everyNs;
    const toNs = fromNs + (i % 1000 === 0 ? LONG_NS + long++ : SHORT_NS);
    if (fromNs >= figures.foldNs) figures.fold(fromNs);
    if (figures.leavesOut(task, 1, fromNs, fromNs, fromNs, toNs)) continue;
    run.fromNs = run.readyNs = run.sinceNs = fromNs;
    figures.close(run, toNs);
  }
  const responses = slot.histograms[RESPONSE]!;
  return {
    runs: responses.count(), longest: slot.histograms[RUN]!.max(),
    recorded: record.mock.calls.filter(([kind]) => kind === RESPONSE).length,
    long: responses.count() - responses.countBelow(2 ** 14),
  };
}

describe('figures of runs', () => {
  it('stand for all of them, and each long one is among them', () => {
    for (const everyNs of [1000, 100_000]) {
      const { runs, longest, long } = measure(50_000, everyNs);
      expect(Math.abs(runs - 50_000), `every ${everyNs} ns`).toBeLessThanOrEqual(64);
      expect([long, longest]).toEqual([50, LONG_NS + 49]);
    }
  });

  it('stand for tasks in turn as for one, whatever the rhythm in which they come', () => {
    for (const period of [2, 4, 16, 64]) {
      const table = new FigureTable(createFigures(period + 1));
      const delivery = new Int32Array(deliveryLayout.bytes >> 2);
      const figures = new RunFigures(
    table, delivery, () => { throw new Error('there is no bound'); }, () => { throw new Error('nobody traces'); });
      const tasks = Array.from({ length: period }, (_, i): Watched => ({
        name: `task ${i}`, band: 3, isReady: false, run: () => false, figures: table.slotFor(`task ${i}`, 3),
        told: new ToldCounts(0), meanNs: 0, steps: 0, refused: 0, errors: 0, again: 0, depth: 0,
      }));
      const run = Object.assign(new MeasuredRun(), { steps: 1 });
      const each = 20_000;
      for (let i = 0; i < each * period; i++) {
        const task = tasks[i % period]!;
        run.task = run.ready = task;
        run.fromNs = run.readyNs = run.sinceNs = i * 1000;
        if (run.fromNs >= figures.foldNs) figures.fold(run.fromNs);
        if (!figures.leavesOut(task, 1, run.fromNs, run.fromNs, run.fromNs, run.fromNs + SHORT_NS)) {
          figures.close(run, run.fromNs + SHORT_NS);
        }
      }
      for (const task of tasks) {
        const count = task.figures!.histograms[RUN]!.count();
        // Of some 350 samples for each: four times their standard deviation.
        expect(Math.abs(count - each), `${task.name} of ${period}`).toBeLessThan(each / 4);
      }
    }
  });

  it('tell the one step of a quantum that was slow, and what a lane and a mailbox had ready', () => {
    const table = new FigureTable(createFigures(4));
    const delivery = new Int32Array(deliveryLayout.bytes >> 2);
    const figures = new RunFigures(
    table, delivery, () => { throw new Error('there is no bound'); }, () => { throw new Error('nobody traces'); });
    const task: Watched = {
      name: 'task', band: 3, isReady: false, run: () => false, figures: table.slotFor('task', 3),
      told: new ToldCounts(0), meanNs: 1000, steps: 0, refused: 0, errors: 0, again: 0, depth: 0,
    };
    const lane = { band: 3, isReady: false, run: () => false, readyNs: 0, sinceNs: 0 };
    const run = new MeasuredRun();
    Object.assign(run, { task, ready: lane, steps: 16 });
    figures.close(run, 15_000 + 40_000);
    const { histograms } = task.figures!;
    expect([histograms[RUN]!.max(), histograms[RUN]!.count()]).toEqual([40_000, 16]);
    // Each message of the lane has waited.
    expect([histograms[SCHEDULE_IN]!.count(), histograms[RESPONSE]!.count()]).toEqual([16, 16]);
    run.ready = task;
    figures.close(run, 16_000);
    expect([RUN, SCHEDULE_IN, RESPONSE].map((kind) => histograms[kind]!.count())).toEqual([32, 17, 17]);
  });

  it('are recorded one in some sixteen, and more seldom where there are many', () => {
    const [many, few] = [measure(50_000, 1000), measure(50_000, 100_000)];
    // The 50 long ones besides.
    expect(few.recorded).toBeGreaterThan(50_000 / 20);
    expect(few.recorded).toBeLessThan(50_000 / 14);
    expect(many.recorded).toBeGreaterThan(50_000 / 64);
    expect(many.recorded).toBeLessThan(50_000 / 48);
  });

  it('are the longest and each new worst or late one, where most are long, and samples of the others', () => {
    const table = new FigureTable(createFigures(4));
    const exceeded: number[] = [];
    const noTrace = () => { throw new Error('nobody traces this'); };
    const figures = new RunFigures(table, new Int32Array(deliveryLayout.bytes >> 2), () => ({
      look: () => undefined, note: () => undefined, close: () => undefined,
      exceeded: ({ ns }) => void exceeded.push(ns),
    }), noTrace);
    const slot = table.slotFor('task', 3);
    const record = vi.spyOn(slot, 'record');
    table.setBound(slot, RUN, 55_000);
    const task: Watched = {
      name: 'task', band: 3, isReady: false, run: () => false, figures: slot, told: new ToldCounts(0), meanNs: 0,
      steps: 0, refused: 0, errors: 0, again: 0, depth: 0,
    };
    const run = Object.assign(new MeasuredRun(), { task, ready: task, steps: 1 });
    const late: number[] = [];
    let worstWaitNs = 0;
    for (let i = 1; i <= 40_000; i++) {
      // One of 500 runs long, each longer than all before; one of 700 has waited, longer than all before.
      const ns = i % 500 === 0 ? 60_000 + i : 30_000 - i % 7;
      if (i % 500 === 0) late.push(ns);
      const waitedNs = i % 700 === 0 ? i / 10 : 0;
      worstWaitNs = Math.max(worstWaitNs, waitedNs);
      run.fromNs = i * 80_000;
      run.readyNs = run.sinceNs = run.fromNs - waitedNs;
      const toNs = run.fromNs + ns;
      if (run.fromNs >= figures.foldNs) figures.fold(run.fromNs);
      if (!figures.leavesOut(task, 1, run.readyNs, run.sinceNs, run.fromNs, toNs)) figures.close(run, toNs);
    }
    expect(exceeded).toEqual(late);
    expect(slot.violations(RUN)).toBe(late.length);
    expect(slot.histograms[RUN]!.max()).toBe(late.at(-1));
    expect(slot.histograms[SCHEDULE_IN]!.max()).toBe(worstWaitNs);
    const responses = slot.histograms[RESPONSE]!.count();
    expect(Math.abs(responses - 40_000)).toBeLessThanOrEqual(32);
    const recorded = record.mock.calls.filter(([kind]) => kind === RESPONSE).length;
    expect(recorded).toBeGreaterThan(40_000 / 32);
    expect(recorded).toBeLessThan(40_000 / 3);
  });
});
