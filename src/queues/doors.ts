/**
 * What parts of Percore ask of the ends of queues. The keys are symbols that no entry of the package exports, so users
 * see the verbs of an end and nothing else. The doors are methods of the ends' own classes, so that each costs what a
 * call costs. Work that is done for each record goes through none of them, except for the claim of a link.
 *
 * The keys are the same in every copy of this module, since the explorer (src/testing) loads it a second time.
 */

/** Of a consumer, for `link`: the source that it reads. */
export const LINK_FROM: unique symbol = Symbol.for('percore.linkFrom');
/** Of a producer, for `link`: the target that it writes to. */
export const LINK_TO: unique symbol = Symbol.for('percore.linkTo');
/** Of a consumer, for `link` and for ends made of several rings: the shape of its records. */
export const SHAPE: unique symbol = Symbol.for('percore.shape');
/** Of a consumer: what `ready` waits for. */
export const WISH: unique symbol = Symbol.for('percore.wish');
/** Of a consumer of one ring, for the wish of an end made of several: says that somebody sleeps. */
export const ARM: unique symbol = Symbol.for('percore.arm');
/** Of a producer, for `link`: waits until nothing more will be taken. */
export const END_WISH: unique symbol = Symbol.for('percore.endWish');
/** Of a consumer of one ring, for `link`: moves records to another queue. */
export const MOVE_TO: unique symbol = Symbol.for('percore.moveTo');
/** Of a consumer of variable records, for `link`: takes back what was passed and not released. */
export const TAKE_BACK: unique symbol = Symbol.for('percore.takeBack');
/** Of a producer, for `link`: whether every record of a source fits. */
export const TAKES_ALL: unique symbol = Symbol.for('percore.takesAll');
/** Of a producer, for `link`: claims room for one record. */
export const CLAIM_FOR: unique symbol = Symbol.for('percore.claimFor');
/** Of a producer, for whoever parks its thread: asks to be told when there is room. */
export const ASK_FOR_ROOM: unique symbol = Symbol.for('percore.askForRoom');
/**
 * A consumer, for who parks a producing thread: sets whom to call when there is room that was asked for; and how many
 * units must be free before, if nobody ever asks for less.
 */
export const ON_ROOM: unique symbol = Symbol.for('percore.onRoom');
/** Of a producer, for a queue of several rings: sets the function to call after each publish. */
export const ON_PUBLISH: unique symbol = Symbol.for('percore.onPublish');
/**
 * Of a producer, for whoever flushes it later: sets the function to call when a commit leaves a first record
 * unpublished.
 */
export const ON_UNPUBLISHED: unique symbol = Symbol.for('percore.onUnpublished');
/** Of a producer, for the outlet of a lane, which publishes and waits for room in its own way. */
export const SERVE_LANE: unique symbol = Symbol.for('percore.serveLane');
/**
 * Of a producer of variable records, for the outlet of a lane: room right behind the last record, as long as that is
 * not published; and that so many bytes there belong to that record from now on.
 */
export const ROOM_BEHIND: unique symbol = Symbol.for('percore.roomBehind');
export const LENGTHEN: unique symbol = Symbol.for('percore.lengthen');
