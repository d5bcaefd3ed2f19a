/**
 * The runtime as the main thread sees it: starts a pinned worker for each reactor, gives every party its view of the shared
 * memory, sends and calls through a party of its own, notices deaths, and closes in order.
 *
 *      starting --all ready--> running --close--> draining --all quiet, or drainMs over--> leaving --exits--> closed
 *
 * Repair (marking dead, waking peers) happens after a worker's `exit` event only: that is proof of death, a time-out is not.
 */
import { EventEmitter } from 'node:events';
import { stat } from 'node:fs';
import { checkInteger, checkOptions, PercoreError } from '../errors.js';
import { partyLayout, words } from '../layout.js';
import { native } from '../native.js';
import type { Recovered } from '../queues/index.js';
import type { Address } from './address.js';
import type { CallContext } from './call-service.js';
import type { CallOptions } from './calls.js';
import { noteOwnLanes } from './opened-queues.js';
import { setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import { errorOf } from './failure.js';
import { ForgottenWatch } from './forgotten.js';
import { Member, type MemberHost } from './member.js';
import { summon, summonAfterDeath } from './parking.js';
import { Reactor, type AddressOptions, type Answer, type AnyServices, type CallRest, type SendOptions, type SpawnOptions, type Task } from './reactor.js';
import { checkRuntimeOptions, type RuntimeOptions, type RuntimeSettings } from './runtime-options.js';
import { RuntimeBlock, createShared, giveBackLanes, partyCounters, partyWords, type SharedRuntime } from './shared.js';
import { mainStatus, reactorStatus, type RuntimeStatus } from './status.js';
import type { ByteRecord, StepResult } from './task.js';

export type { RuntimeOptions } from './runtime-options.js';

export interface CloseOptions {
  /** Longest wait for all reactors to become quiet: 0 to 2^31 - 1 ms, default 5,000. */
  drainMs?: number;
}
export interface CloseResult {
  /** True when every reactor had run everything it was sent. */
  readonly drained: boolean;
  /** Messages sent and not run: to a reactor that died, or cut off by `drainMs`. */
  readonly undelivered: number;
  /** Reactors that did not leave within a second after they were told, and were terminated in the middle of what they did. */
  readonly leftBehind: readonly number[];
  /**
   * Those of `leftBehind` whose thread had not ended a second later: it is in a system call that blocks, such as reading from a pipe that nobody
   * writes. It ends when the call returns. Until then this process cannot end by itself either, since Node waits for its threads.
   */
  readonly stillRunning: readonly number[];
}

/** Emitted as 'reactorDied' at once after the worker's exit event. */
export interface ReactorDeath {
  readonly reactorId: number;
  readonly exitCode: number;
  /** Node's `threadId` of its worker, as `inspect(queue)` and `recover(queue, threadId)` of percore/queues know it. */
  readonly threadId: number;
  /** The places in queues that it had and that are free again, and the records that a `drain` of it had begun. */
  readonly recovered: Recovered;
  /** What was thrown, if the worker ended by an error. */
  readonly error: Error | undefined;
}
/** Emitted as 'stepError' for what a task, timer or handler of a connection threw; its reactor goes on. */
export interface StepError {
  readonly reactorId: number;
  readonly error: Error;
  readonly where: string;
}
/** Emitted as 'message' for what code in a reactor posts by `parentPort.postMessage`. Counted in `status()`, also when nobody listens. */
export interface ForeignMessage {
  readonly reactorId: number;
  readonly message: unknown;
}
/** Emitted as 'messageDropped' once for each name that nobody has, or that takes bytes and was sent a value; `status()` counts them all. */
export interface MessageDrop {
  /** Whom it was sent to; the main thread comes after the last reactor. */
  readonly reactorId: number;
  /** Says who has sent it, to which name, and which tasks there are. Its `value` is the name. */
  readonly error: Error;
}
interface RuntimeEvents {
  reactorDied: [ReactorDeath];
  stepError: [StepError];
  messageDropped: [MessageDrop];
  message: [ForeignMessage];
}

/** How often a closing runtime looks whether all are quiet. */
const LOOK_MS = 2;
/** A reactor told to leave gets so long before it is terminated, and then so long to end. */
const LEAVE_MS = 1000;
const END_MS = 1000;
/** Descriptors of the main thread's turn; of each thread's loop and turn, and of the module that it reads. */
const OWN_DESCRIPTORS = 2;
const DESCRIPTORS_PER_THREAD = 6;

export class Runtime<S = AnyServices> extends EventEmitter<RuntimeEvents> {
  private readonly settings: RuntimeSettings;
  private readonly shared: SharedRuntime;
  private readonly block: RuntimeBlock;
  private readonly members: Member[] = [];
  /** The main thread's own party. */
  private readonly host: Reactor<S>;
  private closing: Promise<CloseResult> | undefined;
  private isHeld = true;
  private forgotten: ForgottenWatch | undefined;
  private isStarted = false;
  private isMainReady = false;
  /** Begins anew whenever a reactor gets further: two hundred of them on two CPUs need a minute, and none is stuck. */
  private startTimer: NodeJS.Timeout | undefined;
  /** Why a thread could not be started: thrown by ready(), after those that were have ended. */
  private failure: unknown;

  /** For createRuntime alone, which calls ready(). */
  constructor(options: RuntimeOptions) {
    super();
    const settings = this.settings = checkRuntimeOptions(options);
    const { reactors: count, budget, publishEvery, laneBytes } = settings;
    const addon = native();
    // libuv's pool is made at its first use and inherits the affinity of whoever uses it first: that must not be a pinned reactor.
    stat('/', () => undefined);
    const eventFds: number[] = [];
    try {
      // With all that the threads will open. libuv leaves its epoll open where it runs out in the middle of a thread's start.
      const most = count + 1 + OWN_DESCRIPTORS + count * DESCRIPTORS_PER_THREAD;
      while (eventFds.length < most) eventFds.push(addon.wakers.create());
      for (const fd of eventFds.splice(count + 1)) addon.wakers.close(fd);
      this.shared = createShared(count, laneBytes, eventFds, addon.clock.nowNs(), (party) => settings.parties[party]!);
      noteOwnLanes(this.shared.inboxes);
      this.host = new Reactor<S>(this.shared, count, {
        budget,
        publishEvery,
        // In the next tick, as reports of reactors come: what a listener throws must not come back into the step that failed.
        onError: (error, where) => process.nextTick(() => this.report(count, errorOf(error, count, where), where)),
        onDrop: (error) => process.nextTick(() => this.reportDrop(count, error)),
      });
    } catch (cause) {
      for (const fd of eventFds) addon.wakers.close(fd);
      throw cannotOpen(settings, cause as Error);
    }
    this.block = new RuntimeBlock(this.shared.runtime);
    this.startMembers();
  }

  /** Reactors of this runtime. */
  get reactors(): number {
    return this.shared.reactors;
  }

  /** Asks a reactor and promises its answer; see `Reactor.call`. Main thread. */
  call<N extends keyof S & string>(name: N, ...rest: CallRest<S, N>): Promise<Answer<S, N>>;
  call(name: string, argument?: unknown, options?: CallOptions): Promise<unknown> {
    return (this.host as unknown as Reactor).call(name, argument, options);
  }

  /** Sends a value or bytes to a task of a reactor: OK, BACK_PRESSURED, TOO_LARGE or CLOSED; see `Reactor.send`. Main thread; does not block. */
  send(name: string, message: unknown, options: SendOptions): number {
    return this.host.send(name, message, options);
  }

  /** Where messages for a task of a reactor go, resolved once; see `Reactor.address`. Main thread. */
  address(name: string, options: AddressOptions): Address {
    return this.host.address(name, options);
  }

  /** Calls `then` once, later, when the lane to that reactor has room again or the reactor has died. Main thread. */
  whenRoom(options: SendOptions, then: () => void): void {
    this.host.whenRoom(options, then);
  }

  /** Publishes at once what the main thread has sent; it is published at the end of this pass of the event loop in any case. */
  flush(): void {
    this.host.flush();
  }

  /**
   * Makes a task of the main thread, which reactors send to by `{ reactor: 'main' }` (or the number of reactors, which messages from
   * here carry as `from`); see `Reactor.spawn`. Make it in `main` of the options, or right after `createRuntime`: until then messages
   * of entries wait for it.
   */
  spawn<M>(options: SpawnOptions, step: (message: M, from: number, priority: number) => StepResult): Task<M> {
    return this.host.spawn(options, step);
  }

  /** The same for bytes, read where they lie in the lane; see `Reactor.spawnBytes`. */
  spawnBytes(options: SpawnOptions, step: (record: ByteRecord) => number | void): Task<Uint8Array> {
    return this.host.spawnBytes(options, step);
  }

  /** Answers calls of reactors to `{ reactor: 'main' }`; see `Reactor.handle`. What entries ask must be handled from `main` of the options on. */
  handle(name: string, handler: (argument: any, context: CallContext) => unknown): void {
    (this.host as unknown as Reactor).handle(name, handler);
  }

  /** The reactor that owns this key's bucket. */
  ownerOf(key: string | Uint8Array): number {
    return this.host.ownerOf(key);
  }

  /** Changes how reactors idle, at once and while they run: one of them, or all. */
  setIdleStrategy(options: IdleOptions, reactor?: number): void {
    const ids = reactor === undefined ? this.members.keys() : [checkInteger('reactor', reactor, 0, this.reactors - 1)];
    for (const id of ids) {
      setIdleStrategy(partyWords(this.shared.inboxes[id]!), options);
      // A sleeper would not look before its next message.
      this.summon(id);
    }
  }

  /** Asked, granted, why not, and all counters. Reads shared memory; sends nothing. */
  status(): RuntimeStatus {
    return {
      cpus: this.settings.cpus,
      reactorsAsked: this.settings.asked,
      reactors: this.members.map((member) => this.statusOf(member)),
      main: mainStatus(this.shared),
      sharedBytes: this.shared.runtime.byteLength + this.shared.inboxes.reduce((sum, inbox) => sum + inbox.byteLength, 0),
      node: process.version,
    };
  }

  /**
   * Lets every reactor run what it was sent, then ends them. Resolves within `drainMs` and two seconds, whatever a reactor does; the result says
   * which did not leave. A second call returns the first one's promise. A program that has nothing left but an open runtime, and whose reactors
   * wait for nothing, is warned after some seconds (PERCORE_NOT_CLOSED).
   */
  close(options?: CloseOptions): Promise<CloseResult> {
    const drainMs = checkInteger('drainMs', checkOptions('options', options, ['drainMs']).drainMs ?? 5000, 0, 2 ** 31 - 1);
    return (this.closing ??= this.closeInOrder(drainMs));
  }

  /**
   * Lets the program end though the runtime is open, when nothing else keeps it: the reactors are then terminated in the middle of what they do.
   * A call of the main thread keeps it until the answer is there. For a runtime that only serves the main thread. Returns this.
   */
  unref(): this {
    this.isHeld = false;
    this.forgotten?.stop();
    this.hold(false);
    return this;
  }

  /** Keeps the program running until the runtime is closed, as it does at first. Returns this. */
  ref(): this {
    this.isHeld = true;
    this.hold(true);
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => undefined);
  }

  private hold(isHeld: boolean): void {
    for (const member of this.members) {
      if (isHeld) member.ref();
      else member.unref();
    }
    this.host.setRef(isHeld);
  }

  private watch(): void {
    this.forgotten = new ForgottenWatch({
      activity: () => {
        const { reactors, main } = this.status();
        const isAsleep = this.closing === undefined && this.inFlight() === 0 && this.host.isQuiet() && reactors.every(({ state }) => state === 'ready');
        return isAsleep ? JSON.stringify([main.sent, main.received, reactors.map(({ sent, received, steps, stepErrors, messages }) => [sent, received, steps, stepErrors, messages])]) : undefined;
      },
      hold: (isHeld) => this.hold(isHeld),
      areReactorsIdle: async () => (await Promise.all(this.members.map((member) => member.isIdle()))).every(Boolean),
    });
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** For createRuntime alone: resolves when every entry has run; rejects when one failed or took too long, after all have been ended. */
  async ready(): Promise<this> {
    try {
      if (this.failure !== undefined) throw this.failure;
      const late = new Promise<never>((_resolve, reject) => {
        this.startTimer = setTimeout(() => reject(this.startedTooLate()), this.settings.startTimeoutMs);
      });
      // One that was ready and dies before the others are would else be missing without a word: nobody has the runtime to listen to yet.
      const deaths = this.members.map((member) => member.exited.then(() => Promise.reject(member.deathWhileStarting())));
      await Promise.race([Promise.all([this.startMain(), ...this.members.map(({ ready }) => ready)]), late, ...deaths]);
      this.isStarted = true;
      // What entries have sent to tasks that are made right after this has resolved waits for them.
      setImmediate(() => this.host.noteStarted());
      this.warnOfPins();
      if (this.isHeld) this.watch();
      return this;
    } catch (error) {
      const { stillRunning } = await this.close({ drainMs: 0 });
      if (stillRunning.length > 0 && error instanceof PercoreError) error.message += `. The thread of reactor ${stillRunning.join(', ')} is in a system call that blocks, and still runs`;
      throw error;
    } finally {
      clearTimeout(this.startTimer);
    }
  }

  private async startMain(): Promise<void> {
    await this.settings.main?.(this as unknown as Runtime);
    this.isMainReady = true;
    // An entry that asks for what the main thread does not handle would wait for ever: createRuntime waits for the entry.
    this.host.noteStarted('messages wait');
  }

  private startMembers(): void {
    const { entry, data, pins, budget, publishEvery, clock, source, resourceLimits } = this.settings;
    const host: MemberHost = {
      stepError: (id, error, where) => this.report(id, error, where),
      messageDropped: (id, error) => this.reportDrop(id, error),
      progressed: () => void this.startTimer?.refresh(),
      message: (reactorId, message) => void this.emit('message', { reactorId, message }),
      exited: (member, exitCode) => this.noteExit(member, exitCode),
    };
    try {
      for (const [id, cpu] of pins.entries()) {
        this.members.push(new Member(id, { shared: this.shared, cpu, entry, data, options: { budget, publishEvery, clock, io: { source } } }, resourceLimits, host));
      }
    } catch (error) {
      this.failure = error;
    }
  }

  private startedTooLate(): PercoreError {
    const { entry, startTimeoutMs } = this.settings;
    if (!this.isMainReady) {
      return new PercoreError('ERR_PERCORE_TIMEOUT', `the option main did not return or settle within ${startTimeoutMs} ms. Does it await something that never comes? Raise startTimeoutMs if it needs longer`, { argument: 'startTimeoutMs', value: startTimeoutMs });
    }
    const late = this.members.filter(({ isReady }) => !isReady);
    // The others may only have been slow: the machine was busy, or one waits for another.
    const stuck = late.filter(({ hasBegun }) => hasBegun);
    const shown = (stuck.length > 0 ? stuck : late).map(({ id }) => `reactor ${id}`);
    const { awaitedTask } = this.host;
    const held = awaitedTask === undefined ? '' : ` A message for the task "${awaitedTask}" of the main thread waits for that task, and calls that were sent after it wait behind it: make it in the option main, before entries run.`;
    const why = stuck.length > 0 ? `the entry ${entry} neither returned nor threw. Does it await something that never comes, or loop?${held} Raise startTimeoutMs if it needs longer`
      : `the thread has not come as far as the entry ${entry}. Raise startTimeoutMs on a machine as busy as this one`;
    return new PercoreError('ERR_PERCORE_TIMEOUT', `${shown.slice(0, 8).join(', ')}${shown.length > 8 ? ` and ${shown.length - 8} others` : ''} did not start within ${startTimeoutMs} ms: ${why}`,
      { argument: 'startTimeoutMs', value: startTimeoutMs, reactorId: (stuck[0] ?? late[0])?.id });
  }

  /** A CPU that the user named and did not get is easily missed in status(). */
  private warnOfPins(): void {
    if (!this.settings.isPinnedByList) return;
    for (const { id, grants } of this.members) {
      for (const refusal of grants?.refusals ?? []) if (refusal.startsWith('pin ')) process.emitWarning(`reactor ${id}: ${refusal}`, { code: 'PERCORE_PIN_REFUSED' });
    }
  }

  /** The only place where a reactor is declared dead. */
  private noteExit(member: Member, exitCode: number): void {
    const { id, error, threadId } = member;
    this.block.markDead(id);
    const recovered = member.queues.recover((cause) => process.emitWarning(`a queue of reactor ${id}, which has ended, cannot be recovered: ${cause.message}`, { code: 'ERR_PERCORE_REACTOR_DIED' }));
    for (const [peer, inbox] of this.shared.inboxes.entries()) summonAfterDeath(partyWords(inbox), () => native().wakers.wake(this.shared.eventFds[peer]!));
    this.host.noteDeaths();
    // While it starts, createRuntime rejects with this death.
    if (this.closing !== undefined || !this.isStarted) return;
    const death: ReactorDeath = { reactorId: id, exitCode, threadId, recovered, error };
    if (!this.emit('reactorDied', death)) process.emitWarning(`reactor ${id} died with exit code ${exitCode}${error === undefined ? '' : `: ${error.message}`}`, { code: 'ERR_PERCORE_REACTOR_DIED' });
  }

  private statusOf({ id, isDead, grants, messages, threadId }: Member): ReturnType<typeof reactorStatus> {
    return reactorStatus(this.shared, id, { isDead, grants, messages, threadId, whyNoSpin: this.settings.whyNoSpin[id] });
  }

  private report(reactorId: number, error: Error, where: string): void {
    if (!this.emit('stepError', { reactorId, error, where })) process.emitWarning(`reactor ${reactorId}, ${where}: ${error.stack ?? error.message}`, { code: 'ERR_PERCORE_STEP' });
  }

  private reportDrop(reactorId: number, error: Error): void {
    if (!this.emit('messageDropped', { reactorId, error })) process.emitWarning(error.message, { code: 'ERR_PERCORE_NO_TASK' });
  }

  private summonAll(): void {
    for (const id of this.shared.inboxes.keys()) this.summon(id);
  }

  private summon(id: number): void {
    summon(partyWords(this.shared.inboxes[id]!), () => native().wakers.wake(this.shared.eventFds[id]!));
  }

  private tellAll(stop: number): void {
    for (const inbox of this.shared.inboxes.slice(0, this.reactors)) {
      // stop.word: pairs with poll() in turn.cc; the summons follows, so that a sleeper sees it.
      Atomics.store(partyWords(inbox), partyLayout.fields.stop.at >> 2, stop);
    }
    this.summonAll();
  }

  private async closeInOrder(drainMs: number): Promise<CloseResult> {
    this.forgotten?.stop();
    // Whatever unref() said: who closes waits for it.
    this.ref();
    this.tellAll(words.stop.DRAIN);
    const isQuiet = await this.waitUntilQuiet(drainMs);
    const undelivered = this.inFlight();
    this.tellAll(words.stop.LEAVE);
    await this.waitForExits(LEAVE_MS);
    const late = this.members.filter(({ isDead }) => !isDead);
    // They run something that does not end. Terminating them is safe: their rings have no shared claims.
    for (const member of late) member.terminate();
    if (late.length > 0) await this.waitForExits(END_MS);
    const running = late.filter(({ isDead }) => !isDead);
    for (const member of running) member.unref();
    this.host.detach();
    // One that still runs may wake somebody later: that does nothing then, see native/waker.h.
    for (const fd of this.shared.eventFds) native().wakers.close(fd);
    if (running.length === 0) giveBackLanes(this.shared);
    const idOf = ({ id }: Member): number => id;
    return { drained: isQuiet && undelivered === 0, undelivered, leftBehind: late.map(idOf), stillRunning: running.map(idOf) };
  }

  /** Until every thread has ended, at most so long. */
  private async waitForExits(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([Promise.all(this.members.map(({ exited }) => exited)), late]);
    clearTimeout(timer);
  }

  /** Messages committed and not yet taken, over all parties. */
  private inFlight(): number {
    let count = 0;
    for (const inbox of this.shared.inboxes) {
      const counters = partyCounters(inbox);
      count += counters[partyLayout.fields.sent.at >> 3]! - counters[partyLayout.fields.received.at >> 3]!;
    }
    return Math.max(0, count);
  }

  /** True when all living reactors were quiet at two looks with no message between; false after `drainMs`. */
  private async waitUntilQuiet(drainMs: number): Promise<boolean> {
    const endMs = performance.now() + drainMs;
    let before = '';
    for (;;) {
      const living = this.members.flatMap((member) => (member.isDead ? [] : [this.statusOf(member)]));
      // A reactor in the middle of a long quantum still says what it said before it: what it was sent must have been taken too. Of one
      // that has died nobody takes it any more.
      const isTaken = living.length < this.members.length || this.inFlight() === 0;
      const now = isTaken && living.every(({ state }) => state === 'quiet') && this.host.isQuiet() ? living.map(({ sent, received }) => `${sent}/${received}`).join() : '';
      if (living.length === 0) return false;
      if (now !== '' && now === before) return true;
      if (performance.now() >= endMs) return false;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/**
 * Starts a runtime: one pinned worker a reactor, the entry's default export run in each. Resolves when all have run; rejects with
 * ERR_PERCORE_INVALID_ARGUMENT, _ENTRY (what the entry threw is the cause), _TIMEOUT (`startTimeoutMs`), _UNSERIALIZABLE (`data`), _SYSTEM (memory,
 * descriptors), _NATIVE_UNAVAILABLE or _WORKER_UNAVAILABLE, and then nothing is left behind.
 */
export async function createRuntime<S = AnyServices>(options: RuntimeOptions): Promise<Runtime<S>> {
  return new Runtime<S>(options).ready();
}

/** Says what could not be had, and what would need less of it. */
function cannotOpen({ reactors, laneBytes }: RuntimeSettings, cause: Error & { code?: string; syscall?: string }): Error {
  if (cause instanceof RangeError) {
    return new PercoreError('ERR_PERCORE_SYSTEM', `there is no memory for the lanes of ${reactors} reactors: ${cause.message}. Use fewer reactors or smaller laneBytes (now ${laneBytes})`, { errno: 'ENOMEM', syscall: 'mmap', cause });
  }
  if (cause.syscall === undefined) return cause;
  const hint = cause.code === 'EMFILE' || cause.code === 'ENFILE' ? `. ${reactors} reactors need ${(1 + DESCRIPTORS_PER_THREAD) * reactors + 1 + OWN_DESCRIPTORS} descriptors: raise the limit (ulimit -n)` : '';
  return new PercoreError('ERR_PERCORE_SYSTEM', `the runtime cannot be opened: ${cause.message}${hint}`, { errno: cause.code!, syscall: cause.syscall, cause });
}
