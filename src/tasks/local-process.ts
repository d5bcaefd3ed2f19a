/**
 * A process as the rest of the package sees it: a task whose quanta run a body. life.ts says how it ends.
 *
 *      lane ----step of the task: put----+
 *      send ----put---> inbox (the mailbox of the task) --take--> run of the body --yields, awaits--> its next step
 *
 * Its inbox is the mailbox of the task. The task's step puts into it what comes from other reactors, and answers
 * BACK_PRESSURED when it is full, so that the lane waits.
 */
import { PercoreError, invalidArgument } from '../errors.js';
import { LocalTask, type Party, type TaskBody, type ValueTask } from '../reactor/internal.js';
import { AWAIT_ROOM, noteRefusal } from '../refusals.js';
import { OK } from '../result-codes.js';
import { isThenable } from '../thenable.js';
import type { WaitOptions } from '../waiting.js';
import { AsyncRun, type AsyncRunHost } from './async-run.js';
import type { ProcessBody } from './body.js';
import { GeneratorRun } from './generator-run.js';
import { Life } from './life.js';
import type { Pause, Supervise, TaskState } from './process-options.js';
import { Self, type SelfHost } from './self.js';
import { Supervision } from './supervision.js';

/** Steps of a quantum: messages that are received before other tasks of the band get their turn. */
const QUANTUM = 16;

export interface ProcessSettings {
  readonly name: string;
  readonly band: number;
  readonly capacity: number;
  readonly supervise: Required<Supervise>;
}

export class LocalProcess<M, R> extends Life implements TaskBody, SelfHost<M>, AsyncRunHost<M> {
  readonly task: ValueTask;
  readonly self: Self<M>;
  /** How many messages were put into the inbox and taken out of it: its two cursors. */
  received = 0;
  taken = 0;
  from = -1;
  data: unknown;
  private readonly capacity: number;
  /** Who sent each of the waiting messages. */
  private readonly senders: number[] = [];
  /** While it is held: what lets it go on. */
  private goOn: (() => void) | undefined;
  /** Messages that were taken between turns since the last quantum. */
  private between = 0;

  constructor(
    party: Party, { name, band, capacity, supervise }: ProcessSettings,
    readonly body: ProcessBody<M, R>, parent: Life | undefined,
  ) {
    super(party, name, new Supervision(supervise, party.nowNs), parent);
    const options = { name, band, capacity, concurrency: Infinity, takesBytes: false as const };
    this.task = new LocalTask<unknown, false>(
      party.turn, options, (message: unknown, from: number) => this.put(message as M, from),
    );
    this.task.body = this;
    this.capacity = capacity;
    this.self = new Self<M>(this);
  }

  get state(): TaskState {
    const { task, current } = this;
    if (this.end !== undefined) return 'ended';
    if (this.party.turn.steps.isRunning(task)) return 'running';
    if (task.isHeld || current?.isUnsettled === true || (this.pending !== undefined && !this.canGoOn())) return 'held';
    return task.isReady || this.canGoOn() ? 'ready' : 'idle';
  }

  /** OK, BACK_PRESSURED, or CLOSED after its end. */
  put(message: M, from: number): number {
    const code = this.task.push(message);
    if (code === OK) this.senders[this.received++ % this.capacity] = from;
    return code;
  }

  // ---- For its body -------------------------------------------------------------------------------------------------

  get depth(): number {
    return this.task.depth;
  }

  poll(): M | undefined {
    if (this.task.depth === 0) return undefined;
    const message = this.take();
    this.task.mayHaveRoom();
    return message;
  }

  // These are not async functions, because each would go on some microtasks later.
  next(options: WaitOptions | undefined): Promise<M> {
    try {
      return this.asyncRun('next()').next(options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  pause(): Promise<unknown> {
    try {
      return this.asyncRun('pause()').pause();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  shouldYield(): boolean {
    return this.party.turn.shouldYield();
  }

  // ---- Its quanta ---------------------------------------------------------------------------------------------------

  run(): boolean {
    const { turn } = this.party;
    const { task, taken } = this;
    let steps = 0;
    while (this.canGoOn()) {
      const code = turn.steps.resume(task, this);
      steps++;
      if (code !== OK) {
        turn.hold(task, code);
        break;
      }
      // A plain pause gives way to the others of its band.
      if (this.current?.isReceiving !== true || steps === QUANTUM || turn.mustEndQuantum(task.band, steps)) break;
    }
    task.steps += steps;
    if (this.taken !== taken) task.mayHaveRoom();
    turn.endQuantum(task.band, steps + this.between);
    this.between = 0;
    this.changed();
    return this.canGoOn();
  }

  resume(): number {
    if (this.pending !== undefined) this.finish();
    if (this.end !== undefined) return OK;
    return this.current === undefined ? this.start() : this.current.resume();
  }

  // ---- For its runs -------------------------------------------------------------------------------------------------

  take(): M {
    this.from = this.senders[this.taken++ % this.capacity]!;
    return this.task.take() as M;
  }

  wake(): void {
    if (this.isLeaving) return this.stepOut();
    const { goOn } = this;
    if (goOn === undefined) return this.party.turn.schedule(this.task);
    this.goOn = undefined;
    goOn();
  }

  noteHeld(): void {
    noteRefusal(this, 0);
  }

  /** It acts as one of those that the process waits for when it is held, so that a cancellation finds it. */
  [AWAIT_ROOM](_needed: number, then: () => void): () => void {
    this.goOn = then;
    return () => {
      this.goOn = undefined;
    };
  }

  endAfterQuantum(): void {
    this.party.turn.endAfterQuantum();
  }

  hasAbove(): boolean {
    return this.party.turn.scheduler.discipline.hasAbove(this.task.band);
  }

  tookBetween(): void {
    this.between++;
    this.task.steps++;
    this.task.mayHaveRoom();
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** The first step of a run. */
  private start(): number {
    const { signal } = this;
    if (signal.aborted) {
      this.over({ how: 'cancelled', reason: signal.reason });
      return OK;
    }
    let made: unknown;
    this.data = undefined;
    try {
      made = this.body(this.self);
      if (isGenerator(made)) {
        this.current = new GeneratorRun(this, made);
      } else if (!isThenable(made)) {
        throw invalidArgument('what the body returns', made, 'a generator or a promise: function* or async');
      }
    } catch (error) {
      // Also of what it has returned: whether that is a promise, an object of the user's may refuse to say.
      this.threw(error);
      return OK;
    }
    if (this.current instanceof GeneratorRun) return this.current.resume();
    const run = this.current instanceof AsyncRun ? (this.current as AsyncRun<M>) : new AsyncRun<M>(this);
    this.current = run;
    // As above.
    if (signal.aborted) run.stop(signal.reason);
    run.follow(made as PromiseLike<unknown>);
    return OK;
  }

  /** The present run. An asynchronous body asks for it in its first step, before its promise is there. */
  private asyncRun(what: string): AsyncRun<M> {
    if (this.current === undefined && this.mayHaveChildren && this.party.turn.steps.isRunning(this.task)) {
      this.current = new AsyncRun<M>(this);
      // Its first step has cancelled it before there was a run that could be told.
      if (this.signal.aborted) this.current.stop(this.signal.reason);
    }
    if (this.current instanceof AsyncRun) return this.current as AsyncRun<M>;
    throw new PercoreError('ERR_PERCORE_CLOSED', this.current === undefined
      ? `${what}: this run of task "${this.name}" is over`
      : `${what} is for asynchronous bodies; a generator says yield* self.receive(), or yield`);
  }
}

function isGenerator(made: unknown): made is Generator<Pause, unknown, unknown> {
  return typeof made === 'object' && made !== null && Symbol.iterator in made && 'next' in made && 'return' in made;
}
