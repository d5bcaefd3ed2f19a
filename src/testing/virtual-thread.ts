/**
 * One thread of an exploration, advanced by replay: to make one more access, its present call is run again from the
 * start.
 *
 *     call:      load    load    write    store          (the accesses that this call makes)
 *     recorded:  -> 3    -> 5                            answered again without touching memory
 *     new:                       write                   performed, once
 *     next:                               store          thrown out of the call with a sentinel, before it happens
 *
 * A way that was gone once is not run again (ways.ts). Before each replay, the thread's own fields are put back. Memory
 * is never touched twice for one access, so the words may have changed meanwhile without the call noticing: that is
 * what a slow thread is.
 *
 * Plain reads that may race (`racyReads`) are looser than the order of the calls. A processor or a compiler may satisfy
 * one later, up to the thread's next atomic write, and a plain write of another thread may become visible late, up to
 * that thread's next atomic write. So where the two can meet, there is a second outcome, in which the read answers
 * POISON, which stands for any value: at once, if the word was written and the writer has made no atomic write since;
 * afterwards, by changing the recorded answer, if it is written while the read is still open.
 */
import { PrivateState, type SavedState } from './private-state.js';
import { NOT_EQUAL, isRead, isWrite, wordAfter, type Access } from './access.js';
import type { Verdict, VirtualThread } from './exploration.js';
import type { VirtualMemory } from './virtual-memory.js';
import {
  POISON, isHit, isSameAccess, orders, textOf, type Past, type Standing, type ThreadState,
} from './thread-state.js';
import { Ways, type Question } from './ways.js';

/** What a thread must be told about the others. */
export interface Company {
  /** An access is about to be made. True: it is nobody else's business, or touches the test's own words. */
  isAlone(thread: number, access: Access): boolean;
  /** Racy reads answer POISON now. */
  readonly answersPoison: boolean;
  sleepersAt(word: number): number;
  /** True for words that somebody may read in a race. */
  isRacy(word: number): boolean;
}

class AnotherWay extends Error {}

/** Thrown out of a call at an access that is not to happen yet. */
const SUSPENDED = Symbol('suspended');
/** What an `Atomics.wait` is answered that begins to sleep. */
const ASLEEP = -1;
/** Calls in a row that touch no shared word before the thread is taken to spin for ever. */
const MOST_QUIET_CALLS = 1000;
/** Accesses in one call before it is taken to loop; replay makes long calls dear. */
const MOST_ACCESSES = 500;

interface Replay {
  readonly past: readonly Past[];
  /** Null when the call came to its end. */
  readonly next: Access | null;
  readonly isAsleep: boolean;
  readonly verdict: Verdict;
}

export class ReplayedThread {
  /** The accesses that the last `advance` made, for the schedule. */
  made: readonly Past[] = [];
  private making: Past[] = [];
  private readonly ways = new Ways((question) => this.answer(question));
  /** The states of this thread, by their text. */
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

  /** Standing before its first access, with the memory's present contents. */
  begin(): ThreadState {
    this.ways.leave();
    return this.settle({ status: 'ready', own: this.blank, past: [], next: null, loose: [] }, 0);
  }

  /** Makes the next access in the memory's present contents, and does everything private up to the one after. */
  advance(from: ThreadState): ThreadState {
    return this.go(from, 0, () => this.settle(from, 1));
  }

  /** Ends its sleep with this answer. */
  wake(from: ThreadState, result: number): ThreadState {
    return this.go(from, result, () =>
      this.settle({ ...from, past: [...from.past, { access: from.next!, result }] }, 0),
    );
  }

  /**
   * The same, unless it waits and something that its waiting rests on is no longer so: then it begins its call again.
   */
  wakeIfChanged(from: ThreadState): ThreadState {
    if (from.status !== 'waiting' || this.isSameAgain(from.past)) return from;
    return this.go(from, 0, () => this.settle({ ...from, past: [] }, 0));
  }

  /**
   * How many open racy reads `written`, a plain write of another thread, may have hit: their answers may be anything.
   */
  openReads({ status, past }: ThreadState, written: Access): number {
    if (status !== 'ready' || written.verb !== 'write' || !this.racyWords.has(written.word)) return 0;
    let count = 0;
    for (let i = past.length - 1; i >= 0 && !orders(past[i].access); i--) if (isHit(past[i], written)) count++;
    return count;
  }

  /**
   * The same thread, when the last `count` of those reads answer POISON. What it has read since on the strength of
   * another answer, it reads again.
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

  /** Dead, with nothing of it left but what it has written. `onDeath` finds its fields in place. */
  die(from: ThreadState): ThreadState {
    this.restore(from);
    this.memory.threadId = this.threadId;
    this.thread.onDeath?.();
    return this.stateOf({ status: 'dead', own: this.blank, past: [], next: null, loose: [] });
  }

  /** Puts its own fields in place, as they were at the start of the present call. */
  restore(state: ThreadState): void {
    this.own.restore(state.own);
  }

  /** True for a read that is allowed to race. */
  mayRace({ verb, word }: Access): boolean {
    return verb === 'read' && this.racyWords.has(word);
  }

  /** What others do is known otherwise now: see footprints.ts. */
  forget(): void {
    this.ways.forget();
    this.states.clear();
  }

  /** Takes the way that was taken before, or else runs it. `how` tells apart what can happen to one state. */
  private go(from: ThreadState, how: number, run: () => ThreadState): ThreadState {
    const known = this.ways.follow(from, how);
    if (known !== undefined) {
      this.made = known.made;
      return known.after;
    }
    this.made = this.making = [];
    // Views of a buffer that grows look at its length without an access.
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

  /** Lets it make `credit` new accesses, and everything private or nobody else's business after them. */
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
      // The same call on the same fields and words would do the same again: nothing is lost by waiting until they
      // differ.
      const isFutile = outcome.verdict === 'wait' && after.key === own.key && this.ways.ask(outcome.past) === 1;
      if (isFutile) return this.stateOf({ status: 'waiting', own, past: outcome.past, next: null, loose });
      own = after;
      past = [];
      credit = 0;
    }
    throw new Error(`${this.thread.name} made ${MOST_QUIET_CALLS} calls in a row that touched no shared word`);
  }

  /** Runs the present call from its start. */
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

  /** What is loose after the accesses of `past` from `from` on, when `loose` was before. */
  private looseAfter(loose: readonly Access[], past: readonly Past[], from: number): readonly Access[] {
    for (let i = from; i < past.length; i++) {
      const { access } = past[i];
      if (orders(access)) loose = loose.length === 0 ? loose : [];
      else if (access.verb === 'write' && this.company.isRacy(access.word)) loose = [...loose, access];
    }
    return loose;
  }

  /** Would a call that made these accesses find each of their words as it found and left it? */
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
