/** Batches of small steps, one after the other: what all sides of `dispatch` run, count and check. */
import { check } from '../../harness.js';

export const BATCH = 512;
const WARMUP_NS = 3e8;
const MEASURE_NS = 5e8;

export class Batches {
  private steps = 0;
  private startNs = 0;
  private before = 0;
  private wrong = 0;

  /** `send` makes a batch of steps wait to be run. */
  constructor(
    private readonly nowNs: () => number, private readonly finish: (nsEach: number) => void,
    private readonly send: () => void,
  ) {}

  begin(): void {
    this.startNs = this.nowNs();
    this.send();
  }

  /** One step; its number must be that of the step after the last. */
  step(number: number): void {
    if (number !== this.steps) this.wrong++;
    this.steps++;
    if (this.steps % BATCH !== 0) return;
    const nowNs = this.nowNs();
    const ns = nowNs - this.startNs;
    if (this.before === 0 && ns >= WARMUP_NS) {
      this.before = this.steps;
      this.startNs = nowNs;
    } else if (this.before !== 0 && ns >= MEASURE_NS) {
      check(this.wrong === 0, `${this.wrong} of ${this.steps} steps came out of turn`);
      return this.finish(ns / (this.steps - this.before));
    }
    this.send();
  }
}
