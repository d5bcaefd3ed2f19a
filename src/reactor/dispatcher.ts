/**
 * The names of one party, and what a record is for: a task, a handler, or a call that waits for its answer.
 *
 *      record --> answer to a call       --> the call
 *            \--> told of a call         --> the handler that answers it
 *            \--> name that is here      --> its task or handler
 *            \--> name that nobody has   --> while the entry runs: stays in its lane, and what came later behind it
 *                                        --> afterwards: dropped, counted, and reported once
 */
import { PercoreError } from '../errors.js';
import { partyLayout } from '../layout.js';
import { OK } from '../queues/index.js';
import { ValueCodec } from '../queues/internal.js';
import { refuseFor } from '../refusals.js';
import type { CallAnswers } from './call-answers.js';
import { checkAdmission } from '../scheduling/internal.js';
import type { CallService } from './call-service.js';
import type { Handler } from './calls.js';
import type { DropReports } from './drop-reports.js';
import type { Inlet, Receiver } from './inlet.js';
import { BATCH, CALL, GATHERED, HEAD_BYTES, NAME, REPLY, VALUE } from './message.js';
import { NamesToCome, type HeardName } from './names.js';
import type { Peers } from './peers.js';
import type { ByteTask, ValueTask } from './task.js';
import type { Turn } from './turn.js';

const DROPPED = partyLayout.fields.dropped.at >> 3;
const DROPPED_NO_TASK = partyLayout.fields.droppedNoTask.at >> 3;
const DROPPED_NOT_BYTES = partyLayout.fields.droppedNotBytes.at >> 3;

export class Dispatcher implements Receiver {
  /** A name that a message waits for, while the entry runs. Whatever comes later in its lane waits behind it. */
  awaitedTask: string | undefined;
  private readonly byName = new Map<string, ValueTask | ByteTask>();
  private readonly codec = new ValueCodec();
  /** The lanes whose first record is for a name that nobody has yet. */
  private readonly namesToCome = new NamesToCome();
  private holdsCalls = true;
  private holdsMessages = true;
  private calls!: CallService;
  private answers!: CallAnswers;

  constructor(private readonly turn: Turn, private readonly peers: Peers, private readonly drops: DropReports) {}

  /** Before the first turn. */
  begin(calls: CallService, answers: CallAnswers): void {
    this.calls = calls;
    this.answers = answers;
    answers.begin(this.byName, (error, where) => this.turn.reportError(error, where));
  }

  /** The entry has run: from now on a call to an unknown name is refused. */
  releaseCalls(): void {
    this.holdsCalls = false;
    this.namesToCome.release();
  }

  /** The same, and messages to such a name are dropped and reported. */
  release(): void {
    this.holdsMessages = false;
    this.releaseCalls();
  }

  /** The tasks of this party by name. */
  get tasks(): ReadonlyMap<string, ValueTask | ByteTask> {
    return this.byName;
  }

  /** Throws ERR_PERCORE_NAME_TAKEN, ERR_PERCORE_CLOSED, or ERR_PERCORE_CAPACITY. */
  addTask(task: ValueTask | ByteTask): void {
    this.checkFree(task.name);
    checkAdmission(this.turn.classes, task, this.byName.values());
    this.byName.set(task.name, task);
    this.turn.madeWatch?.add(task);
    this.namesToCome.release();
  }

  /**
   * The task takes nothing any more, and its name is free. Whatever waited is dropped, counted and reported; but not
   * where somebody else has it still (`isKept`).
   */
  removeTask(task: ValueTask | ByteTask, isKept = false): void {
    if (task.hasEnded) return;
    if (this.byName.get(task.name) === task) this.byName.delete(task.name);
    const lost = task.end();
    this.turn.madeWatch?.remove(task);
    if (lost === 0 || isKept) return;
    const { counters } = this.turn;
    counters[DROPPED]! += lost;
    counters[DROPPED_NO_TASK]! += lost;
    this.drops.reportLost(task.name, lost);
  }

  /** The party has left: bodies end. */
  leave(): void {
    for (const task of this.byName.values()) task.body?.leave();
  }

  /** Throws ERR_PERCORE_NAME_TAKEN, or ERR_PERCORE_CLOSED. */
  addHandler(name: string, handler: Handler): void {
    this.checkFree(name);
    this.answers.addHandler(name, handler);
    this.namesToCome.release();
  }

  dispatch(inlet: Inlet, at: number, length: number, type: number): number {
    if (type >= REPLY) {
      if (type <= GATHERED) this.calls.settle(inlet, at, length, type);
      else if (type === NAME) inlet.hear(at, length);
      else this.answers.told(inlet, at, length, type);
      return OK;
    }
    // Undefined only if something has scribbled on the memory.
    const heard = inlet.names[inlet.words[at >> 2]!];
    if (type === CALL) {
      if (this.holdsCalls && heard !== undefined && this.answers.handlerOf(heard) === undefined) {
        return refuseFor(this.namesToCome);
      }
      return this.answers.answer(inlet, at, length, heard);
    }
    let task = heard?.task;
    if (task === undefined || task.hasEnded) task = this.find(heard);
    if (task === undefined) {
      if (this.holdsMessages && heard !== undefined) {
        this.awaitedTask = heard.text;
        return refuseFor(this.namesToCome);
      }
      this.drop(DROPPED_NO_TASK, heard, inlet, type === BATCH ? inlet.record.messages : 1);
      return OK;
    }
    if (!task.takesBytes) return this.runMessage(task, inlet, at + HEAD_BYTES, length - HEAD_BYTES, type);
    if (type === VALUE) {
      this.drop(DROPPED_NOT_BYTES, heard, inlet);
      return OK;
    }
    inlet.learn(inlet.words[at >> 2]!, task);
    return inlet.runBytes(at, length, task);
  }

  private runMessage(task: ValueTask, inlet: Inlet, at: number, length: number, type: number): number {
    let message: unknown;
    try {
      message = type === VALUE ? this.codec.read(inlet, at, length) : inlet.bytes.slice(at, at + length);
    } catch (error) {
      this.turn.reportError(error, `a message for task "${task.name}"`);
      return OK;
    }
    const code = this.turn.steps.run(task, message, inlet.from, inlet.band);
    if (code === OK) task.steps++;
    return code;
  }

  private find(heard: HeardName | undefined): ValueTask | ByteTask | undefined {
    return heard === undefined ? undefined : (heard.task = this.byName.get(heard.text));
  }

  private drop(reason: number, heard: HeardName | undefined, inlet: Inlet, messages = 1): void {
    const { counters } = this.turn;
    counters[DROPPED]! += messages;
    counters[reason]! += messages;
    const name = heard?.text ?? '';
    this.drops.report(reason === DROPPED_NO_TASK, name, inlet.from, this.answers.hasHandler(name));
  }

  /** Tasks and handlers of a party share one space of names. */
  private checkFree(name: string): void {
    const about = { argument: 'name', value: name };
    if (this.peers.isClosed) {
      throw new PercoreError(
        'ERR_PERCORE_CLOSED', `"${name}": the runtime is closed, and nothing runs here any more`, about,
      );
    }
    if (!this.byName.has(name) && !this.answers.hasHandler(name)) return;
    throw new PercoreError('ERR_PERCORE_NAME_TAKEN', `name "${name}" is taken in this reactor; choose another`, about);
  }
}
