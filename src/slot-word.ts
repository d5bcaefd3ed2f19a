/**
 * The shared word of a slot, which is one stage of one bucket:
 *
 *      owner (8 bits) | next owner (8) | 1 while it moves | generation (15)
 *
 * The generation grows with each move, so that whoever ends a move by a compare-exchange ends his own. How one
 * moves: src/balance/.
 */
const MOVES = 2 ** 16;
const GENERATION_SHIFT = 17;

/** The owner that the word of a slot names; while it moves, the old one. */
export const ownerIn = (word: number): number => word & 0xff;
/** Who gets a slot that moves. */
export const nextOwnerIn = (word: number): number => (word >>> 8) & 0xff;
export const isMoving = (word: number): boolean => (word & MOVES) !== 0;
/** The word of a slot that begins to move from its owner to `to`, or goes to another than was meant at first. */
export const movingWord = (word: number, to: number): number => (word & ~0xff00) | (to << 8) | MOVES;
/** The word of a slot whose move has ended with `owner`. */
export const settledWord = (word: number, owner: number): number =>
  (((word >>> GENERATION_SHIFT) + 1) << GENERATION_SHIFT) | owner;
