/**
 * Several rings as one queue: the lanes of an MPSC queue, one for each producer, or the eight bands of a banded queue.
 *
 *     | group header | ring 0 | ring 1 | ... |
 *
 * ring.ts explains the words in the last column.
 *
 * | pair        | write side                    | read side               | carries                      | needs   |
 * |-------------|-------------------------------|-------------------------|------------------------------|---------|
 * | group.close | `closeGroup`                  | `pub`, consumers        | "nobody may join any more"   | seq_cst |
 * | group.lanes | who joins, leaves, hands over | consumers `refresh`     | "look at the owners again"   | seq_cst |
 * | group.owner | who gives a lane up or away   | who takes it            | the lane's cursor            | rel/acq |
 * | group.ready | producer of a band            | BandedConsumer `select` | "this band may hold records" | seq_cst |
 */
import { PercoreError, invalidArgument } from '../errors.js';
import {
  BANDS, GROUP_MAGIC, LANE_WORDS, LAYOUT_VERSION, LINE_BYTES, MAX_CONSUMERS, MAX_PRODUCERS, groupLayout,
} from '../layout.js';
import { bytesFor, checkHandle, checkMemory, isWhole, makeRing, openRing, type RingHandle } from './memory.js';
import { damagedWord } from './copy-bytes.js';
import { heldIn, markCursor } from './mark.js';
import { noneRecovered, recoverRing, type Recovered } from './place-recovery.js';
import { meIn } from './places.js';
import { ATTENTION, CLOSING, ROOM_BELL, type QueueMemory } from './ring.js';
import { ringBell } from './event-count.js';

const fields = groupLayout.fields;
export const IS_CLOSING: number = fields.isClosing.at >> 2;
export const LANES_VERSION: number = fields.lanesVersion.at >> 2;
export const GROUP_BELL: number = fields.recordsBell.at >> 2;
export const READY: number = fields.ready.at >> 2;
export const USED: number = fields.used.at >> 2;
const PLACE_THREAD = fields.placeThread.at >> 2;
const LANE = fields.lane.at >> 2;

/** A group, as a plain object that survives structured clone. */
export interface GroupHandle extends RingHandle {
  /** How many rings there are: lanes or bands. */
  readonly rings: number;
  /** How many consumers may share the lanes. */
  readonly groupPlaces: number;
}

/** A group that was opened. */
export interface Group {
  readonly words: Int32Array;
  readonly rings: number;
  readonly places: number;
  readonly handle: GroupHandle;
  /** As in a ring: see QueueMemory. */
  readonly sharer: number;
}

const strideOf = (handle: RingHandle): number =>
  (bytesFor(handle.capacity, handle.recordBytes) + 2 * LINE_BYTES - 1) & -LINE_BYTES;
/** How many bytes of memory a group takes, headers included. */
export const groupBytesFor = (handle: Omit<GroupHandle, 'buffer' | 'byteOffset'>): number =>
  groupLayout.bytes + handle.rings * strideOf(handle as GroupHandle);
/** The handle of ring `index`. */
export const ringOf = (handle: RingHandle, index: number): RingHandle => ({
  buffer: handle.buffer, byteOffset: handle.byteOffset + groupLayout.bytes + index * strideOf(handle),
  capacity: handle.capacity, recordBytes: handle.recordBytes, sharer: handle.sharer ?? 0,
});
/** The word of lane `lane` that says who owns it: the consumer's place plus 1, or 0 for nobody. */
export const ownerOf = (lane: number): number => LANE + lane * LANE_WORDS;

/** Writes the headers of a new group into memory that is all zero. */
export function makeGroup(handle: GroupHandle, start: number): void {
  for (let i = 0; i < handle.rings; i++) makeRing(ringOf(handle, i), start);
  const words = new Int32Array(handle.buffer, handle.byteOffset, groupLayout.bytes >> 2);
  // These pair with the loads in openGroup(), by way of the magic.
  Atomics.store(words, fields.version.at >> 2, LAYOUT_VERSION);
  Atomics.store(words, fields.rings.at >> 2, handle.rings);
  Atomics.store(words, fields.places.at >> 2, handle.groupPlaces);
  // The magic comes last, so whoever sees it sees all of the above.
  Atomics.store(words, fields.magic.at >> 2, GROUP_MAGIC);
}

/** Opens the group of a handle. Throws for memory that holds no such group. */
export function openGroup(handle: GroupHandle): Group {
  checkHandle(handle);
  if (!isWhole(handle.rings, 1, MAX_PRODUCERS) || !isWhole(handle.groupPlaces, 1, MAX_CONSUMERS)) {
    throw invalidArgument('queue', handle, 'what create() returned, or its structured clone');
  }
  checkMemory(handle, groupBytesFor(handle));
  const words = new Int32Array(handle.buffer, handle.byteOffset, groupLayout.bytes >> 2);
  // The magic is loaded first: this pairs with the last store of makeGroup().
  const made = [fields.magic, fields.version, fields.rings, fields.places].map(({ at }) =>
    Atomics.load(words, at >> 2),
  );
  const expected = [GROUP_MAGIC, LAYOUT_VERSION, handle.rings, handle.groupPlaces];
  if (made.some((value, i) => value !== expected[i])) {
    throw new PercoreError(
      'ERR_PERCORE_LAYOUT_MISMATCH',
      `queue memory has magic, layout version, rings and places ${made.join(', ')}; expected ${expected.join(', ')}. `
        + `Use one version of percore in all threads, and pass the handle as create() returned it`,
      { argument: 'queue' },
    );
  }
  // The header of the group does not give the shape of its rings; each ring gives its own.
  openRing(ringOf(handle, 0));
  return { words, rings: handle.rings, places: handle.groupPlaces, handle, sharer: handle.sharer ?? 0 };
}

/** Opens ring `index`, which rings the group's bell. */
export const openRingOf = (group: Group, index: number, isLane: boolean): QueueMemory =>
  openRing(ringOf(group.handle, index), { words: group.words, at: GROUP_BELL, isLane });

/** Takes a consumer's place in the group. Returns its number, or -1. */
export function joinGroup(group: Group): number {
  for (let place = 0; place < group.places; place++) {
    // Of those that want the place, one gets it. Pairs with leaveGroup(): the previous owner has given its lanes up.
    if (Atomics.compareExchange(group.words, PLACE_THREAD + place, 0, meIn(group.sharer)) === 0) return place;
  }
  return -1;
}

// Lets the next consumer have the place, after the lanes were given up. Pairs with the exchange in joinGroup().
export const leaveGroup = (group: Group, place: number): void =>
  void Atomics.store(group.words, PLACE_THREAD + place, 0);
/** True while a consumer has this place. */
export const isTaken = (group: Group, place: number): boolean =>
  place >= 0 && place < group.places && Atomics.load(group.words, PLACE_THREAD + place) !== 0;
/** How many lanes have ever had a producer. Throws for an impossible number. */
export function usedLanes(group: Group): number {
  // group.lanes: pairs with joinLane(), which stores it before it announces the lane.
  const used = Atomics.load(group.words, USED);
  if (!(used >= 0 && used <= group.rings)) throw damagedWord('number of used lanes', used, group.rings);
  return used;
}
/** The threads that have places, for messages. */
export const threadsOf = (group: Group): number[] =>
  Array.from({ length: group.places }, (_, place) => Atomics.load(group.words, PLACE_THREAD + place) - 1).filter(
    (thread) => thread >= 0,
  );

/** Makes all consumers look at the owners again, now. */
export function announceLanes(group: Group): void {
  // group.lanes: pairs with the load in refresh(). The version grows after the owners have changed.
  Atomics.add(group.words, LANES_VERSION, 1);
  ringBell(group.words, GROUP_BELL);
}

/**
 * Closes the group: nobody may join any more, producers get CLOSED at their next publish, and consumers get it once
 * they have read everything.
 */
export function closeGroup(group: Group): void {
  // group.close: stored before the rings are told, so that whoever joins too late finds it.
  Atomics.store(group.words, IS_CLOSING, 1);
  for (let i = 0; i < group.rings; i++) closeRing(openRing(ringOf(group.handle, i)));
  ringBell(group.words, GROUP_BELL);
}

/** Does the same for one ring alone. */
export function closeRing(ring: QueueMemory): void {
  // ring.attention: pairs with the loads in flush(), lookFor() and lookAgain(), all of which look here before they go
  // on.
  Atomics.or(ring.words, ATTENTION, CLOSING);
  // ring.mark: comes after the bit, which the producer looks for if it finds the mark.
  markCursor(ring, heldIn(ring));
  ringBell(ring.bellWords, ring.bell);
  ringBell(ring.words, ROOM_BELL);
}

/**
 * Frees what thread `dead` had in the group; see recoverRing(). Its lanes go to the first consumer that looks for some.
 * `isOneParty` says that each end has all rings at once and therefore counts once.
 */
export function recoverGroup(group: Group, dead: number, isOneParty: boolean): Recovered {
  const done = noneRecovered();
  for (let i = 0; i < group.rings; i++) {
    const ring = recoverRing(openRingOf(group, i, true), dead);
    done.producers = isOneParty ? Math.max(done.producers, ring.producers) : done.producers + ring.producers;
    // A consumer that shares lanes is counted by its place in the group.
    if (isOneParty) done.consumers = Math.max(done.consumers, ring.consumers);
    done.taken += ring.taken;
  }
  for (let place = 0; place < group.places; place++) {
    // The dead thread stored this by its exchange in joinGroup(). It has exited, so only another recover() changes it,
    // and that does the same.
    if (Atomics.load(group.words, PLACE_THREAD + place) !== dead + 1) continue;
    done.consumers++;
    for (let lane = 0; lane < group.rings; lane++) {
      // group.owner: the lane's cursor was published by its owner, or recoverRing() above has moved it.
      Atomics.compareExchange(group.words, ownerOf(lane), place + 1, 0);
    }
    leaveGroup(group, place);
  }
  // group.ready: the dead thread may have stored a cursor but not its bit. A bit too many costs only one look.
  Atomics.store(group.words, READY, (1 << BANDS) - 1);
  announceLanes(group);
  return done;
}
