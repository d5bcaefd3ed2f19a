/** What is explored, the result, and the checks of what a user passes to `explore`. */
import { checkBoolean, checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import { MOST_THREADS } from './footprints.js';
import { VirtualMemory, type ByteRange } from './virtual-memory.js';

/**
 * What a step returns. Nothing: make the next step. 'wait': make this step again when the memory has changed. 'done':
 * the thread has finished.
 */
export type Verdict = void | 'wait' | 'done';

/** One thread of an exploration, made of the code under test. */
export interface VirtualThread {
  /** Its name in reports. */
  readonly name: string;
  /**
   * The objects that hold everything that this thread remembers between steps: its producer or consumer, its counters,
   * and whatever can be reached from them. If a step keeps anything elsewhere, such as in a variable outside, the
   * replay breaks. They may hold ordinary objects, arrays, and typed arrays over ordinary memory.
   */
  readonly owns: readonly object[];
  /**
   * Names of fields in `owns` on which no decision depends, such as counts of refusals. States that differ only in
   * these count as one state.
   */
  readonly unobserved?: readonly string[];
  /** What loaded code reads as `threadId`. Default: the position among the threads, plus 1. */
  readonly threadId?: number;
  /**
   * One step: calls a few methods of the code under test. It must be deterministic, and must not have try/catch around
   * shared accesses. If it throws, that is a violation. `Atomics.wait` sleeps until another thread notifies it; with a
   * time-out it may also end at any time.
   */
  step(): Verdict;
  /** True if it may wait for ever without being stuck, such as a consumer whose producer may die. */
  readonly mayWait?: boolean;
  /** True if it may die between any two accesses. At most one thread dies in each schedule. */
  readonly mayDie?: boolean;
  /**
   * Called at the moment of this thread's death, to do what the system would do, such as raise the word on which a
   * supervisor waits. It finds the thread's own fields as they were at the start of the step in which it died. After
   * that they are as they were at the very beginning.
   */
  onDeath?(): void;
  /**
   * Where plain reads of this thread may race with plain writes of others. Such a read is no violation, but may return
   * POISON, a value that stands for any other.
   */
  readonly racyReads?: readonly ByteRange[];
}

/** What `explore` explores. */
export interface Exploration {
  /** The memory that the threads share. */
  readonly memory: VirtualMemory;
  /** The threads, usually two or three; at most 31. */
  readonly threads: readonly VirtualThread[];
  /**
   * Called in every state, with the shared words and the threads' own fields in place. It throws if something is wrong.
   */
  invariant?(): void;
  /** Called in every state in which no thread can go on. It throws if something is wrong. */
  atEnd?(end: { readonly dead: readonly string[]; readonly waiting: readonly string[] }): void;
  /** After this many states, give up with a violation of kind 'limit'. Default: one million. */
  readonly maxStates?: number;
  /** Stop after this many violations. Default 1. */
  readonly maxViolations?: number;
  /**
   * If false, even accesses that concern no other thread are steps of their own. That finds the same, but more slowly.
   * Default: true.
   */
  readonly reduces?: boolean;
}

/**
 * What is wrong. 'race': two accesses to the same bits are not ordered, one of them is a write and one is plain.
 * 'stuck': a thread waits for ever and may not. 'error': a step has thrown. 'invariant' and 'end': that check has
 * thrown. 'endless': no schedule comes to an end. 'limit': there are too many states.
 */
export type ViolationKind = 'race' | 'stuck' | 'error' | 'invariant' | 'end' | 'endless' | 'limit';

/** One schedule in which something is wrong. */
export interface Violation {
  /** What is wrong. */
  readonly kind: ViolationKind;
  /** What is wrong, in words. */
  readonly message: string;
  /** The schedule that led there: one line for each access, in order. */
  readonly schedule: readonly string[];
}

/** What `explore` has found. */
export interface Report {
  /** How many different states were reached. */
  readonly states: number;
  /** How many steps from one state to another were made. */
  readonly steps: number;
  /** In how many of the states no thread could go on. */
  readonly terminalStates: number;
  /** Schedules in which something is wrong; empty is good. */
  readonly violations: readonly Violation[];
}

const EXPLORATION = ['memory', 'threads', 'invariant', 'atEnd', 'maxStates', 'maxViolations', 'reduces'];

export function checkExploration(given: Exploration): void {
  // It must not be left out, so turn undefined into something that checkOptions refuses.
  const { memory, threads, invariant, atEnd, maxStates, maxViolations, reduces } = checkOptions(
    'exploration', given ?? (null as never), EXPLORATION,
  );
  if (!(memory instanceof VirtualMemory)) throw invalidArgument('memory', memory, 'a VirtualMemory');
  if (!Array.isArray(threads) || threads.length > MOST_THREADS)
    throw invalidArgument('threads', threads, `an array of at most ${MOST_THREADS} threads`);
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
