/**
 * How a level, or the main thread, spawns and schedules: a message in the lane to the level of the task, and a count
 * that bounds how many may wait.
 *
 *    0              8                16
 *    +--------------+----------------+-----------------------------+
 *    | scheduled for| deadline, or -1| value, if there is one ...   |      bytes for the task `app:<name>` of its level
 *    +--------------+----------------+-----------------------------+
 *
 * | pair      | write side       | read side       | carries                      | needs             |
 * |-----------|------------------|-----------------|------------------------------|-------------------|
 * | app.sent  | `send`           | `isDueAbove`    | "a message is under way"     | seq. cst.         |
 * | app.begun | `TaskRunner.run` | `send`          | "one less waits"             | relaxed: a bound  |
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { appLayout, appLevelLayout } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK, recordMemory, TOO_LARGE } from '../queues/index.js';
import { ValueCodec } from '../queues/internal.js';
import type { Address } from '../reactor/index.js';
import { DEAD } from './core-turns.js';
import type { Plan, PlannedTask } from './plan.js';

export const SPAWNED = 0;
export const SCHEDULED = 1;
export const HEAD_BYTES = 16;
/** The deadline of a message that runs at once. */
export const AT_ONCE = -1;
const MOST_NS = 2 ** 62;
const REFUSED = appLevelLayout.fields.refused.at >> 2;
const CLOSED_COUNT = appLevelLayout.fields.closed.at >> 2;
const IS_BUSY = appLevelLayout.fields.isBusy.at >> 2;
const IS_CLOSING = appLayout.fields.isClosing.at >> 2;

/** The name of the task in its reactor. */
export const taskName = (name: string): string => `app:${name}`;

/** A reactor, or the runtime for its main thread. */
export interface SendingParty {
  address(name: string, options: { reactor: number }): Address;
  flush(): void;
}

/** A task as one sender sees it. */
interface Target {
  readonly task: PlannedTask;
  readonly address: Address;
  readonly begun: Int32Array;
  /** The words of its level. */
  readonly level: Int32Array;
  /** Whether its level may run at once: it is above this one, or on another core. */
  readonly isUrgent: boolean;
  readonly rank: number;
  readonly isHere: boolean;
}

export class LevelOutbox {
  /** Called after something was sent to a level above this one, on this core. */
  onSentAbove: ((rank: number) => void) | undefined = undefined;
  /** Called before something is sent to a level above this one, on this core. */
  beforeSentAbove: ((rank: number) => void) | undefined = undefined;
  private readonly targets: readonly Target[];
  private readonly sent: Int32Array;
  private readonly app: Int32Array;
  /** The words of this level; for the main thread, memory of its own in which it counts the same. */
  private readonly status: Int32Array;
  private readonly codec = new ValueCodec();
  private kept: { readonly index: number; readonly send: () => number }[] | undefined = undefined;

  /** `self` is a level's number, or, for the main thread, the number of levels. */
  constructor(
    plan: Plan, memory: SharedArrayBuffer, private readonly self: number, private readonly party: SendingParty,
  ) {
    const own = plan.levels[self];
    this.app = new Int32Array(memory, 0, appLayout.bytes >> 2);
    this.sent = new Int32Array(memory, plan.sentAt(self), plan.tasks.length * 2);
    const wordsOf = (level: number): Int32Array =>
      new Int32Array(memory, plan.levelAt(level), appLevelLayout.bytes >> 2);
    this.status = own === undefined ? new Int32Array(appLevelLayout.bytes >> 2) : wordsOf(self);
    this.targets = plan.tasks.map((task) => {
      const level = plan.levels[task.level]!;
      const isHere = own?.core === level.core;
      return {
        task, isHere, rank: level.rank, level: wordsOf(level.id),
        address: party.address(taskName(task.name), { reactor: task.level }),
        begun: new Int32Array(memory, plan.begunAt(task.index), (plan.levels.length + 1) * 2),
        isUrgent: own === undefined || !isHere || level.rank > own.rank,
      };
    });
  }

  /** Holds back what is sent from now on until `release`. */
  keep(): void {
    this.kept = [];
  }

  /** Sends what was held back. */
  release(): void {
    const { kept = [] } = this;
    this.kept = undefined;
    for (const { send } of kept) {
      const code = send();
      if (code !== OK) throw new PercoreError('ERR_PERCORE_BACK_PRESSURED', 'what init has spawned has no room', {});
    }
  }

  /** Sends to task number `index`. Returns a result code. */
  send(index: number, kind: number, scheduledNs: number, deadlineNs: number, message: unknown): number {
    const { task, begun, level } = this.targets[index]!;
    const { sent, self } = this;
    // A task that schedules itself would keep the app from its end. Pairs with the store in RunningApp.close.
    if (kind === SCHEDULED && Atomics.load(this.app, IS_CLOSING) === 1) return this.refuse(CLOSED);
    // app.begun: meanwhile there can only be more room. Only this thread writes what it has sent.
    const waiting = ((sent[index * 2]! - Atomics.load(begun, self * 2)) | 0)
      + ((sent[index * 2 + 1]! - Atomics.load(begun, self * 2 + 1)) | 0);
    // What waits for a dead level will never begin, so there will be no room either. Pairs with the store after its
    // death.
    if (waiting >= task.capacity) return this.refuse(Atomics.load(level, IS_BUSY) === DEAD ? CLOSED : BACK_PRESSURED);
    if (this.kept === undefined) return this.write(index, kind, scheduledNs, deadlineNs, message);
    // Not yet counted where others see it: nobody has to wait for it until it is sent.
    if (waiting + this.kept.filter((each) => each.index === index).length >= task.capacity) {
      return this.refuse(BACK_PRESSURED);
    }
    // Written at once: what becomes of the message until it is sent changes nothing.
    const value = this.copy(message, this.targets[index]!.address.maxBytes);
    if (value === undefined) return this.refuse(TOO_LARGE);
    this.kept.push({ index, send: () => this.writeCopy(index, kind, scheduledNs, deadlineNs, value) });
    return OK;
  }

  /** The message as it lies in a lane; undefined when it is too long for one. */
  private copy(message: unknown, maxBytes: number): Uint8Array | undefined {
    if (message === undefined) return new Uint8Array(0);
    const most = this.codec.measure(message, maxBytes);
    if (HEAD_BYTES + most > maxBytes) {
      this.codec.forget();
      return undefined;
    }
    const memory = recordMemory(new ArrayBuffer((most + 7) & ~7));
    return memory.bytes.subarray(0, this.codec.write(message, memory, 0));
  }

  private writeCopy(index: number, kind: number, scheduledNs: number, deadlineNs: number, value: Uint8Array): number {
    const target = this.targets[index]!;
    const at = target.address.tryClaim(HEAD_BYTES + value.length);
    if (at < 0) return this.refuse(at);
    target.address.bytes.set(value, at + HEAD_BYTES);
    return this.commit(target, index, kind, scheduledNs, deadlineNs, at, value.length);
  }

  private write(index: number, kind: number, scheduledNs: number, deadlineNs: number, message: unknown): number {
    const target = this.targets[index]!;
    const { address } = target;
    const { codec } = this;
    const most = message === undefined ? 0 : codec.measure(message, address.maxBytes);
    const at = address.tryClaim(HEAD_BYTES + most);
    if (at < 0) {
      if (message !== undefined) codec.forget();
      return this.refuse(at);
    }
    const length = message === undefined ? 0 : codec.write(message, address, at + HEAD_BYTES);
    return this.commit(target, index, kind, scheduledNs, deadlineNs, at, length);
  }

  private commit(
    target: Target, index: number, kind: number, scheduledNs: number, deadlineNs: number, at: number, length: number,
  ): number {
    const { address } = target;
    const { sent } = this;
    address.view.setFloat64(at, scheduledNs, true);
    address.view.setFloat64(at + 8, deadlineNs, true);
    // app.sent: counted before the message is published, so that it is never under way uncounted.
    Atomics.store(sent, index * 2 + kind, (sent[index * 2 + kind]! + 1) | 0);
    if (target.isUrgent && target.isHere && this.beforeSentAbove !== undefined) this.beforeSentAbove(target.rank);
    address.commit(HEAD_BYTES + length);
    if (target.isUrgent) {
      this.party.flush();
      if (target.isHere && this.onSentAbove !== undefined) this.onSentAbove(target.rank);
    }
    return OK;
  }

  private refuse(code: number): number {
    // Only its own thread writes them: statistics.
    this.status[REFUSED]!++;
    if (code === CLOSED) this.status[CLOSED_COUNT]!++;
    return code;
  }

  /** How much was refused here, and of that for dead levels. */
  get refusals(): { readonly refused: number; readonly closed: number } {
    return { refused: this.status[REFUSED]!, closed: this.status[CLOSED_COUNT]! };
  }
}

/** The error for an edge that was not declared. */
export function undeclared(verb: string, who: string, section: string, what: unknown, known: Iterable<string>): Error {
  const list = [...known].map((name) => `"${name}"`).join(', ') || 'nothing';
  return new PercoreError(
    'ERR_PERCORE_UNDECLARED',
    `${who} may not ${verb} ${typeof what === 'string' ? `"${what}"` : String(what)}: its ${section} are ${list}. `
      + 'Declare it in defineApp',
    { argument: verb, value: what, allowed: list },
  );
}

/** Throws unless it is a valid time. */
export function checkDeadline(deadlineNs: unknown): number {
  if (typeof deadlineNs === 'number' && deadlineNs >= 0 && deadlineNs <= MOST_NS) return deadlineNs;
  throw invalidArgument('deadlineNs', deadlineNs, 'nanoseconds since the start of the runtime, 0 to 2^62');
}

