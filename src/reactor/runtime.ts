/**
 * The runtime as the main thread sees it: starts a pinned worker for each reactor, gives every party its view of the shared
 * memory, sends and calls through a party of its own, notices deaths, and closes in order.
 *
 *      starting --all ready--> running --close--> draining --all quiet, or drainMs over--> leaving --exits--> closed
 *
 * Repair (marking dead, waking peers) happens after a worker's `exit` event only: that is proof of death, a time-out is not.
 */
import { EventEmitter } from 'node:events';
import { existsSync, stat } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker, type ResourceLimits } from 'node:worker_threads';
import { checkFunction, checkInteger, invalidArgument, PercoreError } from '../errors.js';
import { MAX_REACTORS, partyLayout, words } from '../layout.js';
import { native } from '../native.js';
import { cpuBudget, type CpuBudget } from '../realtime/cpus.js';
import type { IoSource } from '../io/index.js';
import type { Grants } from '../realtime/grants.js';
import type { Address } from './address.js';
import type { CallContext } from './call-service.js';
import type { CallOptions } from './calls.js';
import { unpackError } from './failure.js';
import { idleSettings, setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import { summon, summonAfterDeath } from './parking.js';
import { Reactor, type AddressOptions, type Answer, type AnyServices, type Argument, type Budget, type SendOptions, type SpawnOptions, type Task } from './reactor.js';
import { RuntimeBlock, createShared, partyCounters, partyWords, type PartySettings, type SharedRuntime } from './shared.js';
import { mainStatus, reactorStatus, type RuntimeStatus } from './status.js';
import type { ByteRecord, StepResult } from './task.js';
import type { WorkerReport, WorkerStart } from './worker-main.js';

export interface RuntimeOptions {
  /** Module whose default export runs once in every reactor: a file URL, or an absolute path. */
  entry: URL | string;
  /** 1 to 255, or 'auto' (default): the CPUs of the affinity mask, bounded by the cgroup's quota. */
  reactors?: number | 'auto';
  /** Pin each reactor to a CPU of the affinity mask (default true), or to these, one a reactor. */
  pin?: boolean | readonly number[];
  /** Handed to the entry as its second argument; structured clone, so SharedArrayBuffers are shared. */
  data?: unknown;
  /** Bytes of each lane: a power of two, 4 KiB to 2^26. Default 256 KiB; the longest message is a little under half. */
  laneBytes?: number;
  /** How reactors idle. Default 'adaptive' with spins of 50 µs; 'park' under a fractional cgroup quota. */
  idle?: IdleOptions;
  /** What bounds one turn: default 64 quanta, 20 µs. */
  budget?: { steps?: number; us?: number };
  /** What bounds lazy publishing inside a step: default 64 records, 20 µs. */
  publishEvery?: { records?: number; us?: number };
  /**
   * 'manual', for tests: each reactor's `timers` run by a ManualClock, `reactor.clock`, that stands still until the entry moves it. Time-outs
   * of calls and connections stay real.
   */
  clock?: 'manual';
  /**
   * Where sockets' readiness and bytes come from: 'epoll' (default) or 'io_uring' (Linux 6.1 and permission needed; epoll stands in where it
   * is refused, and `status()` says why).
   */
  io?: { source: IoSource };
  /**
   * Runs on the main thread before any reactor does: make here the tasks and handlers of the main thread that entries send to or ask.
   * `createRuntime` waits for it, as it does for the entries; what it throws rejects `createRuntime`.
   */
  main?: (runtime: Runtime) => void | Promise<void>;
  /** Limits of each worker's heap, as for `new Worker`. */
  resourceLimits?: ResourceLimits;
}

export interface CloseOptions {
  /** Longest wait for all reactors to become quiet: default 5,000 ms. */
  drainMs?: number;
}
export interface CloseResult {
  /** True when every reactor had run everything it was sent. */
  readonly drained: boolean;
  /** Messages sent and not run: to a reactor that died, or cut off by `drainMs`. */
  readonly undelivered: number;
}

/** Emitted as 'reactorDied' at once after the worker's exit event. */
export interface ReactorDeath {
  readonly reactorId: number;
  readonly exitCode: number;
  /** What was thrown, if the worker ended by an error. */
  readonly error: Error | undefined;
}
/** Emitted as 'stepError' for what a task, timer or handler of a connection threw; its reactor goes on. */
export interface StepError {
  readonly reactorId: number;
  readonly error: Error;
  readonly where: string;
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
}

interface Member {
  readonly worker: Worker;
  readonly exited: Promise<void>;
  grants: Grants | undefined;
  isDead: boolean;
  error: Error | undefined;
}

/** How often a closing runtime looks whether all are quiet. */
const LOOK_MS = 2;
/** A reactor told to leave gets so long before it is terminated. */
const LEAVE_MS = 1000;

export class Runtime<S = AnyServices> extends EventEmitter<RuntimeEvents> {
  private readonly shared: SharedRuntime;
  private readonly block: RuntimeBlock;
  private readonly cpus: CpuBudget;
  private readonly members: Member[] = [];
  private readonly asked: number | 'auto';
  /** The main thread's own party. */
  private readonly host: Reactor<S>;
  private closing: Promise<CloseResult> | undefined;

  /** For createRuntime alone. */
  constructor(options: RuntimeOptions) {
    super();
    const entry = checkEntry(options.entry);
    const laneBytes = checkLaneBytes(options.laneBytes ?? 2 ** 18);
    const budget: Budget = { steps: checkInteger('budget.steps', options.budget?.steps ?? 64, 1, 1e6), ns: 1000 * checkInteger('budget.us', options.budget?.us ?? 20, 1, 1e6) };
    const publishEvery = { records: checkInteger('publishEvery.records', options.publishEvery?.records ?? 64, 1, 2 ** 20), ns: 1000 * checkInteger('publishEvery.us', options.publishEvery?.us ?? 20, 1, 1e6) };
    if (options.clock !== undefined && options.clock !== 'manual') throw invalidArgument('clock', options.clock, "'manual' or left out");
    const source = options.io?.source ?? 'epoll';
    if (source !== 'epoll' && source !== 'io_uring') throw invalidArgument('io.source', source, "'epoll' or 'io_uring'");
    this.cpus = cpuBudget();
    this.asked = options.reactors ?? 'auto';
    const count = this.asked === 'auto' ? Math.min(this.cpus.count, MAX_REACTORS) : checkInteger('reactors', this.asked, 1, MAX_REACTORS);
    const pins = checkPins(options.pin ?? true, count, this.cpus);
    const strategy = options.idle?.strategy ?? (this.cpus.quota % 1 === 0 || this.cpus.quota === Infinity ? 'adaptive' : 'park');
    const settings = idleSettings({ ...options.idle, strategy });

    const addon = native();
    // libuv's pool is made at its first use and inherits the affinity of whoever uses it first: that must not be a pinned reactor.
    stat('/', () => undefined);
    const originNs = addon.nowNs();
    const eventFds = Array.from({ length: count + 1 }, () => addon.createWaker());
    this.shared = createShared(count, laneBytes, eventFds, originNs, (party) => (party === count ? hostSettings(settings) : settings));
    this.block = new RuntimeBlock(this.shared.runtime);
    this.host = new Reactor<S>(this.shared, count, { budget, publishEvery, onError: (error, where) => this.report(count, error as Error, where), onDrop: (error) => this.reportDrop(count, error) });
    try {
      for (let id = 0; id < count; id++) {
        const start: WorkerStart = { shared: this.shared, id, cpu: pins[id], entry, data: options.data, options: { budget, publishEvery, clock: options.clock, io: { source } } };
        this.members.push(this.startMember(id, start, options.resourceLimits));
      }
    } catch (error) {
      // Data that cannot be cloned, or no more threads: those that have started are ended.
      void this.close({ drainMs: 0 });
      throw error;
    }
  }

  /** Reactors of this runtime. */
  get reactors(): number {
    return this.shared.reactors;
  }

  /** Asks a reactor and promises its answer; see `Reactor.call`. Main thread. */
  call<N extends keyof S & string>(name: N, argument: Argument<S, N>, options?: CallOptions): Promise<Answer<S, N>> {
    return this.host.call(name, argument, options);
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
      cpus: this.cpus,
      reactorsAsked: this.asked,
      reactors: this.members.map((member, id) => reactorStatus(this.shared, id, member.isDead, member.grants)),
      main: mainStatus(this.shared),
      sharedBytes: this.shared.runtime.byteLength + this.shared.inboxes.reduce((sum, inbox) => sum + inbox.byteLength, 0),
      node: process.version,
    };
  }

  /** Lets every reactor run what it was sent, then ends them. A second call returns the first one's promise. */
  close(options: CloseOptions = {}): Promise<CloseResult> {
    const drainMs = checkInteger('drainMs', options.drainMs ?? 5000, 0, 2 ** 31 - 1);
    return (this.closing ??= this.closeInOrder(drainMs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => undefined);
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** For createRuntime alone: resolves when every entry has run; rejects, and closes, when one failed. */
  async ready(main?: RuntimeOptions['main']): Promise<this> {
    try {
      await Promise.all([this.startMain(main), ...this.starting]);
      // What entries have sent to tasks that are made right after this has resolved waits for them.
      setImmediate(() => this.host.noteStarted());
      return this;
    } catch (error) {
      await this.close({ drainMs: 0 });
      throw error;
    }
  }
  private readonly starting: Promise<void>[] = [];

  private async startMain(main: RuntimeOptions['main']): Promise<void> {
    await main?.(this as unknown as Runtime);
    // An entry that asks for what the main thread does not handle would wait for ever: createRuntime waits for the entry.
    this.host.noteStarted('messages wait');
  }

  private startMember(id: number, start: WorkerStart, resourceLimits: ResourceLimits | undefined): Member {
    const worker = new Worker(new URL('./worker-main.js', import.meta.url), {
      workerData: start,
      name: `percore-${id}`,
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    } as ConstructorParameters<typeof Worker>[1]);
    let onReady: () => void;
    let onFailed: (error: Error) => void;
    const ready = new Promise<void>((resolve, reject) => {
      onReady = resolve;
      onFailed = reject;
    });
    // Looked at by ready(); a rejection before that is not unhandled.
    ready.catch(() => undefined);
    this.starting.push(ready);
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', (exitCode) => {
        this.noteExit(id, exitCode);
        onFailed(new PercoreError('ERR_PERCORE_ENTRY', `reactor ${id} ended with exit code ${exitCode} while it started${member.error === undefined ? '' : `: ${member.error.message}`}`, { reactorId: id, cause: member.error }));
        resolve();
      });
    });
    const member: Member = { worker, exited, grants: undefined, isDead: false, error: undefined };
    worker.on('error', (error: unknown) => {
      member.error = error instanceof Error ? error : new Error(String(error));
    });
    worker.on('message', (report: WorkerReport) => {
      if (report.kind === 'messageDropped') {
        this.reportDrop(id, unpackError(report.error, id, 'messages'));
        return;
      }
      if (report.kind === 'stepError') {
        this.report(id, unpackError(report.error, id, report.where), report.where);
        return;
      }
      member.grants = report.grants;
      if (report.kind === 'ready') onReady();
      else onFailed(startError(id, start.entry, unpackError(report.error, id, 'entry')));
    });
    return member;
  }

  /** The only place where a reactor is declared dead. */
  private noteExit(id: number, exitCode: number): void {
    const member = this.members[id]!;
    if (member.isDead) return;
    member.isDead = true;
    this.block.markDead(id);
    for (const [peer, inbox] of this.shared.inboxes.entries()) summonAfterDeath(partyWords(inbox), () => native().wake(this.shared.eventFds[peer]!));
    this.host.noteDeaths();
    if (this.closing !== undefined) return;
    const death: ReactorDeath = { reactorId: id, exitCode, error: member.error };
    if (!this.emit('reactorDied', death)) process.emitWarning(`reactor ${id} died with exit code ${exitCode}${member.error === undefined ? '' : `: ${member.error.message}`}`, { code: 'ERR_PERCORE_REACTOR_DIED' });
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
    summon(partyWords(this.shared.inboxes[id]!), () => native().wake(this.shared.eventFds[id]!));
  }

  private tellAll(stop: number): void {
    for (const inbox of this.shared.inboxes.slice(0, this.reactors)) {
      // Pairs with poll() in turn.cc; the summons follows, so that a sleeper sees it.
      Atomics.store(partyWords(inbox), partyLayout.fields.stop.at >> 2, stop);
    }
    this.summonAll();
  }

  private async closeInOrder(drainMs: number): Promise<CloseResult> {
    this.tellAll(words.stop.DRAIN);
    const isQuiet = await this.waitUntilQuiet(drainMs);
    const undelivered = this.inFlight();
    this.tellAll(words.stop.LEAVE);
    await Promise.all(this.members.map(async ({ worker, exited }) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), LEAVE_MS);
      });
      if ((await Promise.race([exited, late])) === 'late') {
        // It runs a step that does not end. Terminating it is safe: its rings have no shared claims.
        void worker.terminate();
        await exited;
      }
      clearTimeout(timer);
    }));
    this.host.detach();
    // Nobody is left who could write into them.
    for (const fd of this.shared.eventFds) native().closeWaker(fd);
    return { drained: isQuiet && undelivered === 0, undelivered };
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
      const living = this.members.flatMap((member, id) => (member.isDead ? [] : [reactorStatus(this.shared, id, false, undefined)]));
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
 * ERR_PERCORE_INVALID_ARGUMENT, _ENTRY (what the entry threw is the cause) or _NATIVE_UNAVAILABLE, and then nothing is left behind.
 */
export async function createRuntime<S = AnyServices>(options: RuntimeOptions): Promise<Runtime<S>> {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object with an entry');
  if (options.main !== undefined) checkFunction('main', options.main);
  return new Runtime<S>(options).ready(options.main);
}

/** The main thread never spins without end: it has other work, and seldom a CPU of its own. */
function hostSettings(settings: PartySettings): PartySettings {
  return settings.idleStrategy === words.idleStrategy.PARK ? settings : { ...settings, idleStrategy: words.idleStrategy.ADAPTIVE };
}

function checkEntry(entry: unknown): string {
  const url = entry instanceof URL ? entry : typeof entry === 'string' && entry.startsWith('file:') ? new URL(entry) : typeof entry === 'string' && entry.startsWith('/') ? pathToFileURL(entry) : undefined;
  if (url === undefined || url.protocol !== 'file:') throw invalidArgument('entry', entry instanceof URL ? entry.href : entry, "a file URL such as new URL('./reactor.js', import.meta.url), or an absolute path");
  const path = fileURLToPath(url);
  if (!existsSync(path)) {
    const hint = path.endsWith('.js') && existsSync(`${path.slice(0, -3)}.ts`) ? '; there is a .ts file of that name: compile it first' : '';
    throw new PercoreError('ERR_PERCORE_ENTRY', `entry ${path} does not exist${hint}`, { argument: 'entry', value: path });
  }
  const strips = (process.features as { typescript?: unknown }).typescript;
  if (/\.[cm]?ts$/.test(path) && (strips === undefined || strips === false) && !process.execArgv.some((argument) => argument.includes('tsx'))) {
    throw new PercoreError('ERR_PERCORE_ENTRY', `entry ${path} is TypeScript, which Node ${process.version} does not load: compile it and name the .js file, or start node with --import tsx`, { argument: 'entry', value: path });
  }
  return url.href;
}

function checkLaneBytes(value: number): number {
  checkInteger('laneBytes', value, 4096, 2 ** 26);
  if ((value & (value - 1)) !== 0) throw invalidArgument('laneBytes', value, 'a power of two');
  return value;
}

function checkPins(pin: boolean | readonly number[], count: number, cpus: CpuBudget): (number | undefined)[] {
  if (pin === false) return new Array<undefined>(count).fill(undefined);
  if (pin === true) return Array.from({ length: count }, (_, id) => cpus.allowed[id % cpus.allowed.length]);
  if (!Array.isArray(pin) || pin.length !== count) throw invalidArgument('pin', pin, `true, false, or a list of ${count} CPU numbers, one a reactor`);
  return pin.map((cpu: number) => checkInteger('pin', cpu, 0, 8191));
}

function startError(id: number, entry: string, cause: Error): PercoreError {
  return new PercoreError('ERR_PERCORE_ENTRY', `reactor ${id}: ${fileURLToPath(entry)} failed: ${cause.message}`, { reactorId: id, cause });
}
