/**
 * Reports once for each name that messages for it reach nobody: otherwise a typing error in a name would lose messages
 * silently. `status()` also counts each of them.
 */
import { PercoreError } from '../errors.js';
import { ReportLimit } from './report-limit.js';

/** How many names are reported; whoever sends to names made of keys or clients has been told often enough by then. */
const MOST_NAMES = 1000;
/** How many tasks a report names. */
const TASKS_SHOWN = 20;

export class DropReports {
  private readonly reported = new Set<string>();
  /** A name that was not reported for this reason is reported with its next message. */
  private readonly limit = new ReportLimit((count) => {
    const message = `${count} further messages to ${this.partyName(this.id)} that nobody takes were not reported `
      + 'within a second; '
      + 'status() counts them';
    this.tell(new PercoreError('ERR_PERCORE_NOT_REPORTED', message, { value: count, reactorId: this.id }));
  });

  /** `id` is this party's number, `tasks` returns its tasks, and `tell` gets the reports. */
  constructor(
    private readonly id: number, private readonly reactors: number,
    private readonly tasks: () => readonly { readonly name: string }[],
    private readonly tell: (error: PercoreError) => void,
  ) {}

  /**
   * A message from party `from` for `name` was dropped: no task has the name (perhaps a handler has), or the task that
   * has it takes only bytes.
   */
  report(isUnknown: boolean, name: string, from: number, isHandler: boolean): void {
    const key = `${isUnknown ? 'unknown' : 'bytes'} ${name}`;
    if (this.reported.has(key) || this.reported.size >= MOST_NAMES) return;
    if (!this.limit.take()) return;
    this.reported.add(key);
    const here = this.partyName(this.id);
    const what = `${this.partyName(from)} has sent a ${isUnknown ? 'message' : 'value'} to task "${name}" of `
      + `${here}, which`;
    const why = isUnknown
      ? `has no task of this name; ${isHandler ? 'it is a handler: call it' : `it has ${this.tasksHere()}`}`
      : 'takes bytes: send a Uint8Array, or make the task with spawn';
    const message = `${what} ${why}. The message was dropped; further ones are counted in status() alone`;
    const details = { argument: 'name', value: name, reactorId: this.id };
    const error = new PercoreError('ERR_PERCORE_NO_TASK', message, details);
    // Not from the middle of a quantum.
    setImmediate(() => this.tell(error));
  }

  /** Task `name` has ended, and this many messages that waited for it are lost. */
  reportLost(name: string, count: number): void {
    if (!this.limit.take()) return;
    const message = `task "${name}" of ${this.partyName(this.id)} has ended; ${count} `
      + `${count === 1 ? 'message that waited for it was' : 'messages that waited for it were'} dropped`;
    const details = { argument: 'name', value: name, reactorId: this.id };
    const error = new PercoreError('ERR_PERCORE_NO_TASK', message, details);
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
