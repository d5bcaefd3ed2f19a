/**
 * The rates that a controller may run at: it stands at the target and gives way between minimum and maximum.
 *
 *      minimumHz ───────── targetHz ───────────────── maximumHz
 *                   adjust, set: never past either end
 */
import { checkOptions, invalidArgument } from '../errors.js';
import { checkRateHz } from './rate.js';

export interface RateSurfaceOptions {
  /** Where it starts and returns to. Ticks a second. */
  targetHz: number;
  /** At most the target; the target if left out. */
  minimumHz?: number;
  /** At least the target; the target if left out. */
  maximumHz?: number;
}

/**
 * The rate that is asked for, and what is granted of it.
 *
 *     const surface = new RateSurface({ targetHz: 2, minimumHz: 0.5, maximumHz: 5 });
 *     surface.set(50);                  // 5
 *     surface.adjust(0.5);              // 2.5
 *     surface.reset();                  // 2
 *
 * Rates are ticks a second, from once a century to 1,000,000. Nothing blocks or allocates. Only one thread may use it.
 */
export class RateSurface {
  /** It does not go below, in ticks a second. */
  readonly minimumHz: number;
  /** Where it begins. */
  readonly targetHz: number;
  /** It does not go above. */
  readonly maximumHz: number;
  private presentHz: number;

  /** Throws ERR_PERCORE_TIMER_INVALID_RATE. */
  constructor(options: RateSurfaceOptions) {
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument('options', options, 'an object with targetHz');
    }
    checkOptions('options', options, ['targetHz', 'minimumHz', 'maximumHz']);
    this.targetHz = checkRateHz(options.targetHz, 'targetHz');
    this.minimumHz = checkRateHz(options.minimumHz ?? this.targetHz, 'minimumHz');
    this.maximumHz = checkRateHz(options.maximumHz ?? this.targetHz, 'maximumHz');
    if (this.minimumHz > this.targetHz) {
      throw invalidArgument(
        'minimumHz',
        this.minimumHz,
        `at most targetHz, which is ${this.targetHz}`,
        'ERR_PERCORE_TIMER_INVALID_RATE',
      );
    }
    if (this.maximumHz < this.targetHz) {
      throw invalidArgument(
        'maximumHz',
        this.maximumHz,
        `at least targetHz, which is ${this.targetHz}`,
        'ERR_PERCORE_TIMER_INVALID_RATE',
      );
    }
    this.presentHz = this.targetHz;
  }

  /** The rate now. */
  get rateHz(): number {
    return this.presentHz;
  }

  /**
   * Asks for a rate and returns the one that is granted: the nearest within the surface. Throws for what is no rate at
   * all.
   */
  set(rateHz: number): number {
    return (this.presentHz = Math.min(Math.max(checkRateHz(rateHz), this.minimumHz), this.maximumHz));
  }

  /** Faster (above 1) or slower (below 1) by a factor; returns the granted rate. */
  adjust(factor: number): number {
    if (typeof factor !== 'number' || !(factor > 0) || factor === Infinity) {
      throw invalidArgument('factor', factor, 'a finite number above 0');
    }
    return (this.presentHz = Math.min(Math.max(this.presentHz * factor, this.minimumHz), this.maximumHz));
  }

  /** Back to the target; returns it. */
  reset(): number {
    return (this.presentHz = this.targetHz);
  }
}
