/**
 * One thread of an exploration, advanced by replay: to make one more access, its present call is run again from the start.
 *
 *     call:      load    load    write    store          (the accesses that this call makes)
 *     recorded:  -> 3    -> 5                            answered again without touching memory
 *     new:                       write                   performed, once
 *     next:                               store          thrown out of the call with a sentinel, before it happens
 *
 * The thread's own fields are put back before each replay. Memory is never touched twice for one access, so the words may
 * have changed meanwhile without the call noticing: that is what a slow thread is.
 */
import { PrivateState, type SavedState } from './private-state.js';
import { isRead, isWrite, wordAfter, type Access, type VirtualMemory } from './virtual-memory.js';

/** What a call answers: make the next one; make it again when memory has changed; the thread has finished. */
export type Verdict = void | 'wait' | 'done';

export interface VirtualThread {
  readonly name: string;
  /**
   * The objects that hold everything this thread remembers between calls: its producer or consumer, its counters. Their fields
   * are primitives or arrays of primitives. What a step keeps anywhere else (a variable outside) breaks the replay.
   */
  readonly owns: readonly object[];
  /** One call: a few methods of the code under test. Deterministic; no try/catch around shared accesses. Throwing is a violation. */
  step(): Verdict;
  /** May wait for ever without being stuck, such as a consumer whose producer may die. */
  readonly mayWait?: boolean;
  /** May vanish between any two accesses. One thread dies in a schedule. */
  readonly mayDie?: boolean;
  /** What the system does at this thread's death, in the same moment: raise the word that a supervisor waits for. */
  onDeath?(): void;
}

/** An access that happened in the present call, and what it answered. */
export interface Past {
  readonly access: Access;
  readonly result: number;
}

export interface ThreadState {
  readonly status: 'ready' | 'waiting' | 'done' | 'dead';
  /** Own fields at the start of the present call. */
  readonly own: SavedState;
  readonly past: readonly Past[];
  /** The access it would make next, when it is ready. */
  readonly next: Access | null;
}

/** Thrown out of a call at an access that is not to happen yet. */
const SUSPENDED = Symbol('suspended');
/** Calls in a row that touch no shared word before the thread is taken to spin for ever. */
const MOST_QUIET_CALLS = 1000;
/** Accesses in one call before it is taken to loop; replay makes long calls dear. */
const MOST_ACCESSES = 500;

export class ReplayedThread {
  private readonly own: PrivateState;

  constructor(private readonly memory: VirtualMemory, readonly thread: VirtualThread) {
    this.own = new PrivateState(thread.name, thread.owns, (value) => memory.isShared(value));
  }

  /** Standing before its first access, with the memory's present contents. */
  begin(): ThreadState {
    return this.settle({ status: 'ready', own: this.own.save(), past: [], next: null }, 0);
  }

  /** Makes the next access in the memory's present contents, and does everything private up to the one after. */
  advance(from: ThreadState): ThreadState {
    return this.settle(from, 1);
  }

  /** The same, unless it waits and something that its waiting rests on is no longer so: then it begins its call again. */
  wakeIfChanged(from: ThreadState): ThreadState {
    if (from.status !== 'waiting' || isSameAgain(from.past, this.memory.cells)) return from;
    return this.settle({ ...from, past: [] }, 0);
  }

  /** Puts its own fields in place, as they were at the start of the present call. */
  restore(state: ThreadState): void {
    this.own.restore(state.own);
  }

  /** Lets it make `credit` new accesses, and everything private after them. */
  private settle({ own, past }: ThreadState, credit: number): ThreadState {
    for (let quiet = 0; quiet < MOST_QUIET_CALLS; quiet++) {
      this.own.restore(own);
      const outcome = this.replay(past, credit);
      if (outcome.next !== null) return { status: 'ready', own, past: outcome.past, next: outcome.next };
      const after = this.own.save();
      if (outcome.verdict === 'done') return { status: 'done', own: after, past: [], next: null };
      // The same call on the same fields and words would do the same again: nothing is lost by waiting until they differ.
      const isFutile = outcome.verdict === 'wait' && after.key === own.key && isSameAgain(outcome.past, this.memory.cells);
      if (isFutile) return { status: 'waiting', own, past: outcome.past, next: null };
      own = after;
      past = [];
      credit = 0;
    }
    throw new Error(`${this.thread.name} made ${MOST_QUIET_CALLS} calls in a row that touched no shared word`);
  }

  /** Runs the present call from its start. `next` is null when it came to its end. */
  private replay(recorded: readonly Past[], credit: number): { past: readonly Past[]; next: Access | null; verdict: Verdict } {
    const past: Past[] = [];
    let next: Access | null = null;
    this.memory.perform = (access) => {
      const known = recorded[past.length];
      if (known !== undefined) {
        if (!isSameAccess(known.access, access)) throw new Error(`${this.thread.name} went another way in a replay: its step keeps something outside owns`);
        past.push(known);
        return known.result;
      }
      if (past.length === recorded.length + credit) {
        next = access;
        throw SUSPENDED;
      }
      if (past.length === MOST_ACCESSES) throw new Error(`${this.thread.name} made ${MOST_ACCESSES} accesses in one call: it loops, or should be several calls`);
      const result = this.memory.apply(access);
      past.push({ access, result });
      return result;
    };
    let verdict: Verdict;
    try {
      verdict = this.thread.step();
    } catch (error) {
      if (error !== SUSPENDED) throw error;
      verdict = undefined;
    }
    return { past, next, verdict };
  }
}

const isSameAccess = (a: Access, b: Access): boolean =>
  a.verb === b.verb && a.word === b.word && a.mask === b.mask && a.value === b.value && a.expected === b.expected;

/** Would a call that made these accesses find each of their words as it found and left it? */
function isSameAgain(past: readonly Past[], cells: Int32Array): boolean {
  return past.every(({ access, result }) => {
    const now = cells[access.word] & access.mask;
    return (!isRead(access) || now === result) && (!isWrite(access) || now === (wordAfter(access, result) & access.mask));
  });
}
