/**
 * Checks of options that are given with each message: the usual case takes a few comparisons, and text is made only for
 * a mistake.
 */
import { checkOptions, invalidArgument, type PercoreError } from '../errors.js';

/**
 * True when `options` is an object whose keys are all among these; up to five are compared without a list. Does not
 * allocate.
 */
export function isOptions(options: unknown, a: string, b: string, c?: string, d?: string, e?: string): boolean {
  if (typeof options !== 'object' || options === null) return false;
  for (const key in options) if (key !== a && key !== b && key !== c && key !== d && key !== e) return false;
  return true;
}

/** What is wrong with options that are required: they are missing, or have an unknown key. */
export function wrongOptions(what: string, options: unknown, known: readonly string[]): PercoreError {
  const needed = 'an object with '
    + `${known[0]}${known.length === 1 ? '' : ` (and ${known.slice(1).join(', ')} if wanted)`}`;
  if (typeof options !== 'object' || options === null) return invalidArgument(`options of ${what}`, options, needed);
  try {
    checkOptions(what, options, known);
  } catch (error) {
    return error as PercoreError;
  }
  // A key of its prototype.
  return invalidArgument(`options of ${what}`, options, needed);
}
