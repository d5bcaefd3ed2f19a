/**
 * Locks of resources, taken by a level. The ceiling keeps other users on this core away. The lock in shared memory
 * keeps away those on other cores, and every user where there is no preemption, or where a holder sleeps in spite of
 * its priority (in a garbage collection, or on a page that is not in memory).
 *
 *      lock: raise to the ceiling, if below it --> take the lock --> critical(state) --> give it back --> lower
 *
 * To raise costs two stores and no system call where one core uses the resource: see step-gate.ts. A resource that one
 * level alone uses has no ceiling above it, and no lock to take.
 */
import { PercoreError } from '../errors.js';
import { fairLockLayout } from '../layout.js';
import { recordMemory, structWriter } from '../queues/index.js';
import type { CoreTurns } from './core-turns.js';
import { FairLock } from './fair-lock.js';
import type { Plan } from './plan.js';
import { reportLater } from './promises.js';

/** How often a waiter looks at a lock before it sleeps, while the holder runs on another CPU: for some 20 µs. */
const SPINS = 2000;

/** A thread whose rank changes: a ThreadLevel, or one made by a test. */
export interface Raisable {
  rank: number;
  raise(rank: number, isAtOnce: boolean): void;
  lower(rank: number): void;
}

/** What this level has locked, innermost last, and how it gives way. One for each level. */
export class LockStack {
  /** The number of the resource that was last locked and not given back; -1 if there is none. */
  top = -1;
  turns: CoreTurns | undefined = undefined;

  constructor(public thread: Raisable) {}
}

/** A resource as one level sees it. */
export class ResourceLock {
  private readonly lock: FairLock;
  private readonly state: unknown;
  private readonly isCrossing: boolean;

  constructor(
    readonly name: string, private readonly index: number, private readonly ceiling: number,
    private readonly stack: LockStack, memory: SharedArrayBuffer, plan: Plan, self: number,
    isElsewhere: readonly boolean[],
  ) {
    const { layout, at, users, isCrossing } = plan.resources[index]!;
    this.isCrossing = isCrossing;
    this.lock = new FairLock(memory, at, self, isElsewhere, SPINS, users.length === 1);
    const bytes = Math.ceil(layout.recordBytes / 8) * 8;
    // Whoever writes a field that was not declared is told by a TypeError: it would be in this level's object alone.
    const record = recordMemory(memory, at + fairLockLayout.bytes, bytes);
    this.state = Object.preventExtensions(structWriter(layout, record).at(0));
  }

  /** See AppContext.lock. */
  run<X>(critical: (state: never, wasLeft: boolean) => X): X {
    const { stack, ceiling } = this;
    const { thread, top } = stack;
    if (top >= this.index) throw this.wrongOrder();
    const before = thread.rank;
    // Whoever spins for it on another core must not wait for a level that was preempted.
    if (ceiling > before) thread.raise(ceiling, this.isCrossing);
    stack.top = this.index;
    const wasLeft = this.lock.acquire();
    let result: X;
    try {
      result = critical(this.state as never, wasLeft);
    } finally {
      this.lock.release();
      stack.top = top;
      if (ceiling > before) thread.lower(before);
    }
    if (stack.turns !== undefined) stack.turns.giveWay(thread.rank);
    if (typeof result === 'object' && result !== null && 'then' in result) throw this.noPromise(result);
    return result;
  }

  private wrongOrder(): PercoreError {
    return new PercoreError(
      'ERR_PERCORE_LOCK_ORDER',
      `lock("${this.name}") inside of a lock of itself or of a resource declared after it. Two tasks that `
        + 'lock in different orders could wait for each other for ever: declare it before, or lock it first',
      { argument: 'resource', value: this.name },
    );
  }

  private noPromise(result: object): PercoreError {
    reportLater(result, `critical of lock("${this.name}")`);
    return new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `critical of lock("${this.name}") returned a promise: what it does later would be done without the lock. Do what `
        + 'needs the resource before it returns, and wait for the rest outside of the lock',
      { argument: 'critical', value: result, allowed: 'a function that returns no promise' },
    );
  }
}

/** A resource's lock, as the main thread repairs it. */
export function repairableLock(plan: Plan, memory: SharedArrayBuffer, index: number): FairLock {
  return new FairLock(memory, plan.resources[index]!.at, plan.levels.length, [], 0);
}
