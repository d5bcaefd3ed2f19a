/**
 * I/O without a reactor, for the main thread or for any worker: a source of its own, as a guest of the thread's loop.
 *
 *     import { create } from 'percore/io';
 *     const io = create();
 *     io.listen({ port: 7000 }, (connection) => connection.onData((bytes) => connection.offer(bytes)));
 *
 * A turn hands out what has happened and runs what is ready, the highest band first, until its budget is spent. Then
 * promises, timers and Node's own sockets have their turn. Open endpoints keep the process alive, as Node's do, until
 * `unref`.
 */
import { checkFunction, checkInteger, checkOptions } from '../errors.js';
import { ioBlockLayout } from '../layout.js';
import { native, type IoDriverHandle, type IoHandle, type Native } from '../native.js';
import { Bands, Scheduler, type Ready, type SchedulerHost } from '../scheduling/internal.js';
import { create as createTimers, type LocalTimers } from '../timers/index.js';
import { reportOrThrowLater } from '../uncaught.js';
import type { IoMemory } from './io-memory.js';
import { Io, type IoStatus } from './io.js';
import { chooseSource, type AskedIoSource } from './source-choice.js';
import { TimedIoCore } from './timed-core.js';

/** Options of `create`. */
export interface CreateOptions {
  /**
   * 'auto' (the default) decides by what a system call costs on this machine. 'epoll' or 'io_uring' asks for one by
   * name; where io_uring is refused, epoll stands in and `status()` says why.
   */
  source?: AskedIoSource;
  /** Nanoseconds after which a turn begins no further step: 1,000 to 10^9. Default 50,000. */
  budgetNs?: number;
  /**
   * Called with what a handler has thrown, and with the name of that handler: "handler onData of a connection from
   * 127.0.0.1:1234". If left out, the error becomes an uncaught exception. The other endpoints go on in either case.
   */
  onError?: (error: unknown, where: string) => void;
}

/** Figures of the I/O of a thread without a reactor. */
export interface LocalIoStatus extends IoStatus {
  /** How many times a handler has thrown. */
  readonly handlerErrors: number;
}

const HAS_MORE = ioBlockLayout.fields.hasMore.at >> 2;

/**
 * The `Io` of a thread without a reactor. `create` makes it; only the thread that made it may use it. The head of this
 * file has an example.
 */
export class LocalIo extends Io implements Disposable {
  readonly #core: TimedIoCore;
  readonly #loop: Loop;

  /** Called by `create`. */
  constructor(core: TimedIoCore, loop: Loop) {
    super(core);
    this.#core = core;
    this.#loop = loop;
  }

  /** Its figures. Allocates. */
  override status(): LocalIoStatus {
    return { ...super.status(), handlerErrors: this.#loop.handlerErrors };
  }

  /** Lets the process end even though endpoints are open. */
  unref(): this {
    this.#loop.unref();
    return this;
  }

  /**
   * Closes every endpoint at once and leaves the thread's loop. What endpoints have taken and not sent yet is lost;
   * await `flushed()` of each before. From now on nothing can be opened, not even in a handler of onClose:
   * that throws ERR_PERCORE_CLOSED.
   */
  close(): void {
    // Before the endpoints are closed: what an onClose handler opened would stay open, and nobody would ever serve it.
    this.#core.isOver = true;
    try {
      this.closeAll();
    } finally {
      this.#loop.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The tasks of the thread's endpoints, and the scheduler that runs them. */
class Loop implements SchedulerHost {
  readonly scheduler: Scheduler = new Scheduler(new Bands(), this, Infinity);
  handlerErrors = 0;
  private memory: IoMemory | undefined;
  private driver: IoDriverHandle | undefined;
  private isReferenced = true;

  constructor(
    private readonly addon: Native, private readonly timers: LocalTimers, private readonly budgetNs: number,
    private readonly onError: (error: unknown, where: string) => void,
  ) {}

  open(isUring: boolean, memory: IoMemory, poll: () => void): IoHandle | number {
    const { block, pool, outbox, counters } = memory;
    const made = this.addon.drivers.create(isUring, block, pool, outbox, counters, () => this.turn(poll));
    if (typeof made === 'number') return made;
    this.driver = made.driver;
    this.memory = memory;
    return made.io;
  }

  keepAlive(isNeeded: boolean): void {
    if (this.driver !== undefined && this.isReferenced) this.addon.drivers.setReferenced(this.driver, isNeeded);
  }

  unref(): void {
    this.isReferenced = false;
    if (this.driver !== undefined) this.addon.drivers.setReferenced(this.driver, false);
    this.timers.unref();
  }

  close(): void {
    if (this.driver !== undefined) this.addon.drivers.close(this.driver);
    this.timers.close();
    // No turn follows, but what handlers of onClose have just thrown waits for a step in which it is reported.
    if (!this.scheduler.discipline.isEmpty) setImmediate(() => this.scheduler.run(Infinity));
  }

  report(error: unknown, where: string): void {
    this.handlerErrors++;
    this.onError(error, where);
  }

  private turn(poll: () => void): void {
    const endNs = this.timers.nowNs() + this.budgetNs;
    poll();
    this.scheduler.run(endNs);
    this.memory!.block[HAS_MORE] = this.scheduler.discipline.isEmpty ? 0 : 1;
  }

  // ---- For the scheduler --------------------------------------------------------------------------------------------

  nowNs(): number {
    return this.timers.nowNs();
  }

  wantTurn(): void {
    if (this.memory === undefined) return;
    this.memory.block[HAS_MORE] = 1;
    this.memory.knock?.();
  }

  mustEndTurn(): boolean {
    return false;
  }

  noteThrown(error: unknown, ready: Ready): void {
    this.report(error, ready.where ?? `a step of band ${ready.band}`);
  }
}

/**
 * Makes the I/O of this thread, which its event loop drives. Nothing is opened before the first endpoint. Throws
 * ERR_PERCORE_INVALID_ARGUMENT.
 */
export function create(given: CreateOptions = {}): LocalIo {
  const options = checkOptions('options', given, ['source', 'budgetNs', 'onError']);
  const source = chooseSource('source', options.source);
  const budgetNs = checkInteger('budgetNs', options.budgetNs ?? 50_000, 1000, 1e9);
  if (options.onError !== undefined) checkFunction('onError', options.onError);
  // The default does not throw within the turn, so that the other endpoints of the turn go on.
  const onError = options.onError ?? reportOrThrowLater;
  const timers = createTimers({ onError });
  const nowNs = (): number => timers.nowNs();
  const loop = new Loop(native(), timers, budgetNs, onError);
  const core: TimedIoCore = new TimedIoCore({
    source, nowNs, turnNs: nowNs,
    schedule: (ready) => loop.scheduler.schedule(ready),
    open: (isUring, memory) => loop.open(isUring, memory, () => core.poll()),
    keepAlive: (isNeeded) => loop.keepAlive(isNeeded),
    report: (error, where) => loop.report(error, where),
  }, timers);
  return new LocalIo(core, loop);
}
