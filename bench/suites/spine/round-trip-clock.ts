/**
 * Keeps the time of a ping-pong: reads the clock once in each round, and has samples in memory that was touched before.
 */
import { percentile } from '../../harness.js';
import type { Plan, RoundTrips } from './round-trip.js';

/**
 * A 99th percentile of fewer rounds means little, so a run lasts until it has these even if others use the CPUs too.
 */
const LEAST_ROUNDS = 5000;
/** More rounds than any sensible run has. */
const MOST_ROUNDS = 4_000_000;

export class RoundTripClock {
  wrong = 0;
  private readonly samplesNs = new Float32Array(MOST_ROUNDS).fill(1);
  private count = 0;
  private previousNs = 0;
  private warmEndNs = 0;
  private endNs = 0;

  start(plan: Plan, nowNs: number): void {
    this.previousNs = nowNs;
    this.warmEndNs = nowNs + plan.warmupMs * 1e6;
    this.endNs = this.warmEndNs + plan.measureMs * 1e6;
  }

  /** To be called when an answer has come. False if the time is up and there are enough rounds. */
  note(nowNs: number, isRight: boolean): boolean {
    if (!isRight) this.wrong++;
    if (nowNs >= this.warmEndNs && this.count < MOST_ROUNDS) this.samplesNs[this.count++] = nowNs - this.previousNs;
    this.previousNs = nowNs;
    return nowNs < this.endNs || this.count < LEAST_ROUNDS;
  }

  result(): RoundTrips {
    const sorted = this.samplesNs.subarray(0, this.count).sort();
    return { rounds: this.count, wrong: this.wrong, p50Ns: percentile(sorted, 50), p99Ns: percentile(sorted, 99) };
  }
}
