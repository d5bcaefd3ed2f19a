/** What a process is made with, what its body may answer, and how it may end. */
import { checkInteger, checkOneOf, checkOptions } from '../errors.js';
import { checkSignal } from '../waiting.js';
import type { SpawnOptions } from '../reactor/index.js';

/**
 * What follows a failure of a process, that is, an error that its body has not caught. Source: the supervision
 * strategies of Akka, and the limit within a window of Erlang/OTP.
 *
 * | policy     | what happens                                                                                      |
 * |------------|---------------------------------------------------------------------------------------------------|
 * | 'restart'  | the body begins anew, with fresh state and the same inbox; beyond the limit as 'escalate'         |
 * | 'stop'     | the process ends, and nobody else is concerned                                                    |
 * | 'escalate' | the process ends, and its parent fails with ERR_PERCORE_TASK_FAILED; without a parent it is a     |
 * |            | 'stepError' that names the process                                                                |
 *
 * The message that a failed step was given is gone: it is counted and not tried again. The children of the process end
 * before it begins anew.
 */
export interface Supervise {
  /** Default 'stop'. */
  readonly policy?: 'restart' | 'stop' | 'escalate';
  /** How many restarts within `withinMs` are allowed: 0 to 1,000, default 3. Only for 'restart'. */
  readonly most?: number;
  /** The window in which restarts are counted: 1 to 2^31 - 1 milliseconds, default 5,000. Only for 'restart'. */
  readonly withinMs?: number;
}

/** Options of `createProcess`. Name, priority and capacity are those of a task: see SpawnOptions. */
export interface ProcessOptions extends Omit<SpawnOptions, 'concurrency'> {
  /** What follows an error that the body has not caught. Default: the process ends. */
  readonly supervise?: Supervise;
  /** Cancels the process when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * What a generator body may yield:
 *
 * | yielded          | the next step comes                                                                 |
 * |------------------|-------------------------------------------------------------------------------------|
 * | nothing, or OK   | behind the others of its band                                                       |
 * | `BACK_PRESSURED` | as soon as one of those that have refused this step has room                        |
 * | `AGAIN`          | in the next turn, behind the others of its band                                     |
 * | a promise        | when it is settled; `yield* self.until(promise)` gives its value                    |
 *
 * Other values mean nothing; `yield self.receive()` and `yield self.until(promise)`, without a star, throw.
 */
export type Pause = void | number | symbol | PromiseLike<unknown>;

/** How a process has ended; see `Process.join`. */
export type ProcessEnd<R = unknown> =
  | { readonly how: 'ended'; readonly value: R }
  | { readonly how: 'failed'; readonly error: unknown }
  | { readonly how: 'cancelled'; readonly reason: unknown };

/** Where a task or process stands: see TaskFigures. */
export type TaskState = 'ready' | 'running' | 'held' | 'idle' | 'ended';

export const PROCESS_OPTIONS: readonly string[] = ['name', 'priority', 'class', 'capacity', 'supervise', 'signal'];
const SUPERVISE_OPTIONS = ['policy', 'most', 'withinMs'];
const POLICIES = ['restart', 'stop', 'escalate'] as const;

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless these can be the options of a process, apart from those of its task. */
export function checkProcess(options: ProcessOptions): { supervise: Required<Supervise>; signal?: AbortSignal } {
  const { supervise, signal } = checkOptions('createProcess', options, PROCESS_OPTIONS);
  checkSignal(signal);
  const { policy = 'stop', most = 3, withinMs = 5000 } = checkOptions('supervise', supervise, SUPERVISE_OPTIONS);
  return {
    supervise: {
      policy: checkOneOf('supervise.policy', policy, POLICIES),
      most: checkInteger('supervise.most', most, 0, 1000),
      withinMs: checkInteger('supervise.withinMs', withinMs, 1, 2 ** 31 - 1),
    },
    ...(signal === undefined ? {} : { signal }),
  };
}
