/** Where a virtual thread stands between two of its accesses, and when two such standings are one. */
import { isAtomic, isWrite, type Access } from './access.js';
import type { SavedState } from './private-state.js';

/** What a racy read answers: a word that is no number, length or type that a scenario writes. */
export const POISON = 0x5eedbad1;

/** An access that happened in the present call, and what it answered. */
export interface Past {
  readonly access: Access;
  readonly result: number;
}

export interface Standing {
  readonly status: 'ready' | 'waiting' | 'asleep' | 'done' | 'dead';
  /** Own fields at the start of the present call. */
  readonly own: SavedState;
  readonly past: readonly Past[];
  /** The access it would make next, when it is ready; the one it sleeps in, when it is asleep. */
  readonly next: Access | null;
  /** Plain writes, since its last atomic write, of words that others may read in a race. */
  readonly loose: readonly Access[];
}

/** One object for all standings of a thread from which it will do the same. */
export interface ThreadState extends Standing {
  /** Among the states of this thread. */
  readonly number: number;
}

/** Equal for standings from which a thread will do the same. It does not rest on what words hold that only count. */
export function textOf({ status, own, past, loose }: Standing, onlyCounts: (word: number) => boolean): string {
  let text = `${status} ${own.key}`;
  for (const { access, result } of past) if (!onlyCounts(access.word)) text += `:${result}`;
  for (const { word, mask } of loose) text += `/${word}&${mask}`;
  return text;
}

/** A racy read whose answer another thread's write may have changed, and has not yet. */
export const isHit = ({ access, result }: Past, written: Access): boolean =>
  access.verb === 'read'
  && access.word === written.word
  && (access.mask & written.mask) !== 0
  && result !== (POISON & access.mask);

/**
 * Orders what came before it: any atomic write. A compareExchange that fails too, since what was read before it is then
 * thrown away.
 */
export const orders = (access: Access): boolean => isAtomic(access) && isWrite(access);

export const isSameAccess = (a: Access, b: Access): boolean =>
  a.verb === b.verb && a.word === b.word && a.mask === b.mask && a.value === b.value && a.expected === b.expected;
