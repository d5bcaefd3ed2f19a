/**
 * One reactor: read `turn` first. It owns its tasks, timers and sockets and shares nothing; lanes to and from its peers are the
 * only thing it has in common with them. The loop around `turn` is native (native/turn.cc) and a guest of libuv.
 *
 * The main thread has one too, without an entry: it is the party through which `runtime.call` and `runtime.send` go.
 */
import { checkBytes, checkFunction, checkInteger, checkOptions, invalidArgument, show, PercoreError } from '../errors.js';
import { BANDS, RETURN_LANES, deliveryLayout, partyLayout, timerRequestsLayout, words } from '../layout.js';
import { native, type Native, type TurnHandle } from '../native.js';
import type { IoSource } from '../io/index.js';
import { Io, TimedIoCore } from '../io/internal.js';
import { OK, sub, type BandedSubOptions, type FixedQueue, type Kind, type SubOptions, type ValueQueue, type VariableQueue } from '../queues/index.js';
import { refuseFor } from '../refusals.js';
import { ValueCodec } from '../queues/internal.js';
import { Bands, DEFAULT_BAND, Scheduler, type Ready, type SchedulerHost } from '../scheduling/internal.js';
import { SystemClock } from '../timers/clock.js';
import { create as createTimers, ManualClock, Timers } from '../timers/index.js';
import { Address } from './address.js';
import { bucketOf, hashKey } from './buckets.js';
import { CallService, type CallContext } from './call-service.js';
import type { CallOptions } from './calls.js';
import { setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import type { Inlet } from './inlet.js';
import { Intercore, type Flushable, type IntercoreHost } from './intercore.js';
import { BYTES, CALL, FAILURE, HEAD_BYTES, NAME, REPLY } from './message.js';
import { NamesToCome, checkName, type HeardName } from './names.js';
import type { Outlet } from './outlet.js';
import { DropReports } from './drop-reports.js';
import { isOptions, wrongOptions } from './options.js';
import { ioCounters, partyCounters, partyWords, timerCounters, type SharedRuntime } from './shared.js';
import { QueueReading, type ReadableEnd, type Reading } from './reading.js';
import { Steps } from './steps.js';
import { TaskDepth } from './task-depth.js';
import { LocalTask, type ByteRecord, type StepResult, type TaskHost } from './task.js';
import { Waits, type Holdable } from './waits.js';

export interface Budget {
  /** Quanta (one task or lane, up to 16 steps) a turn runs at most. */
  steps: number;
  /** Nanoseconds after which a turn selects no further task. */
  ns: number;
}

/** What a reactor needs of the addon: the loop around its turn, and the eventfds of its peers. */
export type ReactorNative = Pick<Native, 'turns' | 'wakers'>;

export interface ReactorOptions {
  /** Left out: the addon. The model test calls the turns of several reactors of one thread itself. */
  native?: ReactorNative | undefined;
  budget: Budget;
  publishEvery: { records: number; ns: number };
  /** See RuntimeOptions. */
  clock?: 'manual' | undefined;
  io?: { source: IoSource } | undefined;
  /** Called with what a step, a timer or a connection's handler threw. The reactor goes on. */
  onError: (error: unknown, where: string) => void;
  /** Called with the first message for each name that reached nobody. */
  onDrop: (error: PercoreError) => void;
}

/** Services of the reactors by name: `{ sum(pair: [number, number]): number }`. Makes calls type-checked. */
export type Services = Record<string, (argument: never) => unknown>;
export type AnyServices = Record<string, (argument: any) => any>;
export type Argument<S, N extends keyof S> = S[N] extends (argument: infer A) => unknown ? A : never;
/** What follows the name in a call: a service that takes no argument, or may take none, is called by its name alone. */
export type CallRest<S, N extends keyof S> = undefined extends Argument<S, N> ? [argument?: Argument<S, N>, options?: CallOptions] : [argument: Argument<S, N>, options?: CallOptions];
export type Answer<S, N extends keyof S> = S[N] extends (...args: never[]) => infer R ? Awaited<R> : never;

export interface SpawnOptions {
  /** Unique in this reactor; others address it by this name. */
  name: string;
  /** Band of messages sent on this thread, and of `address()` where nothing else is said. Default 3. */
  priority?: number;
  /** Messages of this thread that may wait: 1 to 2^20, default 1,024. From other reactors, the lane is the bound. */
  capacity?: number;
  /**
   * Asynchronous steps of this task that may be under way at once: 1 to 2^20. Without it there is no limit: the next step begins while
   * the promises of those before it are pending, and they run side by side. With 1, each begins when the one before has settled.
   */
  concurrency?: number;
}

/** Options of `Reactor.sub`, besides those of `sub` of percore/queues. */
export interface ReadOptions extends SubOptions, BandedSubOptions {
  /** Band in which the handler runs, 0 low to 7 high. Default 3. */
  priority?: number;
  /** Asynchronous steps of the handler that may be under way at once; see SpawnOptions. */
  concurrency?: number;
}

/** Where a message goes. */
export interface SendOptions {
  /** A reactor's number, or 'main' for the main thread. In a reactor also the number of reactors, which is the `from` of messages from there. */
  reactor: number | 'main';
  /** Band 0 to 7. Default: that of this thread's own task of the name, else 3. */
  priority?: number;
}

export interface AddressOptions extends SendOptions {
  /** Take the return lane: see `Reactor.address`. */
  isReturn?: boolean;
}

export interface Task<M> {
  readonly name: string;
  /** OK, BACK_PRESSURED when `capacity` messages wait, or TOO_LARGE (bytes). Does not block. This thread only. */
  send(message: M): number;
  /** Messages of this thread that wait. */
  readonly depth: number;
}

const field = partyLayout.fields;
const ATTENTION = field.attention.at >> 2;
const YIELD_REQUESTED = field.yieldRequested.at >> 2;
const PHASE = field.phase.at >> 2;
const STEPS = field.steps.at >> 3;
const STEP_ERRORS = field.stepErrors.at >> 3;
const RECEIVED = field.received.at >> 3;
const DROPPED = field.dropped.at >> 3;
const DROPPED_NO_TASK = field.droppedNoTask.at >> 3;
const DROPPED_NOT_BYTES = field.droppedNotBytes.at >> 3;
const TURN_NS = field.turnNs.at >> 3;
const LANES = deliveryLayout.fields.lanes.at >> 2;
const LANE = deliveryLayout.fields.lane.at >> 2;
const TIMERS = deliveryLayout.fields.timers.at >> 2;
const STOP = deliveryLayout.fields.stop.at >> 2;
const IS_SUMMONED = deliveryLayout.fields.isSummoned.at >> 2;
const HAS_MORE = deliveryLayout.fields.hasMore.at >> 2;
const AWAKE = words.attention.AWAKE;
const NO_OPTIONS: CallOptions = Object.freeze({});
/** `shouldYield` reads the clock once in so many calls. */
const CLOCK_EVERY = 8;

export class Reactor<S = AnyServices> implements IntercoreHost, TaskHost, SchedulerHost {
  /** Number of this reactor: 0 to reactors - 1. */
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly timers: Timers;
  readonly io: Io;
  private readonly ioCore: TimedIoCore;
  /** Nanoseconds since the runtime's start: the same clock in every reactor. About 40 ns. */
  readonly nowNs: () => number;
  /** The clock of `timers`, also for `createTimer({ clock })` of percore/timers: the same, unless the runtime was made with a manual one. */
  readonly clock: SystemClock | ManualClock;
  /** For IntercoreHost alone. */
  readonly counters: Float64Array;
  readonly publishEvery: { readonly records: number; readonly ns: number };
  readonly delivery: Int32Array = new Int32Array(deliveryLayout.bytes >> 2);

  /** For tasks and lanes alone. */
  readonly steps: Steps = new Steps(this);
  readonly waits: Waits = new Waits(this);

  private readonly addon: ReactorNative;
  private readonly party: Int32Array;
  private readonly timerRequests = new Float64Array(timerRequestsLayout.bytes >> 3);
  private readonly turnHandle: TurnHandle;
  /** Driven by the turn; `timers` is another one where the clock is manual. */
  private readonly wheel: Timers;
  private readonly scheduler: Scheduler;
  private readonly intercore: Intercore;
  private readonly calls: CallService;
  private readonly tasks = new Map<string, LocalTask>();
  private readonly depth: TaskDepth;
  /** For the lanes whose first record is for a name that nobody here has yet, while the entry runs. */
  private readonly namesToCome = new NamesToCome();
  private holdsCalls = true;
  private holdsMessages = true;
  /** For the runtime: a name that a message waits for, and behind it whatever came later in its lane. */
  awaitedTask: string | undefined;
  private readonly drops: DropReports;
  private readonly codec = new ValueCodec();
  private readonly readings = new Set<QueueReading>();
  private readonly stopHooks: (() => void | Promise<void>)[] = [];
  private readonly budget: Budget;
  private readonly onError: (error: unknown, where: string) => void;
  private isInTurn = false;
  private isReferenced = true;
  /** What the others believe that runs here. */
  private toldBand: number = AWAKE;
  private turnEndNs = 0;
  private yieldCalls = 0;
  private nextReactor = 0;
  /** Options whose keys were looked at last: whoever sends much gives the same object each time. What they say is read anew each time. */
  private callOptions = NO_OPTIONS;
  private sendOptions: SendOptions = { reactor: 0 };
  private stopWord: number = words.stop.RUN;

  constructor(shared: SharedRuntime, id: number, options: ReactorOptions) {
    this.shared = shared;
    this.id = id;
    this.addon = options.native ?? native();
    this.budget = options.budget;
    this.scheduler = new Scheduler(new Bands(), this, options.budget.steps);
    this.publishEvery = options.publishEvery;
    this.onError = options.onError;
    this.drops = new DropReports(id, shared.reactors, () => [...this.tasks.values()], options.onDrop);
    const clock = new SystemClock({ originNs: shared.originNs });
    this.nowNs = clock.nowNs;
    this.clock = options.clock === 'manual' ? new ManualClock() : clock;
    this.party = partyWords(shared.inboxes[id]!);
    this.counters = partyCounters(shared.inboxes[id]!);
    this.depth = new TaskDepth(this.counters, this.tasks);
    this.intercore = new Intercore(this);
    this.turnHandle = this.addon.turns.create({
      inbox: new Uint8Array(shared.inboxes[id]!),
      delivery: this.delivery,
      timerRequests: this.timerRequests,
      deliver: () => this.turn(),
      eventFd: shared.eventFds[id]!,
      originNs: shared.originNs,
    });
    const schedule = (ready: Ready) => this.schedule(ready);
    const nowNs = this.nowNs;
    this.wheel = new Timers({
      schedule, nowNs, delivery: this.delivery, timerRequests: this.timerRequests,
      counters: timerCounters(shared.inboxes[id]!),
      drainTimerRequests: () => this.addon.turns.drainTimers(this.turnHandle),
      shareTimerRecords: (index, records) => this.addon.turns.shareTimers(this.turnHandle, index, records),
      mustYield: (band) => this.mustYield(band),
      onError: (error, where) => this.reportError(error, where),
    });
    this.timers = this.clock instanceof ManualClock ? this.timersBy(this.clock) : this.wheel;
    // Time-outs of calls and connections are real, whatever the clock.
    this.calls = new CallService(this.intercore, this.wheel, (isWaiting) => {
      if (!this.isReferenced) this.addon.turns.setReferenced(this.turnHandle, isWaiting);
    });
    this.ioCore = new TimedIoCore({
      schedule, nowNs,
      source: options.io?.source ?? 'epoll',
      turnNs: () => this.counters[TURN_NS]!,
      counters: ioCounters(shared.inboxes[id]!),
      open: (isUring, { block, pool, outbox, counters }) => this.addon.turns.openSource(this.turnHandle, isUring, block, pool, outbox, counters),
      // The turn keeps the thread alive.
      keepAlive: () => undefined,
      report: (error, where) => this.reportError(error, where),
    }, this.wheel);
    this.io = new Io(this.ioCore);
  }

  /** `producer` has records that are not published: they are at the end of the step. For queues that are opened in this thread. */
  flushAfterStep(producer: Flushable): void {
    this.intercore.markDirty(producer);
  }

  /** Reactors of the runtime, this one included. */
  get reactors(): number {
    return this.shared.reactors;
  }

  /** The time at which this turn began: a load, for what need not be exact within a turn. Between two turns, that of the last one. */
  get turnNs(): number {
    return this.counters[TURN_NS]!;
  }

  // ---- One turn ---------------------------------------------------------------------------------------------------

  /** Called by native once a turn: collect what is due, then select and run by band until nothing is left or the budget is spent. */
  private turn(): void {
    this.isInTurn = true;
    this.turnEndNs = this.counters[TURN_NS]! + this.budget.ns;
    this.poll();
    this.scheduler.run(this.turnEndNs);
    if (this.toldBand !== AWAKE) this.setRunningBand(AWAKE);
    this.waits.endTurn();
    const { isEmpty } = this.scheduler.discipline;
    this.delivery[HAS_MORE] = isEmpty ? 0 : 1;
    this.depth.endTurn(this.counters[TURN_NS]!, isEmpty, this.waits.hasHeld);
    // Whoever asks for a turn from here on gets another one: nothing looks at what is ready, or at who waits, after this.
    this.isInTurn = false;
    if (this.waits.hasStale) this.waits.look(false);
    if (this.intercore.dirtyCount !== 0) this.intercore.flush();
    if (this.stopWord !== words.stop.RUN) this.windDown();
  }

  /** Makes ready what the sources have: lanes, timers, readiness. Returns how many. Part of each turn; costs no system call. */
  poll(): number {
    const delivery = this.delivery;
    if (delivery[IS_SUMMONED] !== 0) {
      delivery[IS_SUMMONED] = 0;
      this.noteDeaths();
      this.waits.look(true);
      if (this.intercore.dirtyCount !== 0) this.intercore.flush();
    }
    this.stopWord = delivery[STOP]!;
    const lanes = delivery[LANES]!;
    for (let i = 0; i < lanes; i++) {
      const inlet = this.intercore.inlet(delivery[LANE + i]!);
      if (!inlet.isReady) this.schedule(inlet);
    }
    delivery[LANES] = 0;
    return lanes + (delivery[TIMERS] === 0 ? 0 : this.wheel.poll()) + this.ioCore.poll();
  }

  /** Rejects calls to peers that have died since the last look. For poll, and for the runtime at the exit event. */
  noteDeaths(): void {
    for (const id of this.intercore.takeDeaths()) this.calls.rejectAll(id);
  }

  /** Takes the longest waiting task of the highest band, without running it; undefined when none is ready. */
  select(): Ready | undefined {
    return this.scheduler.discipline.take();
  }

  /** Band of what runs; between turns, that of a task without a priority. */
  get runningBand(): number {
    return this.scheduler.runningBand;
  }

  /** For the scheduler: a step that throws must not stop its neighbours. It is counted and reported. */
  noteThrown(error: unknown, ready: Ready): void {
    this.reportError(error, ready.where ?? `a step of band ${ready.band}`);
  }

  /** For the scheduler. */
  mustEndTurn(): boolean {
    // park.yield: something above came, or something to look at: end the turn, native polls at once.
    return Atomics.load(this.party, YIELD_REQUESTED) !== 0;
  }

  /**
   * Tells the others what band runs, so that they ask for a yield when they send something higher. Only once a quantum goes on for
   * more than one step: the word is read by every sender, and writing it costs a transfer of its line between the cores.
   */
  private setRunningBand(band: number): void {
    this.toldBand = band;
    // park.attention: pairs with notify(). While awake only this thread writes the word; a waker swaps PARKED alone.
    Atomics.store(this.party, ATTENTION, band);
  }

  /** Puts a task into its band. For timers, I/O and lanes. */
  schedule(ready: Ready): void {
    this.scheduler.schedule(ready);
  }

  /** For IntercoreHost alone: a turn must follow, if this is not one. */
  wantTurn(): void {
    if (this.isInTurn) return;
    // From a promise or a callback of libuv: the next look at the sources must come without sleeping.
    this.delivery[HAS_MORE] = 1;
    // No turn comes any more, and whoever waits for room hears that there is nobody to wait for.
    if (this.intercore.isClosed) setImmediate(() => this.waits.look(true)).unref();
  }

  /**
   * True when a long step should return: something above its band is waiting, or its time is up. One load of a shared word; the
   * clock is read every eighth time. Also publishes what this step has sent. This thread only.
   */
  shouldYield(): boolean {
    if (this.isInTurn && this.toldBand !== this.runningBand) this.setRunningBand(this.runningBand);
    // park.yield: a hint, pairs with notify().
    if (Atomics.load(this.party, YIELD_REQUESTED) !== 0) return true;
    if (++this.yieldCalls % CLOCK_EVERY !== 0) return false;
    if (this.intercore.dirtyCount !== 0) this.intercore.flush();
    return this.nowNs() >= this.turnEndNs;
  }

  /** For InletHost and TaskHost: between two steps of a quantum. */
  mustYield(band: number): boolean {
    if (this.toldBand !== band) this.setRunningBand(band);
    // park.yield: as in shouldYield().
    return this.scheduler.discipline.hasAbove(band) || Atomics.load(this.party, YIELD_REQUESTED) !== 0;
  }

  endQuantum(band: number, count: number, records: number): void {
    // Counted before it is published: who has the answer may ask for the figures.
    this.counters[STEPS + band]! += count;
    this.counters[RECEIVED]! += records;
    if (this.intercore.dirtyCount !== 0) this.intercore.flush();
  }

  /** Publishes everything this reactor has sent. The end of each step does it; call it before a long computation. */
  flush(): void {
    this.intercore.flush();
  }

  // ---- Tasks, messages and calls ------------------------------------------------------------------------------------

  /**
   * Makes a task: `step` runs to completion for each message, from this thread (as it is) or another (a copy). Register tasks in the
   * synchronous part of the entry; a message for a name that nobody has is dropped and counted. Throws ERR_PERCORE_NAME_TAKEN.
   */
  spawn<M>(options: SpawnOptions, step: (message: M, from: number, priority: number) => StepResult): Task<M> {
    const task = this.addTask(options, false, step);
    return { name: task.name, send: (message) => task.push(message), get depth() { return task.depth; } };
  }

  /**
   * The same for bytes, without a copy or an object a message: `step` reads the record where it lies in the lane. It may answer
   * BACK_PRESSURED to keep the record and everything behind it in the lane until there is room where it wanted to write.
   */
  spawnBytes(options: SpawnOptions, step: (record: ByteRecord) => number | void): Task<Uint8Array> {
    if (options !== null && typeof options === 'object' && options.capacity !== undefined) {
      throw invalidArgument('capacity', options.capacity, 'left out for a task of bytes: its messages wait in the lanes, whose bound is laneBytes');
    }
    const task = this.addTask(options, true, step as (message: never) => StepResult);
    const send = (message: Uint8Array): number => {
      const outlet = this.intercore.outlet(this.id, task.band);
      return outlet.sendBytes(outlet.name(task.name), message);
    };
    return { name: task.name, send, depth: 0 };
  }

  /**
   * Reads a queue made of rings as a task of a band: `handler` runs to completion for each record, up to 16 before others of its band have their
   * turn, and sleeps at the queue's own bell. It is given a value, or without a codec a copy of the bytes, and may answer what a step may: after
   * BACK_PRESSURED it is given the same record again when there is room. Ends with the queue, by its `leave()` or `close()`, and when the
   * runtime closes; then records may be left in the queue for the next consumer. Throws what `sub` of percore/queues throws.
   */
  sub<T>(queue: ValueQueue<T, Kind>, options: ReadOptions, handler: (value: T) => StepResult): Reading;
  sub(queue: FixedQueue<Kind> | VariableQueue<Kind>, options: ReadOptions, handler: (record: Uint8Array) => StepResult): Reading;
  sub(queue: FixedQueue<Kind> | VariableQueue<Kind> | ValueQueue<unknown, Kind>, options: ReadOptions, handler: (record: never) => StepResult): Reading {
    const { priority, concurrency, ...others } = checkOptions('options', options, ['priority', 'concurrency', 'whenSlow', 'evictAfterMs', 'name', 'after', 'quantum']);
    checkFunction('handler', handler);
    const band = checkBand(priority);
    const most = concurrency === undefined ? Infinity : checkInteger('concurrency', concurrency, 1, 2 ** 20);
    const end = sub(queue as ValueQueue<unknown>, others) as unknown as ReadableEnd;
    const task = new LocalTask(this, { name: `sub of a queue of kind ${queue.kind}`, band, capacity: 1, concurrency: most, takesBytes: false }, handler);
    const reading = new QueueReading(this, task, end, (ended) => void this.readings.delete(ended));
    this.readings.add(reading);
    return reading;
  }

  /** Answers calls by this name. The handler may be asynchronous; what it throws travels to the caller. Throws ERR_PERCORE_NAME_TAKEN. */
  handle<N extends keyof S & string>(name: N, handler: (argument: Argument<S, N>, context: CallContext) => Answer<S, N> | Promise<Answer<S, N>>): void {
    this.checkFree(checkName('name', name));
    checkFunction('handler', handler);
    this.calls.addHandler(name, handler as never);
    this.namesToCome.release();
  }

  /**
   * Where messages for task `name` of a party go, resolved once. Sending through it costs no look-up. `isReturn` takes the return lane,
   * for what answers other messages: a task that is addressed so must never answer BACK_PRESSURED, and then a task that sends returns
   * may, without a circle of reactors that wait for each other.
   */
  address(name: string, options: AddressOptions): Address {
    if (!isOptions(options, 'reactor', 'priority', 'isReturn')) throw wrongOptions(`address(${show(name)})`, options, ['reactor', 'priority', 'isReturn']);
    if (options.isReturn !== undefined && typeof options.isReturn !== 'boolean') throw invalidArgument('isReturn', options.isReturn, 'true or false');
    const outlet = this.outletTo(name, options, options.isReturn === true ? RETURN_LANES : 0);
    return new Address(outlet, outlet.name(name));
  }

  /**
   * Sends a value or bytes to task `name` of a party: OK, BACK_PRESSURED, TOO_LARGE or CLOSED (it has died). Copies; does not block. While
   * the entry of that party runs, the message waits until the name is there; what nobody has after that is dropped, counted and reported.
   */
  send(name: string, message: unknown, options: SendOptions): number {
    if (options !== this.sendOptions) {
      if (!isOptions(options, 'reactor', 'priority')) throw wrongOptions(`send(${show(name)})`, options, ['reactor', 'priority']);
      this.sendOptions = options;
    }
    const outlet = this.outletTo(name, options, 0);
    return outlet.send(outlet.name(name), message);
  }

  /** Calls `then` once, in a later turn, as soon as what the lane to that party has refused last would be taken, or the party has died. */
  whenRoom(options: SendOptions, then: () => void): void {
    if (!isOptions(options, 'reactor', 'priority')) throw wrongOptions('whenRoom', options, ['reactor', 'priority']);
    checkFunction('then', then);
    const outlet = this.intercore.outlet(this.checkParty(options.reactor), checkBand(options.priority));
    outlet.whenRoom(outlet.refusedBytes, then, outlet.refusedName);
  }

  /**
   * Asks a party and promises its answer. The argument is copied now, also when it must wait for room. While the entry of that party
   * runs, the call waits until the handler is there. Rejects with what the handler threw, or ERR_PERCORE_NO_HANDLER, _REACTOR_DIED,
   * _TIMEOUT, _BACK_PRESSURED (65,536 calls or 64 MiB of them wait), _UNSERIALIZABLE, _TOO_LARGE, _CLOSED, _INVALID_ARGUMENT.
   */
  call<N extends keyof S & string>(name: N, ...rest: CallRest<S, N>): Promise<Answer<S, N>>;
  call(name: string, argument?: unknown, options: CallOptions = NO_OPTIONS): Promise<unknown> {
    try {
      checkName('name', name);
      if (options !== this.callOptions) this.callOptions = checkCallOptions(name, options);
      if (this.intercore.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', `call("${name}"): the runtime is closed`);
      return this.calls.call(name, argument, this.chooseParty(options), checkBand(options.priority), options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Runs `hook` when the runtime closes, before the reactor is asked to be quiet: stop reading, end connections. What it returns is awaited,
   * `connection.flushed()` say: without it, what a connection has taken and the kernel has not is lost. Messages that were sent before are
   * still run after it, so do not end here what their steps write to.
   */
  onStop(hook: () => void | Promise<void>): void {
    checkFunction('hook', hook);
    this.stopHooks.push(hook);
  }

  /**
   * The reactor that owns this key's bucket. A text key stands for its UTF-8 bytes. Throws ERR_PERCORE_INVALID_ARGUMENT for keys of
   * other kinds: `ownerOf(String(5))`.
   */
  ownerOf(key: string | Uint8Array): number {
    if (typeof key === 'string') return this.ownerOfHash(hashKey(Buffer.from(key)));
    return this.ownerOfHash(hashKey(checkKey(key)));
  }

  /** The same for a hash from `hashKey`. */
  ownerOfHash(hash: number): number {
    return this.intercore.block.ownerOf(bucketOf(hash));
  }

  /** Changes how this reactor idles, at once. */
  setIdleStrategy(options: IdleOptions): void {
    setIdleStrategy(this.party, options);
  }

  // ---- For the parts of the reactor ---------------------------------------------------------------------------------

  wake(eventFd: number): void {
    this.addon.wakers.wake(eventFd);
  }

  /**
   * For worker-main and the runtime: the entry has run. A call to a name that nobody has is refused from now on, and, unless `messages
   * wait`, a message is dropped and reported.
   */
  noteStarted(messages?: 'messages wait'): void {
    this.holdsCalls = false;
    if (messages === undefined) this.holdsMessages = false;
    this.namesToCome.release();
  }

  hold(ready: Holdable, code: number): void {
    this.scheduler.holdBack();
    this.waits.hold(ready, code);
  }

  setMuted(inlet: Inlet, isMuted: boolean): void {
    this.intercore.setMuted(inlet, isMuted);
  }

  whoRuns(): string {
    return this.steps.whoRuns();
  }

  reportThrown(error: unknown, where: string): void {
    this.reportError(error, where);
  }

  dispatch(inlet: Inlet, at: number, length: number, type: number): number {
    if (type === REPLY || type === FAILURE) {
      this.calls.settle(inlet, at, length, type);
      return OK;
    }
    if (type === NAME) {
      inlet.hear(at, length);
      return OK;
    }
    // Undefined only where memory was scribbled on.
    const heard = inlet.names[inlet.words[at >> 2]!];
    if (type === CALL) {
      if (this.holdsCalls && heard !== undefined && this.calls.handlerOf(heard) === undefined) return refuseFor(this.namesToCome);
      return this.calls.answer(inlet, at, length, heard);
    }
    const task = heard === undefined ? undefined : (heard.task ??= this.tasks.get(heard.text));
    if (task === undefined) {
      if (this.holdsMessages && heard !== undefined) {
        this.awaitedTask = heard.text;
        return refuseFor(this.namesToCome);
      }
      this.drop(DROPPED_NO_TASK, heard, inlet);
      return OK;
    }
    if (!task.takesBytes) return this.runMessage(task, inlet, at + HEAD_BYTES, length - HEAD_BYTES, type);
    if (type !== BYTES) {
      this.drop(DROPPED_NOT_BYTES, heard, inlet);
      return OK;
    }
    inlet.learn(inlet.words[at >> 2]!, task);
    return inlet.runBytes(at, length, task);
  }

  private drop(reason: number, heard: HeardName | undefined, inlet: Inlet): void {
    this.counters[DROPPED]!++;
    this.counters[reason]!++;
    this.drops.report(reason === DROPPED_NO_TASK, heard?.text ?? '', inlet.from);
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** The lane for a name: of the band that is given, else of this reactor's own task of that name. */
  private outletTo(name: string, options: SendOptions, firstLane: number): Outlet {
    const band = options.priority === undefined ? (this.tasks.get(name)?.band ?? DEFAULT_BAND) : checkBand(options.priority);
    return this.intercore.outlet(this.checkParty(options.reactor), firstLane + band);
  }

  private addTask(options: SpawnOptions, takesBytes: boolean, step: (message: never, from: number, priority: number) => StepResult): LocalTask {
    if (!isOptions(options, 'name', 'priority', 'capacity', 'concurrency')) throw wrongOptions('spawn', options, ['name', 'priority', 'capacity', 'concurrency']);
    const name = checkName('name', options.name);
    checkFunction('step', step);
    const band = checkBand(options.priority);
    const capacity = checkInteger('capacity', options.capacity ?? 1024, 1, 2 ** 20);
    const concurrency = options.concurrency === undefined ? Infinity : checkInteger('concurrency', options.concurrency, 1, 2 ** 20);
    this.checkFree(name);
    const task = new LocalTask(this, { name, band, capacity, concurrency, takesBytes }, step);
    this.tasks.set(name, task);
    this.namesToCome.release();
    return task;
  }

  /** Tasks and handlers of a reactor share one space of names. */
  private checkFree(name: string): void {
    if (this.intercore.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', `"${name}": the runtime is closed, and nothing runs here any more`, { argument: 'name', value: name });
    if (!this.tasks.has(name) && !this.calls.hasHandler(name)) return;
    throw new PercoreError('ERR_PERCORE_NAME_TAKEN', `name "${name}" is taken in this reactor; choose another`, { argument: 'name', value: name });
  }

  private runMessage(task: LocalTask, inlet: Inlet, at: number, length: number, type: number): number {
    let message: unknown;
    try {
      message = type === BYTES ? inlet.bytes.slice(at, at + length) : this.codec.read(inlet, at, length);
    } catch (error) {
      this.reportError(error, `a message for task "${task.name}"`);
      return OK;
    }
    return this.steps.run(task, message, inlet.from, inlet.band);
  }

  reportError(error: unknown, where: string): void {
    this.counters[STEP_ERRORS]!++;
    this.onError(error, where);
  }

  private timersBy(clock: ManualClock): Timers {
    const timers = createTimers({ clock, onError: (error, where) => this.reportError(error, where) });
    clock.drive(timers);
    return timers;
  }

  private chooseParty({ reactor, key }: CallOptions): number {
    if (reactor !== undefined) {
      if (key === undefined) return this.checkParty(reactor);
      throw invalidArgument('key', key, 'left out where reactor is given: the two may name different reactors');
    }
    if (key !== undefined) return this.ownerOf(key);
    for (let tries = 0; tries < this.shared.reactors; tries++) {
      this.nextReactor = this.nextReactor + 1 >= this.shared.reactors ? 0 : this.nextReactor + 1;
      if (!this.intercore.isDead(this.nextReactor)) break;
    }
    return this.nextReactor;
  }

  /** A reactor's number; the number of reactors, or 'main', is the main thread. */
  private checkParty(reactor: number | 'main'): number {
    const { reactors } = this.shared;
    if (reactor === 'main') return reactors;
    // The main thread's own number is taken from reactors alone, which answer it by the number it has sent under: on the main thread
    // it is a loop that went one too far.
    if (typeof reactor === 'number' && reactor >= 0 && (reactor | 0) === reactor && (reactor < reactors || (reactor === reactors && this.id !== reactors))) return reactor;
    throw invalidArgument('reactor', reactor, `a whole number from 0 to ${reactors - 1}${typeof reactor === 'number' ? '' : ", or 'main'"}`);
  }

  // ---- Start and stop -----------------------------------------------------------------------------------------------

  /** Tells the runtime how far this party is. */
  setPhase(phase: number): void {
    // Pairs with the runtime's load while it starts or closes.
    Atomics.store(this.party, PHASE, phase);
  }

  /** Keeps the thread alive (at first), or only while a call waits for its answer. */
  setRef(isReferenced: boolean): void {
    this.isReferenced = isReferenced;
    this.addon.turns.setReferenced(this.turnHandle, isReferenced || this.calls.count > 0);
  }

  /** True when nothing is ready, waiting or under way here. */
  isQuiet(): boolean {
    return this.scheduler.discipline.isEmpty && this.steps.unsettled === 0 && this.waits.isIdle() && this.calls.count === 0 && this.intercore.isQuiet();
  }

  /** True when it is quiet and no timer, listener or connection of it is open. */
  isIdle(): boolean {
    return this.isQuiet() && this.ioCore.count === 0 && this.timers.count === 0;
  }

  /** The stop protocol, once a turn after the stop word has changed: run the hooks, say when all is quiet, leave when told. */
  private windDown(): void {
    if (this.stopWord === words.stop.LEAVE) {
      this.setPhase(words.phase.LEFT);
      this.detach();
      this.onLeave?.();
      return;
    }
    if (!this.hooksBegun) {
      this.hooksBegun = true;
      this.setPhase(words.phase.DRAINING);
      const hooks = this.stopHooks.map(async (hook) => hook());
      for (const hook of hooks) hook.catch((error: unknown) => this.reportError(error, 'a stop hook'));
      void Promise.allSettled(hooks).then(() => {
        this.hooksDone = true;
        this.delivery[HAS_MORE] = 1;
      });
    }
    // QUIET can be taken back: a record may come from a peer that is still draining. The runtime looks at all of them.
    // The last of these gives the kernel what lies in the outbox, so it comes after what may still fill it.
    const isQuiet = this.hooksDone && this.isQuiet() && this.ioCore.isQuiet();
    this.setPhase(isQuiet ? words.phase.QUIET : words.phase.DRAINING);
  }

  /** Ends the turn: no task, timer or connection of this party runs any more. */
  detach(): void {
    this.calls.close();
    this.intercore.isClosed = true;
    // Those who wait for room hear that there is nobody to wait for.
    this.waits.look(true);
    for (const reading of this.readings) reading.leave();
    try {
      this.io.closeAll();
    } finally {
      this.addon.turns.stop(this.turnHandle);
    }
  }

  /** For worker-main alone: called after the runtime has told this reactor to leave. */
  onLeave: (() => void) | undefined;
  private hooksBegun = false;
  private hooksDone = false;
}

function checkCallOptions(name: string, options: CallOptions): CallOptions {
  if (isOptions(options, 'reactor', 'key', 'priority', 'timeoutMs', 'signal')) return options;
  const isObject = typeof options === 'object' && options !== null;
  return checkOptions(isObject ? `call("${name}")` : `options of call("${name}")`, options, ['reactor', 'key', 'priority', 'timeoutMs', 'signal']);
}

function checkBand(priority: number | undefined): number {
  return priority === undefined ? DEFAULT_BAND : checkInteger('priority', priority, 0, BANDS - 1);
}

function checkKey(key: unknown): Uint8Array {
  try {
    return checkBytes('key', key);
  } catch {
    const hint = typeof key === 'number' || typeof key === 'bigint' ? ` (of a number: String(${key}))` : '';
    throw invalidArgument('key', key, `a string or a Uint8Array${hint}`);
  }
}
