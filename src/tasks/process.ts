import { checkFunction, PercoreError } from '../errors.js';
import type { Reactor, Runtime, Task } from '../reactor/index.js';
import { checkSpawn, partyOf } from '../reactor/internal.js';
import type { WaitOptions } from '../waiting.js';
import type { ProcessBody } from './body.js';
import type { Life } from './life.js';
import { LocalProcess } from './local-process.js';
import { checkProcess, type ProcessEnd, type ProcessOptions, type TaskState } from './process-options.js';
import { Self } from './self.js';

/**
 * A task with a body of its own, as its maker sees it. Others send to it by its name, as to any task. It belongs to the
 * thread that made it; nothing here blocks.
 */
export interface Process<M = unknown, R = unknown> extends Task<M> {
  /**
   * 'running': its step runs now; 'ready': it waits to be selected; 'held': it waits for whoever has refused it, for a
   * promise of its own, or for its children to end; 'idle': it waits for a message; 'ended'.
   */
  readonly state: TaskState;
  /** Aborts when it is cancelled. */
  readonly signal: AbortSignal;
  /**
   * Puts a message of this thread into its inbox, without a copy. Returns OK, BACK_PRESSURED when `capacity` messages
   * wait, CLOSED after its end. A step that was refused may return BACK_PRESSURED and is called again when there is
   * room.
   */
  send(message: M): number;
  /**
   * Promises how it has ended: by returning, by an error that its body has not caught and `supervise` has not handled,
   * or by a cancellation. Rejects with ERR_PERCORE_TIMEOUT, _INVALID_ARGUMENT or the reason of `signal`; the process
   * then goes on.
   */
  join(options?: WaitOptions): Promise<ProcessEnd<R>>;
  /**
   * Asks it to end. Its signal aborts now. In its next step a generator returns where it stands, so that its `finally`
   * blocks run; in an asynchronous body `self.next()` rejects with `reason`. A body that awaits something else should
   * look at `self.signal`. Its thread goes on. Without a reason it is an AbortError. A second call does nothing.
   */
  cancel(reason?: unknown): void;
  /** The same as `cancel()`. */
  stop(): void;
}

const insides = new WeakMap<object, Life>();

class ProcessHandle<M, R> implements Process<M, R> {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly #inside: LocalProcess<M, R>;

  constructor(inside: LocalProcess<M, R>) {
    this.#inside = inside;
    this.name = inside.name;
    this.signal = inside.signal;
  }

  get state(): TaskState {
    return this.#inside.state;
  }

  get depth(): number {
    return this.#inside.depth;
  }

  send(message: M): number {
    return this.#inside.put(message, this.#inside.party.id);
  }

  join(options?: WaitOptions): Promise<ProcessEnd<R>> {
    return this.#inside.join(options) as Promise<ProcessEnd<R>>;
  }

  cancel(reason?: unknown): void {
    this.#inside.cancel(reason);
  }

  stop(): void {
    this.#inside.cancel(undefined);
  }
}

/**
 * Makes a process in a reactor, in the main thread of a runtime, or, given the `self` of another process, as a child of
 * that one, with which it then ends. Its first step comes when it is selected in its band. A body that returns ends it:
 * its name is free again, and remaining messages are dropped, counted and reported. Make it in the synchronous part of
 * the entry if others send to it: see `Reactor.spawn`.
 *
 *     const book = createProcess(reactor, { name: 'book', priority: 6 }, function* (self: Self<Order>) {
 *       for (;;) {
 *         const order = yield* self.receive();
 *         while (fills.send(order) === BACK_PRESSURED) yield BACK_PRESSURED;
 *       }
 *     });
 *     const report = createProcess(reactor, { name: 'report' }, async (self: Self<string>) => {
 *       await appendFile('report.txt', await self.next());
 *     });
 *     await report.join({ timeoutMs: 1000 });
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT, _NAME_TAKEN, or _CLOSED after the runtime, or the parent, has ended.
 */
export function createProcess<M = unknown, R = unknown>(
  of: Reactor | Runtime | Self<unknown>, options: ProcessOptions, body: ProcessBody<M, R>,
): Process<M, R> {
  const { supervise, signal } = checkProcess(options);
  checkFunction('body', body);
  const parent = typeof of === 'object' && of !== null ? insides.get(of) : undefined;
  const party = parent === undefined ? partyOf(of as Reactor) : parent.party;
  const { supervise: _supervise, signal: _signal, ...ofTask } = options;
  const { name, band, capacity } = checkSpawn(ofTask, body, party.turn.classes);
  if (parent?.mayHaveChildren === false) {
    throw new PercoreError('ERR_PERCORE_CLOSED', `task "${name}": its parent, task "${parent.name}", has ended`, {
      argument: 'name', value: name,
    });
  }
  const inside = new LocalProcess<M, R>(party, { name, band, capacity, supervise }, body, parent);
  insides.set(inside.self, inside);
  inside.begin(signal);
  return new ProcessHandle(inside);
}
