/**
 * The rates at which a controller may run: it begins at the target and may be moved between minimum and maximum.
 *
 *      minimumHz ───────── targetHz ───────────────── maximumHz
 *                   adjust and set never go past either end
 */
import { checkOptions, invalidArgument } from '../errors.js';
import { checkRateHz } from './rate.js';

/** The options of a RateSurface. All rates are ticks a second. */
export interface RateSurfaceOptions {
  /** The rate at which it begins, and to which `reset` returns. */
  targetHz: number;
  /** The lowest rate; not above the target. Default: the target. */
  minimumHz?: number;
  /** The highest rate; not below the target. Default: the target. */
  maximumHz?: number;
}

/**
 * A rate that may be moved within limits: one asks for a rate, and is told which one is granted.
 *
 *     const surface = new RateSurface({ targetHz: 2, minimumHz: 0.5, maximumHz: 5 });
 *     surface.set(50);                  // 5
 *     surface.adjust(0.5);              // 2.5
 *     surface.reset();                  // 2
 *
 * Rates are ticks a second, from one in a century to 1,000,000. Nothing blocks or allocates. Only one thread may use
 * it.
 */
export class RateSurface {
  /** The lowest rate, in ticks a second. */
  readonly minimumHz: number;
  /** The rate at which it begins, in ticks a second. */
  readonly targetHz: number;
  /** The highest rate, in ticks a second. */
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

  /** The present rate in ticks a second. */
  get rateHz(): number {
    return this.presentHz;
  }

  /**
   * Asks for a rate and returns the one that is granted, which is the nearest one within the limits. Throws
   * ERR_PERCORE_TIMER_INVALID_RATE for a rate that no timer can have.
   */
  set(rateHz: number): number {
    return (this.presentHz = Math.min(Math.max(checkRateHz(rateHz), this.minimumHz), this.maximumHz));
  }

  /** Multiplies the rate by `factor`, which must be above 0, and returns the rate that is granted. */
  adjust(factor: number): number {
    if (typeof factor !== 'number' || !(factor > 0) || factor === Infinity) {
      throw invalidArgument('factor', factor, 'a finite number above 0');
    }
    return (this.presentHz = Math.min(Math.max(this.presentHz * factor, this.minimumHz), this.maximumHz));
  }

  /** Returns to the target, and returns its rate. */
  reset(): number {
    return (this.presentHz = this.targetHz);
  }
}
