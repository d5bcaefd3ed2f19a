/**
 * What parts of Percore ask of the ends of queues, under keys that no entry of the package exports: users see the verbs
 * of an end, and nothing else. They are methods of the ends' own classes, so a door costs what a call costs; what runs
 * for each record has none, but for the claim of a link.
 *
 * The keys are the same in every copy of this module, since the explorer (src/testing) loads it once more.
 */

/** A consumer, for `link`: what it reads. */
export const LINK_FROM: unique symbol = Symbol.for('percore.linkFrom');
/** A producer, for `link`: what it writes to. */
export const LINK_TO: unique symbol = Symbol.for('percore.linkTo');
/** A consumer, for `link` and for ends made of several rings: what its records are like. */
export const SHAPE: unique symbol = Symbol.for('percore.shape');
/** A consumer: what `ready` waits for. */
export const WISH: unique symbol = Symbol.for('percore.wish');
/** A consumer of one ring, for the wish of an end made of several: says that somebody sleeps. */
export const ARM: unique symbol = Symbol.for('percore.arm');
/** A producer, for `link`: waits until nothing more will be taken. */
export const END_WISH: unique symbol = Symbol.for('percore.endWish');
/** A consumer of one ring, for `link`: moves records to another queue. */
export const MOVE_TO: unique symbol = Symbol.for('percore.moveTo');
/** A producer, for `link`: whether every record of a source fits. */
export const TAKES_ALL: unique symbol = Symbol.for('percore.takesAll');
/** A producer, for `link`: claims room for one record. */
export const CLAIM_FOR: unique symbol = Symbol.for('percore.claimFor');
/** A producer, for whoever parks its thread: asks to be told when there is room. */
export const ASK_FOR_ROOM: unique symbol = Symbol.for('percore.askForRoom');
/**
 * A consumer, for who parks a producing thread: sets whom to call when there is room that was asked for; and how many
 * units must be free before, if nobody ever asks for less.
 */
export const ON_ROOM: unique symbol = Symbol.for('percore.onRoom');
/** A producer, for a queue of several rings: sets whom to call after each publish. */
export const ON_PUBLISH: unique symbol = Symbol.for('percore.onPublish');
/** A producer, for who flushes it later: sets whom to call when a commit leaves the first record unpublished. */
export const ON_UNPUBLISHED: unique symbol = Symbol.for('percore.onUnpublished');
/** A producer, for the outlet of a lane, which publishes, and waits for room, in its own way. */
export const SERVE_LANE: unique symbol = Symbol.for('percore.serveLane');
