/**
 * The table of everything in a reactor: each task with its state, code and data, its cursors and its counters.
 * Source: the task taxonomy of the slides (state vector; object table of cursors and counters).
 */
import type { Reactor, Runtime } from '../reactor/index.js';
import { partyOf, type ByteTask, type ValueTask } from '../reactor/internal.js';
import { LocalProcess } from './local-process.js';
import type { TaskState } from './process-options.js';

/** One task, as plain data, at the moment of the call. */
export interface TaskFigures {
  readonly name: string;
  /**
   * How its steps are written: 'handler' and 'bytes' for `spawn` and `spawnBytes`; 'generator' and 'async' for
   * processes.
   */
  readonly kind: 'handler' | 'bytes' | 'generator' | 'async';
  /** See `Process.state`. A handler with asynchronous steps under way is 'idle' unless a message waits. */
  readonly state: TaskState;
  /** Its band. */
  readonly priority: number;
  /** The name of the function, if it has one. */
  readonly code: string | undefined;
  /** What the body of a process has put into `self.data`. */
  readonly data: unknown;
  /** How many messages wait, and how many may. Those of other reactors wait in lanes until there is room here. */
  readonly depth: number;
  /** Messages of its own thread that may wait for it. */
  readonly capacity: number;
  /** Counted from its beginning: messages put in, and taken out. */
  readonly cursors: { readonly in: number; readonly out: number };
  /**
   * Steps that have run. For a process, each message from another reactor is put into its inbox by a step of its own.
   */
  readonly steps: number;
  /** Offers that its full inbox has refused. A repeated offer counts again. */
  readonly refused: number;
  /** Steps that have thrown. The message of each is gone. */
  readonly errors: number;
  /** How often supervision has let it begin anew. */
  readonly restarts: number;
  /** Asynchronous steps under way. */
  readonly unsettled: number;
  /** The process that made it, and those that it made. */
  readonly parent: string | undefined;
  /** The names of its children. */
  readonly children: readonly string[];
}

/**
 * The tasks and processes of a reactor, or of a runtime's main thread, in the order in which they were made. Only that
 * reactor's thread may call it; others ask by a call. Allocates the table.
 *
 *     reactor.handle('tasks', () => tasksOf(reactor));
 *     console.table(await runtime.call('tasks', undefined, { reactor: 1 }));
 */
export function tasksOf(of: Reactor | Runtime): TaskFigures[] {
  const { dispatcher, turn } = partyOf(of);
  return [...dispatcher.tasks.values()].map((task) => {
    const { body } = task;
    if (body instanceof LocalProcess) return processFigures(task, body as LocalProcess<unknown, unknown>);
    const out = task.steps;
    return {
      ...figuresOf(task),
      kind: task.takesBytes ? 'bytes' : 'handler',
      state: turn.steps.isRunning(task) ? 'running' : stateOf(task),
      code: nameOf(task.step),
      data: undefined,
      cursors: { in: out + task.depth, out },
      restarts: 0,
      unsettled: task.unsettled,
      parent: undefined,
      children: [],
    };
  });
}

function processFigures(task: ValueTask | ByteTask, process: LocalProcess<unknown, unknown>): TaskFigures {
  const { state, body, data, received, taken, supervision, parent, children } = process;
  return {
    ...figuresOf(task),
    kind: Object.prototype.toString.call(body) === '[object GeneratorFunction]' ? 'generator' : 'async',
    state,
    code: nameOf(body),
    data,
    cursors: { in: received, out: taken },
    restarts: supervision.restarts,
    unsettled: 0,
    parent: parent?.name,
    children: [...children].map((child) => child.name),
  };
}

function figuresOf(
  { name, band, depth, capacity, steps, again, refused, errors }: ValueTask | ByteTask,
): Pick<TaskFigures, 'name' | 'priority' | 'depth' | 'capacity' | 'steps' | 'refused' | 'errors'> {
  return { name, priority: band, depth, capacity, steps: steps + again, refused, errors };
}

function stateOf({ isHeld, isReady }: ValueTask | ByteTask): TaskState {
  if (isHeld) return 'held';
  return isReady ? 'ready' : 'idle';
}

const nameOf = (code: { readonly name: string }): string | undefined => (code.name === '' ? undefined : code.name);
