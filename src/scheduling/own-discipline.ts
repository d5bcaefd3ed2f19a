import { invalidArgument } from '../errors.js';
import type { Discipline } from './discipline.js';

const METHODS = ['push', 'select', 'hasAbove'] as const;

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless `own` has what a discipline must have. It is run by CheckedDiscipline. */
export function checkOwn(argument: string, own: unknown): Discipline {
  const missing = lacksOf(own);
  if (missing?.length === 0) return own as Discipline;
  const lacks = missing === undefined ? '' : `; it lacks ${missing.join(', ')}`;
  throw invalidArgument(argument, own, `a discipline with push, select, isEmpty and hasAbove${lacks}`);
}

/** What a discipline must have and this has not; undefined for what is no object, or cannot be read. */
function lacksOf(own: unknown): string[] | undefined {
  if (typeof own !== 'object' || own === null) return undefined;
  const given = own as Partial<Record<keyof Discipline, unknown>>;
  try {
    const missing: string[] = METHODS.filter((name) => typeof given[name] !== 'function');
    if (typeof given.isEmpty !== 'boolean') missing.push('isEmpty');
    // Those that it may have are read as well: one that cannot be read is refused now, not found out later.
    void given.charge;
    void given.refund;
    return missing;
  } catch {
    return undefined;
  }
}
