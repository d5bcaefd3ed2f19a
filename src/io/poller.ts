/**
 * Readiness by hand: which of these descriptors can be read or written now?
 *
 *     const poller = createPoller();
 *     const token = poller.register(fd, { interest: INTEREST.READABLE | INTEREST.WRITABLE, priority: 5 });
 *     poller.poll(100);                                  // waits at most 100 ms; how many are ready
 *     for (let event; (event = poller.select()) !== undefined;) use(event.token, event.readiness);
 *
 * Edge-triggered unless the interest says LEVEL: readiness is told once, so keep trying until would-block. ONESHOT is
 * told once and no more until `reregister`. A token carries a generation: what was on its way to one that is
 * deregistered reaches nobody, also when the number of the descriptor is used again. Deregister before you close.
 * Source: mio, epoll(7).
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

export interface RegisterOptions {
  /** Bits of INTEREST, with at least one of READABLE, WRITABLE, PRIORITY. Default READABLE. */
  interest?: number;
  /** Band in which `select` takes it, 0 to 7. Default 3. */
  priority?: number;
}

/** What `select` takes. The same object each time. */
export interface PollEvent {
  /** What it was registered with. */
  readonly token: number;
  /** The descriptor that is ready. */
  readonly fd: number;
  /** Bits of READINESS. */
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

  /** What it was ready for, and no longer is. */
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
  /** The one that is used. */
  readonly granted: IoSource;
  /** Why it is that one, if 'auto' was asked for. */
  readonly decision: string | undefined;
  /** Why it is another, one line each. */
  readonly refusals: readonly string[];
  /** Descriptors that are registered. */
  readonly registered: number;
  /** Those of them that wait for `select`. */
  readonly ready: number;
}

/**
 * Readiness by hand: see the head of this file for an example. For the thread that made it. `createPoller` makes it.
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
      // A poller keeps no thread alive: whoever polls by hand is there.
      keepAlive: () => undefined,
      report: reportOrThrowLater,
    });
    this.#core.begin();
  }

  /** Nothing can be registered any more. */
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
   * Wants readiness of `fd`, which stays the caller's. Returns its token. Throws ERR_PERCORE_SYSTEM: EBADF, EPERM for a
   * file, EEXIST.
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

  /** Has another interest from now on; what is already ready is reported again. Arms a one-shot again. */
  reregister(token: number, interest: number): void {
    const polled = this.#find('reregister', token);
    this.#core.reregister(polled, polled.fd, checkInterest(interest));
  }

  /** Reports nothing more of it, not even what is on its way. */
  deregister(token: number): void {
    const polled = this.#find('deregister', token);
    this.#polled.delete(token);
    polled.take();
    this.#core.deregister(polled, polled.fd);
  }

  /**
   * Collects what is ready and returns how many wait for `select`. Waits at most `timeoutMs` (default 0; -1 for ever,
   * and then freezes this thread).
   */
  poll(timeoutMs = 0): number {
    this.#checkOpen('poll');
    const most = checkInteger('timeoutMs', timeoutMs, -1, 2 ** 31 - 1);
    native().drivers.poll(this.#driver, this.#discipline.isEmpty ? most : 0);
    this.#core.poll();
    return this.#waiting.count;
  }

  /**
   * Takes the longest waiting readiness of the highest band; undefined when there is none. The object is valid until
   * the next call.
   */
  select(): PollEvent | undefined {
    for (;;) {
      const ready = this.#discipline.select() as Polled | undefined;
      if (ready === undefined) return undefined;
      ready.isReady = false;
      // Deregistered meanwhile.
      if (ready.readiness === 0) continue;
      this.#event.token = ready.token;
      this.#event.fd = ready.fd;
      this.#event.readiness = ready.take();
      return this.#event;
    }
  }

  /** Deregisters all and gives up the source. */
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

/** A poller of this thread, polled by hand. `source` as in `create`. */
export function createPoller(given: { source?: AskedIoSource } = {}): Poller {
  const options = checkOptions('options', given, ['source']);
  return new Poller(chooseSource('source', options.source));
}
