/**
 * A reactor in which many timers fall due within one millisecond. All share one callback, as in the process with
 * setTimeout, so a timer is recognized only by its deadline: each deadline must come once, in order, and none early.
 */
import type { Reactor } from 'percore';
import { randomNumbers } from './delays.js';

export interface ExpireResult {
  /** The time from the first deadline until all had run. */
  readonly totalMs: number;
  readonly turns: number;
  /** How long turns took, from the start of the first task to the end. */
  readonly turnP99Us: number;
  readonly turnP999Us: number;
  readonly turnMaxUs: number;
  readonly mostInTurn: number;
  readonly wrong: number;
}
export type ExpireServices = { expire(count: number): Promise<ExpireResult> };

const SPAN_NS = 1_000_000;
/** The time from making the first timer to the first deadline. Making a million takes a tenth of it. */
const AHEAD_NS = 3e9;

export default function start(reactor: Reactor<{ calls: ExpireServices }>): void {
  reactor.handle('expire', (count) => new Promise((resolve) => {
    const random = randomNumbers(7);
    /** For each nanosecond of the span: how many timers have not run yet. */
    const left = new Uint16Array(SPAN_NS);
    const turnsNs = new Float64Array(count);
    let [turns, ran, wrong, lastNs, turnStartNs, inTurn, mostInTurn] = [0, 0, 0, 0, 0, 0, 0];
    const firstNs = Math.ceil(reactor.nowNs()) + AHEAD_NS;
    const endTurn = (): void => {
      turnsNs[turns++] = reactor.nowNs() - turnStartNs;
      mostInTurn = Math.max(mostInTurn, inTurn);
      turnStartNs = inTurn = 0;
      if (ran === count) finish();
    };
    const finish = (): void => {
      const totalMs = (reactor.nowNs() - firstNs) / 1e6;
      const sorted = turnsNs.subarray(0, turns).sort();
      const percentileUs = (percent: number): number => sorted[Math.ceil(turns * percent / 100) - 1] / 1000;
      wrong += left.reduce((sum, timers) => sum + timers, 0);
      resolve({
        totalMs, turns, turnP99Us: percentileUs(99), turnP999Us: percentileUs(99.9), turnMaxUs: percentileUs(100),
        mostInTurn, wrong,
      });
    };
    const run = (tick: { expectedNs: number; actualNs: number }): void => {
      if (turnStartNs === 0) {
        // Promises run after the turn, so this marks its end.
        turnStartNs = tick.actualNs;
        queueMicrotask(endTurn);
      }
      const { expectedNs } = tick;
      if (left[expectedNs - firstNs]-- === 0 || tick.actualNs < expectedNs || expectedNs < lastNs) wrong++;
      lastNs = expectedNs;
      inTurn++;
      ran++;
    };
    for (let i = 0; i < count; i++) {
      const atNs = random(SPAN_NS);
      left[atNs]++;
      reactor.timers.at({ deadlineNs: firstNs + atNs }, run);
    }
    if (reactor.nowNs() > firstNs) wrong++;
  }));
}
