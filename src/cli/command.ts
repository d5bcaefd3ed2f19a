/** What each command of `percore` is: a module of this shape in src/cli/, named in the table of main.ts. */
export interface Command {
  /** One line for `percore --help`, shorter than 60 letters, without a full stop. */
  readonly summary: string;
  /** The text of `percore <command> --help`: what to type, each option with its default, one example. */
  readonly usage: string;
  /**
   * Runs the command with what was typed after its name; promises the exit code. A PercoreError that it throws is
   * printed as one message and ends with FAILED; a mistake found by `parseArgs` and a UsageError end with MISUSED.
   */
  run(args: string[]): Promise<number>;
}

/**
 * Exit codes: 0 done, 1 something went wrong or was found to be wrong, 2 a mistake in what was typed, 3 this user lacks
 * a right.
 */
export const DONE = 0;
export const FAILED = 1;
export const MISUSED = 2;
export const NO_RIGHT = 3;

/** What was typed cannot be done. The message says why, and points to the usage of the command. */
export class UsageError extends Error {
  override name = 'UsageError';
}
