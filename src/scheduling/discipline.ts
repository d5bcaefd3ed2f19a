import type { ReadyView } from './ready.js';

/**
 * The rule that selects what runs next. A discipline owns everything that is ready on one thread, and nothing else
 * does: who wants to know whether something waits asks it. A class of your own that meets this interface is given to
 * `setDiscipline`, or named by `{ kind: 'own', module }`:
 *
 *     class LastComeFirst implements Discipline {
 *       #waiting: ReadyView[] = [];
 *       get isEmpty() { return this.#waiting.length === 0; }
 *       push(ready: ReadyView) { this.#waiting.push(ready); }
 *       select() { return this.#waiting.pop(); }
 *       hasAbove() { return false; }
 *     }
 *
 * The scheduler guarantees that a Ready is pushed at most once until it is selected, so a discipline needs no set of
 * its own, and that all calls come from one thread. `push`, `select`, `isEmpty` and `hasAbove` are called for each
 * quantum: they must neither block nor allocate once grown, and must not throw. A discipline of a user's is held to
 * this: see `CheckedDiscipline`.
 */
export interface Discipline<R extends ReadyView = ReadyView> {
  /** Takes over something that has become ready. It is kept until `select` returns it. */
  push(ready: R): void;
  /** Removes and returns what runs next, or undefined when nothing is ready. */
  select(): R | undefined;
  /** True when nothing is ready, that is, when `select` would return undefined. */
  readonly isEmpty: boolean;
  /**
   * True when something is ready for which a quantum of band `band` should end early. Under strict priority that is
   * anything in a higher band. It is asked between two steps of a quantum.
   */
  hasAbove(band: number): boolean;
  /**
   * For a discipline that shares time out: a quantum of band `band` has run for `ns`. It is called after what has more
   * was pushed again. The last quantum of a turn that leaves nothing ready is not told: nobody has waited for it, and
   * to time it would cost a reading of the clock.
   */
  charge?(band: number, ns: number): void;
  /**
   * Called later, when it is known that `collectedNs` of a quantum that was charged with `chargedNs` were garbage
   * collection, which is not the doing of band `band`. A quantum that met several is told of each, with what is left.
   */
  refund?(band: number, collectedNs: number, chargedNs: number): void;
}
