/**
 * When a turn that finds nothing parks: the idle strategies of native/turn.cc, with the same words and the same
 * arithmetic. Times are nanoseconds since the runtime's start.
 */
import { partyLayout, words } from '../layout.js';

const { isCpuShared, idleStrategy, spinNs, ioIntervalNs } = partyLayout.fields;
const IS_CPU_SHARED = isCpuShared.at >> 2;
const STRATEGY = idleStrategy.at >> 2;
const SPIN_NS = spinNs.at >> 2;
const IO_INTERVAL_NS = ioIntervalNs.at >> 2;
const { SPIN, BACKOFF, PARK } = words.idleStrategy;
/** Adaptive: one park in this many spins first, so that two parked reactors find out that they could talk faster. */
const PROBE_EVERY = 32;

export class Idling {
  private gapNs: number;
  private parksSinceProbe = 0;

  constructor(private readonly party: Int32Array, public lastLaneWorkNs: number) {
    this.gapNs = party[SPIN_NS]! * 2;
  }

  /** The longest time for which the loop of the thread waits for a look at the lanes. */
  get ioIntervalNs(): number {
    return this.party[IO_INTERVAL_NS]!;
  }

  /** When to park, if nothing comes before. A setting is a hint: any recent value is right. */
  parkAtNs(): number {
    return this.lastLaneWorkNs + this.windowNs();
  }

  notePark(): void {
    this.parksSinceProbe++;
  }

  /** Learns the expected gap between lane work: a moving average over 8 gaps, each capped. */
  noteLaneWork(nowNs: number): void {
    const limit = this.party[SPIN_NS]!;
    const gap = Math.min(Math.max(nowNs - this.lastLaneWorkNs, 0), limit * 4);
    // A probe that found work within its window is worth more than the silence before it.
    if (this.parksSinceProbe >= PROBE_EVERY) {
      this.parksSinceProbe = 0;
      if (gap < limit) this.gapNs = gap;
    }
    this.gapNs += (gap - this.gapNs) / 8;
  }

  private windowNs(): number {
    const { party } = this;
    // Another thread that works needs this CPU too: spinning would only keep it from what this one waits for.
    if (party[IS_CPU_SHARED] !== 0) return 0;
    const limit = party[SPIN_NS]!;
    const strategy = party[STRATEGY];
    if (strategy === SPIN) return Infinity;
    if (strategy === PARK) return 0;
    if (strategy === BACKOFF) return limit * 2;
    // Spins only if the next record is expected before the spin would end.
    return this.gapNs < limit || this.parksSinceProbe >= PROBE_EVERY ? limit : 0;
  }
}
