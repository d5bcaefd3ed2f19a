/**
 * I/O without a reactor, for the main thread or any worker: a source of its own as a guest of the thread's loop.
 *
 *     import { create } from 'percore/io';
 *     const io = create();
 *     io.listen({ port: 7000 }, (connection) => connection.onData((bytes) => connection.offer(bytes)));
 *
 * A turn hands out what has happened and runs what is ready, highest band first, until its budget is spent; then promises, timers and
 * Node's own sockets have theirs. Open sources keep the process alive as Node's do, until `unref`.
 */
import { checkFunction, checkInteger, checkOptions } from '../errors.js';
import { ioBlockLayout } from '../layout.js';
import { native, type IoDriverHandle, type IoHandle, type Native } from '../native.js';
import { Bands, Scheduler, type SchedulerHost } from '../scheduling/internal.js';
import { create as createTimers, type LocalTimers } from '../timers/index.js';
import { checkSource, Io, type IoSource } from './io.js';
import type { IoMemory } from './io-memory.js';

export interface CreateOptions {
  /** 'epoll' (default), or 'io_uring': epoll stands in where that is refused, see `granted` and `refusals`. */
  source?: IoSource;
  /** Nanoseconds after which a turn begins no further step: 1,000 to 10^9, default 50,000. */
  budgetNs?: number;
  /** Called with what a handler threw. Left out: it is an uncaught exception. The other sources go on either way. */
  onError?: (error: unknown) => void;
}

const HAS_MORE = ioBlockLayout.fields.hasMore.at >> 2;

/** Made by `create`. For the thread that made it alone. */
export class LocalIo extends Io implements Disposable {
  private readonly loop: Loop;

  /** For `create` alone. */
  constructor(source: IoSource, budgetNs: number, onError: (error: unknown) => void) {
    const timers = createTimers({ onError });
    const loop = new Loop(native(), timers, budgetNs, onError);
    super({
      source, timers,
      report: (error) => loop.report(error),
      nowNs: () => timers.nowNs(),
      schedule: (ready) => loop.scheduler.schedule(ready),
      open: (isUring, memory) => loop.open(isUring, memory, () => this.poll()),
      keepAlive: (isNeeded) => loop.keepAlive(isNeeded),
    });
    this.loop = loop;
  }

  /** Handlers that threw; each was given to `onError`. */
  get errors(): number {
    return this.loop.errors;
  }

  /** Lets the process end although sources are open. */
  unref(): this {
    this.loop.unref();
    return this;
  }

  /** Closes every source, at once, and leaves the thread's loop. */
  close(): void {
    try {
      this.closeAll();
    } finally {
      this.isOver = true;
      this.loop.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The tasks of the thread's sources, and who runs them. */
class Loop implements SchedulerHost {
  readonly scheduler: Scheduler = new Scheduler(new Bands(), this, Infinity);
  private memory: IoMemory | undefined;
  private driver: IoDriverHandle | undefined;
  private isReferenced = true;
  errors = 0;

  constructor(private readonly addon: Native, private readonly timers: LocalTimers, private readonly budgetNs: number, private readonly onError: (error: unknown) => void) {}

  open(isUring: boolean, memory: IoMemory, poll: () => void): IoHandle | number {
    const made = this.addon.drivers.create(isUring, memory.block, memory.pool, memory.outbox, memory.counters, () => this.turn(poll));
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
  }

  report(error: unknown): void {
    this.errors++;
    this.onError(error);
  }

  private turn(poll: () => void): void {
    const endNs = this.timers.nowNs() + this.budgetNs;
    poll();
    this.scheduler.run(endNs);
    this.memory!.block[HAS_MORE] = this.scheduler.discipline.isEmpty ? 0 : 1;
  }

  // ---- For the scheduler ------------------------------------------------------------------------------------------

  nowNs(): number {
    return this.timers.nowNs();
  }

  wantTurn(): void {
    if (this.memory !== undefined) this.memory.block[HAS_MORE] = 1;
  }

  mustEndTurn(): boolean {
    return false;
  }

  noteThrown(error: unknown): void {
    this.report(error);
  }
}

/** I/O of this thread, driven by its loop. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function create(given: CreateOptions = {}): LocalIo {
  const options = checkOptions('options', given, ['source', 'budgetNs', 'onError']);
  const source = checkSource(options.source);
  const budgetNs = checkInteger('budgetNs', options.budgetNs ?? 50_000, 1000, 1e9);
  if (options.onError !== undefined) checkFunction('onError', options.onError);
  // Not thrown within the turn: the others of the turn go on.
  const onError = options.onError ?? ((error: unknown) => queueMicrotask(() => { throw error; }));
  return new LocalIo(source, budgetNs, onError);
}
