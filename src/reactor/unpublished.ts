/**
 * What this party has written into rings and not published yet. The end of each quantum publishes all of it, the
 * highest band first, so that an urgent record never waits behind bulk that was sent in the same step.
 */
import { BANDS } from '../layout.js';

/** Something with unpublished records: an outlet, or a producer of a queue that the user has opened. */
export interface Flushable {
  flush(): unknown;
  /** For an outlet: its band. What has none is published first, since an answer may say that it is there. */
  readonly band?: number;
  /** For an outlet: the party that it leads to. */
  readonly to?: number;
  /** For an outlet: publishes, and stays in the list. */
  publish?(): void;
}

export class Unpublished {
  count = 0;
  /** How often something was published; what is published together, within some microseconds, counts once. */
  rounds = 0;
  /**
   * The first `count` have something unpublished, the highest band first. The list is never shortened: setting a length
   * costs more than a step.
   */
  private readonly list: Flushable[] = [];
  /** How often the clock was read for a lane's bound of time, and what it said last. */
  looks = 0;
  private lookedNs = 0;

  /** Adds `producer`, which is not in the list. */
  add(producer: Flushable): void {
    const { list } = this;
    const band = producer.band ?? BANDS;
    let at = this.count++;
    // Usually there are one or two, and nothing moves.
    for (; at > 0 && (list[at - 1]!.band ?? BANDS) < band; at--) list[at] = list[at - 1]!;
    list[at] = producer;
  }

  /** Publishes everything. Costs a comparison when there is nothing. */
  flush(): void {
    this.rounds++;
    for (let i = 0; i < this.count; i++) this.list[i]!.flush();
    this.count = 0;
  }

  /** Publishes what waits for the party `to` in bands above `band`, before the caller publishes its own. */
  publishAbove(band: number, to: number): void {
    this.rounds++;
    for (let i = 0; i < this.count; i++) {
      const other = this.list[i]!;
      if ((other.band ?? BANDS) <= band) break;
      if (other.to === to) other.publish!();
    }
  }

  /**
   * The time for a lane that looks at it now and then, and has `seen` so many looks; `looks` says how many there are
   * then. One reading serves each lane once, since a message often goes to several of them. So it may be as old as that
   * lane's last look, and no older.
   */
  look(seen: number, nowNs: () => number): number {
    if (seen === this.looks) {
      this.looks++;
      this.lookedNs = nowNs();
    }
    return this.lookedNs;
  }
}
