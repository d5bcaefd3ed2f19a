/**
 * The pool of one runtime: threads of piscina, owned by the main thread, for all reactors. The first task makes it, so
 * a program without tasks neither loads piscina nor starts a thread.
 *
 *      reactor --request, by Node's channel--> main thread: key, queue of bands, a thread that is free
 *      reactor <--result, by a channel of its own-- thread of the pool
 *      reactor <--what happened outside of the task-- main thread
 *
 * Threads run on CPUs to which no reactor is pinned, if there are any.
 */
import { existsSync } from 'node:fs';
import type { Piscina } from 'piscina';
import { MessagePort } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import { MOST_OFFLOADED, offloadLayout } from '../layout.js';
import { programPath } from '../native.js';
import { packError, type Controller } from '../reactor/internal.js';
import { cpuBudget } from '../realtime/index.js';
import { BandQueue } from './band-queue.js';
import { Keys } from './keys.js';
import { Offloaded, type OffloadJob, type OffloadRequest, type Outcome } from './offloaded.js';
import { PLACE, PORT, type PlaceOfThread, type ThreadMessage, type ThreadStart } from './thread-messages.js';

/** The state of a pool: figures since it was made. */
export interface OffloadStatus {
  /** Each thread: where it was asked to run, and where it may run, read back. */
  readonly threads: readonly PlaceOfThread[];
  /** Tasks that wait for a thread, or for one of the same key. */
  readonly waiting: number;
  /** Tasks that a thread has begun and not ended. */
  readonly running: number;
  /** Tasks that came to an end, by a result or by an error of their own. */
  readonly completed: number;
  /** Tasks that never ran: nobody waited any more, their deadline had passed, or the runtime was closed before. */
  readonly dropped: number;
  /** Tasks that were lost because their thread ended. */
  readonly lost: number;
  /** Tasks that were refused: there were already 4,096, or the payload could not be handed over. */
  readonly refused: number;
}

/** Reaches whoever asked, by Node's number of the thread. */
export interface OffloadAskers {
  tell(asker: number, id: number, outcome: Outcome): void;
  connect(asker: number, port: MessagePort): void;
  isThere(asker: number): boolean;
}

export class OffloadPool {
  private readonly words = new Int32Array(new SharedArrayBuffer(offloadLayout.bytes));
  private readonly freePlaces = Array.from({ length: MOST_OFFLOADED }, (_, i) => MOST_OFFLOADED - 1 - i);
  private readonly tasks = new Map<string, Offloaded>();
  private readonly keys = new Keys<Offloaded>();
  private readonly queue: BandQueue;
  /** For each thread that ever existed, by Node's number. */
  private readonly places = new Map<number, PlaceOfThread>();
  private pool: Piscina | undefined;
  private readonly starting: Promise<Piscina>;
  private symbol!: symbol;
  private readonly counts = { completed: 0, dropped: 0, lost: 0, refused: 0 };
  private isClosed = false;

  constructor(private readonly controller: Controller, private readonly askers: OffloadAskers) {
    this.queue = new BandQueue((task) => this.mayRun(task));
    this.starting = this.start();
    // Those who have a task in it are told.
    this.starting.catch(() => undefined);
    controller.closers.push(() => this.close());
    controller.mourners.push((asker) => this.endAsker(asker));
  }

  submit(asker: number, request: OffloadRequest): void {
    const place = this.isClosed ? undefined : this.freePlaces.pop();
    if (place === undefined) {
      this.counts.refused++;
      this.askers.tell(asker, request.id, { failure: packError(this.isClosed ? closed() : full()) });
      return;
    }
    // Pairs with the load in OffloadContext.shouldStop; the message with the task follows and orders the two.
    Atomics.store(this.words, place, 0);
    const task = new Offloaded(request, asker, place);
    this.tasks.set(nameOf(asker, request.id), task);
    if (request.key === undefined || this.keys.enter(request.key, task)) void this.run(task);
  }

  /** Nobody waits for it any more: it does not begin, or is told to stop. */
  cancel(asker: number, id: number): void {
    const task = this.tasks.get(nameOf(asker, id));
    if (task === undefined) return;
    // Pairs with the load in OffloadContext.shouldStop: a hint, which orders nothing.
    Atomics.store(this.words, task.place, 1);
    if (task.isRunning) return;
    this.queue.giveUp(task);
    this.drop(task);
  }

  /** The asker has died: what it asked for and waits never begins, and what runs is told. */
  private endAsker(asker: number): void {
    for (const task of this.tasks.values()) if (task.asker === asker) this.cancel(asker, task.request.id);
  }

  status(): OffloadStatus {
    const running = [...this.tasks.values()].filter(({ isRunning }) => isRunning).length;
    const threads = (this.pool?.threads ?? []).flatMap(({ threadId }) => this.places.get(threadId) ?? []);
    return { threads: structuredClone(threads), waiting: this.tasks.size - running, running, ...this.counts };
  }

  // ---- One task -----------------------------------------------------------------------------------------------------

  private async run(task: Offloaded): Promise<void> {
    task.holdsKey = true;
    const { asker, place, request: { id, module, payload, transfer } } = task;
    const job: OffloadJob = { id, asker, module, payload, place };
    try {
      const pool = await this.starting;
      if (!this.mayRun(task)) return;
      const running = pool.run({ ...job, [this.symbol]: task }, { transferList: transfer as ArrayBuffer[] });
      task.isRunning = !this.queue.holds(task);
      await running;
      this.counts.completed++;
      this.end(task);
    } catch (error) {
      await this.fail(task, error as Error);
    }
  }

  /** Asked when the task's turn has come: by the pool itself, and by the queue. */
  private mayRun(task: Offloaded): boolean {
    if (task.isOver) return false;
    const { deadlineNs } = task.request;
    if (!this.askers.isThere(task.asker) || (deadlineNs !== 0 && this.controller.main.nowNs() > deadlineNs)) {
      this.drop(task);
      return false;
    }
    return true;
  }

  /** It never runs. Whoever waited for it has given up, or has gone. */
  private drop(task: Offloaded): void {
    this.counts.dropped++;
    this.end(task);
  }

  private async fail(task: Offloaded, error: Error): Promise<void> {
    if (task.isOver) return;
    const { asker, request: { id, module } } = task;
    const isUnclonable = error.name === 'DataCloneError';
    if (isUnclonable) this.counts.refused++;
    else if (task.isRunning) this.counts.lost++;
    else this.counts.dropped++;
    this.end(task);
    const why = isUnclonable ? unclonable(error) : this.isClosed ? closed()
      : error instanceof PercoreError ? error : died(module, error);
    this.askers.tell(asker, id, { failure: packError(why) });
    // Threads that end while they start are not started again, and then nobody would take what waits.
    const threads = await this.starting.then((pool) => pool.threads.length, () => 0);
    if (threads > 0) return;
    for (const other of this.tasks.values()) if (!other.isOver) void this.fail(other, error);
  }

  private end(task: Offloaded): void {
    if (task.isOver) return;
    task.isOver = true;
    this.tasks.delete(nameOf(task.asker, task.request.id));
    this.freePlaces.push(task.place);
    const { key } = task.request;
    if (key === undefined || !task.holdsKey) return;
    let next = this.keys.leave(key);
    // Those that were given up while they waited have already gone.
    while (next?.isOver === true) next = this.keys.leave(key);
    if (next !== undefined && !this.isClosed) void this.run(next);
  }

  // ---- Threads ------------------------------------------------------------------------------------------------------

  private async start(): Promise<Piscina> {
    if (this.controller.isSimulated) {
      throw new PercoreError(
        'ERR_PERCORE_OFFLOAD', 'offload needs threads, and a simulation has none that a seed could repeat: hand the '
          + 'work over as a function, and another one in simulations',
      );
    }
    const { Piscina: Pool, queueOptionsSymbol } = await import('piscina').catch((cause: Error) => {
      throw new PercoreError('ERR_PERCORE_OFFLOAD', `the pool cannot be started: ${cause.message}`, { cause });
    });
    this.symbol = queueOptionsSymbol;
    this.queue.symbol = queueOptionsSymbol;
    const filename = programPath(import.meta.url, 'offload-thread.js');
    if (!existsSync(filename)) {
      throw new PercoreError(
        'ERR_PERCORE_OFFLOAD', `the program of the pool's threads is not at ${filename}: leave percore out of the `
          + 'bundle (esbuild: --external:percore), or set PERCORE_WORKER_PATH to dist/percore/worker-main.js of the '
          + 'installed package, which it lies beside',
      );
    }
    const { allowed, quota } = cpuBudget();
    const { pins } = this.controller.settings;
    const others = allowed.filter((cpu) => !pins.includes(cpu));
    const cpus = others.length > 0 && others.length < allowed.length ? others : undefined;
    const threads = Math.max(1, Math.min(others.length, Math.floor(quota)));
    const pool = new Pool({
      filename,
      minThreads: threads, maxThreads: threads, concurrentTasksPerWorker: 1, atomics: 'sync', recordTiming: false,
      taskQueue: this.queue, stricterFIFO: true, maxQueue: MOST_OFFLOADED,
      workerData: { cpus, words: this.words } satisfies ThreadStart,
    });
    pool.on('message', (message: unknown) => {
      // Modules of users, and their libraries, post by the same port.
      if (!isOfThread(message)) return;
      if (message.kind === PLACE) this.places.set(message.place.threadId, message.place);
      else this.askers.connect(message.asker, message.port);
    });
    // A thread without a task has ended, and another one is started; a task would have been told.
    pool.on('error', () => undefined);
    return (this.pool = pool);
  }

  private async close(): Promise<void> {
    this.isClosed = true;
    for (const task of this.tasks.values()) {
      // As in cancel(): whoever looks ends by itself.
      Atomics.store(this.words, task.place, 1);
      if (task.isRunning) continue;
      this.queue.giveUp(task);
      void this.fail(task, closed());
    }
    const pool = await this.starting.catch(() => undefined);
    if (pool === undefined) return;
    for (const thread of pool.threads) {
      this.controller.threadsLeft++;
      thread.once('exit', () => this.controller.threadsLeft--);
    }
    await pool.destroy();
  }
}

function isOfThread(message: unknown): message is ThreadMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { kind, place, port } = message as Partial<{ kind: unknown; place: unknown; port: unknown }>;
  return kind === PLACE ? typeof place === 'object' && place !== null : kind === PORT && port instanceof MessagePort;
}

const nameOf = (asker: number, id: number): string => `${asker} ${id}`;
const closed = (): PercoreError => new PercoreError('ERR_PERCORE_CLOSED', 'offload: the runtime is closed');
const full = (): PercoreError => new PercoreError(
  'ERR_PERCORE_BACK_PRESSURED',
  `offload: ${MOST_OFFLOADED} tasks already wait or run; wait for some results before asking for more`,
);
const unclonable = (error: Error): PercoreError => new PercoreError(
  'ERR_PERCORE_UNSERIALIZABLE', `offload: the payload cannot be handed to the pool: ${error.message}`, { cause: error },
);
const died = (module: string, cause: Error): PercoreError => new PercoreError(
  'ERR_PERCORE_OFFLOAD', `offload of ${module}: its thread has ended: ${cause.message}`, { cause },
);
