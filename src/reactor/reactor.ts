import { checkFunction, invalidArgument, show } from '../errors.js';
import { RETURN_LANES } from '../layout.js';
import type { Io } from '../io/index.js';
import { CLOSED, sub, type FixedQueue, type Kind, type ValueQueue, type VariableQueue } from '../queues/index.js';
import type { ManualClock, SystemClock, Timers } from '../timers/index.js';
import { Address } from './address.js';
import type { CallContext } from './call-context.js';
import type { CallOptions } from './calls.js';
import { checkName } from './names.js';
import { isOptions, wrongOptions } from './options.js';
import type { Party } from './party.js';
import type {
  Answer, ByteTaskName, CallName, CallRest, HandlerOf, MessageOf, MessageTo, Protocol, ServiceName, TaskName, Untyped,
} from './protocol.js';
import {
  checkBand, checkBandOrClass, checkCallOptions, checkConcurrency, checkReadOptions, checkSpawn,
} from './reactor-checks.js';
import type { AddressOptions, ReadOptions, Selected, SendOptions, SpawnOptions, Task } from './reactor-options.js';
import type { ReadableEnd, Reading } from './reading.js';
import type { StepResult } from './steps.js';
import { LocalTask, type ByteRecord, type ByteTask } from './task.js';
import { TaskHandle } from './task-handle.js';

const NO_OPTIONS: CallOptions = Object.freeze({});

let insideOf: (reactor: unknown) => Party | undefined;

/**
 * One reactor of a runtime: a thread, pinned to a core, that owns its tasks, timers and sockets and shares nothing but
 * the lanes to its peers. The entry of the runtime gets one; everything here belongs to that thread alone.
 *
 *     import type { Reactor } from 'percore';
 *     interface Town { calls: { sum(pair: [number, number]): number }; tasks: { orders: { price: number } } }
 *
 *     export default function start(reactor: Reactor<Town>): void {
 *       reactor.handle('sum', ([a, b]) => a + b);                          // answers calls
 *       const orders = reactor.spawn({ name: 'orders', priority: 6 }, (order) => console.log(order.price));
 *       reactor.timers.every({ intervalNs: 1e9 }, () => orders.send({ price: 1 }));
 *       reactor.io.listen({ port: 9000, reusePort: true }, (connection) => {
 *         connection.onData((bytes) => connection.offer(bytes));
 *       });
 *       reactor.onStop(() => console.log(`reactor ${reactor.id} stops`));
 *     }
 *
 * `P` declares what the reactors of the program answer and take; see Protocol. No method blocks. Methods throw
 * ERR_PERCORE_INVALID_ARGUMENT for what they cannot take; what must be expected, such as a full lane, is a result code.
 */
export class Reactor<P extends Protocol = Untyped> {
  /** Timers of this thread: `after`, `every`, `walk` and others. Their callbacks run in bands, as steps do. */
  readonly timers: Timers;
  /** Sockets, pipes, files and readiness of this thread. Their handlers run in bands, as steps do. */
  readonly io: Io;
  /** Nanoseconds since the runtime's start, by the same clock in every reactor. About 40 ns; does not allocate. */
  readonly nowNs: () => number;
  /**
   * The clock that `timers` follow, also for `createRateTimer({ clock })` of percore/timers. It is that of `nowNs`, or
   * a ManualClock if the runtime was made with `clock: 'manual'`.
   */
  readonly clock: SystemClock | ManualClock;

  readonly #party: Party;
  /**
   * The options whose keys were last checked. A busy sender passes the same object each time, and checking it again
   * would cost a tenth of the call. Their values are checked each time; only a key that is added later goes unnoticed.
   */
  #callOptions: CallOptions = NO_OPTIONS;
  #sendOptions: SendOptions = { reactor: 0 };

  static {
    insideOf = (reactor) => {
      return typeof reactor === 'object' && reactor !== null && #party in reactor ? reactor.#party : undefined;
    };
  }

  /** The runtime makes reactors; a Party cannot be had outside of the package. */
  constructor(party: Party) {
    this.#party = party;
    this.timers = party.userTimers;
    this.io = party.userIo;
    this.nowNs = party.nowNs;
    this.clock = party.clock;
  }

  /** The number of this reactor: 0 to `reactors` - 1. */
  get id(): number {
    return this.#party.id;
  }

  /** How many reactors the runtime has, including this one; `runtime.scale` changes it. */
  get reactors(): number {
    return this.#party.reactors;
  }

  /**
   * The time at which this turn began, by the clock of `nowNs`, for what need not be exact within a turn. Between two
   * turns it is that of the last one. Costs one load: about 1 ns.
   */
  get turnNs(): number {
    return this.#party.turn.beganNs;
  }

  // ---- Tasks, messages and calls ------------------------------------------------------------------------------------

  // The first member that depends on P. It makes TypeScript compare two reactors member by member, so that a
  // Reactor<P> may be passed to whatever takes a plain Reactor; with `spawn` before it, TypeScript would compare the
  // protocols and refuse.

  /**
   * Asks a party and promises its answer. The argument is copied now, even if the call must wait for room. While the
   * entry of that party runs, the call waits until the handler is there. Rejects with what the handler threw, with the
   * signal's reason, or with ERR_PERCORE_NO_HANDLER, _REACTOR_DIED, _TIMEOUT, _BACK_PRESSURED (65,536 calls or 64 MiB
   * of them wait), _UNSERIALIZABLE, _TOO_LARGE, _CLOSED, _INVALID_ARGUMENT. Allocates the promise and what is copied.
   */
  call<N extends CallName<P>>(name: N, ...rest: CallRest<P, N>): Promise<Answer<P, N>>;
  call(name: string, argument?: unknown, options: CallOptions = NO_OPTIONS): Promise<unknown> {
    if (options !== this.#callOptions) {
      try {
        this.#callOptions = checkCallOptions(name, options);
      } catch (error) {
        return Promise.reject(error as Error);
      }
    }
    return this.#party.asking.call(name, argument, options, undefined);
  }

  /**
   * Makes a task: `step` runs to completion for each message, which arrives as it is from this thread, and as a copy
   * from others. `from` is the party that sent it (the main thread comes after the last reactor), `priority` the band
   * in which it was sent. See StepResult for what a step may return. A step that throws costs only its own message: it
   * is counted and reported as 'stepError'.
   *
   * Make tasks in the synchronous part of the entry: afterwards a message for an unknown name is dropped, counted and
   * reported. Throws ERR_PERCORE_NAME_TAKEN, or ERR_PERCORE_CLOSED after the runtime is closed.
   */
  spawn<M, N extends TaskName<P> = TaskName<P>>(
    options: SpawnOptions & { readonly name: N }, step: (
      message: MessageOf<P, N, M>, from: number, priority: number,
    ) => StepResult,
  ): Task<MessageOf<P, N, M>> {
    const stepping: { step(message: unknown, from: number, priority: number): StepResult } = { step };
    const task = new LocalTask<unknown, false>(
      this.#party.turn, { ...checkSpawn(options, step, this.#party.turn.classes), takesBytes: false }, stepping.step,
    );
    this.#party.dispatcher.addTask(task);
    return new TaskHandle(this.#party, task);
  }

  /**
   * Makes a task of bytes: `step` reads each record where it lies in the lane, without a copy or an object for it. The
   * record is valid only during the step. After BACK_PRESSURED the record and everything behind it stay in the lane
   * until there is room where the step wanted to write. A value that is sent to it is dropped, counted and reported.
   * Throws as `spawn` does; it takes no `capacity`, since its messages wait in lanes.
   */
  spawnBytes<N extends ByteTaskName<P>>(
    options: SpawnOptions & { readonly name: N }, step: (record: ByteRecord) => number | void,
  ): Task<Uint8Array> {
    if (options !== null && typeof options === 'object' && options.capacity !== undefined) {
      const allowed = 'left out for a task of bytes: its messages wait in the lanes, whose bound is laneBytes';
      throw invalidArgument('capacity', options.capacity, allowed);
    }
    const { id, turn, lanes, dispatcher } = this.#party;
    const task: ByteTask = new LocalTask(turn, { ...checkSpawn(options, step, turn.classes), takesBytes: true }, step);
    dispatcher.addTask(task);
    const send = (message: Uint8Array): number => {
      if (task.hasEnded) return CLOSED;
      const outlet = lanes.outlet(id, task.band);
      return outlet.sendBytes(outlet.name(task.name), message);
    };
    return { name: task.name, send, stop: () => this.#party.removeTask(task), depth: 0 };
  }

  /**
   * Reads a queue made of rings as a task of a band: `handler` runs to completion for each record, up to 16 before
   * others of its band have their turn, and sleeps at the queue's own bell. It gets a value, or without a codec a copy
   * of the bytes, and may return what a step may: after BACK_PRESSURED it gets the same record again when there is
   * room. Reading ends with the queue, by its own `leave()` or `close()`, and when the runtime closes; records may then
   * remain in the queue for the next consumer. An eviction ends it too, and is also a 'stepError': `ended` of the
   * returned Reading says which it was. Throws what `sub` of percore/queues throws.
   */
  sub<T, Names extends string = string>(
    queue: ValueQueue<T, Kind, Names>, options: ReadOptions<NoInfer<Names>>, handler: (value: T) => StepResult,
  ): Reading;
  sub<Names extends string = string>(
    queue: FixedQueue<Kind, Names> | VariableQueue<Kind, Names>, options: ReadOptions<NoInfer<Names>>,
    handler: (record: Uint8Array) => StepResult,
  ): Reading;
  sub<T>(
    queue: FixedQueue<Kind> | VariableQueue<Kind> | ValueQueue<T, Kind>, options: ReadOptions,
    handler: ((value: T) => StepResult) | ((record: Uint8Array) => StepResult),
  ): Reading {
    const { priority, class: ofClass, concurrency, ...others } = checkReadOptions(options);
    checkFunction('handler', handler);
    const band = checkBandOrClass({ priority, class: ofClass }, this.#party.turn.classes);
    const most = checkConcurrency(concurrency);
    const end: ReadableEnd = sub(queue as ValueQueue<T, Kind>, others);
    const stepping: { step(record: unknown): StepResult } = { step: handler };
    const called = others.name === undefined ? '' : ` ${show(others.name)}`;
    return this.#party.read(end, `sub${called} of a queue of kind ${queue.kind}`, band, most, stepping.step);
  }

  /**
   * Answers calls by this name. The handler may be asynchronous, and several answers may be under way at once; what it
   * throws travels to the caller. `context` says who asks, until when, and whether anybody still waits. A generator
   * (`async function*`), or anything that returns an async iterable, answers `callStream`. Throws
   * ERR_PERCORE_NAME_TAKEN, or ERR_PERCORE_CLOSED.
   */
  handle<N extends ServiceName<P>>(name: N, handler: HandlerOf<P, N, CallContext<P>>): void {
    checkName('name', name);
    checkFunction('handler', handler);
    this.#party.dispatcher.addHandler(name, handler);
  }

  /**
   * An address for the task `name` of a party, resolved once: sending through it looks nothing up. Whether the task
   * exists is seen when the message arrives.
   */
  address<N extends TaskName<P>>(name: N, options: AddressOptions): Address<MessageTo<P, N>> {
    if (!isOptions(options, 'reactor', 'priority', 'isReturn')) {
      throw wrongOptions(`address(${show(name)})`, options, ['reactor', 'priority', 'isReturn']);
    }
    const { reactor, priority, isReturn } = options;
    if (isReturn !== undefined && typeof isReturn !== 'boolean') {
      throw invalidArgument('isReturn', isReturn, 'true or false');
    }
    const outlet = this.#party.outletTo(name, reactor, priority, isReturn === true ? RETURN_LANES : 0);
    return new Address(outlet, outlet.name(name));
  }

  /**
   * Sends a value or bytes to the task `name` of a party. Returns OK, BACK_PRESSURED, TOO_LARGE, or CLOSED if that
   * party has died. Copies; publishes at the end of the step at the latest. While the entry of that party runs, the
   * message waits until the name is there; after that, a message for an unknown name is dropped, counted and reported
   * there. Throws ERR_PERCORE_UNSERIALIZABLE for a value that cannot be copied.
   */
  send<N extends TaskName<P>>(name: N, message: MessageTo<P, N>, options: SendOptions): number {
    if (options !== this.#sendOptions) {
      if (!isOptions(options, 'reactor', 'priority')) {
        throw wrongOptions(`send(${show(name)})`, options, ['reactor', 'priority']);
      }
      this.#sendOptions = options;
    }
    const outlet = this.#party.outletTo(name, options.reactor, options.priority, 0);
    return outlet.send(outlet.name(name), message);
  }

  /**
   * Calls `then` once, in a later turn, as soon as what the lane to that party last refused would be taken, or the
   * party has died. Those who wait are called in the order in which they came. Allocates.
   */
  whenRoom(options: SendOptions, then: () => void): void {
    if (!isOptions(options, 'reactor', 'priority')) throw wrongOptions('whenRoom', options, ['reactor', 'priority']);
    checkFunction('then', then);
    const outlet = this.#party.lanes.outlet(this.#party.checkParty(options.reactor), checkBand(options.priority));
    outlet.whenRoom(outlet.refusedBytes, then, outlet.refusedName);
  }

  /**
   * The reactor that owns this key's bucket. A text key stands for its UTF-8 bytes; a number is refused, since 5 and
   * '5' would be two keys. Allocates only for text.
   */
  ownerOf(key: string | Uint8Array): number {
    return this.#party.asking.ownerOf(key);
  }

  /** The reactor that owns the bucket of a hash from `hashKey`. Does not allocate. */
  ownerOfHash(hash: number): number {
    return this.#party.ownerOfHash(hash);
  }

  // ---- Within a turn ------------------------------------------------------------------------------------------------

  /**
   * True when a long step should return: something above its band is waiting, or its time is up. One load of a shared
   * word; every eighth time it also reads the clock and publishes what this step has sent.
   */
  shouldYield(): boolean {
    return this.#party.turn.shouldYield();
  }

  /**
   * Publishes everything that this reactor has sent. The end of each step does so; call it before a long computation.
   */
  flush(): void {
    this.#party.turn.unpublished.flush();
  }

  /**
   * Makes ready what native code has delivered for this turn: lanes, timers, readiness. Returns how many. Each turn
   * begins with it, so a step needs it only before `select`. Makes no system call.
   */
  poll(): number {
    return this.#party.turn.poll();
  }

  /**
   * Takes what would run next, by the discipline, without running it; undefined when nothing is ready. Whoever takes it
   * runs it, by its `run()`; otherwise it is selected again with its next message.
   */
  select(): Selected | undefined {
    return this.#party.turn.take();
  }

  /**
   * Runs `hook` when the runtime closes, before this reactor is asked to be quiet: stop reading, end connections. What
   * it returns is awaited. Messages that were sent before still run after it, so do not end here what their steps write
   * to. There is no need to wait here for bytes that endpoints have taken and the kernel has not: `close()` waits for
   * them within `drainMs`, and cuts off what is left then.
   */
  onStop(hook: () => void | Promise<void>): void {
    checkFunction('hook', hook);
    this.#party.stop.add(hook);
  }
}

/** The inside of a reactor, for the package itself; undefined if it is not a reactor. */
export const partyIn = (reactor: unknown): Party | undefined => insideOf(reactor);
/** The same, for the package's own tests. */
export const partyOf = (reactor: Reactor): Party => insideOf(reactor)!;
