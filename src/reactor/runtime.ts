import { EventEmitter } from 'node:events';
import { checkInteger, checkOptions } from '../errors.js';
import type { Address } from './address.js';
import type { CallContext } from './call-context.js';
import { close } from './closing.js';
import { Controller } from './controller.js';
import type { IdleOptions } from './idle-strategy.js';
import type {
  Answer, ByteTaskName, CallName, CallRest, HandlerOf, MessageOf, MessageTo, Protocol, ServiceName, TaskName, Untyped,
} from './protocol.js';
import type { AddressOptions, SendOptions, SpawnOptions, Task } from './reactor-options.js';
import { Reactor } from './reactor.js';
import { checkEventName, type CloseOptions, type CloseResult, type RuntimeEvents } from './runtime-events.js';
import { checkRuntimeOptions, type OptionsFor, type RuntimeSettings } from './runtime-options.js';
import { drain, resume, scale, type ScaleOptions, type ScaleResult } from './scaling.js';
import { share } from './sharing.js';
import { start } from './starting.js';
import type { RuntimeStatus } from './status.js';
import type { StepResult } from './steps.js';
import { workers, type ThreadMaker } from './threads.js';
import type { ByteRecord } from './task.js';
import { checkWaitOptions, type WaitOptions } from '../waiting.js';

let insideOf: (runtime: unknown) => Controller | undefined;

/** The options of `createRuntime`. */
export interface RuntimeOptions<P extends Protocol = Untyped> extends OptionsFor<Runtime<P>> {}

/**
 * A runtime as the main thread sees it: a pinned thread for each reactor, and the main thread as one more party, which
 * calls and sends as reactors do. Made by `createRuntime`; every method belongs to the thread that made it, and none
 * blocks.
 *
 *     const runtime = await createRuntime<Town>({ entry: new URL('./reactor.js', import.meta.url), reactors: 'auto' });
 *     runtime.on('reactorDied', ({ reactorId, error }) => console.error(`reactor ${reactorId} died`, error));
 *     try {
 *       console.log(await runtime.call('sum', [1, 2]), runtime.status().reactors[0]?.refusals);
 *     } finally {
 *       await runtime.close();                              // or declare it with `await using`
 *     }
 *
 * Events: 'reactorDied' (ReactorDeath), 'stepError' (StepError), 'messageDropped' (MessageDrop), 'message'
 * (ForeignMessage), 'reactorRestarted' (ReactorRestart), 'sloViolated' (SloViolation), 'stalled' (StallReport). The
 * first three are warnings if nobody listens. A listener for any other name throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export class Runtime<P extends Protocol = Untyped> extends EventEmitter<RuntimeEvents> {
  readonly #controller: Controller;
  /** The main thread's own party, in the form of a reactor. */
  readonly #main: Reactor<P>;

  static {
    insideOf = (runtime) => {
      return typeof runtime === 'object' && runtime !== null && #controller in runtime
        ? runtime.#controller : undefined;
    };
  }

  /** `createRuntime` makes runtimes; a Controller cannot be had outside of the package. */
  constructor(controller: Controller) {
    super();
    this.#controller = controller;
    this.#main = new Reactor<P>(controller.main);
    // Emitted before any listener is added: one for a name that is misspelt would never be called.
    (this as EventEmitter).on('newListener', checkEventName);
  }

  /**
   * How many reactors there are that can be sent to; `scale` changes it: those that are added count when all of them
   * are ready, and those that are taken away do not count from its beginning on. The main thread has a number after the
   * last possible reactor.
   */
  get reactors(): number {
    return this.#controller.main.reactors;
  }

  /** Asks a reactor and promises its answer. Waits, copies and rejects as `Reactor.call` does. */
  call<N extends CallName<P>>(name: N, ...rest: CallRest<P, N>): Promise<Answer<P, N>> {
    return this.#main.call(name, ...rest);
  }

  /**
   * Sends a value or bytes to a task of a reactor. Returns OK, BACK_PRESSURED, TOO_LARGE or CLOSED. Copies. Published
   * at the end of this pass of the event loop, or earlier. See `Reactor.send`.
   */
  send<N extends TaskName<P>>(name: N, message: MessageTo<P, N>, options: SendOptions): number {
    return this.#main.send(name, message, options);
  }

  /** An address for a task of a reactor, resolved once. See `Reactor.address`. */
  address<N extends TaskName<P>>(name: N, options: AddressOptions): Address<MessageTo<P, N>> {
    return this.#main.address(name, options);
  }

  /**
   * Calls `then` once, later, when what the lane to that reactor last refused would be taken, or the reactor has died.
   * See `Reactor.whenRoom`.
   */
  whenRoom(options: SendOptions, then: () => void): void {
    this.#main.whenRoom(options, then);
  }

  /** Publishes at once what the main thread has sent. */
  flush(): void {
    this.#main.flush();
  }

  /**
   * Makes a task of the main thread, which reactors send to by `{ reactor: 'main' }`, or by the number of reactors,
   * which messages from here carry as `from`. Make it in `main` of the options, or right after `createRuntime` has
   * resolved: until then messages of entries wait for it. See `Reactor.spawn`.
   */
  spawn<M, N extends TaskName<P> = TaskName<P>>(
    options: SpawnOptions & { readonly name: N }, step: (
      message: MessageOf<P, N, M>, from: number, priority: number,
    ) => StepResult,
  ): Task<MessageOf<P, N, M>> {
    return this.#main.spawn<M, N>(options, step);
  }

  /** The same for bytes, which are read where they lie in the lane. See `Reactor.spawnBytes`. */
  spawnBytes<N extends ByteTaskName<P>>(
    options: SpawnOptions & { readonly name: N }, step: (record: ByteRecord) => number | void,
  ): Task<Uint8Array> {
    return this.#main.spawnBytes(options, step);
  }

  /**
   * Answers calls of reactors to `{ reactor: 'main' }`. If entries ask something, handle it from `main` of the options
   * on. See `Reactor.handle`.
   */
  handle<N extends ServiceName<P>>(name: N, handler: HandlerOf<P, N, CallContext<P>>): void {
    this.#main.handle(name, handler);
  }

  /** The reactor that owns this key's bucket. See `Reactor.ownerOf`. */
  ownerOf(key: string | Uint8Array): number {
    return this.#main.ownerOf(key);
  }

  /** Changes how reactors idle, at once and while they run: the reactor of that number, or all. */
  setIdleStrategy(options: IdleOptions, reactor?: number): void {
    const ids = reactor === undefined ? this.#controller.members.keys() : [
      checkInteger('reactor', reactor, 0, this.reactors - 1),
    ];
    for (const id of ids) this.#controller.setIdleStrategy(id, options);
  }

  /**
   * Empties a reactor for maintenance: from now on calls without `reactor` and `key` go to others, its buckets move to
   * the others, and what it has runs to the end. Resolves when it is quiet; senders that name its number keep it busy.
   * It stays drained, also after a rejection or a death, until `resume`. Rejects by `signal` and `timeoutMs`, with what
   * a hook of a keyed task threw (its buckets then stay), with ERR_PERCORE_REACTOR_DIED if it is dead for good,
   * ERR_PERCORE_CLOSED, or ERR_PERCORE_INVALID_ARGUMENT.
   */
  async drain(reactor: number, options?: WaitOptions): Promise<void> {
    const id = checkInteger('reactor', reactor, 0, this.reactors - 1);
    await drain(this.#controller, id, checkWaitOptions(options));
  }

  /**
   * A drained reactor takes work again, and its buckets begin to come back. Throws ERR_PERCORE_INVALID_ARGUMENT, or
   * ERR_PERCORE_CLOSED.
   */
  resume(reactor: number): void {
    resume(this.#controller, checkInteger('reactor', reactor, 0, this.reactors - 1));
  }

  /**
   * Adds or takes away reactors, the last first, until there are `reactors` of them: 1 to `maxReactors`. A reactor that
   * is added runs the entry before anybody hears of it, and then gets its part of the buckets. One that is taken away
   * is drained for at most `drainMs`, its buckets move to the others, it runs its stop hooks and leaves. Resolves when
   * all is done and their threads have ended, even if a system call delays one; a second call waits for the first.
   * Rejects with what a new reactor's entry threw (ERR_PERCORE_ENTRY, and then none is added), ERR_PERCORE_TIMEOUT,
   * ERR_PERCORE_CLOSED or ERR_PERCORE_INVALID_ARGUMENT.
   */
  async scale(reactors: number, options?: ScaleOptions): Promise<ScaleResult> {
    checkInteger('reactors', reactors, 1, this.#controller.settings.places);
    const { drainMs = 5000 } = checkOptions('options', options, ['drainMs']);
    return scale(this.#controller, reactors, checkInteger('drainMs', drainMs, 0, 2 ** 31 - 1));
  }

  /**
   * A fresh object that says what was asked for, what was granted and why not, and all counters. Reads shared memory
   * and disturbs nobody; allocates.
   */
  status(): RuntimeStatus {
    return this.#controller.figures.status();
  }

  /**
   * Lets every reactor run what it was sent, then ends them. Resolves within `drainMs` and two seconds, whatever a
   * reactor does; the result says which did not leave. A second call returns the first one's promise. If a program has
   * nothing left but an open runtime whose reactors wait for nothing, there is a warning after some seconds
   * (PERCORE_NOT_CLOSED).
   */
  close(options?: CloseOptions): Promise<CloseResult> {
    const { drainMs = 5000 } = checkOptions('options', options, ['drainMs']);
    checkInteger('drainMs', drainMs, 0, 2 ** 31 - 1);
    return close(this.#controller, drainMs);
  }

  /**
   * Lets the program end while the runtime is open, when nothing else keeps it running: the reactors are then
   * terminated in the middle of their work. A call of the main thread keeps it until the answer has come. For a runtime
   * that only serves the main thread. Returns this.
   */
  unref(): this {
    this.#controller.setHeld(false);
    return this;
  }

  /** Keeps the program running until the runtime is closed, which is the default. Returns this. */
  ref(): this {
    this.#controller.setHeld(true);
    return this;
  }

  /** The same as `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts a runtime: one pinned worker for each reactor, each of which runs the entry's default export. Resolves when
 * all have run. Rejects with ERR_PERCORE_INVALID_ARGUMENT, _ENTRY (what the entry threw is the cause), _TIMEOUT
 * (`startTimeoutMs`), _UNSERIALIZABLE (`data`), _SYSTEM (memory, descriptors), _NATIVE_UNAVAILABLE or
 * _WORKER_UNAVAILABLE, and then nothing is left behind.
 */
export async function createRuntime<P extends Protocol = Untyped>(options: RuntimeOptions<P>): Promise<Runtime<P>> {
  return createRuntimeWith(checkRuntimeOptions(options), options.main, workers);
}

/** The same with checked options, and threads of another make. */
export async function createRuntimeWith<P extends Protocol = Untyped>(
  settings: RuntimeSettings, main: RuntimeOptions<P>['main'], threads: ThreadMaker,
): Promise<Runtime<P>> {
  const controller = share(settings, (shared) => new Controller(settings, shared, threads));
  const runtime = new Runtime<P>(controller);
  await start(controller, runtime, () => main?.(runtime));
  return runtime;
}

/** The inside of a runtime, for the package itself; undefined if it is not a runtime. */
export const controllerIn = (runtime: unknown): Controller | undefined => insideOf(runtime);
/** The inside of a runtime, for the package's own tests. */
export const controllerOf = (runtime: Runtime): Controller => insideOf(runtime)!;
