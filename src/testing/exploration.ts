/** What is explored, the result, and the checks of what a user passes. */
import { checkBoolean, checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import { VirtualMemory, type ByteRange } from './virtual-memory.js';

/** What a call answers: make the next one; make it again when memory has changed; the thread has finished. */
export type Verdict = void | 'wait' | 'done';

export interface VirtualThread {
  /** What reports call it. */
  readonly name: string;
  /**
   * The objects that hold everything this thread remembers between calls: its producer or consumer, its counters, and
   * whatever hangs on them. What a step keeps anywhere else (a variable outside) breaks the replay. See
   * private-state.ts for what they may hold.
   */
  readonly owns: readonly object[];
  /**
   * Names of fields in `owns` that no decision rests on, such as counts of refusals: states that differ in them alone
   * are one.
   */
  readonly unobserved?: readonly string[];
  /** What loaded code reads as `threadId`; its position among the threads, plus 1, if left out. */
  readonly threadId?: number;
  /**
   * One call: a few methods of the code under test. Deterministic; no try/catch around shared accesses. Throwing is a
   * violation. `Atomics.wait` sleeps until another thread notifies, or for as long as it likes if it has a time-out.
   */
  step(): Verdict;
  /** May wait for ever without being stuck, such as a consumer whose producer may die. */
  readonly mayWait?: boolean;
  /** May vanish between any two accesses. One thread dies in a schedule. */
  readonly mayDie?: boolean;
  /**
   * What the system does at this thread's death, in the same moment: raise the word that a supervisor waits for. It
   * finds the thread's own fields as they were at the start of the call it died in; afterwards they are as they were at
   * the start of all.
   */
  onDeath?(): void;
  /**
   * Where this thread's plain reads may race with plain writes of others: such a read answers POISON and is no
   * violation.
   */
  readonly racyReads?: readonly ByteRange[];
}

export interface Exploration {
  /** The memory that the threads share. */
  readonly memory: VirtualMemory;
  /** Two or three, each a generator of accesses. */
  readonly threads: readonly VirtualThread[];
  /** Checked in every state, with shared words and the threads' own fields in place. It fails by throwing. */
  invariant?(): void;
  /** Checked when no thread can run any more. It fails by throwing. */
  atEnd?(end: { readonly dead: readonly string[]; readonly waiting: readonly string[] }): void;
  /** Give up with a violation of kind 'limit' after this many states. Default one million. */
  readonly maxStates?: number;
  /** Stop after this many violations. Default 1. */
  readonly maxViolations?: number;
  /**
   * False: also the accesses that are no business of any other thread are steps of their own. Finds the same, slower.
   * Default true.
   */
  readonly reduces?: boolean;
}

/**
 * race: two unordered accesses, one plain, one a write. stuck: a thread waits for ever that may not. error: a step
 * threw. invariant, end: that check threw. endless: no schedule ends. limit: too many states.
 */
export type ViolationKind = 'race' | 'stuck' | 'error' | 'invariant' | 'end' | 'endless' | 'limit';

export interface Violation {
  /** What is wrong with the order that was found. */
  readonly kind: ViolationKind;
  /** The same in words. */
  readonly message: string;
  /** What led there, one line an access, in order. */
  readonly schedule: readonly string[];
}

export interface Report {
  /** Different states that were reached. */
  readonly states: number;
  /** Accesses that were made, over all orders. */
  readonly steps: number;
  /** States in which all threads had ended. */
  readonly terminalStates: number;
  /** Orders in which something is wrong; empty is good. */
  readonly violations: readonly Violation[];
}

const EXPLORATION = ['memory', 'threads', 'invariant', 'atEnd', 'maxStates', 'maxViolations', 'reduces'];

export function checkExploration(given: Exploration): void {
  // Not to be left out, so undefined is no object.
  const { memory, threads, invariant, atEnd, maxStates, maxViolations, reduces } = checkOptions(
    'exploration', given ?? (null as never), EXPLORATION,
  );
  if (!(memory instanceof VirtualMemory)) throw invalidArgument('memory', memory, 'a VirtualMemory');
  if (!Array.isArray(threads)) throw invalidArgument('threads', threads, 'an array of threads');
  for (const [i, thread] of threads.entries())
    checkThread(`threads[${i}]`, thread as VirtualThread | undefined, memory);
  if (invariant !== undefined) checkFunction('invariant', invariant);
  if (atEnd !== undefined) checkFunction('atEnd', atEnd);
  if (maxStates !== undefined) checkInteger('maxStates', maxStates, 1, 2 ** 53 - 1);
  if (maxViolations !== undefined) checkInteger('maxViolations', maxViolations, 1, 2 ** 53 - 1);
  if (reduces !== undefined) checkBoolean('reduces', reduces);
}

function checkThread(at: string, thread: VirtualThread | undefined, memory: VirtualMemory): void {
  if (typeof thread !== 'object' || thread === null)
    throw invalidArgument(at, thread, 'an object with name, owns and step');
  const { name, owns, unobserved, threadId, step, mayWait, mayDie, onDeath, racyReads } = thread;
  checkText(`${at}.name`, name);
  checkFunction(`${at}.step`, step);
  if (!Array.isArray(owns) || !Array.from(owns).every(isOwnable))
    throw invalidArgument(
      `${at}.owns`, owns,
      'an array of the objects that hold what the thread remembers: ordinary ones, arrays or ArrayBuffers',
    );
  if (
    unobserved !== undefined
    && !(Array.isArray(unobserved) && Array.from(unobserved).every((each) => typeof each === 'string'))
  )
    throw invalidArgument(`${at}.unobserved`, unobserved, 'an array of names of fields');
  if (threadId !== undefined) checkInteger(`${at}.threadId`, threadId, 0, 2 ** 31 - 1);
  if (mayWait !== undefined) checkBoolean(`${at}.mayWait`, mayWait);
  if (mayDie !== undefined) checkBoolean(`${at}.mayDie`, mayDie);
  if (onDeath !== undefined) checkFunction(`${at}.onDeath`, onDeath);
  if (racyReads !== undefined && !Array.isArray(racyReads))
    throw invalidArgument(`${at}.racyReads`, racyReads, 'an array of ranges of bytes');
  for (const range of racyReads ?? []) memory.wordsOf(range);
}

const isOwnable = (value: unknown): boolean =>
  typeof value === 'object'
  && value !== null
  && !ArrayBuffer.isView(value)
  && (Array.isArray(value)
    || value instanceof ArrayBuffer
    || Object.prototype.toString.call(value) === '[object Object]');
