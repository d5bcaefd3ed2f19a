/** Counts the failures of one process, and decides what follows each. */
import { PercoreError } from '../errors.js';
import type { Supervise } from './process-options.js';

export type Decision = 'restart' | 'stop' | 'escalate';

export class Supervision {
  /** Restarts so far. */
  restarts = 0;
  private readonly withinNs: number;
  /** When it was restarted, as far as that still counts. */
  private recent: number[] = [];

  constructor(private readonly options: Required<Supervise>, private readonly nowNs: () => number) {
    this.withinNs = options.withinMs * 1e6;
  }

  /** The process has failed. */
  decide(): Decision {
    const { policy, most } = this.options;
    if (policy !== 'restart') return policy;
    const nowNs = this.nowNs();
    this.recent = this.recent.filter((thenNs) => nowNs - thenNs < this.withinNs);
    if (this.recent.length >= most) return 'escalate';
    this.recent.push(nowNs);
    this.restarts++;
    return 'restart';
  }

  /** What the parent fails with, or what is reported if there is no parent. */
  escalation(name: string, reactorId: number, cause: unknown): PercoreError {
    const { policy, most, withinMs } = this.options;
    const what = cause instanceof Error ? cause.message : String(cause);
    const why = policy === 'escalate' ? `: ${what}`
      : ` once more after ${most} ${most === 1 ? 'restart' : 'restarts'} within ${withinMs} ms, which is its limit: `
        + what;
    return new PercoreError(
      'ERR_PERCORE_TASK_FAILED', `task "${name}" has failed${why}`, { argument: 'name', value: name, reactorId, cause },
    );
  }
}
