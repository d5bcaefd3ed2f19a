import type { ReadyView } from './ready.js';

/**
 * The rule that selects what runs next. A discipline owns everything that is ready on one thread, and nothing else
 * does: it is the only place to ask whether something waits. Pass a class of your own that meets this interface to
 * `setDiscipline`, or name it by `{ kind: 'own', module }`:
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
 * quantum: they must not block, must not allocate once they have grown, and must not throw. A discipline of a user's
 * own is held to this: see `CheckedDiscipline`.
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
   * For a discipline that shares out time: a quantum of band `band` has run for `ns`. It is called after what has more
   * to do was pushed again. The last quantum of a turn that leaves nothing ready is not reported: nobody has waited for
   * it, and timing it would cost a reading of the clock.
   */
  charge?(band: number, ns: number): void;
  /**
   * Called later, when it is known that `collectedNs` of a quantum that was charged with `chargedNs` were garbage
   * collection, for which band `band` is not responsible. A quantum that met several is reported for each, with what is
   * left.
   */
  refund?(band: number, collectedNs: number, chargedNs: number): void;
}
