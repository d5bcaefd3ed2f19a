/**
 * When the records of a lane arrived, and how long they were under way: by the times that its sender stamps, and those
 * of this thread's turns and sleeps.
 */
import { partyLayout, queueLayout } from '../layout.js';
import type { Wake } from '../observe/internal.js';

/** If a look at the sources came this late, something kept the thread from it. */
const LATE_NS = 20_000;

const field = partyLayout.fields;
const TURN_NS = field.turnNs.at >> 3;
const LOOKED_NS = field.lookedNs.at >> 3;
const WOKE_NS = field.wokeNs.at >> 3;
const WOKEN_NS = field.wokenNs.at >> 3;
const WOKEN_BY = field.wokenBy.at >> 2;
const PUBLISHED_NS = queueLayout.fields.publishedNs.at >> 3;
const SAMPLED_NS = queueLayout.fields.sampledNs.at >> 3;
const SAMPLED_AT = queueLayout.fields.sampledAt.at >> 2;

/** The times in the head of the lane whose words these are. V8 does not always inline functions of a DataView. */
export function timesOf({ buffer, byteOffset }: Int32Array): Float64Array {
  return new Float64Array(buffer, byteOffset, queueLayout.bytes >> 3);
}

/** For the sender: what lies in the lane is published. */
export function stamp(times: Float64Array, nowNs: number): void {
  times[PUBLISHED_NS] = nowNs;
}

/** And what lies there up to `sequence` is a sample. */
export function stampSample(times: Float64Array, words: Int32Array, sequence: number, nowNs: number): void {
  times[SAMPLED_NS] = nowNs;
  // lane.sample: pairs with the load in sampleOf(); the time above is stored.
  Atomics.store(words, SAMPLED_AT, sequence);
}

/** For the receiver: whether the lane has a sample after `seen`. */
export function hasSample(words: Int32Array, seen: number): boolean {
  // A plain load, since V8 makes a call of an atomic one, which costs as much as all else here. It sees the sample now
  // or with a later record, and whoever sees it loads it again.
  return words[SAMPLED_AT]! !== seen;
}

/** The sample that the receiver has seen when it has taken what lies before `sequence`: `seen` if there is none new. */
export function sampleOf(words: Int32Array, sequence: number, seen: number): number {
  // lane.sample: pairs with the store in stampSample().
  const sampledAt = Atomics.load(words, SAMPLED_AT);
  return ((sequence - sampledAt) | 0) < 0 ? seen : sampledAt;
}

/** When the sample was published. */
export function sampledNs(times: Float64Array): number {
  return times[SAMPLED_NS]!;
}

/** `by` writes the eventfd of the party of these words and counters. */
export function stampWake(party: Int32Array, counters: Float64Array, by: number, nowNs: number): void {
  counters[WOKEN_NS] = nowNs;
  // A statistic: a reader takes the time above as it is, even if another waker has written since.
  Atomics.store(party, WOKEN_BY, by + 1);
}

/** Of one party, whose words and counters these are. */
export class Arrivals {
  /** When and by whom its thread was last woken for a record, and when it was awake. */
  wake: Wake = { askedNs: 0, by: -1, awakeNs: 0 };

  constructor(private readonly party: Int32Array, private readonly counters: Float64Array) {}

  /** Something kept the thread from looking at its sources. */
  get isLate(): boolean {
    return this.counters[TURN_NS]! - this.counters[LOOKED_NS]! > LATE_NS;
  }

  /** A turn begins, and the one before ended at `endedNs`: since when something held the thread, 0 for nothing. */
  heldSinceNs(endedNs: number): number {
    const { counters } = this;
    // Awake since: its last look, or the end of its sleep.
    const awakeNs = Math.max(counters[LOOKED_NS]!, counters[WOKE_NS]!, endedNs);
    return counters[TURN_NS]! - awakeNs > LATE_NS ? awakeNs : 0;
  }

  /** When the records of a lane that was looked at late arrived. */
  arrivedNs(times: Float64Array): number {
    const { counters } = this;
    const turnNs = counters[TURN_NS]!;
    const lookedNs = counters[LOOKED_NS]!;
    const lateFromNs = lookedNs > 0 ? lookedNs : turnNs;
    const wokenNs = counters[WOKEN_NS]!;
    // It slept: whoever woke it has said when, for any of the lanes.
    const wokeNs = counters[WOKE_NS]!;
    if (wokeNs > lateFromNs) {
      if (wokenNs <= lateFromNs || wokenNs >= turnNs) return turnNs;
      // Pairs with stampWake().
      this.wake = { askedNs: wokenNs, by: Atomics.load(this.party, WOKEN_BY) - 1, awakeNs: wokeNs };
      return wokenNs;
    }
    return Math.min(turnNs, Math.max(lateFromNs, times[PUBLISHED_NS]!));
  }
}
