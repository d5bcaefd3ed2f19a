/**
 * The places of consumers in a ring: how a consumer joins, leaves, and takes a place over. place-recovery.ts has what a
 * supervisor does when a worker has died. All of this may happen while the producer runs: it looks at the states and
 * cursors of the places whenever the ring seems full (`look`).
 *
 * No published record is given up while nobody reads. A new queue holds its records for the first consumer (place 0 is
 * HELD from the start), the last consumer to leave leaves its place HELD, and a declared place is HELD whenever nobody
 * has it. A HELD place keeps its cursor, holds the producer back, and is taken over by the next consumer to join.
 *
 * Why a consumer that joins loses nothing of what it is promised (`ring.join`): it first stores its state and then
 * loads the producer's cursor. If a look of the producer has not seen that state, the look came before the load, and it
 * allows the producer to go no further than one capacity beyond what was published at the time of that look.
 */
import { PercoreError, invalidArgument } from '../errors.js';
import { MAX_CONSUMERS } from '../layout.js';
import { threadId } from 'node:worker_threads';
import { publishedIn } from './mark.js';
import {
  ABANDONED, AFTER, CURSOR, DROP_OLDEST, ENTERING, EVICTED_PLACE, EVICT_AFTER_MS, FREE, GATING, HELD, JOINING, LOSSY,
  LOSSY_CURSOR, PHASE, PLACE_WORDS, POLICIES, POLICY, PRODUCER_THREAD, PUSHED, STATE, TAKEN, THREAD,
  WAIT, placeAt, type QueueMemory, type WhenSlow,
} from './ring.js';

/** What a consumer may ask for when it joins; all of it may be left out. */
export interface JoinOptions {
  /** The number of a place: of a declared one, or of one to take over. If left out, the first free place. */
  place?: number;
  /** 'wait' if left out; for a declared place, what was declared. */
  whenSlow?: WhenSlow | undefined;
  /** For `evict`: how long the consumer may stand still, in milliseconds. */
  evictAfterMs?: number;
  /** The places whose consumers must have released a record before this consumer reads it. */
  after?: readonly number[];
}

let actingAs: (() => number) | undefined;

/**
 * This thread's number as it is written into places. It is never 0, and no other thread of the process ever gets it.
 */
export const me = (): number => (actingAs?.() ?? threadId) + 1;

/**
 * This thread's number as it is written into the places of one ring. In a file, where other processes have ends too, it
 * is a number that the file has given; elsewhere it is `me()`.
 */
export const meIn = (sharer: number): number => (sharer === 0 ? me() : sharer);

/**
 * For a simulator, which runs several threads in one: `who` says which of them runs at the moment. Without it, the
 * thread is itself again.
 */
export function actAs(who?: () => number): void {
  actingAs = who;
}

/**
 * Takes a place for a consumer of this thread and makes it GATING; a consumer that may be lapped changes that by
 * itself. Returns the place's number. Throws ERR_PERCORE_NO_PLACE when there is none, and ERR_PERCORE_CLOSED when the
 * only consumer has closed the queue.
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

/** A declared place got its options when its queue was made, so they cannot be changed here. */
function checkDeclared(memory: QueueMemory, { place = -1, whenSlow, after = [] }: JoinOptions): void {
  if (place < 0 || !isKept(memory, place)) return;
  const declared = POLICIES[Atomics.load(memory.words, placeAt(place) + POLICY)]!;
  if (whenSlow !== undefined && whenSlow !== declared)
    throw invalidArgument('whenSlow', whenSlow, `left out, or '${declared}', with which this consumer was declared`);
  if (after.length > 0) throw invalidArgument('after', after, 'left out for a declared consumer, which brings its own');
}

/**
 * Throws unless place `place` has a consumer, or is declared, and does not lose records. A consumer can read only
 * behind one that exists already, so there is no circle, and none reads behind itself.
 */
function checkIsThere(memory: QueueMemory, place: number): void {
  if (!isKept(memory, place) && Atomics.load(memory.words, placeAt(place) + THREAD) === 0)
    throw invalidArgument('after', place, 'the place of a consumer that exists, or a declared one');
  if (isLossyPlace(memory, place))
    throw invalidArgument(
      'after', place,
      "the place of a consumer that is not lapped ('drop-oldest' or 'evict'): such a consumer reads copies, and does "
        + 'not say how far it has read',
    );
}

/** As `join`, but returns -1 when the place, or every place, is taken. */
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
  // This only spares the exchange below, which decides.
  if (Atomics.load(words, at + STATE) > HELD) return false;
  // ring.join: of those that want the place, one gets it. Its name stands there before anything else is done;
  // recoverRing() says why.
  if (Atomics.compareExchange(words, at + THREAD, 0, meIn(memory.sharer)) !== 0) return false;
  const mine = takeOver(memory, at) || enter(memory, at);
  if (!mine) {
    // ring.join: gives the name back, for the exchange above by another thread.
    Atomics.store(words, at + THREAD, 0);
    return false;
  }
  if (!isKept(memory, place)) describe(memory, at, options);
  // ring.join: the cursor is as the previous owner left it; the state carries it. TAKEN is a plain word, since
  // recoverRing() reads it only after our death.
  words[at + TAKEN] = Atomics.load(words, at + CURSOR);
  for (let other = 0; other < memory.places; other++) {
    // A place that was held for want of a reader need not be held any longer.
    if (other !== place && !isKept(memory, other)) Atomics.compareExchange(words, placeAt(other) + STATE, HELD, FREE);
  }
  for (const other of options.after ?? []) {
    // ring.follow: a consumer that has left since we looked may not have seen our bit. Pairs with leave().
    if (Atomics.load(words, placeAt(other) + STATE) < HELD) Atomics.and(words, at + AFTER, ~(1 << other));
  }
  return true;
}

/** A HELD place goes on where it stands; it holds the producer back before, during and after this. */
function takeOver({ words }: QueueMemory, at: number): boolean {
  // ring.join: another consumer, which joins elsewhere, may set it FREE at this moment.
  return Atomics.compareExchange(words, at + STATE, HELD, GATING) === HELD;
}

/** A FREE place begins at what is published now. */
function enter(memory: QueueMemory, at: number): boolean {
  const { words } = memory;
  if (Atomics.compareExchange(words, at + STATE, FREE, JOINING) !== FREE) return false;
  Atomics.store(words, at + CURSOR, publishedIn(memory));
  // ring.join: I hold you back from now on. Pairs with the load in look() of the producer.
  Atomics.store(words, at + STATE, ENTERING);
  // ring.join: and begin at what is published now, not before; the head of this file says why.
  Atomics.store(words, at + CURSOR, publishedIn(memory));
  Atomics.store(words, at + STATE, GATING);
  return true;
}

/** Writes down what a consumer has asked for, in a place that is not declared. */
function describe({ words }: QueueMemory, at: number, options: JoinOptions): void {
  let after = 0;
  for (const place of options.after ?? []) after |= 1 << place;
  // These pair with the loads in look() of the producer and in mayPush(). Until then the producer takes the place for
  // one that waits, because leave() has put WAIT there.
  Atomics.store(words, at + POLICY, POLICIES.indexOf(options.whenSlow ?? 'wait'));
  Atomics.store(words, at + EVICT_AFTER_MS, options.evictAfterMs ?? 0);
  Atomics.store(words, at + AFTER, after);
}

/** Gives a place up, for a consumer that has released what it read, or for one that has died. */
export function leave(memory: QueueMemory, place: number): void {
  const { words } = memory;
  const at = placeAt(place);
  // ring.lap: only the producer changes the state behind our back, from lossy to evicted.
  if (Atomics.load(words, at + STATE) >= LOSSY) stopPushes(memory, at);
  if (!isKept(memory, place)) {
    // These pair with the producer's look and with letFollowersGo(). They come before the state, so that no values of
    // ours stand in a place that already belongs to another.
    Atomics.store(words, at + AFTER, 0);
    Atomics.store(words, at + POLICY, WAIT);
  }
  // ring.join: first HELD, then the look for others. Of two consumers that leave at once, the later one stays HELD. If
  // one joins now, either it finds our place HELD or we find it reading.
  Atomics.store(words, at + STATE, HELD);
  if (!isKept(memory, place) && somebodyReads(memory, place)) Atomics.compareExchange(words, at + STATE, HELD, FREE);
  // ring.follow: comes after the state, for a consumer that begins to read behind us now.
  letFollowersGo(memory, place);
  // This comes last: until here the place has an owner, so that `recover` finds it if that owner dies.
  Atomics.store(words, at + THREAD, 0);
}

/** Changes the place from a cursor that the producer may push to one that it may not, without a gap. */
function stopPushes({ words, capacity, recordBytes }: QueueMemory, at: number): void {
  const pushedBit = recordBytes === 0 ? PUSHED : 0;
  // The cursor is not beyond where the consumer stands, so it holds the producer back at least as much.
  Atomics.store(words, at + CURSOR, Atomics.load(words, at + LOSSY_CURSOR) & ~pushedBit);
  words[at + TAKEN] = Atomics.load(words, at + CURSOR);
  Atomics.store(words, at + STATE, GATING);
  // ring.lap: one exchange fetches the cursor as the last push has left it, and makes a push that has not ended yet
  // fail. The value put there lies further back than any push could expect, so a producer that still reads it is only
  // more careful.
  Atomics.store(
    words,
    at + CURSOR,
    Atomics.exchange(words, at + LOSSY_CURSOR, (Atomics.load(words, at + LOSSY_CURSOR) - 2 * capacity) | 0)
      & ~pushedBit,
  );
}

/** The HELD place that nobody has declared and that is furthest behind, or -1. */
function heldPlace(memory: QueueMemory): number {
  const { words } = memory;
  let found = -1;
  for (let place = 0; place < memory.places; place++) {
    // ring.join: only chooses among places; the exchange in takeOver() decides whether this one is still HELD.
    if (isKept(memory, place) || Atomics.load(words, placeAt(place) + STATE) !== HELD) continue;
    const isFurther =
      found < 0
      || ((Atomics.load(words, placeAt(found) + CURSOR) - Atomics.load(words, placeAt(place) + CURSOR)) | 0) > 0;
    if (isFurther) found = place;
  }
  return found;
}

/** True if a consumer reads from a place other than `except`, or if a declared place waits for its consumer. */
function somebodyReads(memory: QueueMemory, except: number): boolean {
  for (let place = 0; place < memory.places; place++) {
    // ring.join: pairs with the store of the state in enter(), takeOver() and leave().
    const state = Atomics.load(memory.words, placeAt(place) + STATE);
    if (place !== except && (state > HELD || (state === HELD && isKept(memory, place)))) return true;
  }
  return false;
}

/** True for the policies that allow the producer to lap a consumer. */
export const isLosing = (whenSlow: WhenSlow = 'wait'): boolean => isLossy(POLICIES.indexOf(whenSlow));
/** True if the consumer of this place may be lapped. */
export const isLossyPlace = (memory: QueueMemory, place: number): boolean =>
  isLossy(Atomics.load(memory.words, placeAt(place) + POLICY));
const isLossy = (policy: number): boolean => policy >= DROP_OLDEST;

/** Lets the consumers that read behind this place go on without it. */
function letFollowersGo(memory: QueueMemory, place: number): void {
  if (isKept(memory, place)) return;
  for (let other = 0, at = placeAt(0); other < memory.places; other++, at += PLACE_WORDS) {
    // ring.follow: clears one bit at a time, since other consumers may leave at the same moment.
    if ((Atomics.load(memory.words, at + AFTER) & (1 << place)) !== 0)
      Atomics.and(memory.words, at + AFTER, ~(1 << place));
  }
}

const isKept = (memory: QueueMemory, place: number): boolean => (memory.kept & (1 << place)) !== 0;

/** The error for a consumer that finds no place; it says who has the places and what to do. */
function taken(memory: QueueMemory, place: number | undefined): PercoreError {
  // Read for the message only.
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

/** Takes the producer's place for this thread. Returns false if another producer has it. */
export function joinAsProducer(memory: QueueMemory): boolean {
  // Carries the cursor and the counters of the previous producer; leave(), close() and recover() store the 0.
  return Atomics.compareExchange(memory.words, PRODUCER_THREAD, 0, meIn(memory.sharer)) === 0;
}
