/**
 * A discipline of a user's own, held to its contract: what it selects was pushed and not yet selected, it does not
 * withhold what is ready, and it does not throw. When it breaks the contract, the error says how, and the strict
 * discipline takes over everything that waits, so nothing is lost, runs twice, or is left to hang.
 *
 *      own --push, select, hasAbove, charge--> kept, and compared with the set of what waits
 *       \--throws, loses, repeats--> onFault, once; from then on: Bands
 *
 * What waits is also kept in a set, which costs some tens of nanoseconds for each quantum. Without it a fault of a
 * discipline would appear as work that never runs, or that runs twice.
 */
import { PercoreError, messageOf, show } from '../errors.js';
import { Bands } from './bands.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';

export class CheckedDiscipline implements Discipline<Ready> {
  /** Left out if the discipline does not charge, so that nobody times quanta for it. */
  readonly charge?: (band: number, ns: number) => void;
  readonly refund?: (band: number, collectedNs: number, chargedNs: number) => void;
  /** All that waits, in the order in which it came. */
  private readonly waiting = new Set<Ready>();
  /** What selects after a fault. */
  private substitute: Bands | undefined;

  /** `onFault` is called once, with an ERR_PERCORE_DISCIPLINE. It must not throw. */
  constructor(private readonly own: Discipline, private readonly onFault: (error: PercoreError) => void) {
    if (this.ask('charge', false, () => typeof own.charge === 'function')) {
      this.charge = (band, ns) => void this.ask('charge', undefined, () => own.charge!(band, ns));
    }
    if (this.ask('refund', false, () => typeof own.refund === 'function')) {
      this.refund = (band, collectedNs, chargedNs) =>
        void this.ask('refund', undefined, () => own.refund!(band, collectedNs, chargedNs));
    }
  }

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  hasAbove(band: number): boolean {
    const { substitute } = this;
    if (substitute !== undefined) return substitute.hasAbove(band);
    // If nothing waits there is nothing above, whatever it says: a quantum would end for nobody.
    return this.waiting.size !== 0 && this.ask('hasAbove', false, () => this.own.hasAbove(band) === true);
  }

  push(ready: Ready): void {
    this.waiting.add(ready);
    if (this.substitute !== undefined) this.substitute.push(ready);
    // After a fault the substitute has it, with everything else that waits.
    else this.ask('push', undefined, () => this.own.push(ready));
  }

  select(): Ready | undefined {
    if (this.waiting.size === 0) return undefined;
    if (this.substitute === undefined) {
      const selected = this.ask<unknown>('select', undefined, () => this.own.select());
      if (this.waiting.delete(selected as Ready)) return selected as Ready;
      // The question itself may have ended in a fault.
      if (this.substitute === undefined) this.fault(this.wrongSelection(selected));
    }
    const ready = this.substitute!.select()!;
    this.waiting.delete(ready);
    return ready;
  }

  private ask<T>(what: string, otherwise: T, question: () => T): T {
    if (this.substitute !== undefined) return otherwise;
    try {
      return question();
    } catch (cause) {
      this.fault(`${what} threw: ${messageOf(cause)}`, cause);
      return otherwise;
    }
  }

  private wrongSelection(selected: unknown): string {
    const { size } = this.waiting;
    if (selected === undefined) return `select returned nothing, though ${size} ${size === 1 ? 'waits' : 'wait'}`;
    const isReady = typeof selected === 'object' && selected !== null && 'isReady' in selected && 'band' in selected;
    if (!isReady) return `select returned ${show(selected)}, which was never pushed`;
    return `select returned one of band ${(selected as Ready).band} that it had returned before, or was never given`;
  }

  /** It has broken its contract; `how` says in which way. The strict discipline takes over everything that waits. */
  fault(how: string, cause?: unknown): void {
    const bands = (this.substitute = new Bands());
    for (const ready of this.waiting) bands.push(ready);
    const name = nameOfDiscipline(this.own);
    this.onFault(new PercoreError(
      'ERR_PERCORE_DISCIPLINE', `discipline ${name}: ${how}. The strict discipline has taken over all that waits`,
      { argument: 'discipline', ...(cause === undefined ? {} : { cause }) },
    ));
  }
}

/** The name of its class, for messages and the status. */
export function nameOfDiscipline(own: Discipline): string {
  let name: unknown;
  try {
    const { constructor } = own as { constructor?: unknown };
    if (typeof constructor === 'function') ({ name } = constructor);
  } catch {
    // Whoever asks wants to report a fault or figures: what it is called matters less.
  }
  return typeof name !== 'string' || name === '' || name === 'Object' ? 'of your own' : name;
}
