/**
 * What the main thread has chosen for the disciplines of its reactors: for all of them, and for one alone. Of what
 * holds for a reactor, that which was asked for last holds, also for a thread that is started in its place, whatever
 * else is under way meanwhile. So choices are numbered when they are asked for, and not when they are in force.
 */
import type { DisciplineOptions } from '../scheduling/internal.js';

interface Choice {
  readonly options: DisciplineOptions;
  readonly number: number;
}

export class DisciplineChoices {
  private asked = 0;
  private ofAll: Choice;
  private readonly ofOne = new Map<number, Choice>();

  constructor(options: DisciplineOptions) {
    this.ofAll = { options, number: 0 };
  }

  /** What holds for all. */
  get all(): DisciplineOptions {
    return this.ofAll.options;
  }

  /** What a thread of this reactor begins with. */
  of(id: number): DisciplineOptions {
    return this.latest(id).options;
  }

  /** Somebody asks for something: returns its number. */
  ask(): number {
    return ++this.asked;
  }

  /** Whether something else that holds for this reactor was asked for later. */
  isOutdone(id: number, number: number): boolean {
    return this.latest(id).number > number;
  }

  /** What was asked for by this number holds, for one reactor or for all, unless something later does. */
  note(options: DisciplineOptions, number: number, id?: number): void {
    if (id === undefined) {
      if (number > this.ofAll.number) this.ofAll = { options, number };
    } else if (number > (this.ofOne.get(id)?.number ?? 0)) {
      this.ofOne.set(id, { options, number });
    }
  }

  /** The reactor was taken away. */
  forget(id: number): void {
    this.ofOne.delete(id);
  }

  private latest(id: number): Choice {
    const one = this.ofOne.get(id);
    return one !== undefined && one.number > this.ofAll.number ? one : this.ofAll;
  }
}
