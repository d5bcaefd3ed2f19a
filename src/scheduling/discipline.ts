import type { Ready } from './ready.js';

/**
 * The rule that selects what runs next. A discipline owns everything that is ready on one thread, and nothing else
 * does: who wants to know whether something waits asks it.
 *
 * The scheduler guarantees that a Ready is pushed at most once until it is taken, so a discipline needs no set of its
 * own, and that all calls come from one thread. `push`, `take`, `isEmpty` and `hasAbove` are called for each quantum:
 * they must neither block nor allocate once grown, and must not throw.
 */
export interface Discipline {
  /** Takes over something that has become ready. It is kept until `take` returns it. */
  push(ready: Ready): void;
  /** Removes and returns what runs next, or undefined when nothing is ready. */
  take(): Ready | undefined;
  /** True when nothing is ready, that is, when `take` would return undefined. */
  readonly isEmpty: boolean;
  /**
   * True when something is ready for which a quantum of band `band` should end early. Under strict priority that is
   * anything in a higher band. It is asked between two steps of a quantum.
   */
  hasAbove(band: number): boolean;
  /**
   * For a discipline that shares time out: a quantum of band `band` has run for `ns`. It is called after what has more
   * was pushed again. A discipline that has it costs a reading of the clock for each quantum.
   */
  charge?(band: number, ns: number): void;
}
