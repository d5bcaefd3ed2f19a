/**
 * What `--work-us` adds to a line: arithmetic that takes so long on a CPU of its own. A number of steps that was
 * measured at the start, and not a time to wait for: time in which another thread has the CPU must not count as work,
 * or a crowded machine would seem to work faster.
 */
const ROUNDS = 40;
const STEPS = 20_000;

export class Arithmetic {
  private readonly steps: number;
  /** Keeps the arithmetic from being removed. */
  private sink = 1;

  /** Takes some milliseconds to measure, unless `us` is 0. `nowNs` is any steady clock. */
  constructor(us: number, nowNs: () => number) {
    this.steps = us === 0 ? 0 : Math.max(1, Math.round((us * 1000) / this.stepNs(nowNs)));
  }

  /** Does the arithmetic of one line. */
  run(): void {
    this.take(this.steps);
  }

  private take(steps: number): void {
    let { sink } = this;
    for (let i = 0; i < steps; i++) sink = (Math.imul(sink, 1_664_525) + 1_013_904_223) | 0;
    this.sink = sink;
  }

  /** The least of some rounds: the first are not compiled yet, and others may have had the CPU in some. */
  private stepNs(nowNs: () => number): number {
    let least = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const fromNs = nowNs();
      this.take(STEPS);
      least = Math.min(least, nowNs() - fromNs);
    }
    return least / STEPS;
  }
}
