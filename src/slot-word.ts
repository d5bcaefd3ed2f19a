/**
 * The shared word of a slot, which is one stage of one bucket:
 *
 *      owner (8 bits) | next owner (8) | 1 while it moves | generation (15)
 *
 * The generation grows with each move, so that a party that ends a move with a compare-exchange can only end its own.
 * src/balance/ says how a slot is moved.
 */
const MOVES = 2 ** 16;
const GENERATION_SHIFT = 17;

/** The owner of the slot with this word; while the slot moves, its old owner. */
export const ownerIn = (word: number): number => word & 0xff;
/** The party that gets the slot when its move ends. */
export const nextOwnerIn = (word: number): number => (word >>> 8) & 0xff;
export const isMoving = (word: number): boolean => (word & MOVES) !== 0;
/** The word for a slot that begins to move from its owner to `to`, or whose move gets another target. */
export const movingWord = (word: number, to: number): number => (word & ~0xff00) | (to << 8) | MOVES;
/** The word for a slot whose move has ended and that now belongs to `owner`. */
export const settledWord = (word: number, owner: number): number =>
  (((word >>> GENERATION_SHIFT) + 1) << GENERATION_SHIFT) | owner;
