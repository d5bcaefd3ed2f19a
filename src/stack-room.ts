/**
 * Room on the stack, for what must be done whole or not at all. A recursion that is about to overflow throws at any
 * call, also in the middle of what several calls make together, and what would undo it then has no room either.
 */

/** More than anything needs that asks for it; a tenth of what a thread has. The frames are those of the interpreter. */
const FRAMES = 500;

/** Throws the RangeError of a stack that is about to overflow now, while nothing has been done. */
export function needStack(frames: number = FRAMES): number {
  return frames === 0 ? 0 : 1 + needStack(frames - 1);
}
