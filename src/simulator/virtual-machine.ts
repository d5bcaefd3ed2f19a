/**
 * Several threads in one: whose code runs when, and what time it is meanwhile. This is a discrete simulation. Each
 * thread has a time at which it is free again, and the thread that is free first runs next, for as long as chance says,
 * so that one seed gives one order of everything.
 *
 *     events (timers, messages over ports, exits)  \
 *     loops that are awake, or whose timer is due  --earliest--> runs as its thread --> promises --> next
 *
 * In the middle of a pass, each access of shared memory is a moment at which another thread may have a pass of its own.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { PercoreError } from '../errors.js';
import { setRefusalsAside } from '../refusals.js';
import { EventQueue, type Event } from './event-queue.js';
import { DEAD } from './last-words.js';
import type { VirtualTime } from './node-globals.js';
import type { Random } from '../random.js';
import type { SimulatedThread } from './simulated-thread.js';

export interface WorldOptions {
  readonly random: Random;
  /** Whether threads stand still for a while at random, as they do when another process has the CPU. */
  readonly stalls: boolean;
  readonly mostEvents: number;
}

/** How long reading the clock takes, so that code that waits for a time to pass sees it pass. */
const CLOCK_NS = 25;
/** How long a pass takes at least, and how much longer it may take. */
const PASS_NS = 200;
const PASS_VARIES_NS = 800;
const MOST_STALL_NS = 300_000;
/**
 * How many passes have a stall, and how many accesses of shared memory have a pass of another thread in their middle.
 */
const STALL_ONE_IN = 60;
const TOUCHES = 120;
const MOST_DEPTH = 3;
/** If nothing but what repeats has run for this long, nobody will ever go on. */
const PATIENCE_NS = 20e9;

export class World implements VirtualTime {
  readonly threads: SimulatedThread[] = [];
  /** Events and turns so far. */
  events = 0;
  /** The last ones, for the message of a failure. */
  readonly trace: string[] = [];
  /** Called before a thread's turn. */
  onTurn: (thread: SimulatedThread) => void = () => undefined;
  /** The thread that dies after this many accesses of shared memory in its turn. */
  doomed: { readonly thread: SimulatedThread; touches: number } | undefined;
  /** Called at that moment. The function that it returns is called when the stack is unwound. */
  onDeath: (thread: SimulatedThread) => () => void = () => () => undefined;
  /** Whether everything that was begun has come to its end. */
  isAtRest: () => boolean = () => true;
  private timeNs = 0;
  /** Whose code runs, also when a promise goes on later. Without a store it is that of `main`. */
  private readonly whose = new AsyncLocalStorage<SimulatedThread>();
  private readonly queue = new EventQueue();
  private order = 0;
  private unwound: (() => void) | undefined;
  private depth = 0;
  private untilOther = TOUCHES;
  private lastProgressNs = 0;
  private resting: (() => void)[] = [];
  private uncaught: Error | undefined;

  /** Everything begins in the thread `main`. */
  constructor(readonly options: WorldOptions, readonly main: SimulatedThread) {
    this.threads.push(main);
  }

  // ---- Time -------------------------------------------------------------------------------------------------------

  nowNs(): number {
    this.checkAlive();
    return (this.timeNs += CLOCK_NS);
  }

  /** The thread that runs now works for this long. */
  work(ns: number): void {
    this.timeNs += ns;
  }

  random(): number {
    return this.options.random.next();
  }

  later(delayNs: number, run: () => void, isReferenced: boolean): ReturnType<VirtualTime['later']> {
    return this.laterIn(this.running, delayNs, run, isReferenced);
  }

  laterIn(
    thread: SimulatedThread, delayNs: number, run: () => void, isReferenced: boolean,
  ): ReturnType<VirtualTime['later']> {
    const event: Event = { atNs: this.timeNs + delayNs, order: this.order++, thread, run, isReferenced };
    this.queue.push(event);
    return {
      cancel: () => {
        event.run = undefined;
      },
      setReferenced: (is) => {
        event.isReferenced = is;
      },
    };
  }

  // ---- Threads ----------------------------------------------------------------------------------------------------

  /** Runs `run` as a thread does. */
  runAs<T>(thread: SimulatedThread, run: () => T): T {
    return this.whose.run(thread, run);
  }

  /** Throws in a thread that has died. */
  checkAlive(): void {
    if (this.running.isDying) throw DEAD;
  }

  /** The thread whose code runs. */
  get running(): SimulatedThread {
    return this.whose.getStore() ?? this.main;
  }

  touch(): void {
    this.checkAlive();
    const { running } = this;
    const { loop } = running;
    if (this.doomed?.thread === running && loop?.isInTurn === true && --this.doomed.touches === 0) this.die();
    if (loop?.isRunning !== true || this.depth >= MOST_DEPTH || --this.untilOther > 0) return;
    this.untilOther = 1 + this.options.random.below(TOUCHES);
    const { stalls } = this.options;
    // Without chance, nobody has a pass while the one before takes its time.
    const others = this.threads.filter(({ loop: other, freeAtNs }) => (
      other !== undefined && !other.isAsleep && !other.isRunning && (stalls || freeAtNs <= this.timeNs)
    ));
    if (others.length === 0) return;
    const other = others[this.options.random.below(others.length)]!;
    const { timeNs } = this;
    const putBack = setRefusalsAside();
    this.depth++;
    try {
      this.pass(other);
    } finally {
      this.depth--;
      putBack();
      // Both ran at the same time.
      this.timeNs = timeNs;
    }
  }

  /** Node 20 and 22 look at each storage that was used for each promise of the program, until it is disabled. */
  end(): void {
    for (const { loop } of this.threads) loop?.end();
    this.whose.disable();
  }

  // ---- What runs next ---------------------------------------------------------------------------------------------

  /** Runs everything until `promise` is settled. Throws what it rejects with, or why it will never settle. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    await this.settlePromises();
    this.lastProgressNs = this.timeNs;
    while (!isSettled) {
      if (this.uncaught !== undefined) throw this.uncaught;
      if (this.resting.length > 0 && this.isAsleep() && this.isAtRest()) {
        for (const resolve of this.resting.splice(0)) resolve();
      } else if (!this.step()) {
        continue;
      }
      await this.settlePromises();
    }
    return promise;
  }

  /** Something was thrown that nobody has caught: in a real program it would end the thread that runs. */
  noteUncaught(what: string, cause: unknown): void {
    const { running } = this;
    if (cause === DEAD || running.hasEnded || running.isDying) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    this.uncaught ??= new PercoreError('ERR_PERCORE_SIMULATION', `${what}: ${why}`, { cause });
  }

  /** Resolves as soon as all threads sleep and nothing is under way. */
  rest(): Promise<void> {
    return new Promise((resolve) => void this.resting.push(resolve));
  }

  /** Whether nothing is awake, and nothing but what repeats is to come. */
  private isAsleep(): boolean {
    return this.threads.every(({ loop }) => loop === undefined || loop.isAsleep) && !this.queue.isAwaited();
  }

  /** Runs one event or one pass. False: nothing ran that promises could depend on. */
  private step(): boolean {
    if (++this.events > this.options.mostEvents) throw stuck(`livelock: more than ${this.options.mostEvents} events`);
    let next: SimulatedThread | undefined;
    let nextNs = Infinity;
    for (const thread of this.threads) {
      const { loop } = thread;
      if (loop === undefined || loop.hasEnded) continue;
      const atNs = Math.max(thread.freeAtNs, loop.isAsleep ? loop.deadlineNs : 0);
      if (atNs >= nextNs) continue;
      next = thread;
      nextNs = atNs;
    }
    const event = this.queue.first;
    if (event !== undefined && event.atNs <= nextNs) return this.runEvent(event);
    if (next === undefined || nextNs === Infinity) throw stuck('deadlock: nothing is left that could go on');
    this.timeNs = nextNs;
    const { loop } = next;
    // A timer that repeats is no progress by itself.
    const isTick = loop!.isAsleep;
    if (isTick) loop!.wake();
    const hasRun = this.pass(next);
    if (hasRun && !isTick) this.lastProgressNs = Math.max(this.lastProgressNs, this.timeNs);
    return hasRun;
  }

  private runEvent(event: Event): boolean {
    this.queue.pop();
    const { run, thread } = event;
    if (run === undefined || thread.hasEnded) return false;
    if (thread.freeAtNs > event.atNs) {
      event.atNs = thread.freeAtNs;
      this.queue.push(event);
      return false;
    }
    if (event.isReferenced) this.lastProgressNs = Math.max(this.lastProgressNs, event.atNs);
    else if (event.atNs - this.lastProgressNs > PATIENCE_NS && !this.queue.isAwaited()) {
      throw stuck('deadlock: nobody goes on');
    }
    this.timeNs = event.atNs;
    event.run = undefined;
    this.runAs(thread, run);
    thread.freeAtNs = Math.max(thread.freeAtNs, this.timeNs);
    return true;
  }

  private pass(thread: SimulatedThread): boolean {
    const { random, stalls } = this.options;
    this.onTurn(thread);
    if (thread.hasEnded) return true;
    const hasRun = this.runLoop(thread);
    this.timeNs += PASS_NS + random.below(PASS_VARIES_NS);
    if (stalls && random.oneIn(STALL_ONE_IN)) this.timeNs += random.below(MOST_STALL_NS);
    thread.freeAtNs = Math.max(thread.freeAtNs, this.timeNs);
    if (hasRun) this.note(thread, 'turn');
    return hasRun;
  }

  private runLoop(thread: SimulatedThread): boolean {
    try {
      return this.runAs(thread, () => thread.loop!.pass());
    } catch (error) {
      if (error !== DEAD) throw error;
      return true;
    } finally {
      if (this.doomed?.thread === thread) this.doomed = undefined;
      if (thread.isDying) {
        this.unwound!();
        thread.isDying = false;
      }
    }
  }

  /** The thread that runs stops here. */
  private die(): never {
    const { running } = this;
    this.doomed = undefined;
    this.unwound = this.onDeath(running);
    running.isDying = true;
    throw DEAD;
  }

  /** For the message of a failure. */
  note(thread: SimulatedThread, what: string): void {
    this.trace.push(`${(this.timeNs / 1000).toFixed(1)} us  party ${thread.party}  ${what}`);
    if (this.trace.length > 60) this.trace.splice(0, 30);
  }

  /** Promises go on, each in its own thread, and then the loops come by. */
  private async settlePromises(): Promise<void> {
    await realImmediate();
    for (const { loop } of this.threads) if (loop?.isAsleep === true && !loop.hasEnded && loop.wantsPass()) loop.wake();
  }
}

const immediately = setImmediate;
const realImmediate = (): Promise<void> => new Promise((resolve) => void immediately(resolve));

function stuck(why: string): PercoreError {
  return new PercoreError('ERR_PERCORE_SIMULATION', why);
}
