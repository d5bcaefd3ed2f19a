/**
 * What quanta take, by band: charged to a discipline that shares out time, and added up for those who ask what a class
 * uses. No band is responsible for a garbage collection: it is counted apart, and given back to the band that it hit.
 *
 *      quantum ends   --note-->       stepNs[band] += ns, discipline.charge(band, ns)
 *      collection seen, later --collected--> collectedNs[band] += its ns, discipline.refund(band, its ns, ns)
 *
 * Node reports a collection when it is over and the event loop comes round (collections.ts), so quanta that are long
 * enough to have met one are remembered for a while. Time outside of quanta (promises, Node's own callbacks, sleep) is
 * charged to nobody. Belongs to one thread; does not allocate.
 */
import { BANDS } from '../layout.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';

/** A shorter quantum has met no collection that would matter. */
const LONG_NS = 30_000;
/** How many long quanta are remembered: a power of two. A pass of the event loop comes after a few. */
const KEPT = 64;

/** Where the figures of a party are counted. */
export interface MeterFigures {
  /** Time in the quanta of each band, collections included. */
  readonly stepNs: Float64Array;
  /** The part of it that was collections. */
  readonly collectedNs: Float64Array;
  /** Time of all collections of the thread, including those outside of quanta. */
  readonly collectorNs: Float64Array;
}

export class Meter {
  private readonly bands = new Int32Array(KEPT);
  private readonly beganNs = new Float64Array(KEPT);
  private readonly endedNs = new Float64Array(KEPT);
  private readonly leftNs = new Float64Array(KEPT);
  private next = 0;

  /**
   * `isExact`: the last quantum of a turn is timed too, which costs a reading of the clock. That is needed if somebody
   * asks what a class uses, and not if only a discipline does.
   */
  constructor(private readonly figures: MeterFigures, readonly isExact: boolean) {}

  /** A quantum of `band` has run from `beganNs` to `endedNs`. */
  note(discipline: Discipline<Ready>, band: number, beganNs: number, endedNs: number): void {
    const ns = endedNs - beganNs;
    this.figures.stepNs[band]! += ns;
    if (discipline.charge !== undefined) discipline.charge(band, ns);
    if (ns >= LONG_NS) this.keep(band, beganNs, endedNs);
  }

  /** A collection has lasted from `beganNs` for `ns`, by the clock of `note`. */
  collected(discipline: Discipline<Ready>, beganNs: number, ns: number): void {
    this.figures.collectorNs[0]! += ns;
    const middleNs = beganNs + ns / 2;
    for (let i = 0; i < KEPT; i++) {
      if (middleNs < this.beganNs[i]! || middleNs > this.endedNs[i]!) continue;
      const band = this.bands[i]!;
      const leftNs = this.leftNs[i]!;
      const collectedNs = Math.min(ns, leftNs);
      this.leftNs[i] = leftNs - collectedNs;
      this.figures.collectedNs[band]! += collectedNs;
      discipline.refund?.(band, collectedNs, leftNs);
      return;
    }
  }

  private keep(band: number, beganNs: number, endedNs: number): void {
    const at = this.next++ & (KEPT - 1);
    this.bands[at] = band;
    this.beganNs[at] = beganNs;
    this.endedNs[at] = endedNs;
    this.leftNs[at] = endedNs - beganNs;
  }
}

/** Figures that nobody else sees. */
export function privateFigures(): MeterFigures {
  return {
    stepNs: new Float64Array(BANDS), collectedNs: new Float64Array(BANDS), collectorNs: new Float64Array(1),
  };
}
