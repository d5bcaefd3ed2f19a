/**
 * The calls that are under way here, by asker and by the place of the call in the asker's own table (calls.ts): looking
 * one up takes two loads, and noting one a store. Also the calls that were given up before they came: CANCEL travels in
 * a higher lane, where it overtakes the call.
 *
 * One thread.
 */
import type { PercoreError } from '../errors.js';
import type { AskedCall } from './call-asked.js';
import { MAX_CALLS, SLOT_MASK, sequenceOf } from './calls.js';

interface Asker {
  readonly underWay: (AskedCall | undefined)[];
  /** Given up before they came, oldest first. */
  readonly early: Set<number>;
}

export class Askers {
  /** Some call was given up before it came. */
  hasEarly = false;
  /** Some asker has died, and calls of its thread may still come. */
  hasDead = false;
  private readonly askers: (Asker | undefined)[] = [];
  /** For each asker, the number of the last call of a thread that has died in its place. */
  private readonly lastOfDead: number[];

  /** What each party's `callsOfDead` says now. */
  constructor(parties: number, private readonly callsOfDead: (from: number) => number) {
    this.lastOfDead = Array.from({ length: parties }, (_, from) => callsOfDead(from));
    this.hasDead = this.lastOfDead.some((last) => last > 0);
  }

  /** From now until `remove`, `find` finds it. */
  add(asked: AskedCall): void {
    const { underWay } = this.of(asked.from);
    const slot = asked.number & SLOT_MASK;
    while (underWay.length <= slot) underWay.push(undefined);
    // The asker has given up the previous call with this place; its handler does not know yet, or does not care.
    asked.older = underWay[slot];
    underWay[slot] = asked;
  }

  remove(asked: AskedCall): void {
    asked.finish();
    const { underWay } = this.of(asked.from);
    const slot = asked.number & SLOT_MASK;
    if (underWay[slot] === asked) {
      underWay[slot] = asked.older;
      return;
    }
    for (let each = underWay[slot]; each !== undefined; each = each.older) {
      if (each.older === asked) each.older = asked.older;
    }
  }

  find(from: number, number: number, generation: number): AskedCall | undefined {
    let asked = this.of(from).underWay[number & SLOT_MASK];
    while (asked !== undefined && (asked.number !== number || asked.generation !== generation)) asked = asked.older;
    return asked;
  }

  /**
   * The call must not begin when it comes. A call that was already answered never comes: its note stays until this many
   * others have pushed it out.
   */
  cancelEarly(from: number, number: number, generation: number): void {
    const { early } = this.of(from);
    early.add(keyOf(number, generation));
    if (early.size > MAX_CALLS) early.delete(early.values().next().value!);
    this.hasEarly = true;
  }

  takeEarly(from: number, number: number, generation: number): boolean {
    const { early } = this.of(from);
    return early.size !== 0 && early.delete(keyOf(number, generation));
  }

  /** The call comes from a thread that has died: nobody waits for its answer. */
  isOfDead(from: number, number: number, generation: number): boolean {
    return sequenceOf(number, generation) <= this.lastOfDead[from]!;
  }

  /**
   * Nobody waits any more for what `from` has asked, nor for what its thread has asked and is still to come; without
   * `from`, for anything.
   */
  endAll(from: number | undefined, why: () => PercoreError): void {
    if (from !== undefined) {
      this.lastOfDead[from] = this.callsOfDead(from);
      this.hasDead ||= this.lastOfDead[from] > 0;
    }
    for (const [id, asker] of this.askers.entries()) {
      if (asker === undefined || (from !== undefined && id !== from)) continue;
      asker.early.clear();
      for (let asked of asker.underWay) for (; asked !== undefined; asked = asked.older) asked.end(why());
    }
  }

  private of(from: number): Asker {
    return (this.askers[from] ??= { underWay: [], early: new Set() });
  }
}

/** Exact: 16 bits of the place, 32 of the generation. */
const keyOf = (number: number, generation: number): number => (number & SLOT_MASK) * 2 ** 32 + (generation >>> 0);
