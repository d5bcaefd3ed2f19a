/**
 * For tests: the strict discipline, but a seed draws which of the ready ones of the highest band runs next. A few seeds
 * find a program whose result depends on the order among equals, and the seed replays it. Source: the simulator of
 * FoundationDB, and Shuttle, the randomised scheduler for Rust.
 */
import { BANDS } from '../layout.js';
import { Random } from '../random.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';

export class ShuffledBands implements Discipline<Ready> {
  private readonly random: Random;
  private bitmap = 0;
  private readonly bands: readonly Ready[][] = Array.from({ length: BANDS }, () => []);

  /** `seed` is any integer of 32 bits; the same seed gives the same order. */
  constructor(seed: number) {
    this.random = new Random(seed);
  }

  get isEmpty(): boolean {
    return this.bitmap === 0;
  }

  hasAbove(band: number): boolean {
    return this.bitmap >>> (band + 1) !== 0;
  }

  push(ready: Ready): void {
    this.bitmap |= 1 << ready.band;
    this.bands[ready.band]!.push(ready);
  }

  select(): Ready | undefined {
    if (this.bitmap === 0) return undefined;
    const band = 31 - Math.clz32(this.bitmap);
    const items = this.bands[band]!;
    const [ready] = items.splice(this.random.below(items.length), 1);
    if (items.length === 0) this.bitmap &= ~(1 << band);
    return ready;
  }
}
