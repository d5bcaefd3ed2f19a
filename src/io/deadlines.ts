/**
 * Deadlines of a connection, against peers that keep one open and do nothing. Each connection with deadlines has one
 * timer of the wheel. When it is due it looks at what has happened and is set again for what is left, so traffic costs
 * nothing.
 */
import { checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { noTimer, type TimerId, type Timers } from '../timers/index.js';

export interface DeadlineOptions {
  /** Milliseconds without a byte in either direction: 1 to 2^31. */
  idleMs?: number;
  /** Milliseconds from now until `headerDone()` must have been called. */
  headerMs?: number;
  /** Milliseconds in which the kernel must take something while bytes wait to be sent. */
  writeMs?: number;
}

export interface Progress {
  /** Bytes that the kernel has taken. */
  written: number;
  /** Bytes that it should take and has not: not those that a cork holds back. */
  stuck: number;
  /** NaN: nothing was received. */
  lastReceivedNs: number;
}

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
    // While nothing waits, the write deadline is looked at once a period: it is met late by at most one.
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
    // Not when it is NaN either.
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
