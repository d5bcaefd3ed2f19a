import { invalidArgument } from '../errors.js';
import type { Discipline } from './discipline.js';

const METHODS = ['push', 'select', 'hasAbove'] as const;

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless `own` has what a discipline must have. It is run by CheckedDiscipline. */
export function checkOwn(argument: string, own: unknown): Discipline {
  const given = own as Partial<Record<keyof Discipline, unknown>>;
  const isObject = typeof own === 'object' && own !== null;
  const missing = isObject ? METHODS.filter((name) => typeof given[name] !== 'function') : METHODS;
  if (isObject && missing.length === 0 && typeof given.isEmpty === 'boolean') return own as Discipline;
  const lacks = isObject && missing.length > 0 ? `; it lacks ${missing.join(', ')}` : '';
  throw invalidArgument(argument, own, `a discipline with push, select, isEmpty and hasAbove${lacks}`);
}
