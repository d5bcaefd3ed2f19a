import { PercoreError, invalidArgument, messageOf } from '../errors.js';
import type { Discipline } from './discipline.js';

const METHODS = ['push', 'select', 'hasAbove'] as const;
const ALLOWED = 'a discipline with push, select, isEmpty and hasAbove';

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT unless `own` has everything that a discipline must have, and
 * ERR_PERCORE_DISCIPLINE, with the cause, if a member cannot be read. CheckedDiscipline runs it.
 */
export function checkOwn(argument: string, own: unknown): Discipline {
  let missing: string[] | undefined;
  try {
    missing = lacksOf(own);
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_DISCIPLINE', `${argument} must be ${ALLOWED}; to read it threw: ${messageOf(cause)}`,
      { argument, value: own, allowed: ALLOWED, cause },
    );
  }
  if (missing?.length === 0) return own as Discipline;
  const lacks = missing === undefined ? '' : `; it lacks ${missing.join(', ')}`;
  throw invalidArgument(argument, own, `${ALLOWED}${lacks}`);
}

/** What a discipline must have and this lacks; undefined if it is not an object. */
function lacksOf(own: unknown): string[] | undefined {
  if (typeof own !== 'object' || own === null) return undefined;
  const given = own as Partial<Record<keyof Discipline, unknown>>;
  const missing: string[] = METHODS.filter((name) => typeof given[name] !== 'function');
  if (typeof given.isEmpty !== 'boolean') missing.push('isEmpty');
  // Optional members are read as well: one that cannot be read is refused now, not discovered later.
  void given.charge;
  void given.refund;
  return missing;
}
