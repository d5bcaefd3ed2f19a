/**
 * What `--work-us` adds to a line: arithmetic that takes so long on a CPU of its own. A number of steps that was
 * measured at the start, and not a time to wait for: time in which another thread has the CPU must not count as work,
 * or a crowded machine would seem to work faster.
 */
const ROUND_STEPS = 2000;
/** So long V8 may take to compile the loop on a busy machine; until then it is ten times slower. */
const MEASURE_MS = 100;

export class Arithmetic {
  /** Keeps the arithmetic from being removed. */
  private sink = 1;

  /** `steps` of `workSteps`, for each line. */
  constructor(private readonly steps: number) {}

  /** Does the arithmetic of one line. */
  run(): void {
    this.take(this.steps);
  }

  take(steps: number): void {
    let { sink } = this;
    for (let i = 0; i < steps; i++) sink = (Math.imul(sink, 1_664_525) + 1_013_904_223) | 0;
    this.sink = sink;
  }
}

/**
 * How many steps take `us` microseconds; 0 for 0. Blocks for 100 ms to find out, so one thread does it for all.
 * `WORK_STEPS_PER_US` says how many take one, for whoever compares programs that have to do the same.
 */
export function workSteps(us: number): number {
  if (us === 0) return 0;
  const perUs = Number(process.env['WORK_STEPS_PER_US'] ?? 0) || measuredStepsPerUs();
  return Math.max(1, Math.round(us * perUs));
}

/** By the fastest of many short rounds: the first are not compiled yet, and others had the CPU in some. */
export function measuredStepsPerUs(): number {
  const arithmetic = new Arithmetic(0);
  const endMs = performance.now() + MEASURE_MS;
  let leastMs = Infinity;
  for (let fromMs = performance.now(); fromMs < endMs;) {
    arithmetic.take(ROUND_STEPS);
    const nowMs = performance.now();
    leastMs = Math.min(leastMs, nowMs - fromMs);
    fromMs = nowMs;
  }
  return ROUND_STEPS / (leastMs * 1000);
}
