/**
 * One thread of an exploration. It advances by replay: to make one more access, its present step is run again from the
 * start.
 *
 *     step:      load    load    write    store          (the accesses that this step makes)
 *     recorded:  -> 3    -> 5                            answered again without touching memory
 *     new:                       write                   performed, once
 *     next:                               store          suspended: an exception ends the step before the access
 *
 * A path that was taken once is not run again (ways.ts). Before each replay, the thread's own fields are put back.
 * Memory is touched only once for each access, so words may have changed between two accesses without the step
 * noticing, as happens to a slow thread.
 *
 * Plain reads that may race (`racyReads`) are not bound to the order of the code. A processor or a compiler may perform
 * one later, up to the thread's next atomic write, and a plain write of another thread may become visible later, up to
 * that thread's next atomic write. So where the two can meet, there is a second outcome, in which the read returns
 * POISON, which stands for any value. It does so at once if the word was written and the writer has made no atomic
 * write since. If the word is written later, while the read is still open, the recorded result is changed to POISON.
 */
import { PrivateState, type SavedState } from './private-state.js';
import { NOT_EQUAL, isRead, isWrite, wordAfter, type Access } from './access.js';
import type { Verdict, VirtualThread } from './exploration.js';
import type { VirtualMemory } from './virtual-memory.js';
import {
  POISON, isHit, isSameAccess, orders, textOf, type Past, type Standing, type ThreadState,
} from './thread-state.js';
import { Ways, type Question } from './ways.js';

/** What a thread has to know about the other threads. */
export interface Company {
  /** Called before an access is made. True if it concerns no other thread, or touches only words of the test. */
  isAlone(thread: number, access: Access): boolean;
  /** True while racy reads are to return POISON. */
  readonly answersPoison: boolean;
  /** How many threads sleep at a word. */
  sleepersAt(word: number): number;
  /** True for words that somebody may read in a race. */
  isRacy(word: number): boolean;
}

/** The error for a replay that makes other accesses than were recorded. */
class AnotherWay extends Error {}

/** Thrown to end a step at an access that is not to happen yet. */
const SUSPENDED = Symbol('suspended');
/** The result of an `Atomics.wait` that begins to sleep. */
const ASLEEP = -1;
/** After so many steps in a row without an access to shared memory, the thread is taken to spin for ever. */
const MOST_QUIET_CALLS = 1000;
/** After so many accesses, a step is taken to loop. Replay makes long steps expensive. */
const MOST_ACCESSES = 500;

interface Replay {
  readonly past: readonly Past[];
  /** Null if the step came to its end. */
  readonly next: Access | null;
  readonly isAsleep: boolean;
  readonly verdict: Verdict;
}

/** A virtual thread, and everything that is needed to replay it. */
export class ReplayedThread {
  /** The accesses that the last `advance` made, for the schedule. */
  made: readonly Past[] = [];
  private making: Past[] = [];
  private readonly ways = new Ways((question) => this.answer(question));
  /** The states of this thread so far, by their text. */
  private readonly states = new Map<string, ThreadState>();
  private readonly own: PrivateState;
  private readonly racyWords = new Set<number>();
  private readonly threadId: number;
  private readonly blank: SavedState;

  constructor(
    private readonly memory: VirtualMemory, readonly thread: VirtualThread, private readonly index: number,
    private readonly company: Company,
  ) {
    this.own = new PrivateState(thread.name, thread.owns, (value) => memory.identityOf(value), thread.unobserved);
    this.threadId = thread.threadId ?? index + 1;
    this.blank = this.own.save();
    for (const range of thread.racyReads ?? []) {
      const { first, end } = memory.wordsOf(range);
      for (let word = first; word < end; word++) this.racyWords.add(word);
    }
  }

  /** The state of the thread before its first access, with the present contents of the memory. */
  begin(): ThreadState {
    this.ways.leave();
    return this.settle({ status: 'ready', own: this.blank, past: [], next: null, loose: [] }, 0);
  }

  /** Makes the next access, and runs on to the access after it. */
  advance(from: ThreadState): ThreadState {
    return this.go(from, 0, () => this.settle(from, 1));
  }

  /** Ends the thread's sleep; `Atomics.wait` returns `result`. */
  wake(from: ThreadState, result: number): ThreadState {
    return this.go(from, result, () =>
      this.settle({ ...from, past: [...from.past, { access: from.next!, result }] }, 0),
    );
  }

  /**
   * If the thread waits and the memory that made it wait has changed, begins its step again; otherwise returns `from`.
   */
  wakeIfChanged(from: ThreadState): ThreadState {
    if (from.status !== 'waiting' || this.isSameAgain(from.past)) return from;
    return this.go(from, 0, () => this.settle({ ...from, past: [] }, 0));
  }

  /**
   * How many open racy reads may have been hit by `written`, a plain write of another thread. They may return anything.
   */
  openReads({ status, past }: ThreadState, written: Access): number {
    if (status !== 'ready' || written.verb !== 'write' || !this.racyWords.has(written.word)) return 0;
    let count = 0;
    for (let i = past.length - 1; i >= 0 && !orders(past[i].access); i--) if (isHit(past[i], written)) count++;
    return count;
  }

  /**
   * The state of the thread if the last `count` of those reads return POISON. If it went on because of another result,
   * it makes the accesses after that again.
   */
  poisoned(from: ThreadState, written: Access, count: number): ThreadState {
    const past = [...from.past];
    let first = past.length;
    for (let i = past.length - 1, left = count; left > 0; i--) {
      if (!isHit(past[i], written)) continue;
      past[i] = { access: past[i].access, result: POISON & past[i].access.mask };
      first = i;
      left--;
    }
    this.ways.leave();
    try {
      return this.settle({ ...from, past }, 0);
    } catch (error) {
      if (!(error instanceof AnotherWay) || past.slice(first + 1).some(({ access }) => isWrite(access))) throw error;
      this.ways.leave();
      return this.settle({ ...from, past: past.slice(0, first + 1) }, 0);
    }
  }

  /** Lets the thread die: only what it has written is left. `onDeath` still finds its fields in place. */
  die(from: ThreadState): ThreadState {
    this.restore(from);
    this.memory.threadId = this.threadId;
    this.thread.onDeath?.();
    return this.stateOf({ status: 'dead', own: this.blank, past: [], next: null, loose: [] });
  }

  /** Puts the thread's own fields in place, as they were at the start of the present step. */
  restore(state: ThreadState): void {
    this.own.restore(state.own);
  }

  /** True for a read that may race. */
  mayRace({ verb, word }: Access): boolean {
    return verb === 'read' && this.racyWords.has(word);
  }

  /** To be called when more is known about the accesses of other threads: see footprints.ts. */
  forget(): void {
    this.ways.forget();
    this.states.clear();
  }

  /** Follows the path that was taken before, or else runs it. `how` tells apart the different moves from one state. */
  private go(from: ThreadState, how: number, run: () => ThreadState): ThreadState {
    const known = this.ways.follow(from, how);
    if (known !== undefined) {
      this.made = known.made;
      return known.after;
    }
    this.made = this.making = [];
    // Views of a growable buffer read its length without an access, so the lengths are part of the path.
    for (const word of this.memory.lengthWords)
      this.ways.ask({ verb: 'load', word, mask: -1, value: 0, expected: 0 });
    const after = run();
    this.ways.end({ after, made: this.made });
    return after;
  }

  private stateOf(standing: Standing): ThreadState {
    const text = textOf(standing, (word) => this.memory.isIgnored(word));
    let state = this.states.get(text);
    if (state === undefined) this.states.set(text, state = { ...standing, number: this.states.size });
    return state;
  }

  /** Lets the thread make `credit` new accesses, and after them all those that concern no other thread. */
  private settle({ own, past, loose }: Standing, credit: number): ThreadState {
    for (let quiet = 0; quiet < MOST_QUIET_CALLS; quiet++) {
      this.own.restore(own);
      const outcome = this.replay(past, credit);
      loose = this.looseAfter(loose, outcome.past, past.length);
      if (outcome.next !== null)
        return this.stateOf({
          status: outcome.isAsleep ? 'asleep' : 'ready', own, past: outcome.past, next: outcome.next, loose,
        });
      const after = this.own.save();
      if (outcome.verdict === 'done') return this.stateOf({ status: 'done', own: after, past: [], next: null, loose });
      // With the same fields and words the same step would do the same again, so nothing is lost by waiting until one
      // of them changes.
      const isFutile = outcome.verdict === 'wait' && after.key === own.key && this.ways.ask(outcome.past) === 1;
      if (isFutile) return this.stateOf({ status: 'waiting', own, past: outcome.past, next: null, loose });
      own = after;
      past = [];
      credit = 0;
    }
    throw new Error(`${this.thread.name} made ${MOST_QUIET_CALLS} calls in a row that touched no shared word`);
  }

  /** Runs the present step from its start. */
  private replay(recorded: readonly Past[], credit: number): Replay {
    const { memory, company } = this;
    const past: Past[] = [];
    let made = 0;
    let next: Access | null = null;
    let isAsleep = false;
    memory.threadId = this.threadId;
    memory.perform = (access) => {
      const known = recorded[past.length];
      if (known !== undefined) {
        if (!isSameAccess(known.access, access))
          throw new AnotherWay(
            `${this.thread.name} went another way in a replay: its step keeps something outside owns`,
          );
        past.push(known);
        return known.result;
      }
      const isAlone = company.isAlone(this.index, access);
      if (!isAlone && made === credit) {
        next = access;
        throw SUSPENDED;
      }
      if (past.length === MOST_ACCESSES)
        throw new Error(
          `${this.thread.name} made ${MOST_ACCESSES} accesses in one call: it loops, or should be several calls`,
        );
      if (!isAlone) made++;
      const happened = { access, result: this.ways.ask(access) };
      if (happened.result === ASLEEP && access.verb === 'wait') {
        isAsleep = true;
        next = access;
        throw SUSPENDED;
      }
      past.push(happened);
      if (!memory.isNoted(access.word) && !memory.isIgnored(access.word)) this.making.push(happened);
      return happened.result;
    };
    let verdict: Verdict;
    try {
      verdict = this.thread.step();
    } catch (error) {
      if (error !== SUSPENDED) throw error;
      verdict = undefined;
    }
    return { past, next, isAsleep, verdict };
  }

  private answer(access: Question): number {
    if (!('verb' in access)) return this.isSameAgain(access) ? 1 : 0;
    if (access.verb === 'wait') return this.memory.cells[access.word] === access.expected ? ASLEEP : NOT_EQUAL;
    if (access.verb === 'notify') return this.company.sleepersAt(access.word);
    const result = this.memory.apply(access);
    return this.company.answersPoison && this.mayRace(access) ? POISON & access.mask : result;
  }

  /** The loose writes after the accesses in `past` from index `from` on, if those in `loose` were loose before. */
  private looseAfter(loose: readonly Access[], past: readonly Past[], from: number): readonly Access[] {
    for (let i = from; i < past.length; i++) {
      const { access } = past[i];
      if (orders(access)) loose = loose.length === 0 ? loose : [];
      else if (access.verb === 'write' && this.company.isRacy(access.word)) loose = [...loose, access];
    }
    return loose;
  }

  /** True if a step that made these accesses would find each of their words again as it found and left it. */
  private isSameAgain(past: readonly Past[]): boolean {
    return past.every(({ access, result }) => {
      if (this.memory.isIgnored(access.word) || access.verb === 'notify') return true;
      const now = this.memory.cells[access.word] & access.mask;
      if (access.verb === 'wait') return result === NOT_EQUAL && now !== access.expected;
      return (
        (!isRead(access) || now === result) && (!isWrite(access) || now === (wordAfter(access, result) & access.mask))
      );
    });
  }
}
