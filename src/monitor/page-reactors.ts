/**
 * What was granted to each reactor, and its state, as the main thread knows them: rows in memory that a page copies.
 */
import { pageReactorLayout } from '../layout.js';
import { showPolicy } from '../realtime/internal.js';
import type { Controller } from '../reactor/internal.js';
import { PageMemory, type Row } from './page-rows.js';

const { bytes } = pageReactorLayout;
const EVERY_MS = 1000;

export class ReactorRows {
  readonly memory: SharedArrayBuffer;
  private readonly rows: PageMemory;
  private readonly written: string[] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly controller: Controller) {
    this.memory = new SharedArrayBuffer(controller.shared.reactors * bytes);
    this.rows = new PageMemory(this.memory);
    this.look();
    // It changes seldom, and never while the main thread is blocked.
    this.timer = setInterval(() => this.look(), EVERY_MS).unref();
  }

  look(): void {
    const { controller, written } = this;
    for (let id = 0; id < controller.shared.reactors; id++) {
      const member = controller.members[id];
      const row = member === undefined ? { ...NOBODY, party: id } : rowOf(controller.figures.statusOf(member));
      const text = JSON.stringify(row);
      if (written[id] === text) continue;
      written[id] = text;
      this.rows.pack(pageReactorLayout, id * bytes, row);
    }
  }

  close(): void {
    clearInterval(this.timer);
  }
}

/** A place for a reactor that is not in use. */
const NOBODY: Row = {
  generation: 0, restarts: 0, tid: 0, cpu: -1, refusals: 0, timerSlackNs: 0, spinNs: 0, state: 'absent', policy: '',
  idle: '', source: '',
};

function rowOf(status: ReturnType<Controller['figures']['statusOf']>): Row {
  const { id, generation, restarts, tid = 0, cpuGranted, refusals, timerSlackNs = 0, state, policy, idle, io } = status;
  return {
    party: id, generation, restarts, tid, cpu: cpuGranted.length === 1 ? cpuGranted[0]! : -1, refusals: refusals.length,
    timerSlackNs, spinNs: idle.spinNs, state, policy: policy.granted === undefined ? '' : showPolicy(policy.granted),
    idle: idle.strategy, source: io.granted ?? '',
  };
}
