/** What each command of `percore` is: a module of this shape in src/cli/, named in the table of main.ts. */
export interface Command {
  /** One line for `percore --help`, below 60 letters, without a full stop. */
  readonly summary: string;
  /** The text of `percore <command> --help`: what to type, each option with its default, one example. */
  readonly usage: string;
  /**
   * Runs the command with what was typed behind its name; promises the exit code. A PercoreError that it throws is
   * printed as one message and ends with FAILED; a mistake of `parseArgs` and a UsageError end with MISUSED.
   */
  run(args: string[]): Promise<number>;
}

/**
 * Exit codes: 0 for done, 1 for what went wrong while it ran or was found to be wrong, 2 for a mistake in typing, 3 for
 * a right that this user does not have.
 */
export const DONE = 0;
export const FAILED = 1;
export const MISUSED = 2;
export const NO_RIGHT = 3;

/** What was typed cannot be done: the message names what, and the usage of the command is pointed to. */
export class UsageError extends Error {
  override name = 'UsageError';
}
