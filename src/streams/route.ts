/** The rules by which `split` shares values out. */
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import type { Route } from './split.js';

/** One of `percent`, `overlapped` and `by`. */
export interface SplitOptions<T> {
  /** The shares of the branches, whole numbers whose sum is 100; each value goes to one branch. */
  readonly percent?: readonly number[];
  /** The number of branches, 1 to 64, each of which gets every value. The values are not copied. */
  readonly overlapped?: number;
  /** The branch of a value: 0 to `branches` - 1. With any other number the value is dropped and counted. */
  readonly by?: (value: T) => number;
  /** With `by`: how many branches there are, 1 to 64. */
  readonly branches?: number;
  /** How many unread values a branch may hold: 1 to 2^20, default 16. */
  readonly room?: number;
}

const MOST_BRANCHES = 64;

/** The rule of `split`'s options, and the branches it has. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function routeOf<T>(options: SplitOptions<T>): { branches: number; room: number; route: Route<T> } {
  const { percent, overlapped, by, branches, room = 16 } = checkOptions(
    'split', options, ['percent', 'overlapped', 'by', 'branches', 'room'],
  );
  checkInteger('room', room, 1, 2 ** 20);
  if ([percent, overlapped, by].filter((rule) => rule !== undefined).length !== 1) {
    throw invalidArgument('options of split', options, 'an object with one of percent, overlapped and by');
  }
  if (percent !== undefined) return { branches: checkPercent(percent).length, room, route: inShares(percent) };
  if (overlapped !== undefined) {
    return { branches: checkInteger('overlapped', overlapped, 1, MOST_BRANCHES), room, route: toAll(overlapped) };
  }
  checkFunction('by', by);
  const count = checkInteger('branches', branches, 1, MOST_BRANCHES);
  return { branches: count, room, route: (value, _isOpen, into) => void into.push(by!(value)) };
}

function checkPercent(percent: readonly number[]): readonly number[] {
  const allowed = `a list of 1 to ${MOST_BRANCHES} whole numbers from 0 to 100 whose sum is 100`;
  if (!Array.isArray(percent) || percent.length === 0 || percent.length > MOST_BRANCHES) {
    throw invalidArgument('percent', percent, allowed);
  }
  for (const [i, share] of percent.entries()) checkInteger(`percent[${i}]`, share, 0, 100);
  if (percent.reduce((sum, share) => sum + share, 0) !== 100) throw invalidArgument('percent', percent, allowed);
  return percent;
}

/**
 * Smooth weighted round robin: each branch gains its share with each value, and the richest pays 100 for it. Any
 * hundred values in a row are shared out exactly, and no branch gets many in a row. Source: nginx's upstream balancer.
 */
function inShares<T>(percent: readonly number[]): Route<T> {
  const credits = percent.map(() => 0);
  return (_value, isOpen, into) => {
    let richest = -1;
    let sum = 0;
    for (let i = 0; i < percent.length; i++) {
      if (!isOpen(i)) continue;
      credits[i]! += percent[i]!;
      sum += percent[i]!;
      if (richest < 0 || credits[i]! > credits[richest]!) richest = i;
    }
    // Branches that are closed leave their shares to the others.
    credits[richest]! -= sum;
    into.push(richest);
  };
}

/** Every value goes to every branch that is open. */
function toAll<T>(branches: number): Route<T> {
  return (_value, isOpen, into) => {
    for (let i = 0; i < branches; i++) if (isOpen(i)) into.push(i);
  };
}
