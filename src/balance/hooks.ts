/**
 * The hooks by which the state of a bucket leaves a reactor and arrives at another. A hook that answers at once costs
 * no turn. A promise is waited for, but only for `hookTimeoutMs`:
 *
 *      called --answers--------------------------------------> the move goes on
 *            \--a promise--settles in time-------------------> the move goes on, or ends with what it rejects with
 *                        \--hookTimeoutMs over--> the bucket stays where it was --settles late--> what it did is undone
 *
 * As long as a promise that was given up has not settled, the bucket neither leaves this reactor nor arrives here
 * again. So what is undone late is what that hook has done, and nothing newer.
 */
import { PercoreError } from '../errors.js';
import { BUCKETS } from '../layout.js';
import type { Party } from '../reactor/internal.js';
import { isThenable } from '../thenable.js';
import { limitWait } from '../waiting.js';

export const DEFAULT_HOOK_TIMEOUT_MS = 30_000;

/** Something that has state of its own in each bucket. */
export interface BucketKeeper {
  readonly name: string;
  readonly stage: number;
  /** How many milliseconds the promise of a hook may take. */
  readonly hookTimeoutMs: number;
  readonly onBucketLeaves: ((bucket: number) => unknown) | undefined;
  readonly onBucketArrives: ((bucket: number, state: unknown) => unknown) | undefined;
}

/** State of a bucket, by the name of its keeper. */
export type States = [name: string, state: unknown][];

type Hook = 'onBucketLeaves' | 'onBucketArrives';
/** Undefined if it is done at once. */
type Wait = Promise<void> | undefined;
interface Then {
  readonly inTime?: (answer: unknown) => void;
  readonly late?: (answer: unknown) => void;
}

/** The hooks of one party. */
export class BucketHooks {
  private readonly keepers = new Map<string, BucketKeeper>();
  /** Hooks whose promise has not settled, by slot and the keeper's name. */
  private readonly pending = new Set<string>();

  constructor(private readonly party: Party) {}

  /** Throws ERR_PERCORE_NAME_TAKEN. */
  add(keeper: BucketKeeper): void {
    const { name } = keeper;
    if (this.keepers.has(name)) {
      const message = `buckets "${name}" are taken in this reactor; choose another name`;
      throw new PercoreError('ERR_PERCORE_NAME_TAKEN', message, { argument: 'name', value: name });
    }
    this.keepers.set(name, keeper);
  }

  get(name: string): BucketKeeper | undefined {
    return this.keepers.get(name);
  }

  /** The longest time that any keeper of the slot lets its hooks take. */
  timeoutMs(slot: number): number {
    return Math.max(0, ...this.of(slot).map(({ hookTimeoutMs }) => hookTimeoutMs)) || DEFAULT_HOOK_TIMEOUT_MS;
  }

  /** Adds to `states` what leaves with the slot. Throws, or rejects, with the reason why the slot stays here. */
  leave(slot: number, states: States): Wait {
    return inOrder(this.of(slot), (keeper) => keeper.onBucketLeaves && this.call(keeper, slot, 'onBucketLeaves', [], {
      inTime: (state) => void states.push([keeper.name, state]),
      late: (state) => void this.giveBack(slot, [[keeper.name, state]]),
    }));
  }

  /** Brings back what left with the slot. What a hook throws is reported. */
  giveBack(slot: number, states: States): Wait {
    return inOrder(states, ([name, state]) => this.guard(this.keepers.get(name)!, slot, 'onBucketArrives', [state]));
  }

  /** Throws, or rejects, with the reason why the slot cannot be here; then whatever arrived of it is forgotten. */
  arrive(slot: number, states: ReadonlyMap<string, unknown>): Wait {
    const arrived: BucketKeeper[] = [];
    const undo = (error: unknown): never => {
      this.forget(slot, arrived);
      throw error;
    };
    try {
      return inOrder(this.of(slot), (keeper) => this.call(keeper, slot, 'onBucketArrives', [states.get(keeper.name)], {
        inTime: () => void arrived.push(keeper),
        late: () => this.forget(slot, [keeper]),
      }))?.catch(undo);
    } catch (error) {
      return undo(error);
    }
  }

  /** The slot stays where it was, so it is forgotten here. */
  forget(slot: number, keepers: readonly BucketKeeper[] = this.of(slot)): void {
    for (const keeper of keepers) void this.guard(keeper, slot, 'onBucketLeaves', []);
  }

  private of(slot: number): BucketKeeper[] {
    return [...this.keepers.values()].filter(({ stage }) => stage === Math.floor(slot / BUCKETS));
  }

  private guard(keeper: BucketKeeper, slot: number, hook: Hook, given: unknown[]): Wait {
    const report = (error: unknown): void => this.report(keeper, error);
    try {
      return this.call(keeper, slot, hook, given, {})?.catch(report);
    } catch (error) {
      report(error);
      return undefined;
    }
  }

  private call(keeper: BucketKeeper, slot: number, hook: Hook, given: unknown[], { inTime, late }: Then): Wait {
    const { name, hookTimeoutMs } = keeper;
    const bucket = slot % BUCKETS;
    const { id } = this.party;
    const key = `${slot} ${name}`;
    if (this.pending.has(key)) {
      const message = `bucket ${bucket} can neither leave reactor ${id} nor arrive there: a hook of keyed task `
        + `"${name}" was given up after ${hookTimeoutMs} ms, and its promise has not settled yet`;
      throw new PercoreError('ERR_PERCORE_TIMEOUT', message, { argument: hook, value: bucket, reactorId: id });
    }
    const answer = (keeper[hook] as ((bucket: number, ...given: unknown[]) => unknown) | undefined)?.(bucket, ...given);
    if (!isThenable(answer)) {
      inTime?.(answer);
      return undefined;
    }
    this.pending.add(key);
    return new Promise((resolve, reject) => {
      let isLate = false;
      const missed = `${hook} of keyed task "${name}" in reactor ${id} did not settle for bucket ${bucket}`;
      const endWait = limitWait({ timeoutMs: hookTimeoutMs }, missed, (reason) => {
        isLate = true;
        reject(reason);
      }, undefined, id);
      const end = (then: () => void): void => {
        this.pending.delete(key);
        endWait();
        then();
      };
      Promise.resolve(answer).then(
        (value: unknown) => end(() => {
          if (isLate) return late?.(value);
          inTime?.(value);
          resolve();
        }),
        (error: unknown) => end(() => (isLate ? this.report(keeper, error) : reject(error))),
      );
    });
  }

  private report({ name }: BucketKeeper, error: unknown): void {
    this.party.reportError(error, `a hook of keyed task "${name}"`);
  }
}

/** Runs them one after the other, without a turn as long as nothing has to be waited for. */
function inOrder<T>(all: readonly T[], visit: (each: T) => Wait): Wait {
  for (const [i, each] of all.entries()) {
    const wait = visit(each);
    if (wait !== undefined) return wait.then(() => inOrder(all.slice(i + 1), visit));
  }
  return undefined;
}
