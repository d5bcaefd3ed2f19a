/**
 * Keeps a step from beginning while a lower level of its core holds a resource with a ceiling at or above it, without a
 * system call of the holder: the ceiling is shown in shared memory, and whoever it keeps away looks there before each
 * step. Only then, when somebody above has become ready, is the holder raised in the system as well, by the one who
 * waits for it.
 *
 *      holder:  show(ceiling) --critical section--> show(0) --nobody waits--> nothing else
 *                                                           \--somebody?--> lower itself, wake all
 *      above:   a step is about to begin: ceiling >= mine? --no--> it runs
 *                   \--yes--> show my bit, look again, raise the holder, sleep on its word
 *
 * | pair         | write side        | read side         | carries                   | needs           |
 * |--------------|-------------------|-------------------|---------------------------|-----------------|
 * | gate.ceiling | `show`            | `enter`, `wait`   | "no step up to this rank" | seq. cst., both |
 * | gate.waits   | `wait` (its bit)  | `show`            | "I may sleep"             | seq. cst., both |
 *
 * A waiter shows its bit and then looks at the ceiling, the holder changes the ceiling and then looks at the bits
 * (Dekker): one of them sees the other. The bit stays until the waiter is through, so each end of a section wakes it
 * until then. What excludes others from a resource is its lock, and not this: the gate decides about order alone.
 *
 * Sources: the stack resource policy of Baker, 1991, which tests the ceiling when a task is to begin; and the deferred
 * raise that the ceilings of some kernels have, since most critical sections end before anybody wants in.
 */
import { appLevelLayout } from '../layout.js';
import type { Plan } from './plan.js';

const CEILING = appLevelLayout.fields.gate.at >> 2;
const WAITS = appLevelLayout.fields.gateWaits.at >> 2;
/** A sleeper looks again by itself after so long: sooner than a dead holder is noticed. */
const LOOK_EVERY_MS = 20;

/** The words of a level in the memory of an app. */
export const levelWords = (plan: Plan, memory: SharedArrayBuffer, id: number): Int32Array =>
  new Int32Array(memory, plan.levelAt(id), appLevelLayout.bytes >> 2);

/** The holder's side. One for each level. */
export class ShownCeiling {
  constructor(private readonly words: Int32Array) {}

  /** From now on no step of this rank or below begins, 0: any may. True if somebody waits: see `wake`. */
  show(rank: number): boolean {
    // gate.ceiling: before the bits are looked at.
    Atomics.store(this.words, CEILING, rank);
    // gate.waits: pairs with the bit of a waiter.
    return Atomics.load(this.words, WAITS) !== 0;
  }

  /** Lets all who wait look again. */
  wake(): void {
    Atomics.notify(this.words, CEILING);
  }
}

interface Below {
  readonly id: number;
  readonly rank: number;
  readonly words: Int32Array;
}

/** The side of those above. One for each level. */
export class StepGate {
  private readonly below: readonly Below[];
  private readonly rank: number;
  private readonly bit: number;

  /** `raise` gives the thread of level `id` the priority of `rank`. */
  constructor(
    plan: Plan, memory: SharedArrayBuffer, id: number, private readonly raise: (id: number, rank: number) => void,
  ) {
    const { core, rank } = plan.levels[id]!;
    this.rank = rank;
    this.bit = 1 << id;
    // Those who can hold something that keeps this level away.
    this.below = plan.levels.filter((other) => (
      other.core === core && other.rank < rank
      && plan.resources.some(({ users, ceilings }) => users.includes(other.id) && ceilings[core]! >= rank)
    )).map((other) => ({ id: other.id, rank: other.rank, words: levelWords(plan, memory, other.id) }));
  }

  /** A step of this level is about to begin. Returns when no ceiling keeps it away. */
  enter(): void {
    const { below, rank } = this;
    for (let i = 0; i < below.length; i++) {
      // gate.ceiling: on the same CPU; what another CPU has just stored is met by the lock itself.
      if (Atomics.load(below[i]!.words, CEILING) >= rank) this.wait(below[i]!);
    }
  }

  private wait({ id, rank: own, words }: Below): void {
    const { rank, bit } = this;
    let isRaisedLate = false;
    // gate.waits: shown before the ceiling is looked at. A read-modify-write, since others show and hide theirs.
    Atomics.or(words, WAITS, bit);
    for (;;) {
      // gate.ceiling: pairs with the store in show().
      const ceiling = Atomics.load(words, CEILING);
      if (ceiling < rank) break;
      this.raise(id, ceiling);
      isRaisedLate = Atomics.wait(words, CEILING, ceiling, LOOK_EVERY_MS) === 'not-equal';
    }
    // As above.
    Atomics.and(words, WAITS, ~bit);
    // It had let go, and lowered itself, before it was raised.
    if (isRaisedLate) this.raise(id, own);
  }
}

/** After the death of a level: nobody waits for it, and it waits for nobody. Only the main thread calls it. */
export function openGate(plan: Plan, memory: SharedArrayBuffer, dead: number): void {
  for (const { id } of plan.levels) {
    // gate.waits: nobody else writes this bit any more.
    Atomics.and(levelWords(plan, memory, id), WAITS, ~(1 << dead));
  }
  const words = levelWords(plan, memory, dead);
  // gate.ceiling: nobody else writes it any more.
  Atomics.store(words, CEILING, 0);
  Atomics.notify(words, CEILING);
}
