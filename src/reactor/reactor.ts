/**
 * One reactor: read `turn` first. It owns its tasks, timers and sockets and shares nothing; lanes to and from its peers are the
 * only thing it has in common with them. The loop around `turn` is native (native/turn.cc) and a guest of libuv.
 *
 * The main thread has one too, without an entry: it is the party through which `runtime.call` and `runtime.send` go.
 */
import { checkFunction, checkInteger, invalidArgument, PercoreError } from '../errors.js';
import { BANDS, LANES_PER_PEER, RETURN_LANES, deliveryLayout, partyLayout, timerRequestsLayout, words } from '../layout.js';
import { native, type TurnHandle } from '../native.js';
import { Io } from '../io/index.js';
import { AGAIN, BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type VariableQueue } from '../queues/index.js';
import { ValueCodec } from '../queues/value-codec.js';
import { DEFAULT_BAND, type Ready } from '../ready.js';
import { createClock } from '../timers/clock.js';
import { Timers } from '../timers/index.js';
import { Address } from './address.js';
import { Bands } from './bands.js';
import { bucketOf, hashKey } from './buckets.js';
import { Calls, MAX_CALLS, PendingCall, packError, unpackError, type CallOptions } from './calls.js';
import { setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import { Inlet, bandOfLane, type InletHost } from './inlet.js';
import { BYTES, CALL, CALL_HEAD_BYTES, FAILURE, HEAD_BYTES, REPLY, VALUE, hashName } from './message.js';
import { Outlet, type OutletHost } from './outlet.js';
import { summon } from './parking.js';
import { RuntimeBlock, laneAt, laneNumber, partyCounters, partyWords, type SharedRuntime } from './shared.js';
import { LocalTask, type ByteRecord, type StepResult, type TaskHost } from './task.js';

export interface Budget {
  /** Quanta (one task or lane, up to 16 steps) a turn runs at most. */
  steps: number;
  /** Nanoseconds after which a turn selects no further task. */
  ns: number;
}

export interface ReactorOptions {
  budget: Budget;
  publishEvery: { records: number; ns: number };
  /** Called with what a step, a timer or a connection's handler threw. The reactor goes on. */
  onError: (error: unknown, where: string) => void;
}

/** Services of the reactors by name: `{ sum(pair: [number, number]): number }`. Makes calls type-checked. */
export type Services = Record<string, (argument: never) => unknown>;
export type AnyServices = Record<string, (argument: any) => any>;
export type Argument<S, N extends keyof S> = S[N] extends (argument: infer A) => unknown ? A : never;
export type Answer<S, N extends keyof S> = S[N] extends (...args: never[]) => infer R ? Awaited<R> : never;

export interface CallContext {
  /** The party that asks. */
  readonly from: number;
  readonly priority: number;
}

export interface SpawnOptions {
  /** Unique in this reactor; others address it by this name. */
  name: string;
  /** Band of messages sent on this thread, and of `address()` where nothing else is said. Default 3. */
  priority?: number;
  /** Messages of this thread that may wait: 1 to 2^20, default 1,024. From other reactors, the lane is the bound. */
  capacity?: number;
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
const CALLS_IN_FLIGHT = field.callsInFlight.at >> 3;
const TURN_NS = field.turnNs.at >> 3;
const LANES = deliveryLayout.fields.lanes.at >> 2;
const LANE = deliveryLayout.fields.lane.at >> 2;
const STOP = deliveryLayout.fields.stop.at >> 2;
const IS_SUMMONED = deliveryLayout.fields.isSummoned.at >> 2;
const HAS_MORE = deliveryLayout.fields.hasMore.at >> 2;
const IS_MUTED = deliveryLayout.fields.isMuted.at >> 2;
const AWAKE = words.attention.AWAKE;
/** `shouldYield` reads the clock once in so many calls. */
const CLOCK_EVERY = 8;

export class Reactor<S = AnyServices> implements OutletHost, InletHost, TaskHost {
  /** Number of this reactor: 0 to reactors - 1. */
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly timers: Timers;
  readonly io: Io;
  /** Nanoseconds since the runtime's start: the same clock in every reactor. About 40 ns. */
  readonly nowNs: () => number;
  /** For OutletHost alone. */
  readonly counters: Float64Array;
  readonly publishEvery: { readonly records: number; readonly ns: number };

  private readonly addon = native();
  private readonly party_: Int32Array;
  private readonly delivery = new Int32Array(deliveryLayout.bytes >> 2);
  private readonly timerRequests = new Float64Array(timerRequestsLayout.bytes >> 3);
  private readonly block: RuntimeBlock;
  private readonly turnHandle: TurnHandle;
  private readonly bands = new Bands();
  private readonly outlets: (Outlet | undefined)[] = [];
  private readonly inlets: (Inlet | undefined)[] = [];
  private readonly parties: Int32Array[];
  private readonly wakers: (() => void)[];
  /** The first `dirtyCount` have something unpublished. Never shortened: setting a length costs more than a step. */
  private readonly dirty: Outlet[] = [];
  private dirtyCount = 0;
  private readonly blocked: Outlet[] = [];
  private readonly muted: Inlet[] = [];
  private readonly tasks = new Map<number, LocalTask>();
  private readonly handlers = new Map<number, { name: string; handler: (argument: never, context: CallContext) => unknown }>();
  private readonly calls = new Calls();
  private readonly codec = new ValueCodec();
  private readonly stopHooks: (() => void | Promise<void>)[] = [];
  private readonly budget: Budget;
  private readonly onError: (error: unknown, where: string) => void;
  private readonly context = { from: 0, priority: 0 };
  private isInTurn = false;
  private runningBand: number = AWAKE;
  private selectedBand: number = AWAKE;
  private turnEndNs = 0;
  private yieldCalls = 0;
  private seenDeaths = 0;
  private nextReactor = 0;
  private stopWord: number = words.stop.RUN;

  constructor(shared: SharedRuntime, id: number, options: ReactorOptions) {
    this.shared = shared;
    this.id = id;
    this.budget = options.budget;
    this.publishEvery = options.publishEvery;
    this.onError = options.onError;
    this.nowNs = createClock(shared.originNs);
    this.block = new RuntimeBlock(shared.runtime);
    this.parties = shared.inboxes.map(partyWords);
    this.party_ = this.parties[id]!;
    this.counters = partyCounters(shared.inboxes[id]!);
    this.wakers = shared.eventFds.map((fd) => () => this.addon.wake(fd));
    this.turnHandle = this.addon.createTurn({
      inbox: new Uint8Array(shared.inboxes[id]!),
      delivery: this.delivery,
      timerRequests: this.timerRequests,
      deliver: () => this.turn(),
      eventFd: shared.eventFds[id]!,
      originNs: shared.originNs,
    });
    const schedule = (ready: Ready) => this.schedule(ready);
    const nowNs = this.nowNs;
    this.timers = new Timers({ schedule, nowNs, delivery: this.delivery, timerRequests: this.timerRequests, drainTimerRequests: () => this.addon.drainTimerRequests(this.turnHandle) });
    this.io = new Io({ schedule, nowNs, delivery: this.delivery, turn: this.turnHandle, timers: this.timers });
  }

  /** Reactors of the runtime, this one included. */
  get reactors(): number {
    return this.shared.reactors;
  }

  // ---- One turn ---------------------------------------------------------------------------------------------------

  /** Called by native once a turn: collect what is due, then select and run by band until nothing is left or the budget is spent. */
  private turn(): void {
    this.isInTurn = true;
    this.turnEndNs = this.counters[TURN_NS]! + this.budget.ns;
    this.poll();
    for (let steps = 1; ; steps++) {
      const ready = this.select();
      if (ready === undefined) break;
      this.runQuantum(ready);
      if (this.bands.bitmap === 0 || steps >= this.budget.steps || this.nowNs() >= this.turnEndNs) break;
      // park.yield: something above came, or something to look at: end the turn, native polls at once.
      if (Atomics.load(this.party_, YIELD_REQUESTED) !== 0) break;
    }
    if (this.runningBand !== AWAKE) this.setRunningBand(AWAKE);
    if (this.blocked.length !== 0) this.retryBlocked();
    if (this.dirtyCount !== 0) this.flush();
    this.delivery[HAS_MORE] = this.bands.bitmap === 0 ? 0 : 1;
    this.isInTurn = false;
    if (this.stopWord !== words.stop.RUN) this.windDown();
  }

  /** Makes ready what the sources have: lanes, timers, readiness. Returns how many. Part of each turn; costs no system call. */
  poll(): number {
    const delivery = this.delivery;
    if (delivery[IS_SUMMONED] !== 0) {
      delivery[IS_SUMMONED] = 0;
      if (this.blocked.length !== 0) this.retryBlocked();
      if (this.block.deaths() !== this.seenDeaths) this.noteDeaths();
    }
    this.stopWord = delivery[STOP]!;
    const lanes = delivery[LANES]!;
    for (let i = 0; i < lanes; i++) {
      const inlet = this.inletOf(delivery[LANE + i]!);
      if (!inlet.isReady) this.schedule(inlet);
    }
    delivery[LANES] = 0;
    return lanes + this.timers.poll() + this.io.poll();
  }

  /** Takes the longest waiting task of the highest band, without running it; undefined when none is ready. */
  select(): Ready | undefined {
    return this.bands.take();
  }

  private runQuantum(ready: Ready): void {
    this.selectedBand = ready.band;
    let hasMore = false;
    try {
      hasMore = ready.run();
    } catch (error) {
      // A step that throws must not stop its neighbours. It is counted and reported.
      this.reportError(error, `a step of band ${ready.band}`);
      hasMore = true;
    }
    ready.isReady = false;
    if (hasMore) this.schedule(ready);
  }

  /**
   * Tells the others what band runs, so that they ask for a yield when they send something higher. Only once a quantum goes on for
   * more than one step: the word is read by every sender, and writing it costs a transfer of its line between the cores.
   */
  private setRunningBand(band: number): void {
    this.runningBand = band;
    // park.attention: pairs with notify(). While awake only this thread writes the word; a waker swaps PARKED alone.
    Atomics.store(this.party_, ATTENTION, band);
  }

  /** Puts a task into its band. For timers, I/O and lanes. */
  schedule(ready: Ready): void {
    if (ready.isReady) return;
    ready.isReady = true;
    this.bands.push(ready);
    // From a promise or a libuv callback: the next look at the sources must come without sleeping.
    if (!this.isInTurn) this.delivery[HAS_MORE] = 1;
  }

  /**
   * True when a long step should return: something above its band is waiting, or its time is up. One load of a shared word; the
   * clock is read every eighth time. Also publishes what this step has sent. This thread only.
   */
  shouldYield(): boolean {
    if (this.runningBand !== this.selectedBand) this.setRunningBand(this.selectedBand);
    // park.yield: a hint, pairs with notify().
    if (Atomics.load(this.party_, YIELD_REQUESTED) !== 0) return true;
    if (++this.yieldCalls % CLOCK_EVERY !== 0) return false;
    if (this.dirtyCount !== 0) this.flush();
    return this.nowNs() >= this.turnEndNs;
  }

  /** For InletHost and TaskHost: between two steps of a quantum. */
  mustYield(band: number): boolean {
    if (this.runningBand !== band) this.setRunningBand(band);
    // park.yield: as in shouldYield().
    return this.bands.bitmap >>> (band + 1) !== 0 || Atomics.load(this.party_, YIELD_REQUESTED) !== 0;
  }

  endQuantum(band: number, count: number): void {
    if (this.dirtyCount !== 0) this.flush();
    this.counters[STEPS + band]! += count;
  }

  /** Publishes everything this reactor has sent. The end of each step does it; call it before a long computation. */
  flush(): void {
    for (let i = 0; i < this.dirtyCount; i++) this.dirty[i]!.flush();
    this.dirtyCount = 0;
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
    const task = this.addTask(options, true, step as (message: never) => StepResult);
    return { name: task.name, send: (message) => this.outlet(this.id, task.band).sendBytes(task.target, message), depth: 0 };
  }

  /** Answers calls by this name. The handler may be asynchronous; what it throws travels to the caller. Throws ERR_PERCORE_NAME_TAKEN. */
  handle<N extends keyof S & string>(name: N, handler: (argument: Argument<S, N>, context: CallContext) => Answer<S, N> | Promise<Answer<S, N>>): void {
    checkFunction('handler', handler);
    this.handlers.set(this.register(name), { name, handler: handler as never });
  }

  /**
   * Where messages for task `name` of a reactor go, resolved once. Sending through it costs no look-up. `isReturn` takes the return lane,
   * for what answers other messages: a task that is addressed so must never answer BACK_PRESSURED, and then a task that sends returns
   * may, without a circle of reactors that wait for each other.
   */
  address(name: string, options: { reactor: number; priority?: number; isReturn?: boolean }): Address {
    const to = this.checkReactor(options.reactor);
    const band = checkBand(options.priority ?? this.tasks.get(hashName(name))?.band);
    return new Address(this.outlet(to, options.isReturn === true ? RETURN_LANES + band : band), hashName(name));
  }

  /** Sends a value to task `name` of a reactor: OK, BACK_PRESSURED, TOO_LARGE or CLOSED (it has died). Copies; does not block. */
  send(name: string, message: unknown, options: { reactor: number; priority?: number }): number {
    const target = hashName(name);
    const outlet = this.outlet(this.checkReactor(options.reactor), checkBand(options.priority ?? this.tasks.get(target)?.band));
    return message instanceof Uint8Array ? outlet.sendBytes(target, message) : outlet.sendValue(target, message);
  }

  /**
   * Asks a reactor and promises its answer. Waits for room when the lane is full. Rejects with what the handler threw, or
   * ERR_PERCORE_NO_HANDLER, _REACTOR_DIED, _TIMEOUT, _BACK_PRESSURED (65,536 calls wait), _UNSERIALIZABLE, _TOO_LARGE, _CLOSED.
   */
  call<N extends keyof S & string>(name: N, argument: Argument<S, N>, options: CallOptions = {}): Promise<Answer<S, N>> {
    return new Promise((resolve, reject) => {
      const call = new PendingCall();
      call.name = name;
      call.resolve = resolve as (value: unknown) => void;
      call.reject = reject;
      call.to = this.chooseReactor(options);
      const band = checkBand(options.priority);
      if (this.stopWord === words.stop.LEAVE) throw new PercoreError('ERR_PERCORE_CLOSED', `call("${name}"): the runtime is closing`);
      if (this.calls.count >= MAX_CALLS) throw new PercoreError('ERR_PERCORE_BACK_PRESSURED', `call("${name}"): ${MAX_CALLS} calls wait for their answers already`);
      if (options.signal?.aborted === true) throw options.signal.reason;
      let deadlineNs = 0;
      if (options.timeoutMs !== undefined) {
        if (!(options.timeoutMs > 0)) throw invalidArgument('timeoutMs', options.timeoutMs, 'milliseconds above 0');
        deadlineNs = this.nowNs() + options.timeoutMs * 1e6;
      }
      this.calls.add(call);
      this.counters[CALLS_IN_FLIGHT] = this.calls.count;
      if (deadlineNs !== 0 || options.signal !== undefined) this.limitCall(call, deadlineNs, options);
      this.ask(call, band, deadlineNs, argument);
    });
  }

  /** Runs `hook` when the runtime closes, before the reactor is asked to be quiet: stop reading, end connections. */
  onStop(hook: () => void | Promise<void>): void {
    checkFunction('hook', hook);
    this.stopHooks.push(hook);
  }

  /** The reactor that owns this key's bucket. */
  ownerOf(key: string | Uint8Array): number {
    return this.block.ownerOf(bucketOf(typeof key === 'string' ? hashKey(Buffer.from(key)) : hashKey(key)));
  }

  /** The same for a hash from `hashKey`. */
  ownerOfHash(hash: number): number {
    return this.block.ownerOf(bucketOf(hash));
  }

  /** Changes how this reactor idles, at once. */
  setIdleStrategy(options: IdleOptions): void {
    setIdleStrategy(this.party_, options);
  }

  // ---- For the parts of the reactor ---------------------------------------------------------------------------------

  party(id: number): Int32Array {
    return this.parties[id]!;
  }

  waker(id: number): () => void {
    return this.wakers[id]!;
  }

  isDead(id: number): boolean {
    return this.seenDeaths !== 0 && this.block.isDead(id);
  }

  markDirty(outlet: Outlet): void {
    this.dirty[this.dirtyCount++] = outlet;
    if (!this.isInTurn) this.delivery[HAS_MORE] = 1;
  }

  markBlocked(outlet: Outlet): void {
    this.blocked.push(outlet);
    if (!this.isInTurn) this.delivery[HAS_MORE] = 1;
  }

  mute(inlet: Inlet): boolean {
    // Nobody would tell: the record stays and its lane is tried again each turn.
    if (this.blocked.length === 0) return false;
    this.muted.push(inlet);
    this.delivery[IS_MUTED + inlet.number] = 1;
    return true;
  }

  runStep(task: LocalTask, message: unknown): number {
    try {
      const result = task.step(message as never, this.id, task.band);
      return result === undefined ? OK : this.settle(result, task.name);
    } catch (error) {
      this.reportError(error, `task "${task.name}"`);
      return OK;
    }
  }

  dispatch(inlet: Inlet, at: number, length: number, type: number): number {
    const words = inlet.words;
    const target = words[at >> 2]!;
    switch (type) {
      case BYTES:
      case VALUE: {
        const task = inlet.target === target && inlet.task !== undefined ? inlet.task : this.findTask(inlet, target);
        if (task === undefined) {
          this.counters[DROPPED]!++;
          break;
        }
        const code = this.runMessage(task, inlet, at + HEAD_BYTES, length - HEAD_BYTES, type);
        if (code === BACK_PRESSURED || code === AGAIN) return code;
        break;
      }
      case CALL: this.answer(inlet, at, length); break;
      default: this.settleCall(inlet, at, length, type); break;
    }
    this.counters[RECEIVED]!++;
    return OK;
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private addTask(options: SpawnOptions, takesBytes: boolean, step: (message: never, from: number, priority: number) => StepResult): LocalTask {
    checkFunction('step', step);
    const band = checkBand(options.priority);
    const capacity = checkInteger('capacity', options.capacity ?? 1024, 1, 2 ** 20);
    const target = this.register(options.name);
    const task = new LocalTask(this, options.name, target, band, capacity, takesBytes, step);
    this.tasks.set(target, task);
    return task;
  }

  /** Checks a name and returns its hash, under which others address it. */
  private register(name: string): number {
    if (typeof name !== 'string' || name === '') throw invalidArgument('name', name, 'a string that is not empty');
    const target = hashName(name);
    const taken = this.tasks.get(target)?.name ?? this.handlers.get(target)?.name;
    if (taken !== undefined) {
      const why = taken === name ? 'is taken in this reactor' : `hashes like "${taken}", which this reactor has`;
      throw new PercoreError('ERR_PERCORE_NAME_TAKEN', `name "${name}" ${why}; choose another`, { argument: 'name', value: name });
    }
    return target;
  }

  private findTask(inlet: Inlet, target: number): LocalTask | undefined {
    inlet.target = target;
    inlet.task = this.tasks.get(target);
    return inlet.task;
  }

  private runMessage(task: LocalTask, inlet: Inlet, at: number, length: number, type: number): number {
    try {
      let result: StepResult;
      if (task.takesBytes && type === BYTES) {
        const record = inlet.record;
        record.offset = at;
        record.length = length;
        result = task.step(record as never, inlet.from, inlet.band);
      } else {
        const message = type === BYTES ? inlet.bytes.slice(at, at + length) : this.codec.read(inlet, at, length);
        result = task.step(message as never, inlet.from, inlet.band);
      }
      return result === undefined ? OK : this.settle(result, task.name);
    } catch (error) {
      this.reportError(error, `task "${task.name}"`);
      return OK;
    }
  }

  /** A step answered something: a code, or a promise whose rejection must not be lost. */
  private settle(result: number | Promise<void>, name: string): number {
    if (typeof result === 'number') return result;
    if (typeof result.then === 'function') result.then(undefined, (error: unknown) => this.reportError(error, `task "${name}"`));
    return OK;
  }

  private reportError(error: unknown, where: string): void {
    this.counters[STEP_ERRORS]!++;
    this.onError(error, where);
  }

  private ask(call: PendingCall, band: number, deadlineNs: number, argument: unknown): void {
    const outlet = this.outlet(call.to, band);
    let code: number;
    try {
      code = outlet.sendCall(hashName(call.name), call.id, deadlineNs, argument);
    } catch (error) {
      this.takeCall(call.id)?.reject(error);
      return;
    }
    if (code === OK) return;
    if (code === BACK_PRESSURED) {
      outlet.whenRoom(() => {
        // Given up meanwhile: nothing to ask any more.
        if (call.isOpen(this.calls)) this.ask(call, band, deadlineNs, argument);
      });
      return;
    }
    const why = code === TOO_LARGE ? new PercoreError('ERR_PERCORE_TOO_LARGE', `call("${call.name}"): ${Outlet.explain(code, outlet)}`) : died(call.to, `call("${call.name}")`);
    this.takeCall(call.id)?.reject(why);
  }

  private limitCall(call: PendingCall, deadlineNs: number, options: CallOptions): void {
    const { signal, timeoutMs } = options;
    const timer = deadlineNs === 0 ? undefined : this.timers.after({ delayNs: timeoutMs! * 1e6, priority: BANDS - 1 }, () => {
      this.takeCall(call.id)?.reject(new PercoreError('ERR_PERCORE_TIMEOUT', `call("${call.name}") to reactor ${call.to} had no answer within ${timeoutMs} ms`, { reactorId: call.to, value: timeoutMs }));
    });
    const onAbort = () => this.takeCall(call.id)?.reject(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    call.cleanUp = () => {
      if (timer !== undefined) this.timers.cancel(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  }

  private takeCall(id: number): PendingCall | undefined {
    const call = this.calls.take(id);
    this.counters[CALLS_IN_FLIGHT] = this.calls.count;
    return call;
  }

  /** A CALL record: run the handler and send back what it returns or throws. */
  private answer(inlet: Inlet, at: number, length: number): void {
    const target = inlet.words[at >> 2]!;
    const callId = inlet.words[(at >> 2) + 1]!;
    const deadlineNs = inlet.view.getFloat64(at + HEAD_BYTES, true);
    // Nobody waits for the answer any more.
    if (deadlineNs !== 0 && this.nowNs() > deadlineNs) {
      this.counters[DROPPED]!++;
      return;
    }
    const entry = this.handlers.get(target);
    if (entry === undefined) {
      const known = [...this.handlers.values()].map(({ name }) => `"${name}"`).join(', ') || 'none';
      this.reply(inlet, FAILURE, callId, packError(new PercoreError('ERR_PERCORE_NO_HANDLER', `reactor ${this.id} has no handler by this name; it handles ${known}. Register handlers in the synchronous part of the entry`)));
      return;
    }
    const context = this.context;
    context.from = inlet.from;
    context.priority = inlet.band;
    try {
      const answer = entry.handler(this.codec.read(inlet, at + CALL_HEAD_BYTES, length - CALL_HEAD_BYTES) as never, context);
      if (typeof (answer as Promise<unknown> | undefined)?.then === 'function') {
        (answer as Promise<unknown>).then((value) => this.reply(inlet, REPLY, callId, value), (error: unknown) => this.reply(inlet, FAILURE, callId, packError(error)));
      } else {
        this.reply(inlet, REPLY, callId, answer);
      }
    } catch (error) {
      this.reply(inlet, FAILURE, callId, packError(error));
    }
  }

  /** Sends an answer on the return lane of the call's band; waits for room, which the asker's limit on calls bounds. */
  private reply(asked: Inlet, kind: number, callId: number, value: unknown): void {
    const outlet = this.outlet(asked.from, RETURN_LANES + asked.band);
    let code: number;
    try {
      code = outlet.sendReply(kind, callId, value);
    } catch (error) {
      code = outlet.sendReply(FAILURE, callId, packError(error));
      if (code === BACK_PRESSURED) outlet.whenRoom(() => this.reply(asked, FAILURE, callId, packError(error)));
      return;
    }
    if (code === BACK_PRESSURED) outlet.whenRoom(() => this.reply(asked, kind, callId, value));
    else if (code === TOO_LARGE) this.reply(asked, FAILURE, callId, packError(new PercoreError('ERR_PERCORE_TOO_LARGE', `the answer: ${Outlet.explain(code, outlet)}`)));
    // CLOSED: the asker has died, and nobody misses the answer.
  }

  /** A REPLY or FAILURE record. One that comes after its call was given up is dropped on purpose. */
  private settleCall(inlet: Inlet, at: number, length: number, kind: number): void {
    const call = this.takeCall(inlet.words[at >> 2]!);
    if (call === undefined) return;
    const value = this.codec.read(inlet, at + HEAD_BYTES, length - HEAD_BYTES);
    if (kind === REPLY) call.resolve(value);
    else call.reject(unpackError(value as ReturnType<typeof packError>, inlet.from, call.name));
  }

  private retryBlocked(): void {
    let hasRoom = false;
    for (let i = this.blocked.length - 1; i >= 0; i--) {
      const outlet = this.blocked[i]!;
      if (!outlet.isBlocked || outlet.retry()) {
        this.blocked.splice(i, 1);
        hasRoom = true;
      }
    }
    if (!hasRoom) return;
    for (const inlet of this.muted) {
      this.delivery[IS_MUTED + inlet.number] = 0;
      inlet.isMuted = false;
      this.schedule(inlet);
    }
    this.muted.length = 0;
  }

  /** A peer's worker has exited: its calls will not be answered, its lanes not be drained. What it had published is still read. */
  private noteDeaths(): void {
    this.seenDeaths = this.block.deaths();
    for (let id = 0; id < this.shared.reactors; id++) {
      if (this.block.isDead(id)) this.calls.rejectAll(id, (call) => died(id, `call("${call.name}")`));
    }
    this.counters[CALLS_IN_FLIGHT] = this.calls.count;
    this.retryBlocked();
  }

  private outlet(to: number, lane: number): Outlet {
    const index = to * LANES_PER_PEER + lane;
    return this.outlets[index] ?? (this.outlets[index] = new Outlet(this, to, lane, bandOfLane(lane)));
  }

  private inletOf(number: number): Inlet {
    return this.inlets[number] ?? this.openInlet(number);
  }

  private openInlet(number: number): Inlet {
    const from = Math.floor(number / LANES_PER_PEER);
    const lane = number % LANES_PER_PEER;
    const queue: VariableQueue = { kind: 'spsc', buffer: this.shared.inboxes[this.id]!, byteOffset: laneAt(this.shared, from, lane), capacity: this.shared.laneBytes, recordBytes: 0, fixed: false };
    const producer = this.parties[from]!;
    const inlet = new Inlet(this, queue, laneNumber(from, lane), from, bandOfLane(lane), () => summon(producer, this.wakers[from]!));
    this.inlets[number] = inlet;
    return inlet;
  }

  private chooseReactor(options: CallOptions): number {
    if (options.reactor !== undefined) return this.checkReactor(options.reactor);
    if (options.key !== undefined) return this.ownerOf(options.key);
    for (let tries = 0; tries < this.shared.reactors; tries++) {
      this.nextReactor = this.nextReactor + 1 >= this.shared.reactors ? 0 : this.nextReactor + 1;
      if (!this.isDead(this.nextReactor)) break;
    }
    return this.nextReactor;
  }

  private checkReactor(id: number): number {
    return checkInteger('reactor', id, 0, this.shared.reactors - 1);
  }

  // ---- Start and stop -----------------------------------------------------------------------------------------------

  /** Tells the runtime how far this party is. */
  setPhase(phase: number): void {
    // Pairs with the runtime's load while it starts or closes.
    Atomics.store(this.party_, PHASE, phase);
  }

  /** Keeps the thread alive (at first) or not. */
  setRef(isReferenced: boolean): void {
    this.addon.setTurnRef(this.turnHandle, isReferenced ? 1 : 0);
  }

  /** True when nothing is ready, waiting or under way here. */
  isQuiet(): boolean {
    return this.bands.bitmap === 0 && this.calls.count === 0 && this.dirtyCount === 0 && this.blocked.length === 0
      && this.inlets.every((inlet) => inlet === undefined || !inlet.hasRecords());
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
      Promise.all(this.stopHooks.map(async (hook) => hook())).catch((error: unknown) => this.reportError(error, 'a stop hook')).finally(() => {
        this.hooksDone = true;
        this.delivery[HAS_MORE] = 1;
      });
    }
    // QUIET can be taken back: a record may come from a peer that is still draining. The runtime looks at all of them.
    this.setPhase(this.hooksDone && this.isQuiet() ? words.phase.QUIET : words.phase.DRAINING);
  }

  /** Ends the turn: no task, timer or connection of this party runs any more. */
  detach(): void {
    this.io.closeAll();
    this.addon.stopTurn(this.turnHandle);
  }

  /** For worker-main alone: called after the runtime has told this reactor to leave. */
  onLeave: (() => void) | undefined;
  private hooksBegun = false;
  private hooksDone = false;
}

function died(id: number, what: string): PercoreError {
  return new PercoreError('ERR_PERCORE_REACTOR_DIED', `${what}: reactor ${id} has died`, { reactorId: id });
}

function checkBand(priority: number | undefined): number {
  return priority === undefined ? DEFAULT_BAND : checkInteger('priority', priority, 0, BANDS - 1);
}

export { CLOSED };
