/**
 * Garbage collections of a reactor: measured, and made while there is nothing to do.
 *
 *      tick (every `afterIdleNs`):  has anything run since the last one?  yes: nothing
 *                                   no, and the heap has grown by `leastBytes`: collect now
 */
import { getHeapStatistics } from 'node:v8';
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import { ioCountersLayout, partyLayout } from '../layout.js';
import { collectGarbage, type CollectionKind } from '../realtime/index.js';
import { COLLECTION_KINDS } from '../realtime/internal.js';
import { watchCollections } from '../scheduling/internal.js';
import type { TimerId } from '../timers/index.js';
import type { Party } from './party.js';
import { partyIn, type Reactor } from './reactor.js';
import { partyCounters } from './shared.js';

/** When `collectWhenIdle` collects. */
export interface IdleCollectOptions {
  /**
   * How long nothing must have run: 1,000,000 to 10^11 ns; default 5,000,000. A parked reactor wakes as often to look.
   */
  readonly afterIdleNs?: number;
  /** By how much the heap must have grown since the last collection: 0 to 2^40; default 2^20. */
  readonly leastBytes?: number;
  /** Default 'minor'. */
  readonly kind?: CollectionKind;
}

/** Collections of one thread since `collectWhenIdle`. */
export interface CollectionStatus {
  /** All of them, whoever began them; `atIdle` of these were begun by this. */
  readonly count: number;
  /** Those of them that it has made itself. */
  readonly atIdle: number;
  /** The sum of them, and the longest. */
  readonly totalNs: number;
  /** The longest of all, in nanoseconds. */
  readonly longestNs: number;
  /** The time of those that were made at idle, as measured by this thread. */
  readonly atIdleNs: number;
  /** False if this Node offers no way to collect by hand: then collections are measured and none is made. */
  readonly isAvailable: boolean;
}

/** Returned by `collectWhenIdle`, for the thread that called it. */
export class IdleCollector implements Disposable {
  readonly #party: Party;
  readonly #timer: TimerId;
  readonly #endWatch: () => void;
  readonly #leastBytes: number;
  readonly #kind: CollectionKind;
  readonly #status = { count: 0, atIdle: 0, totalNs: 0, longestNs: 0, atIdleNs: 0, isAvailable: true };
  #activity = -1;
  #usedBytes = getHeapStatistics().used_heap_size;

  /** Made by `collectWhenIdle`; a Party cannot be had outside of the package. */
  constructor(party: Party, { afterIdleNs, leastBytes, kind }: Required<IdleCollectOptions>) {
    this.#party = party;
    this.#leastBytes = leastBytes;
    this.#kind = kind;
    this.#endWatch = watchCollections(party.nowNs, (_beganNs, ns) => {
      this.#status.count++;
      this.#status.totalNs += ns;
      this.#status.longestNs = Math.max(this.#status.longestNs, ns);
    });
    this.#timer = party.timers.every({ intervalNs: afterIdleNs }, () => this.#look());
  }

  /** Fresh figures. Node reports a collection when the event loop comes round after it. */
  status(): CollectionStatus {
    return { ...this.#status };
  }

  /** Stops collecting and measuring. */
  stop(): void {
    this.#party.timers.cancel(this.#timer);
    this.#endWatch();
  }

  /** The same as `stop()`, for `using`. */
  [Symbol.dispose](): void {
    this.stop();
  }

  #look(): void {
    const activity = activityOf(this.#party);
    const wasIdle = activity === this.#activity && this.#party.isQuiet();
    this.#activity = activity;
    if (!wasIdle || !this.#status.isAvailable) return;
    const { used_heap_size: usedBytes } = getHeapStatistics();
    // V8 has collected by itself meanwhile: growth counts from there.
    if (usedBytes < this.#usedBytes) this.#usedBytes = usedBytes;
    if (usedBytes - this.#usedBytes < this.#leastBytes) return;
    const beganNs = this.#party.nowNs();
    this.#status.isAvailable = collectGarbage(this.#kind);
    if (!this.#status.isAvailable) return;
    this.#status.atIdle++;
    this.#status.atIdleNs += this.#party.nowNs() - beganNs;
    this.#usedBytes = getHeapStatistics().used_heap_size;
  }
}

/**
 * Collects a reactor's garbage whenever it has had nothing to do for a while, so that V8 need not do it while the
 * reactor works, and measures every collection of its thread. A collection that has begun cannot be interrupted: what
 * comes meanwhile waits for it, for about a millisecond with the young generation. Costs a timer, and nothing for a
 * message. Throws ERR_PERCORE_INVALID_ARGUMENT. Only for the reactor's own thread.
 *
 *     export default function start(reactor: Reactor) {
 *       const collector = collectWhenIdle(reactor, { afterIdleNs: 2_000_000 });
 *       reactor.handle('collections', () => collector.status());
 *     }
 */
export function collectWhenIdle(reactor: Reactor, options?: IdleCollectOptions): IdleCollector {
  const party = partyIn(reactor);
  if (party === undefined) throw invalidArgument('reactor', reactor, 'a reactor');
  const { afterIdleNs = 5_000_000, leastBytes = 2 ** 20, kind = 'minor' } = checkOptions(
    'options', options, ['afterIdleNs', 'leastBytes', 'kind'],
  );
  return new IdleCollector(party, {
    afterIdleNs: checkInteger('afterIdleNs', afterIdleNs, 1e6, 1e11),
    leastBytes: checkInteger('leastBytes', leastBytes, 0, 2 ** 40),
    kind: checkOneOf('kind', kind, COLLECTION_KINDS),
  });
}

const STEPS = partyLayout.fields.steps;
const RECEIVED = partyLayout.fields.received.at >> 3;
const IO_RECEIVES = (partyLayout.fields.io.at + ioCountersLayout.fields.receives.at) >> 3;

/** Grows whenever a step has run or something has come. */
function activityOf({ shared, id }: Party): number {
  const counters = partyCounters(shared.inboxes[id]!);
  let sum = counters[RECEIVED]! + counters[IO_RECEIVES]!;
  for (let band = 0; band < STEPS.count; band++) sum += counters[(STEPS.at >> 3) + band]!;
  return sum;
}
