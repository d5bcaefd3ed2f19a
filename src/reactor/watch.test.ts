/** The watch of turns and quanta, by a clock and counters that the test sets. */
import { describe, expect, it } from 'vitest';
import { deliveryLayout, partyLayout, queueLayout } from '../layout.js';
import { FigureTable, RESPONSE, RUN, SCHEDULE_IN, ToldCounts, createFigures } from '../observe/internal.js';
import { timesOf } from './arrivals.js';
import type { Timed, Watched } from './run-figures.js';
import { TaskWatch } from './watch.js';

const TURN_NS = partyLayout.fields.turnNs.at >> 3;
const BEFORE_NS = partyLayout.fields.beforeNs.at >> 3;
const ENDED_NS = partyLayout.fields.endedNs.at >> 3;
const TELL_NEXT = deliveryLayout.fields.tellNext.at >> 2;
const MAY_PASS_OVER = deliveryLayout.fields.mayPassOver.at >> 2;
const PUBLISHED_NS = queueLayout.fields.publishedNs.at >> 3;
const STEP_NS = 20_000;

/** A watch, a task with steps of so many nanoseconds on average, and turns that begin when they are told to. */
function watched(meanNs: number) {
  const counters = new Float64Array(partyLayout.bytes >> 3);
  const delivery = new Int32Array(deliveryLayout.bytes >> 2);
  const clock = { ns: 0 };
  const table = new FigureTable(createFigures(4));
  const watch = new TaskWatch({
    id: 0, table, counters, delivery, party: new Int32Array(partyLayout.bytes >> 2), nowNs: () => clock.ns,
    recorder: () => { throw new Error('there is no bound'); },
    trace: () => { throw new Error('nobody traces'); },
  });
  const turn = { isRunning: false };
  watch.attach(turn);
  const figures = table.slotFor('task', 3);
  const task: Watched & Timed = {
    name: 'task', band: 3, isReady: false, run: () => false, figures, told: new ToldCounts(0), meanNs, readyNs: 0,
    sinceNs: 0, steps: 0, refused: 0, errors: 0, again: 0, depth: 0,
  };
  return {
    watch, task, clock, delivery,
    begin(ns: number): void {
      counters[BEFORE_NS] = counters[TURN_NS]!;
      counters[TURN_NS] = clock.ns = ns;
      turn.isRunning = true;
      watch.beginTurn();
    },
    /** The same, for a turn after one that is passed over. */
    passOver(ns: number): void {
      counters[BEFORE_NS] = counters[TURN_NS]!;
      counters[TURN_NS] = clock.ns = ns;
      turn.isRunning = true;
      watch.passOver();
    },
    /** Of a turn that has taken so long. */
    end(busyNs: number): void {
      turn.isRunning = false;
      if (watch.isTold) watch.tell();
      counters[ENDED_NS] = counters[TURN_NS]! + busyNs;
    },
    counts: () => [SCHEDULE_IN, RUN, RESPONSE].map((kind) => figures.histograms[kind]!.count()),
    longest: (kind: number) => figures.histograms[kind]!.max(),
    steps: () => figures.count('steps'),
    count: (of: 'steps' | 'refused') => figures.count(of),
    violations: () => figures.violations(RUN),
    setBound: (ns: number) => {
      figures.storeBound(RUN, ns);
      figures.takeBounds();
    },
  };
}

describe('the watch', () => {
  it('times long steps one by one: of a mailbox, which waited once, and of a lane, where each has waited', () => {
    for (const isOfLane of [false, true]) {
      const { watch, task, clock, begin, end, counts, steps } = watched(5000);
      const ready = isOfLane ? { band: 3, isReady: false, run: () => false, readyNs: 0, sinceNs: 0 } : task;
      begin(1000);
      watch.makeReady(ready);
      watch.begin(ready);
      for (let i = 0; i < 3; i++) {
        watch.step(task);
        clock.ns += STEP_NS;
      }
      watch.end(clock.ns);
      end(3 * STEP_NS);
      expect(counts()).toEqual(isOfLane ? [3, 3, 3] : [1, 3, 1]);
      expect(steps()).toBe(3);
    }
  });

  it('counts what is left in a lane from when the lane became ready, however many turns it takes', () => {
    const { watch, task, clock, begin, end, longest } = watched(5000);
    const lane = { band: 3, isReady: false, run: () => false, readyNs: 0, sinceNs: 0 };
    begin(1000);
    watch.makeReady(lane);
    lane.isReady = true;
    for (let i = 1; i <= 5; i++) {
      watch.begin(lane);
      watch.step(task);
      clock.ns += STEP_NS;
      watch.end(clock.ns);
      end(STEP_NS);
      expect([longest(SCHEDULE_IN), longest(RESPONSE)]).toEqual([(i - 1) * STEP_NS, i * STEP_NS]);
      begin(clock.ns);
    }
  });

  it('closes the last quantum of a turn when the next one begins, if it was long', () => {
    const { watch, task, begin, end, counts, longest, steps } = watched(0);
    begin(1000);
    watch.makeReady(task);
    watch.begin(task);
    watch.step(task);
    end(STEP_NS);
    expect([counts(), steps()]).toEqual([[0, 0, 0], 1]);
    begin(30_000);
    expect([counts(), longest(RESPONSE)]).toEqual([[1, 1, 1], STEP_NS]);
    end(100);
    begin(40_000);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('knows how long a task had waited, though it is ready again before the next turn begins', () => {
    const { watch, task, clock, begin, end, longest } = watched(0);
    begin(1000);
    watch.makeReady(task);
    watch.begin(task);
    watch.step(task);
    end(STEP_NS);
    clock.ns = 25_000;
    watch.makeReady(task);
    begin(30_000);
    expect([longest(RESPONSE), task.sinceNs]).toEqual([STEP_NS, 25_000]);
  });

  it('tells what turns have counted that were passed over, and closes the last of them alone', () => {
    const { watch, task, begin, passOver, end, counts, longest, steps } = watched(0);
    const lane = { band: 3, isReady: false, run: () => false, readyNs: 0, sinceNs: 0 };
    const run = (count: number): void => {
      if (watch.isTold) watch.makeLaneReady(lane, new Float64Array(0));
      if (watch.current !== lane) watch.begin(lane);
      for (let i = 0; i < count; i++) watch.step(task);
    };
    begin(1000);
    run(1);
    end(500);
    for (let i = 1; i <= 3; i++) {
      passOver(1000 + i * 1000);
      run(1);
      end(500);
    }
    passOver(5000);
    run(2);
    end(STEP_NS);
    expect([counts(), steps()]).toEqual([[0, 0, 0], 1]);
    begin(30_000);
    // Two steps in the long one, which was ready when its turn began, whatever the lane says of the first.
    expect([counts(), steps()]).toEqual([[2, 2, 2], 6]);
    expect([SCHEDULE_IN, RUN, RESPONSE].map(longest)).toEqual([0, STEP_NS / 2, STEP_NS]);
  });

  it('knows in a turn that passes over the one before what its own quanta have run', () => {
    const { watch, task, clock, begin, passOver, end, counts, longest, steps } = watched(0);
    const other = { band: 3, isReady: false, run: () => false, readyNs: 0, sinceNs: 0 };
    begin(1000);
    watch.makeReady(other);
    watch.begin(other);
    watch.step(task);
    end(500);
    passOver(2000);
    if (watch.current !== other) watch.begin(other);
    watch.step(task);
    watch.step(task);
    clock.ns += STEP_NS;
    watch.end(clock.ns);
    expect(counts()).toEqual([2, 2, 2]);
    expect([SCHEDULE_IN, RUN, RESPONSE].map(longest)).toEqual([0, STEP_NS / 2, STEP_NS]);
    watch.makeReady(task);
    if (watch.current !== task) watch.begin(task);
    watch.step(task);
    end(STEP_NS + 500);
    begin(30_000);
    expect([counts(), steps()]).toEqual([[2, 2, 2], 4]);
  });

  it('takes no turn without a step for one of those for which a sample stands', () => {
    const { watch, task, begin, passOver, end, delivery } = watched(0);
    const lane = { band: 3, isReady: false, run: () => false, readyNs: 0, sinceNs: 0 };
    begin(1000);
    watch.begin(lane);
    watch.step(task);
    end(500);
    // As native code does: it counts down with each.
    delivery[MAY_PASS_OVER] = 10;
    for (const [i, hasStep] of [true, false, false, true].entries()) {
      delivery[MAY_PASS_OVER]!--;
      passOver(2000 + i * 1000);
      if (hasStep) watch.step(task);
      end(500);
    }
    begin(6000);
    // Left out are the runs of the first turn and of two more; the last one by `begin`.
    expect(delivery[MAY_PASS_OVER]).toBe(10 - 3);
  });

  it('has a turn looked back at whose task had waited for it: both may be short, and its response long', () => {
    const { watch, task, clock, begin, end, delivery } = watched(0);
    begin(1000);
    delivery[TELL_NEXT] = 0;
    watch.makeReady(task);
    watch.begin(task);
    expect(delivery[TELL_NEXT]).toBe(0);
    end(500);
    clock.ns = 2000;
    watch.makeReady(task);
    begin(9000);
    delivery[TELL_NEXT] = 0;
    watch.begin(task);
    expect(delivery[TELL_NEXT]).toBe(1);
  });

  it('times steps one by one where a bound of one is so low that a slow one would be lost among others', () => {
    for (const [bound, hasFound] of [[10_000, true], [0, false]] as const) {
      const { watch, task, clock, begin, end, longest, violations, setBound } = watched(1000);
      setBound(bound);
      begin(1000);
      watch.makeReady(task);
      watch.begin(task);
      for (let i = 0; i < 16; i++) {
        watch.step(task);
        clock.ns += i === 7 ? 15_000 : 1000;
      }
      watch.end(clock.ns);
      end(30_000);
      expect([violations(), longest(RUN) === 15_000]).toEqual(hasFound ? [1, true] : [0, false]);
    }
  });

  it('tells what the mailbox of a task had refused that ends without a step, unless figures are off', () => {
    for (const isOn of [true, false]) {
      const { watch, task, count } = watched(0);
      watch.add(task);
      Object.assign(task, { refused: 3 });
      if (!isOn) watch.pause();
      watch.remove(task);
      expect(count('refused')).toBe(isOn ? 3 : 0);
    }
  });

  it('stamps what a long step publishes with the time of its round, and what comes before it with the turn\'s', () => {
    const { watch, task, clock, begin } = watched(5000);
    const times = timesOf(new Int32Array(queueLayout.bytes >> 2));
    const stamped = (round: number): number => {
      watch.stamp(times, round);
      return times[PUBLISHED_NS]!;
    };
    begin(1000);
    clock.ns = 3000;
    watch.makeReady(task);
    expect([task.readyNs, stamped(1)]).toEqual([1000, 1000]);
    watch.begin(task);
    watch.step(task);
    clock.ns = 9000;
    expect(stamped(2)).toBe(9000);
    clock.ns = 9100;
    expect(stamped(2)).toBe(9000);
    clock.ns = 30_000;
    expect(stamped(3)).toBe(30_000);
    watch.end(30_000);
    clock.ns = 31_000;
    expect(stamped(4)).toBe(30_000);
  });
});
