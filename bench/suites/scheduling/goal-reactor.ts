/**
 * The reactor of `goal`: a bulk task that sends to itself for ever, and a class that gets eight steps of 50 µs every 10
 * ms from a timer in the highest band.
 */
import type { Reactor } from 'percore';
import { percentile } from '../../harness.js';

export interface GoalPlan {
  readonly forNs: number;
  readonly stepNs: number;
}
export interface GoalReport {
  readonly p99Ns: number;
  /** The share of the time that the bulk task has, 0 to 1. */
  readonly bulk: number;
  readonly steps: number;
}
export type GoalServices = { measure(plan: GoalPlan): Promise<GoalReport> };

const WARMUP_NS = 5e8;
const EVERY_NS = 10_000_000;
const TASKS = 8;
const URGENT_NS = 50_000;

export default function start(reactor: Reactor<{ calls: GoalServices }>): void {
  const busy = (ns: number): void => {
    const endNs = reactor.nowNs() + ns;
    while (reactor.nowNs() < endNs);
  };
  reactor.handle('measure', ({ forNs, stepNs }) => new Promise((resolve) => {
    const startNs = reactor.nowNs() + WARMUP_NS;
    const endNs = startNs + forNs;
    const waits: number[] = [];
    let bulkNs = 0;
    const urgent = Array.from({ length: TASKS }, (_, i) =>
      reactor.spawn<number>({ name: `urgent-${i}`, priority: 6 }, (sentNs) => {
        if (sentNs >= startNs) waits.push(reactor.nowNs() - sentNs);
        busy(URGENT_NS);
      }));
    const timer = reactor.timers.every({ intervalNs: EVERY_NS, priority: 7 }, () => {
      for (const task of urgent) task.send(reactor.nowNs());
    });
    const bulk = reactor.spawn({ name: 'bulk', priority: 1 }, () => {
      const beganNs = reactor.nowNs();
      busy(stepNs);
      if (beganNs >= startNs) bulkNs += reactor.nowNs() - beganNs;
      if (beganNs < endNs) return void bulk.send(0);
      reactor.timers.cancel(timer);
      // A class that was never selected has waited for the whole time.
      const sorted = waits.length === 0 ? [forNs] : waits.toSorted((a, b) => a - b);
      resolve({ p99Ns: percentile(sorted, 99), bulk: bulkNs / forNs, steps: waits.length });
    });
    bulk.send(0);
  }));
}
