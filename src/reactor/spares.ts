/** The thread that is kept for the next death, unless `restart.spare` is false. */
import type { ResourceLimits } from 'node:worker_threads';
import type { SpareThread, ThreadMaker } from './threads.js';

export class Spares {
  /** The thread that waits now. */
  kept: SpareThread | undefined;
  private isOver = false;

  constructor(
    private readonly threads: ThreadMaker, private readonly isAsked: boolean,
    private readonly resourceLimits: ResourceLimits | undefined,
  ) {}

  /** Starts one if there is none. */
  keep(): void {
    if (!this.isAsked || this.isOver || this.kept !== undefined) return;
    try {
      this.kept = this.threads.spare?.(this.resourceLimits);
    } catch (error) {
      // The next death starts a thread as it would without a spare, and reports what that throws.
      process.emitWarning(`no spare thread could be started: ${(error as Error).message}`);
    }
  }

  /** The waiting thread, for whoever needs it now. */
  next(): SpareThread | undefined {
    const { kept } = this;
    this.kept = undefined;
    return kept;
  }

  /** None is needed any more. */
  async end(): Promise<void> {
    this.isOver = true;
    await this.kept?.end();
  }
}
