/**
 * What a reactor does while there is nothing to do. The strategies themselves are native (native/turn.cc), since no
 * JavaScript runs while idle; these are their names and limits.
 *
 *   spin      never sleeps: lowest latency, one CPU. Returns to libuv every `ioIntervalNs`.
 *   backoff   spins for `spinNs`, lets others use the CPU for as long again, then parks.
 *   park      sleeps at once: no CPU, 20 to 50 µs to wake.
 *   adaptive  spins for `spinNs` where the next record is expected sooner than that, else parks at once.
 *
 * If another working thread has the same CPU, native code parks at once, whatever these options say (`isCpuShared` in
 * the layout).
 *
 * After arrivals of I/O all but `park` look 6 µs for the next ones, also on such a CPU, as long as two of three looks
 * find some (docs/decisions/2026-11-29-what-fell-short.md).
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { partyLayout, words } from '../layout.js';

export type IdleStrategy = 'spin' | 'backoff' | 'park' | 'adaptive';
export interface IdleOptions {
  /** What a reactor does that has nothing to do; default 'adaptive'. */
  strategy?: IdleStrategy;
  /** Longest spin in nanoseconds: 0 to 10^9. Default 50,000. */
  spinNs?: number;
  /** Nanoseconds after which libuv gets its turn at the latest: 1,000 to 10^9. Default 10,000. */
  ioIntervalNs?: number;
  /**
   * For how many nanoseconds after arrivals of I/O further ones gather while the reactor sleeps: 0, the default, to
   * 1,000,000. It sleeps so only as long as two of three such sleeps bring several, and messages, timers and all else
   * end it. Where requests come steadily this saves CPU, at the price of a latency that is longer by as much.
   */
  gatherNs?: number;
}

const CODES: Record<IdleStrategy, number> = {
  spin: words.idleStrategy.SPIN,
  backoff: words.idleStrategy.BACKOFF,
  park: words.idleStrategy.PARK,
  adaptive: words.idleStrategy.ADAPTIVE,
};
export const DEFAULT_SPIN_NS = 50_000;
export const DEFAULT_IO_INTERVAL_NS = 10_000;

/** More would be a delay for whoever waits for an answer, and no saving. */
const MOST_GATHER_NS = 1e6;
const IDLE_OPTIONS = ['strategy', 'spinNs', 'ioIntervalNs', 'gatherNs'] as const;

export function idleCode(strategy: IdleStrategy): number {
  if (!Object.hasOwn(CODES, strategy)) {
    throw invalidArgument('idle.strategy', strategy, Object.keys(CODES).map((name) => `'${name}'`).join(', '));
  }
  return CODES[strategy];
}

export function idleName(code: number): IdleStrategy {
  return (Object.keys(CODES) as IdleStrategy[]).find((name) => CODES[name] === code) ?? 'adaptive';
}

/** Throws unless these are valid IdleOptions; for a word alone, such as 'park', the error says where it belongs. */
export function checkIdleOptions(argument: string, options: unknown): IdleOptions {
  if (typeof options === 'string') {
    throw invalidArgument(
      argument, options, `an object such as { strategy: '${Object.hasOwn(CODES, options) ? options : 'park'}' }`,
    );
  }
  return checkOptions(argument, options as IdleOptions | undefined, IDLE_OPTIONS);
}

/** The words of a party that begins with these options. Throws for a wrong one. */
export function idleSettings(
  options: IdleOptions,
): { idleStrategy: number; spinNs: number; ioIntervalNs: number; gatherNs: number } {
  return {
    idleStrategy: idleCode(options.strategy ?? 'adaptive'),
    spinNs: checkInteger('idle.spinNs', options.spinNs ?? DEFAULT_SPIN_NS, 0, 1e9),
    ioIntervalNs: checkInteger('idle.ioIntervalNs', options.ioIntervalNs ?? DEFAULT_IO_INTERVAL_NS, 1000, 1e9),
    gatherNs: checkInteger('idle.gatherNs', options.gatherNs ?? 0, 0, MOST_GATHER_NS),
  };
}

/** Checks everything, then stores what is given. Any thread may call it; the reactor sees it at its next look. */
export function setIdleStrategy(party: Int32Array, options: IdleOptions): void {
  if (options === undefined) throw invalidArgument('options', options, "an object such as { strategy: 'park' }");
  checkIdleOptions('options', options);
  const settings = idleSettings(options);
  const { idleStrategy, spinNs, ioIntervalNs, gatherNs } = partyLayout.fields;
  // Settings: native code reads them at each look, and any recent value is right. They are stored atomically, since
  // another thread may write too.
  if (options.strategy !== undefined) Atomics.store(party, idleStrategy.at >> 2, settings.idleStrategy);
  if (options.spinNs !== undefined) Atomics.store(party, spinNs.at >> 2, settings.spinNs);
  if (options.ioIntervalNs !== undefined) Atomics.store(party, ioIntervalNs.at >> 2, settings.ioIntervalNs);
  if (options.gatherNs !== undefined) Atomics.store(party, gatherNs.at >> 2, settings.gatherNs);
}
