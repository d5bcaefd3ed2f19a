/**
 * Which buckets are pinned, and to which reactor. A pin is in force from the moment in which it is asked for, so that
 * nobody moves the bucket elsewhere while it is on its way; if its move fails, the last one whose move has ended well
 * is in force again.
 */

interface Pin {
  inForce: number;
  /** The last one whose move has ended well. */
  kept: number | undefined;
  /** How many were asked for: tells whether the one that has failed is still the last. */
  asked: number;
}

/** What becomes of a pin: one of the two is to be called when its move has ended. */
export interface PinnedSoFar {
  kept(): void;
  failed(): void;
}

export class BucketPins {
  private readonly pins = new Map<number, Pin>();

  /** The reactor that the bucket is pinned to; undefined if it is not pinned. */
  of(bucket: number): number | undefined {
    return this.pins.get(bucket)?.inForce;
  }

  set(bucket: number, reactor: number): PinnedSoFar {
    let pin = this.pins.get(bucket);
    if (pin === undefined) this.pins.set(bucket, (pin = { inForce: reactor, kept: undefined, asked: 0 }));
    const { pins } = this;
    const mine = pin;
    mine.inForce = reactor;
    const number = ++mine.asked;
    return {
      kept: () => void (mine.kept = reactor),
      failed() {
        // A later one decides, and one that was taken back is in no map any more.
        if (mine.asked !== number) return;
        if (mine.kept !== undefined) mine.inForce = mine.kept;
        else if (pins.get(bucket) === mine) pins.delete(bucket);
      },
    };
  }

  /** False if it was not pinned. */
  delete(bucket: number): boolean {
    return this.pins.delete(bucket);
  }

  /** A fresh map: pinned buckets, and the reactor of each. */
  all(): Map<number, number> {
    return new Map([...this.pins].map(([bucket, { inForce }]) => [bucket, inForce]));
  }
}
