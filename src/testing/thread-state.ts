/** The state of a virtual thread between two of its accesses, and when two such states are equal. */
import { isAtomic, isWrite, type Access } from './access.js';
import type { SavedState } from './private-state.js';

/** What a racy read may return: a word that is no number, length or type that any scenario writes. */
export const POISON = 0x5eedbad1;

/** An access that was made in the present step, and its result. */
export interface Past {
  readonly access: Access;
  readonly result: number;
}

/** Where a thread stands between two accesses. */
export interface Standing {
  readonly status: 'ready' | 'waiting' | 'asleep' | 'done' | 'dead';
  /** The thread's own fields at the start of the present step. */
  readonly own: SavedState;
  /** The accesses of the present step so far. */
  readonly past: readonly Past[];
  /** If it is ready, the access that it would make next; if it is asleep, the one in which it sleeps. */
  readonly next: Access | null;
  /** Its plain writes since its last atomic write, of words that others may read in a race. */
  readonly loose: readonly Access[];
}

/** One object for all standings of a thread from which the thread will do the same. */
export interface ThreadState extends Standing {
  /** The number of this state among those of its thread. */
  readonly number: number;
}

/**
 * A text that is equal for standings from which a thread will do the same. Words that only count make no difference.
 */
export function textOf({ status, own, past, loose }: Standing, onlyCounts: (word: number) => boolean): string {
  let text = `${status} ${own.key}`;
  for (const { access, result } of past) if (!onlyCounts(access.word)) text += `:${result}`;
  for (const { word, mask } of loose) text += `/${word}&${mask}`;
  return text;
}

/** True for a racy read whose result the write of another thread may have changed and has not changed yet. */
export const isHit = ({ access, result }: Past, written: Access): boolean =>
  access.verb === 'read'
  && access.word === written.word
  && (access.mask & written.mask) !== 0
  && result !== (POISON & access.mask);

/**
 * True for an access that orders those before it, which is any atomic write. A compareExchange that fails counts too,
 * since what was read before it is then thrown away.
 */
export const orders = (access: Access): boolean => isAtomic(access) && isWrite(access);

export const isSameAccess = (a: Access, b: Access): boolean =>
  a.verb === b.verb && a.word === b.word && a.mask === b.mask && a.value === b.value && a.expected === b.expected;
