/**
 * Places of consumers in a ring: who joins, leaves and takes over; what a supervisor does when a worker has died is in
 * place-recovery.ts. All of it may happen while the producer runs, which looks at the places' states and cursors
 * whenever the ring seems full (`look`).
 *
 * Nothing that was published is let go while nobody reads: a new queue holds its records for the first consumer (place
 * 0 is HELD from the start), the last consumer to leave leaves its place HELD, and a declared place is HELD whenever
 * nobody has it. A HELD place keeps its cursor, holds the producer back, and is taken over by whoever joins next.
 *
 * Why a joining consumer loses nothing of what it is promised (`ring.join`): it stores its state first and loads the
 * producer's cursor after. A look of the producer that has not seen it came before that load, and allows the producer
 * to go no further than one capacity beyond what was published at that look.
 */
import { PercoreError, invalidArgument } from '../errors.js';
import { MAX_CONSUMERS } from '../layout.js';
import { threadId } from 'node:worker_threads';
import {
  ABANDONED, AFTER, CURSOR, DROP_OLDEST, ENTERING, EVICTED_PLACE, EVICT_AFTER_MS, FREE, GATING, HELD, JOINING, LOSSY,
  LOSSY_CURSOR, PHASE, PLACE_WORDS, POLICIES, POLICY, PRODUCER_CURSOR, PRODUCER_THREAD, PUSHED, STATE, TAKEN, THREAD,
  WAIT, placeAt, type QueueMemory, type WhenSlow,
} from './ring.js';

export interface JoinOptions {
  /** A place by its number; a declared one, or one to take over. The first free one if left out. */
  place?: number;
  /** `wait` if left out; what was declared, for a declared place. */
  whenSlow?: WhenSlow | undefined;
  /** For `evict`: the longest standstill in milliseconds. */
  evictAfterMs?: number;
  /** Places whose consumers must have released a record before this one reads it. */
  after?: readonly number[];
}

let actingAs: (() => number) | undefined;

/** This thread, as it is written into places: never 0, never used again by another thread of the process. */
export const me = (): number => (actingAs?.() ?? threadId) + 1;

/** The same for one ring: in a file, of which other processes have ends too, it is a number of that file. */
export const meIn = (sharer: number): number => (sharer === 0 ? me() : sharer);

/** For a simulator, which runs several threads in one: says which it is at the moment; left out, it is itself. */
export function actAs(who?: () => number): void {
  actingAs = who;
}

/**
 * Takes a place for a consumer of this thread, GATING; one that may be lapped says so itself. Returns its number.
 * Throws when there is none.
 */
export function join(memory: QueueMemory, options: JoinOptions = {}): number {
  if (Atomics.load(memory.words, PHASE) === ABANDONED)
    throw new PercoreError('ERR_PERCORE_CLOSED', 'the queue was closed by its only consumer; create a new one');
  checkDeclared(memory, options);
  for (const place of options.after ?? []) checkIsThere(memory, place);
  const place = tryJoin(memory, options);
  if (place < 0) throw taken(memory, options.place);
  return place;
}

/** A declared place has its options since its queue was made. */
function checkDeclared(memory: QueueMemory, { place = -1, whenSlow, after = [] }: JoinOptions): void {
  if (place < 0 || !isKept(memory, place)) return;
  const declared = POLICIES[Atomics.load(memory.words, placeAt(place) + POLICY)]!;
  if (whenSlow !== undefined && whenSlow !== declared)
    throw invalidArgument('whenSlow', whenSlow, `left out, or '${declared}', with which this consumer was declared`);
  if (after.length > 0) throw invalidArgument('after', after, 'left out for a declared consumer, which brings its own');
}

/**
 * Whoever reads after another reads after one that already exists, so there is no circle, and nobody reads behind
 * itself.
 */
function checkIsThere(memory: QueueMemory, place: number): void {
  if (!isKept(memory, place) && Atomics.load(memory.words, placeAt(place) + THREAD) === 0)
    throw invalidArgument('after', place, 'the place of a consumer that exists, or a declared one');
  if (isLossyPlace(memory, place))
    throw invalidArgument(
      'after', place,
      "the place of a consumer that is not lapped ('drop-oldest' or 'evict'): it reads copies, and says nothing to "
        + "who comes behind",
    );
}

/** The same; -1 when the place, or every place, is taken. */
export function tryJoin(memory: QueueMemory, options: JoinOptions = {}): number {
  const held = options.place ?? heldPlace(memory);
  if (held >= 0 && claim(memory, held, options)) return held;
  if (options.place !== undefined) return -1;
  for (let place = 0; place < memory.places; place++) {
    if (!isKept(memory, place) && claim(memory, place, options)) return place;
  }
  return -1;
}

function claim(memory: QueueMemory, place: number, options: JoinOptions): boolean {
  const { words } = memory;
  const at = placeAt(place);
  // Only saves the exchange below, which decides.
  if (Atomics.load(words, at + STATE) > HELD) return false;
  // ring.join: one of those who want the place gets it, and its name stands there before anything else is done: see
  // recoverRing().
  if (Atomics.compareExchange(words, at + THREAD, 0, meIn(memory.sharer)) !== 0) return false;
  const mine = takeOver(memory, at) || enter(memory, at);
  if (!mine) {
    // ring.join: gives the name back, for the exchange above by another.
    Atomics.store(words, at + THREAD, 0);
    return false;
  }
  if (!isKept(memory, place)) describe(memory, at, options);
  // ring.join: as whoever had the place before left it, carried by its state. TAKEN is plain: recoverRing() reads it
  // after our death.
  words[at + TAKEN] = Atomics.load(words, at + CURSOR);
  for (let other = 0; other < memory.places; other++) {
    // Places that were held for want of a reader are held no more.
    if (other !== place && !isKept(memory, other)) Atomics.compareExchange(words, placeAt(other) + STATE, HELD, FREE);
  }
  for (const other of options.after ?? []) {
    // ring.follow: one that has left since we looked may not have seen our bit. Pairs with leave().
    if (Atomics.load(words, placeAt(other) + STATE) < HELD) Atomics.and(words, at + AFTER, ~(1 << other));
  }
  return true;
}

/** A HELD place goes on where it stands; it holds the producer back before, during and after. */
function takeOver({ words }: QueueMemory, at: number): boolean {
  // ring.join: another that joins elsewhere may set it FREE at this moment.
  return Atomics.compareExchange(words, at + STATE, HELD, GATING) === HELD;
}

/** A FREE place begins at what is published now. */
function enter({ words }: QueueMemory, at: number): boolean {
  if (Atomics.compareExchange(words, at + STATE, FREE, JOINING) !== FREE) return false;
  Atomics.store(words, at + CURSOR, Atomics.load(words, PRODUCER_CURSOR));
  // ring.join: I hold you back from now on. Pairs with the load in look() of the producer.
  Atomics.store(words, at + STATE, ENTERING);
  // ring.join: and begin at what is published now, not before: see above.
  Atomics.store(words, at + CURSOR, Atomics.load(words, PRODUCER_CURSOR));
  Atomics.store(words, at + STATE, GATING);
  return true;
}

function describe({ words }: QueueMemory, at: number, options: JoinOptions): void {
  let after = 0;
  for (const place of options.after ?? []) after |= 1 << place;
  // Pair with the loads in look() of the producer and mayPush(): until then it takes the place for one that waits. See
  // leave().
  Atomics.store(words, at + POLICY, POLICIES.indexOf(options.whenSlow ?? 'wait'));
  Atomics.store(words, at + EVICT_AFTER_MS, options.evictAfterMs ?? 0);
  Atomics.store(words, at + AFTER, after);
}

/** Gives a place up, for a consumer that has released what it read or for one that has died. */
export function leave(memory: QueueMemory, place: number): void {
  const { words } = memory;
  const at = placeAt(place);
  // ring.lap: the producer alone changes it behind us, from lossy to evicted.
  if (Atomics.load(words, at + STATE) >= LOSSY) stopPushes(memory, at);
  if (!isKept(memory, place)) {
    // Pair with the producer's look and with letFollowersGo(): before the state, so that nobody sees ours in a place
    // that is another's.
    Atomics.store(words, at + AFTER, 0);
    Atomics.store(words, at + POLICY, WAIT);
  }
  // ring.join: HELD first, then the look for others. Of two that leave at once, the later stays HELD; one that joins
  // now finds me, or I find it.
  Atomics.store(words, at + STATE, HELD);
  if (!isKept(memory, place) && somebodyReads(memory, place)) Atomics.compareExchange(words, at + STATE, HELD, FREE);
  // ring.follow: after the state, for one that begins to read behind us now.
  letFollowersGo(memory, place);
  // Last: until here the place has an owner, by whose death it is found.
  Atomics.store(words, at + THREAD, 0);
}

/** From a cursor that the producer may push to one that it may not, without a gap. */
function stopPushes({ words, capacity, recordBytes }: QueueMemory, at: number): void {
  const pushedBit = recordBytes === 0 ? PUSHED : 0;
  // Not beyond where it stands, so it holds the producer back at least as much.
  Atomics.store(words, at + CURSOR, Atomics.load(words, at + LOSSY_CURSOR) & ~pushedBit);
  words[at + TAKEN] = Atomics.load(words, at + CURSOR);
  Atomics.store(words, at + STATE, GATING);
  // ring.lap: fetches the cursor as the last push has left it and makes any push that has not ended yet fail, in one
  // step. What is put there lies further back than anything that a push could expect, so whoever still reads it is only
  // more careful.
  Atomics.store(
    words,
    at + CURSOR,
    Atomics.exchange(words, at + LOSSY_CURSOR, (Atomics.load(words, at + LOSSY_CURSOR) - 2 * capacity) | 0)
      & ~pushedBit,
  );
}

/** The HELD place that nobody declared and that is furthest behind; -1 for none. */
function heldPlace(memory: QueueMemory): number {
  const { words } = memory;
  let found = -1;
  for (let place = 0; place < memory.places; place++) {
    // ring.join: only a choice among places; the exchange in takeOver() decides whether it is still HELD.
    if (isKept(memory, place) || Atomics.load(words, placeAt(place) + STATE) !== HELD) continue;
    const isFurther =
      found < 0
      || ((Atomics.load(words, placeAt(found) + CURSOR) - Atomics.load(words, placeAt(place) + CURSOR)) | 0) > 0;
    if (isFurther) found = place;
  }
  return found;
}

function somebodyReads(memory: QueueMemory, except: number): boolean {
  for (let place = 0; place < memory.places; place++) {
    // ring.join: pairs with the store of the state by who joins.
    const state = Atomics.load(memory.words, placeAt(place) + STATE);
    if (place !== except && (state > HELD || (state === HELD && isKept(memory, place)))) return true;
  }
  return false;
}

/** True for the policies by which a consumer may be lapped. */
export const isLosing = (whenSlow: WhenSlow = 'wait'): boolean => isLossy(POLICIES.indexOf(whenSlow));
/** True where the consumer of this place may be lapped. */
export const isLossyPlace = (memory: QueueMemory, place: number): boolean =>
  isLossy(Atomics.load(memory.words, placeAt(place) + POLICY));
const isLossy = (policy: number): boolean => policy >= DROP_OLDEST;

/** Those that read after this place read on without it. */
function letFollowersGo(memory: QueueMemory, place: number): void {
  if (isKept(memory, place)) return;
  for (let other = 0, at = placeAt(0); other < memory.places; other++, at += PLACE_WORDS) {
    // ring.follow: bit by bit, since others may leave at the same moment.
    if ((Atomics.load(memory.words, at + AFTER) & (1 << place)) !== 0)
      Atomics.and(memory.words, at + AFTER, ~(1 << place));
  }
}

const isKept = (memory: QueueMemory, place: number): boolean => (memory.kept & (1 << place)) !== 0;

function taken(memory: QueueMemory, place: number | undefined): PercoreError {
  // For the message only.
  const owners = Array.from({ length: memory.places }, (_, i) => ({
    thread: Atomics.load(memory.words, placeAt(i) + THREAD), state: Atomics.load(memory.words, placeAt(i) + STATE),
  }));
  const threads = owners.filter(({ thread }) => thread !== 0).map(({ thread }) => thread - 1);
  const which =
    memory.places === 1
      ? 'the only place for a consumer is taken'
      : place === undefined
        ? `all ${memory.places} places for consumers are taken`
        : `place ${place} is taken`;
  const isEvicted = owners.some(({ thread, state }) => thread === meIn(memory.sharer) && state === EVICTED_PLACE);
  const isMine = threads.includes(meIn(memory.sharer) - 1);
  const more =
    memory.places === 1
      ? "For several consumers that each get every record use kind 'spmc' with a larger maxConsumers"
      : place === undefined
        ? 'Create the queue with a larger maxConsumers'
        : 'Choose another place';
  const fix = isEvicted
    ? 'A consumer of this thread was evicted and still has its place: call its leave() first, then subscribe again'
    : isMine && memory.places === 1
      ? `It is this thread's own consumer: use that one, or call its leave() first. ${more}`
      : more;
  return new PercoreError(
    'ERR_PERCORE_NO_PLACE',
    `${which} (by thread${threads.length === 1 ? '' : 's'} ${threads.join(', ')}). ${fix}; or call recover(queue, `
      + `worker) for a worker that has exited`,
    {
      argument: 'maxConsumers', value: memory.places, allowed: `up to ${MAX_CONSUMERS}`,
    },
  );
}

/** Takes the place of the producer for this thread. */
export function joinAsProducer(memory: QueueMemory): boolean {
  // Carries the cursor and the counters of the producer before; stored as 0 by leave(), close() and recover().
  return Atomics.compareExchange(memory.words, PRODUCER_THREAD, 0, meIn(memory.sharer)) === 0;
}
