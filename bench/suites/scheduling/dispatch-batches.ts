/** Small steps, of which a number are under way at a time. All sides of `dispatch` run, count and check these. */
import { check } from '../../harness.js';

const WARMUP_NS = 3e8;
const MEASURE_NS = 5e8;
/** After so many steps it looks at the clock. A multiple of the number that is under way. */
const SLICE = 4096;

export class Batches {
  private steps = 0;
  private startNs = 0;
  private before = 0;
  private wrong = 0;

  /** `send` queues one step. So many are sent at a time, when the last one of those before runs. */
  constructor(
    private readonly underWay: number, private readonly nowNs: () => number,
    private readonly finish: (nsEach: number) => void, private readonly send: () => void,
  ) {}

  begin(): void {
    this.startNs = this.nowNs();
    this.sendAll();
  }

  /** Runs one step, whose number must be the next one. */
  step(number: number): void {
    if (number !== this.steps) this.wrong++;
    this.steps++;
    if (this.steps % this.underWay !== 0) return;
    if (this.steps % SLICE !== 0 || !this.isOver()) this.sendAll();
  }

  private sendAll(): void {
    for (let i = 0; i < this.underWay; i++) this.send();
  }

  private isOver(): boolean {
    const nowNs = this.nowNs();
    const ns = nowNs - this.startNs;
    if (this.before === 0) {
      if (ns < WARMUP_NS) return false;
      this.before = this.steps;
      this.startNs = nowNs;
      return false;
    }
    if (ns < MEASURE_NS) return false;
    check(this.wrong === 0, `${this.wrong} of ${this.steps} steps came out of turn`);
    this.finish(ns / (this.steps - this.before));
    return true;
  }
}
