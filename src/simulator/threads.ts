/** What the main thread takes for the workers of its reactors: simulated threads, with ports to them. */
import { EventEmitter } from 'node:events';
import type {
  Party, ReactorThread, ReportPort, StartedThread, ThreadMaker, WorkerStart,
} from '../reactor/internal.js';
import { runReactor } from '../reactor/internal.js';
import { silence } from './last-words.js';
import type { SimulatedThread } from './simulated-thread.js';
import type { World } from './virtual-machine.js';

/** How long a message over a port, or the news of an exit, takes at least, and how much longer it may take. */
const PORT_NS = 10_000;
const PORT_VARIES_NS = 40_000;
const EXIT_NS = 50_000;
const EXIT_VARIES_NS = 2_000_000;
/** No thread of Node has such a number. */
const FIRST_THREAD_ID = 1_000_000;

export type Entry = (reactor: never, data: never, context: { readonly generation: number }) => unknown;

/** One end of a channel: it carries structured clones, in order, with a delay. */
class Port extends EventEmitter {
  readonly waiting: unknown[] = [];
  other!: Port;
  isClosed = false;
  freeAtNs = 0;

  constructor(private readonly world: World, public thread: SimulatedThread | undefined) {
    super();
    // What came before anybody listened comes now, as it does to a port of Node.
    this.on('newListener', (name) => {
      const { thread: to } = this;
      if (name !== 'message' || to === undefined) return;
      for (let left = this.waiting.length; left > 0; left--) world.laterIn(to, PORT_NS, () => this.deliver(), true);
    });
  }

  postMessage(message: unknown): void {
    const { other, world } = this;
    // A thread that has ended says nothing.
    const isOver = this.isClosed || other.isClosed || this.thread?.hasEnded === true || this.thread?.isDying === true;
    if (isOver || other.thread === undefined) return;
    other.waiting.push(structuredClone(message));
    const nowNs = world.nowNs();
    const delayNs = Math.max(PORT_NS + world.options.random.below(PORT_VARIES_NS), other.freeAtNs - nowNs);
    other.freeAtNs = nowNs + delayNs;
    world.laterIn(other.thread, delayNs, () => other.deliver(), true);
  }

  /** Gives the next message to whoever listens; if nobody does, the message waits. */
  deliver(): void {
    if (this.isClosed || this.listenerCount('message') === 0 || this.waiting.length === 0) return;
    this.emit('message', this.waiting.shift());
  }

  close(): void {
    this.isClosed = true;
  }

  unref(): void {}
}

/** A worker as the main thread sees it. */
class Worker extends EventEmitter {
  readonly threadId: number;
  private readonly ended: Promise<number>;
  private exitCode = 0;
  private tellEnd!: (exitCode: number) => void;

  constructor(private readonly world: World, readonly thread: SimulatedThread) {
    super();
    this.threadId = thread.threadId;
    this.ended = new Promise((resolve) => void (this.tellEnd = resolve));
  }

  /** It runs nothing from now on; the main thread hears of it later. */
  end(exitCode: number, error?: Error): void {
    const { thread, world } = this;
    if (thread.hasEnded) return;
    this.exitCode = exitCode;
    thread.hasEnded = true;
    thread.loop?.end();
    world.threads.splice(world.threads.indexOf(thread), 1);
    world.note(thread, `ends with ${exitCode}`);
    world.laterIn(world.main, EXIT_NS + world.options.random.below(EXIT_VARIES_NS), () => {
      if (error !== undefined) this.emit('error', error);
      this.emit('exit', this.exitCode);
      this.tellEnd(this.exitCode);
    }, true);
  }

  terminate(): Promise<number> {
    this.end(1);
    return this.ended;
  }

  ref(): void {}

  unref(): void {}
}

/** The thread that runs as a reactor, and its inside. */
export interface Living {
  readonly thread: SimulatedThread;
  readonly worker: Worker;
  party: Party | undefined;
}

export class Threads implements ThreadMaker {
  /** For each reactor, the last one that was started. */
  readonly reactors: Living[] = [];
  private started = 0;

  constructor(private readonly world: World, private readonly entry: Entry) {}

  channel(): { port1: ReportPort; port2: ReportPort } {
    const mine = new Port(this.world, this.world.main);
    const theirs = new Port(this.world, undefined);
    mine.other = theirs;
    theirs.other = mine;
    return { port1: mine as unknown as ReportPort, port2: theirs as unknown as ReportPort };
  }

  receive(port: ReportPort): { message: unknown } | undefined {
    const { waiting } = port as unknown as Port;
    return waiting.length === 0 ? undefined : { message: waiting.shift() };
  }

  start(start: WorkerStart): StartedThread {
    const { world } = this;
    // As for workerData: what cannot be cloned is refused here.
    const data = structuredClone(start.data);
    const threadId = FIRST_THREAD_ID + this.started++;
    const thread: SimulatedThread = {
      threadId, party: start.id, loop: undefined, freeAtNs: world.nowNs(), hasEnded: false, isDying: false,
    };
    const worker = new Worker(world, thread);
    (start.reports as unknown as Port).thread = thread;
    const living: Living = (this.reactors[start.id] = { thread, worker, party: undefined });
    world.threads.push(thread);
    // Starting takes a while, and the threads come in any order.
    world.laterIn(thread, world.options.random.below(EXIT_VARIES_NS), () => {
      void runReactor({ ...start, data }, this.threadOf(living)).catch((error: Error) => worker.end(1, error));
    }, true);
    return worker as unknown as StartedThread;
  }

  /** Ends the thread of a reactor, wherever it is. False if it has already ended. */
  kill(id: number): boolean {
    const living = this.reactors[id];
    if (living === undefined || living.thread.hasEnded) return false;
    if (living.party !== undefined) silence(living.party, living.thread);
    living.worker.end(1);
    return true;
  }

  private threadOf(living: Living): ReactorThread {
    return {
      requestGrants: (cpuAsked) => ({
        cpuAsked, cpuGranted: [], timerSlackNs: 1, tid: living.thread.threadId, refusals: ['simulated'],
      }),
      importEntry: () => Promise.resolve({ default: this.entry }),
      takeOver: (party) => void (living.party = party),
      exit: () => living.worker.end(0),
    };
  }
}
