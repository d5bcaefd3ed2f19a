/**
 * The deadlines of a connection, against peers that keep one open and do nothing. A connection with deadlines has one
 * timer of the wheel. When it expires, it checks what has happened since, and is set again for the rest; so traffic
 * itself costs nothing.
 */
import { checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { noTimer, type TimerId, type Timers } from '../timers/index.js';

/** Deadlines of a connection. Those that are left out do not apply. */
export interface DeadlineOptions {
  /** Closes the connection after so many milliseconds without a byte in either direction: 1 to 2^31. */
  idleMs?: number;
  /** Closes it unless `headerDone()` is called within so many milliseconds from now: 1 to 2^31. */
  headerMs?: number;
  /** Closes it when bytes wait to be sent and the kernel takes none for so many milliseconds: 1 to 2^31. */
  writeMs?: number;
}

/** What has happened on a connection so far. */
export interface Progress {
  /** How many bytes the kernel has taken. */
  written: number;
  /** How many bytes the kernel should take and does not take; bytes that a cork holds back do not count. */
  stuck: number;
  /** When bytes were received last; NaN if none were. */
  lastReceivedNs: number;
}

/** What the deadlines need of their connection. */
export interface DeadlineHost {
  progress(): Progress;
  expire(error: PercoreError): void;
}

const NS_PER_MS = 1_000_000;

export class Deadlines {
  private readonly idleNs: number;
  private readonly writeNs: number;
  private headerAtNs: number;
  private timer: TimerId = noTimer;
  private seen: Progress;
  private quietSinceNs: number;
  private stuckSinceNs: number;

  constructor(
    private readonly timers: Timers, private readonly nowNs: () => number, private readonly band: number,
    options: DeadlineOptions, private readonly host: DeadlineHost,
  ) {
    if (options === undefined) throw invalidArgument('options', options, 'an object: {} takes all deadlines away');
    checkOptions('options', options, ['idleMs', 'headerMs', 'writeMs']);
    const check = (name: 'idleMs' | 'headerMs' | 'writeMs'): number => {
      return options[name] === undefined ? Infinity : checkInteger(name, options[name], 1, 2 ** 31) * NS_PER_MS;
    };
    const now = nowNs();
    this.idleNs = check('idleMs');
    this.writeNs = check('writeMs');
    this.headerAtNs = now + check('headerMs');
    this.seen = host.progress();
    this.quietSinceNs = this.stuckSinceNs = now;
    this.arm(now);
  }

  headerDone(): void {
    this.headerAtNs = Infinity;
  }

  cancel(): void {
    if (this.timer !== noTimer) this.timers.cancel(this.timer);
    this.timer = noTimer;
  }

  private arm(now: number): void {
    // While nothing waits, the write deadline is checked once in its period, so it may be noticed one period late.
    const next = Math.min(this.quietSinceNs + this.idleNs, this.headerAtNs, this.stuckSinceNs + this.writeNs);
    if (next === Infinity) return;
    const delayNs = Math.max(1, Math.ceil(next - now));
    this.timer = this.timers.after({ delayNs, priority: this.band }, () => this.look());
  }

  private look(): void {
    this.timer = noTimer;
    const now = this.nowNs();
    const progress = this.host.progress();
    const { seen } = this;
    if (progress.written !== seen.written) this.quietSinceNs = now;
    // False for NaN as well.
    else if (progress.lastReceivedNs > this.quietSinceNs) this.quietSinceNs = progress.lastReceivedNs;
    if (progress.stuck === 0 || progress.written !== seen.written) this.stuckSinceNs = now;
    this.seen = progress;
    if (now >= this.headerAtNs) this.expire('header', 'headerMs');
    else if (now - this.stuckSinceNs >= this.writeNs) this.expire('write', 'writeMs');
    else if (now - this.quietSinceNs >= this.idleNs) this.expire('idle', 'idleMs');
    else this.arm(now);
  }

  private expire(which: string, option: string): void {
    const text = `the ${which} deadline of a connection has passed (${option})`;
    this.host.expire(new PercoreError('ERR_PERCORE_TIMEOUT', text, { argument: option }));
  }
}
