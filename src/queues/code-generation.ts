/**
 * Whether this process may make code from strings. `node --disallow-code-generation-from-strings` forbids that, and
 * then everything that generates code uses a slower way which does not.
 */
let isAllowed: boolean | undefined;

/** Finds out when somebody first asks. */
export function canGenerateCode(): boolean {
  isAllowed ??= probe();
  return isAllowed;
}

function probe(): boolean {
  try {
    return new Function('return true')() as boolean;
  } catch {
    // An EvalError is the answer, and it is an expected one.
    return false;
  }
}

/**
 * Makes a function of `parameters` with the body `source` and calls it with `values`. Nothing that came from outside
 * may stand in the source unquoted.
 */
export function generate<Result>(parameters: readonly string[], source: string, values: readonly unknown[]): Result {
  return new Function(...parameters, `'use strict';\n${source}`)(...values) as Result;
}
