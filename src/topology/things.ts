/** What a party was asked to make, by name: rings, cursors, splits, programs, tasks, timers, io. */
import { PercoreError } from '../errors.js';
import type { ListedKind, Shown } from './messages.js';

/** One thing: what it is, and its figures as they are now. */
export interface Thing {
  readonly kind: ListedKind;
  readonly name: string;
  /** True if it is over, so that its name may be given to another. */
  readonly isOver?: boolean;
  /** Ends it. Left out if only it can end itself. */
  close?(): void;
  describe(): { about: string; details: Record<string, unknown> };
}

/** The things of one party, in the order in which they were made. All kinds share one space of names. */
export class Things {
  readonly #byName = new Map<string, Thing>();

  /** Throws ERR_PERCORE_NAME_TAKEN. */
  checkFree(name: string): void {
    const other = this.#byName.get(name);
    if (other === undefined) return;
    if (other.isOver === true) {
      this.#byName.delete(name);
      return;
    }
    throw new PercoreError(
      'ERR_PERCORE_NAME_TAKEN', `name "${name}" is that of a ${other.kind} here; choose another`,
      { argument: 'name', value: name },
    );
  }

  add<T extends Thing>(thing: T): T {
    this.checkFree(thing.name);
    this.#byName.set(thing.name, thing);
    return thing;
  }

  remove(name: string): void {
    this.#byName.delete(name);
  }

  /** A thing of this kind. Throws ERR_PERCORE_UNKNOWN_NAME, which says which ones there are. */
  find<T extends Thing>(argument: string, name: unknown, kind: new (...given: never[]) => T, what: string): T {
    const thing = typeof name === 'string' ? this.#byName.get(name) : undefined;
    if (thing instanceof kind) return thing;
    const known = [...this.#byName.values()].filter((each) => each instanceof kind).map((each) => `"${each.name}"`);
    throw unknownName(argument, name, what, known, thing);
  }

  /** A thing of any kind. */
  any(argument: string, name: unknown): Thing {
    const thing = typeof name === 'string' ? this.#byName.get(name) : undefined;
    if (thing !== undefined) return thing;
    throw unknownName(argument, name, 'thing', [...this.#byName.keys()].map((each) => `"${each}"`), undefined);
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  [Symbol.iterator](): Iterator<Thing> {
    return this.#byName.values();
  }
}

export function show(thing: Thing): Shown {
  const { kind, name } = thing;
  return { kind, name, ...thing.describe() };
}

export function unknownName(
  argument: string, name: unknown, what: string, known: readonly string[], other: Thing | undefined,
): PercoreError {
  const instead = other === undefined ? '' : `: it is a ${other.kind}`;
  const there = known.length === 0 ? `there is none` : `there are ${known.join(', ')}`;
  return new PercoreError(
    'ERR_PERCORE_UNKNOWN_NAME', `${argument}: there is no ${what} ${JSON.stringify(name)} here${instead}; ${there}`,
    { argument, value: name, allowed: known.join(', ') },
  );
}
