/**
 * Readiness by hand: which of these descriptors can be read or written now?
 *
 *     const poller = createPoller();
 *     const token = poller.register(fd, { interest: INTEREST.READABLE | INTEREST.WRITABLE, priority: 5 });
 *     poller.poll(100);                                  // waits for at most 100 ms; returns how many are ready
 *     for (let event; (event = poller.select()) !== undefined;) use(event.token, event.readiness);
 *
 * Unless its interest says LEVEL, a descriptor is edge-triggered: its readiness is reported once, so use it until it
 * would block. With ONESHOT nothing more is reported until `reregister`. A token carries a generation, so an event that
 * was on its way to a deregistered token reaches nobody, even if the number of the descriptor is in use again.
 * Deregister a descriptor before you close it. Source: mio, epoll(7).
 */
import { checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BANDS } from '../layout.js';
import { native, type IoDriverHandle } from '../native.js';
import { Bands, DEFAULT_BAND, makeReady, type Discipline, type Ready } from '../scheduling/internal.js';
import { monotonicClock } from '../timers/index.js';
import { reportOrThrowLater } from '../uncaught.js';
import { checkInterest, INTEREST } from './descriptor.js';
import { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import type { AskedIoSource, IoSource, SourceChoice } from './source-choice.js';
import { chooseSource } from './source-choice.js';

/** Options of `poller.register`. */
export interface RegisterOptions {
  /** Bits of INTEREST, among them at least one of READABLE, WRITABLE and PRIORITY. Default READABLE. */
  interest?: number;
  /** The band in which `select` takes it, 0 to 7. Default 3. */
  priority?: number;
}

/** What `select` returns. It is the same object each time. */
export interface PollEvent {
  /** The token that `register` returned. */
  readonly token: number;
  /** The descriptor that is ready. */
  readonly fd: number;
  /** What it is ready for: bits of READINESS. */
  readonly readiness: number;
}

class Polled implements Endpoint, Ready {
  isReady = false;
  token = -1;
  readiness = 0;

  constructor(
    private readonly core: IoCore, readonly fd: number, readonly band: number,
    private readonly waiting: { count: number },
  ) {}

  onReadiness(readiness: number): void {
    if (this.readiness === 0) this.waiting.count++;
    this.readiness |= readiness;
    this.core.schedule(this);
  }

  /** Returns what it was ready for, and clears it. */
  take(): number {
    const { readiness } = this;
    if (readiness !== 0) this.waiting.count--;
    this.readiness = 0;
    return readiness;
  }

  run(): boolean {
    return false;
  }

  close(): void {
    this.core.deregister(this, this.fd);
  }
}

/** Figures of a poller. */
export interface PollerStatus {
  /** The source that was asked for. */
  readonly asked: AskedIoSource;
  /** The source that is used. */
  readonly granted: IoSource;
  /** Why that source is used, if 'auto' was asked for. */
  readonly decision: string | undefined;
  /** Why it is not the source that was asked for: one line for each reason. */
  readonly refusals: readonly string[];
  /** How many descriptors are registered. */
  readonly registered: number;
  /** How many of them are ready and wait for `select`. */
  readonly ready: number;
}

/**
 * Tells which descriptors are ready when it is asked; the head of this file has an example. `createPoller` makes one;
 * only the thread that made it may use it. Apart from `poll` with a time-out, nothing blocks. Every method except
 * `status` and `close` throws ERR_PERCORE_CLOSED after `close`, and ERR_PERCORE_INVALID_ARGUMENT for a bad argument.
 */
export class Poller implements Disposable {
  readonly #core: IoCore;
  readonly #discipline: Discipline<Ready> = new Bands();
  readonly #polled = new Map<number, Polled>();
  readonly #event = { token: -1, fd: -1, readiness: 0 };
  #driver!: IoDriverHandle;
  readonly #waiting = { count: 0 };
  #isClosed = false;

  /** Made by `createPoller`. */
  constructor(source: SourceChoice) {
    const addon = native();
    const nowNs = (): number => monotonicClock().nowNs();
    this.#core = new IoCore({
      source, nowNs, turnNs: nowNs,
      schedule: (ready) => void makeReady(this.#discipline, ready),
      open: (isUring, { block, pool, outbox, counters }) => {
        const made = addon.drivers.create(isUring, block, pool, outbox, counters, undefined);
        if (typeof made === 'number') return made;
        this.#driver = made.driver;
        return made.io;
      },
      // A poller keeps no thread alive: a thread that polls by hand is awake.
      keepAlive: () => undefined,
      report: reportOrThrowLater,
    });
    this.#core.begin();
  }

  /** True after `close`: nothing can be registered any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Its figures. Allocates. */
  status(): PollerStatus {
    const { asked, granted, decision, refusals } = this.#core;
    return {
      asked, granted, decision, refusals: [...refusals], registered: this.#polled.size, ready: this.#waiting.count,
    };
  }

  /**
   * Asks for the readiness of `fd`, which stays the caller's, and returns its token. Makes one system call. Throws
   * ERR_PERCORE_SYSTEM with errno: EBADF if it is not open, EPERM for a file or a folder, EEXIST if it is registered
   * already, ENOSPC if there are too many. Throws ERR_PERCORE_TOO_LARGE beyond 2^20 descriptors.
   */
  register(fd: number, given: RegisterOptions = {}): number {
    this.#checkOpen('register');
    const options = checkOptions('options', given, ['interest', 'priority']);
    const number = checkInteger('fd', fd, 0, 2 ** 31 - 1);
    const interest = checkInterest(options.interest ?? INTEREST.READABLE);
    const band = checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1);
    const polled = new Polled(this.#core, number, band, this.#waiting);
    this.#core.register(polled, number, interest);
    this.#polled.set(polled.token, polled);
    return polled.token;
  }

  /**
   * Sets another interest. What is ready already is reported once more, and a one-shot is armed again. Makes one system
   * call. Throws ERR_PERCORE_SYSTEM.
   */
  reregister(token: number, interest: number): void {
    const polled = this.#find('reregister', token);
    this.#core.reregister(polled, polled.fd, checkInterest(interest));
  }

  /** Reports nothing more of it, not even what is on its way. The descriptor stays open. Makes one system call. */
  deregister(token: number): void {
    const polled = this.#find('deregister', token);
    this.#polled.delete(token);
    polled.take();
    this.#core.deregister(polled, polled.fd);
  }

  /**
   * Collects what is ready and returns how many descriptors wait for `select`. If none waits yet, it blocks this thread
   * for at most `timeoutMs` milliseconds: 0 (the default) to 2^31 - 1, or -1 for ever. A signal may end the wait early.
   */
  poll(timeoutMs = 0): number {
    this.#checkOpen('poll');
    const most = checkInteger('timeoutMs', timeoutMs, -1, 2 ** 31 - 1);
    native().drivers.poll(this.#driver, this.#waiting.count === 0 ? most : 0);
    this.#core.poll();
    return this.#waiting.count;
  }

  /**
   * Takes the readiness that has waited longest in the highest band; undefined when none is left. The object is valid
   * until the next call. Does not allocate.
   */
  select(): PollEvent | undefined {
    for (;;) {
      const ready = this.#discipline.select() as Polled | undefined;
      if (ready === undefined) return undefined;
      ready.isReady = false;
      // It was deregistered in the meantime.
      if (ready.readiness === 0) continue;
      this.#event.token = ready.token;
      this.#event.fd = ready.fd;
      this.#event.readiness = ready.take();
      return this.#event;
    }
  }

  /** Deregisters all descriptors and closes the source. The descriptors stay open. A second call does nothing. */
  close(): void {
    if (this.#isClosed) return;
    for (const token of this.#polled.keys()) this.deregister(token);
    this.#isClosed = true;
    native().drivers.close(this.#driver);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #find(method: string, token: number): Polled {
    this.#checkOpen(method);
    const polled = this.#polled.get(token);
    if (polled === undefined) throw invalidArgument('token', token, 'the token of a registered descriptor');
    return polled;
  }

  #checkOpen(method: string): void {
    if (this.#isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', `${method}(): the poller is closed`);
  }
}

/**
 * Makes a poller for this thread. `source` as in `create`: 'auto' (default), 'epoll' or 'io_uring'. Throws
 * ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_SYSTEM when descriptors have run out.
 */
export function createPoller(given: { source?: AskedIoSource } = {}): Poller {
  const options = checkOptions('options', given, ['source']);
  return new Poller(chooseSource('source', options.source));
}
