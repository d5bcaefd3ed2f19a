/**
 * When a reactor that has died is started again, and after which wait: pure bookkeeping, one object for each runtime.
 */
import { checkBoolean, checkInteger, checkOptions } from '../errors.js';

/** The option `restart` of createRuntime. */
export interface RestartOptions {
  /** How many deaths of one reactor within `withinMs` are followed by a new start: 1 to 10^6. One more is the end. */
  most: number;
  /**
   * 1 to 2^31 - 1 ms. While its threads end before they were ready, none of its deaths is forgotten: an entry that
   * never comes up is the end after `most` of them, however long each has taken.
   */
  withinMs: number;
  /**
   * The first start within `withinMs` comes at once, the second after this many milliseconds, each further one after
   * twice the previous wait, at most a second: 0 to 1,000, default 10.
   */
  backoffMs?: number;
  /**
   * Keeps one more thread, which has loaded everything except the entry and waits: the next reactor that dies continues
   * in it, in a fraction of the time that a new thread takes. It costs the memory of a thread, some 14 MB in all
   * however many reactors there are, and no CPU once it has started. What `setEnvironmentData` sets after its start
   * does not reach it. Default true.
   */
  spare?: boolean;
}

const MOST_WAIT_MS = 1000;

/** Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkRestart(options: RestartOptions | undefined): Required<RestartOptions> | undefined {
  if (options === undefined) return undefined;
  const known = ['most', 'withinMs', 'backoffMs', 'spare'];
  const { most, withinMs, backoffMs = 10, spare = true } = checkOptions('restart', options, known);
  return {
    most: checkInteger('restart.most', most, 1, 1e6),
    withinMs: checkInteger('restart.withinMs', withinMs, 1, 2 ** 31 - 1),
    backoffMs: checkInteger('restart.backoffMs', backoffMs, 0, MOST_WAIT_MS),
    spare: checkBoolean('restart.spare', spare),
  };
}

export class RestartPolicy {
  /** By reactor, when it died: the last `withinMs` before it was ready, and all since. */
  private readonly deathsMs = new Map<number, number[]>();

  constructor(private readonly options: Required<Omit<RestartOptions, 'spare'>> | undefined) {}

  /**
   * A reactor has died: how long to wait before it is started again; undefined when it is dead for good. `wasReady`:
   * its entry had run.
   */
  died(id: number, nowMs: number, wasReady: boolean): number | undefined {
    if (this.options === undefined) return undefined;
    const { most, withinMs, backoffMs } = this.options;
    const recent = (this.deathsMs.get(id) ?? []).filter((atMs) => !wasReady || nowMs - atMs < withinMs);
    this.deathsMs.set(id, recent);
    if (recent.length >= most) return undefined;
    recent.push(nowMs);
    return recent.length === 1 ? 0 : Math.min(MOST_WAIT_MS, backoffMs * 2 ** (recent.length - 2));
  }

  /** The reactor has been taken away. */
  forget(id: number): void {
    this.deathsMs.delete(id);
  }
}
