/**
 * One thread of an exploration, advanced by replay: to make one more access, its present call is run again from the
 * start.
 *
 *     call:      load    load    write    store          (the accesses that this call makes)
 *     recorded:  -> 3    -> 5                            answered again without touching memory
 *     new:                       write                   performed, once
 *     next:                               store          thrown out of the call with a sentinel, before it happens
 *
 * The thread's own fields are put back before each replay. Memory is never touched twice for one access, so the words
 * may have changed meanwhile without the call noticing: that is what a slow thread is.
 *
 * Plain reads that may race (`racyReads`) are looser than the order of the calls. A processor or a compiler may satisfy
 * one later, up to the thread's next atomic write, and a plain write of another thread may become visible late, up to
 * that thread's next atomic write. So where the two can meet, there is a second outcome, in which the read answers
 * POISON, which stands for any value: at once, if the word was written and the writer has made no atomic write since;
 * afterwards, by changing the recorded answer, if it is written while the read is still open.
 */
import { PrivateState, type SavedState } from './private-state.js';
import { NOT_EQUAL, isAtomic, isRead, isWrite, wordAfter, type Access } from './access.js';
import type { Verdict, VirtualThread } from './exploration.js';
import type { VirtualMemory } from './virtual-memory.js';

/** What a racy read answers: a word that is no number, length or type that a scenario writes. */
export const POISON = 0x5eedbad1;

/** An access that happened in the present call, and what it answered. */
export interface Past {
  readonly access: Access;
  readonly result: number;
}

export interface ThreadState {
  readonly status: 'ready' | 'waiting' | 'asleep' | 'done' | 'dead';
  /** Own fields at the start of the present call. */
  readonly own: SavedState;
  readonly past: readonly Past[];
  /** The access it would make next, when it is ready; the one it sleeps in, when it is asleep. */
  readonly next: Access | null;
  /** Plain writes, since its last atomic write, of words that others may read in a race. */
  readonly loose: readonly Access[];
}

/** What a thread must be told of the others. */
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
  made: Past[] = [];
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
    return this.settle({ status: 'ready', own: this.blank, past: [], next: null, loose: [] }, 0);
  }

  /** Makes the next access in the memory's present contents, and does everything private up to the one after. */
  advance(from: ThreadState): ThreadState {
    this.made = [];
    return this.settle(from, 1);
  }

  /** Ends its sleep with this answer. */
  wake(from: ThreadState, result: number): ThreadState {
    this.made = [];
    return this.settle({ ...from, past: [...from.past, { access: from.next!, result }] }, 0);
  }

  /**
   * The same, unless it waits and something that its waiting rests on is no longer so: then it begins its call again.
   */
  wakeIfChanged(from: ThreadState): ThreadState {
    if (from.status !== 'waiting' || this.isSameAgain(from.past)) return from;
    return this.settle({ ...from, past: [] }, 0);
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
    try {
      return this.settle({ ...from, past }, 0);
    } catch (error) {
      if (!(error instanceof AnotherWay) || past.slice(first + 1).some(({ access }) => isWrite(access))) throw error;
      return this.settle({ ...from, past: past.slice(0, first + 1) }, 0);
    }
  }

  /** Dead, with nothing of it left but what it has written. `onDeath` finds its fields in place. */
  die(from: ThreadState): ThreadState {
    this.restore(from);
    this.memory.threadId = this.threadId;
    this.thread.onDeath?.();
    return { status: 'dead', own: this.blank, past: [], next: null, loose: [] };
  }

  /** Puts its own fields in place, as they were at the start of the present call. */
  restore(state: ThreadState): void {
    this.own.restore(state.own);
  }

  /** True for a read that is allowed to race. */
  mayRace({ verb, word }: Access): boolean {
    return verb === 'read' && this.racyWords.has(word);
  }

  /** Lets it make `credit` new accesses, and everything private or nobody else's business after them. */
  private settle({ own, past, loose }: ThreadState, credit: number): ThreadState {
    for (let quiet = 0; quiet < MOST_QUIET_CALLS; quiet++) {
      this.own.restore(own);
      const outcome = this.replay(past, credit);
      loose = this.looseAfter(loose, outcome.past, past.length);
      if (outcome.next !== null)
        return { status: outcome.isAsleep ? 'asleep' : 'ready', own, past: outcome.past, next: outcome.next, loose };
      const after = this.own.save();
      if (outcome.verdict === 'done') return { status: 'done', own: after, past: [], next: null, loose };
      // The same call on the same fields and words would do the same again: nothing is lost by waiting until they
      // differ.
      const isFutile = outcome.verdict === 'wait' && after.key === own.key && this.isSameAgain(outcome.past);
      if (isFutile) return { status: 'waiting', own, past: outcome.past, next: null, loose };
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
      isAsleep = (isAlone || made < credit) && access.verb === 'wait' && memory.cells[access.word] === access.expected;
      if (isAsleep || (!isAlone && made === credit)) {
        next = access;
        throw SUSPENDED;
      }
      if (past.length === MOST_ACCESSES)
        throw new Error(
          `${this.thread.name} made ${MOST_ACCESSES} accesses in one call: it loops, or should be several calls`,
        );
      if (!isAlone) made++;
      const happened = { access, result: this.answer(access) };
      past.push(happened);
      if (!memory.isNoted(access.word) && !memory.isIgnored(access.word)) this.made.push(happened);
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

  private answer(access: Access): number {
    if (access.verb === 'wait') return NOT_EQUAL;
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

/** A racy read whose answer another thread's write may have changed, and has not yet. */
const isHit = ({ access, result }: Past, written: Access): boolean =>
  access.verb === 'read'
  && access.word === written.word
  && (access.mask & written.mask) !== 0
  && result !== (POISON & access.mask);

/**
 * Orders what came before it: any atomic write. A compareExchange that fails too, since what was read before it is then
 * thrown away.
 */
const orders = (access: Access): boolean => isAtomic(access) && isWrite(access);

const isSameAccess = (a: Access, b: Access): boolean =>
  a.verb === b.verb && a.word === b.word && a.mask === b.mask && a.value === b.value && a.expected === b.expected;
