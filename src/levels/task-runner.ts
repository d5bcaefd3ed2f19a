/** Runs a task of an app: for each message that comes, at once or when its time has come. */
import { PercoreError } from '../errors.js';
import { ValueCodec } from '../queues/internal.js';
import type { ByteRecord } from '../reactor/index.js';
import type { Context, LevelParts } from './context.js';
import type { CoreTurns } from './core-turns.js';
import type { StepGate } from './step-gate.js';
import { HEAD_BYTES, SCHEDULED, SPAWNED } from './outbox.js';
import { reportLater } from './promises.js';

export type AnyCode = (context: never, message?: never) => unknown;

/** The frame in which each run of a level's code happens. */
export interface RunFrame {
  /** Undefined unless levels take turns. */
  turns: CoreTurns | undefined;
  /** Undefined where levels take turns. */
  gate: StepGate | undefined;
  readonly rank: number;
}

export class TaskRunner {
  private readonly codec = new ValueCodec();
  private readonly begun: Int32Array;

  constructor(
    private readonly name: string, index: number, private readonly code: AnyCode, private readonly context: Context,
    private readonly parts: LevelParts, private readonly frame: RunFrame, memory: SharedArrayBuffer,
  ) {
    const { plan } = parts;
    this.begun = new Int32Array(memory, plan.begunAt(index), (plan.levels.length + 1) * 2);
  }

  /** The step of the task in its reactor. */
  readonly step = (record: ByteRecord): void => {
    const { offset, view, length, from } = record;
    const scheduledNs = view.getFloat64(offset, true);
    const deadlineNs = view.getFloat64(offset + 8, true);
    const message = length === HEAD_BYTES ? undefined
      : this.codec.read(record, offset + HEAD_BYTES, length - HEAD_BYTES);
    if (deadlineNs < 0) this.run(from, SPAWNED, scheduledNs, message);
    else this.parts.reactor.timers.at({ deadlineNs }, () => this.run(from, SCHEDULED, deadlineNs, message));
  };

  private run(from: number, kind: number, scheduledNs: number, message: unknown): void {
    const { begun, context, frame } = this;
    const { turns } = frame;
    turns?.announce();
    context.scheduledNs = scheduledNs;
    runFramed(frame, `task "${this.name}"`, () => {
      // app.begun: there is room for one more. Only this thread writes it, and not while a ceiling keeps the task away,
      // since it may never come to run then.
      Atomics.store(begun, from * 2 + kind, (begun[from * 2 + kind]! + 1) | 0);
      return this.code(context as never, message as never);
    });
  }
}

/** Runs code of a level in its turn. Throws what the code throws, and throws if it returns a promise. */
export function runFramed(frame: RunFrame, who: string, code: () => unknown): unknown {
  const { turns, rank } = frame;
  let result: unknown;
  if (turns === undefined) {
    frame.gate?.enter();
    result = code();
  } else {
    turns.announce();
    turns.enter(rank);
    try {
      result = code();
    } finally {
      turns.leave();
    }
  }
  if (typeof result === 'object' && result !== null && 'then' in result) {
    reportLater(result, who);
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `${who} returned a promise: code of an app runs to completion. Spawn a task for what comes later`,
      { argument: 'tasks', value: result, allowed: 'a function that returns no promise' },
    );
  }
  return result;
}
