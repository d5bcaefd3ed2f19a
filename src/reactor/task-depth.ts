/**
 * Writes into the shared counters how many messages wait in the mailboxes of this thread. A mailbox counts for itself;
 * counting each message in shared memory as well would cost more than the mailbox does. So the sum is made at the end
 * of a turn.
 */
import { partyLayout } from '../layout.js';

/** While there is work the sum is made only this often: a turn may take no more than a microsecond. */
const EVERY_NS = 1_000_000;
const TASK_DEPTH = partyLayout.fields.taskDepth.at >> 3;

export class TaskDepth {
  private nextNs = 0;

  constructor(
    private readonly counters: Float64Array, private readonly tasks: ReadonlyMap<string, { readonly depth: number }>,
  ) {}

  /**
   * A turn that began at `turnNs` ends. `isEmpty`: nothing is ready; `isWaiting`: some task or lane is held, and may
   * have messages all the same. Then no turn may follow for long, so the sum must be right now. True if it was made.
   */
  endTurn(turnNs: number, isEmpty: boolean, isWaiting: boolean): boolean {
    if (isEmpty && !isWaiting) this.counters[TASK_DEPTH] = 0;
    else if (isEmpty || turnNs >= this.nextNs) {
      this.sum(turnNs);
      return true;
    }
    return false;
  }

  private sum(turnNs: number): void {
    this.nextNs = turnNs + EVERY_NS;
    let depth = 0;
    for (const task of this.tasks.values()) depth += task.depth;
    this.counters[TASK_DEPTH] = depth;
  }
}
