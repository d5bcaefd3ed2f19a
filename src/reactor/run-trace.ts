/** Keeps each single run of a party and its collections while somebody wants them: see traceTasks. */
import { COLLECTION, OUTSIDE_TURNS, type TraceRing } from '../observe/internal.js';
import { COLLECTION_NAMES, type OnCollection } from '../scheduling/internal.js';
import type { MeasuredRun, RunKeeper } from './run-figures.js';

export class RunTrace implements RunKeeper {
  private readonly endWatch: () => void;

  /** `watchCollections` returns what ends that. */
  constructor(private readonly ring: TraceRing, watchCollections: (tell: OnCollection) => () => void) {
    this.endWatch = watchCollections((beganNs, ns, kind) => {
      ring.note(COLLECTION - COLLECTION_NAMES.indexOf(kind), beganNs, beganNs + ns, beganNs, -1);
    });
  }

  /** `run` has ended. */
  keep({ task, ready, fromNs, readyNs }: MeasuredRun, toNs: number): void {
    const { from = -1 } = ready as { from?: number };
    this.ring.note(task === undefined ? -1 - ready!.band : task.figures!.index, fromNs, toNs, readyNs, from);
  }

  /** Callbacks of Node have held the thread between two turns. */
  keepOutside(fromNs: number, toNs: number): void {
    this.ring.note(OUTSIDE_TURNS, fromNs, toNs, fromNs, -1);
  }

  /** Nothing is kept any more. */
  close(): void {
    this.endWatch();
  }
}
