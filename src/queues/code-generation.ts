/**
 * Whether this process may make code from strings. `node --disallow-code-generation-from-strings` forbids it, and then
 * everything that generates code has a slower way that does not.
 */
let isAllowed: boolean | undefined;

/** Asks once, when somebody first needs to know. */
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

/** `source` as the body of a function of `parameters`. Nothing that came from outside may stand in it unquoted. */
export function generate<Result>(parameters: readonly string[], source: string, values: readonly unknown[]): Result {
  return new Function(...parameters, `'use strict';\n${source}`)(...values) as Result;
}
