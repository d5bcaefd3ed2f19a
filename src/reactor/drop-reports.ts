/**
 * Says once a name that messages for it reach nobody: a typing error in a name would else cost messages without a word. Each is counted
 * in `status()` besides.
 */
import { PercoreError } from '../errors.js';

/** Names that are reported; who sends to names of keys or of clients is told often enough by then. */
const MOST_NAMES = 1000;
/** Reports in any second. A name that was not reported for this is reported with its next message. */
const REPORTS_PER_SECOND = 20;
/** Tasks that a report names. */
const TASKS_SHOWN = 20;

export class DropReports {
  private readonly reported = new Set<string>();
  private secondMs = 0;
  private reports = 0;

  constructor(private readonly id: number, private readonly reactors: number, private readonly tasks: () => readonly { readonly name: string }[], private readonly tell: (error: PercoreError) => void) {}

  /** A message of party `from` for `name` was dropped: nobody has the name, or the task that has it takes bytes alone. */
  report(isUnknown: boolean, name: string, from: number): void {
    const key = `${isUnknown ? 'unknown' : 'bytes'} ${name}`;
    if (this.reported.has(key) || this.reported.size >= MOST_NAMES) return;
    const now = performance.now();
    if (now - this.secondMs > 1000) {
      this.secondMs = now;
      this.reports = 0;
    }
    if (++this.reports > REPORTS_PER_SECOND) return;
    this.reported.add(key);
    const here = this.partyName(this.id);
    const message = isUnknown
      ? `${this.partyName(from)} has sent a message to task "${name}" of ${here}, which has no task of this name; it has ${this.tasksHere()}. The message was dropped; further ones are counted in status() alone`
      : `${this.partyName(from)} has sent a value to task "${name}" of ${here}, which takes bytes: send a Uint8Array, or make the task with spawn. The message was dropped; further ones are counted in status() alone`;
    const error = new PercoreError('ERR_PERCORE_NO_TASK', message, { argument: 'name', value: name, reactorId: this.id });
    // Not from the middle of a quantum.
    setImmediate(() => this.tell(error));
  }

  private tasksHere(): string {
    const tasks = this.tasks();
    if (tasks.length === 0) return 'none';
    const shown = tasks.slice(0, TASKS_SHOWN).map((task) => `"${task.name}"`).join(', ');
    return tasks.length > TASKS_SHOWN ? `${shown} and ${tasks.length - TASKS_SHOWN} more` : shown;
  }

  private partyName(party: number): string {
    return party === this.reactors ? 'the main thread' : `reactor ${party}`;
  }
}
