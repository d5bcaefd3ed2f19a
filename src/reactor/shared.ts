/**
 * The memory of one runtime as every party sees it: the runtime's block, and each party's inbox (its block, then its
 * lanes). Plain objects, so that they pass through workerData. Made by the main thread; no party allocates shared
 * memory later.
 */
import {
  BUCKETS,
  LAYOUT_VERSION,
  LINE_BYTES,
  PARTY_MAGIC,
  RUNTIME_MAGIC,
  inboxBytes,
  laneOffset,
  partyLayout,
  SLOTS,
  bucketsBytes,
  runtimeLayout,
  slotsLayout,
  words,
  type LayoutField,
} from '../layout.js';
import { native } from '../native.js';
import { createTopics } from '../topic-membership.js';

export interface SharedRuntime {
  /** Places for reactors: the most that there can be. The main thread's number comes after them. */
  readonly reactors: number;
  readonly laneBytes: number;
  readonly runtime: SharedArrayBuffer;
  /** Who subscribes to which topics: see topic-membership.ts. */
  readonly topics: SharedArrayBuffer;
  /** One for each party, the main thread's last. */
  readonly inboxes: readonly SharedArrayBuffer[];
  /** The Slots of all. */
  readonly slots: SharedArrayBuffer;
  /** The Buckets of each party, the main thread's last. */
  readonly buckets: readonly SharedArrayBuffer[];
  /** Their eventfds. They belong to the runtime and are closed after every worker has gone. */
  readonly eventFds: readonly number[];
  readonly originNs: number;
  /** What each party measures of its tasks, the main thread's last; undefined if nothing is measured. */
  readonly figures?: readonly SharedArrayBuffer[] | undefined;
  /** The watch over stalls that each party joins; see stalls.ts. */
  readonly stallWatch?: number | undefined;
}

export interface PartySettings {
  idleStrategy: number;
  spinNs: number;
  ioIntervalNs: number;
  gatherNs?: number;
  /** 1 if it never spins, since another working thread has its CPU. */
  isCpuShared?: number;
}

/**
 * The smallest size to ask of the C library: it takes this much from the kernel each time and returns it at once.
 * Smaller memory may come out of its heap, which is cleared when it is handed out again, and then every lane is
 * resident (glibc: M_MMAP_THRESHOLD_MAX, 32 MiB).
 */
const FRESH_BYTES = 2 ** 25 + 2 ** 16;
/**
 * Smaller lanes, as those of simulations are, ask for what they need: what they could keep resident is less than
 * clearing FRESH_BYTES takes, which the C library does where its heap has that much at hand.
 */
const SMALL_BYTES = 2 ** 21;

const word = (field: LayoutField): number => field.at >> 2;
const PRESENCE = word(runtimeLayout.fields.presence);
const GENERATION = word(runtimeLayout.fields.generation);
const CHANGES = word(runtimeLayout.fields.changes);
const REACTORS = word(runtimeLayout.fields.reactors);
const BUCKET_OWNER = word(runtimeLayout.fields.bucketOwner);
const LANES_VERSION = word(partyLayout.fields.lanesVersion);

/** `reactors`: places for them; the first `present` are taken from the start. */
export function createShared(
  reactors: number,
  laneBytes: number,
  eventFds: readonly number[],
  originNs: number,
  settings: (party: number) => PartySettings,
  present: number = reactors,
): SharedRuntime {
  const parties = reactors + 1;
  const runtime = new SharedArrayBuffer(runtimeLayout.bytes);
  const shared = new Int32Array(runtime);
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    // Nobody else has this memory yet; atomic, since the table is read with atomic loads later.
    Atomics.store(shared, BUCKET_OWNER + bucket, bucket % present);
  }
  // As above: complete before any worker starts.
  Atomics.store(shared, REACTORS, present);
  for (let id = present; id < reactors; id++) Atomics.store(shared, PRESENCE + id, words.presence.ABSENT);
  Atomics.store(shared, word(runtimeLayout.fields.version), LAYOUT_VERSION);
  Atomics.store(shared, word(runtimeLayout.fields.parties), parties);
  Atomics.store(shared, word(runtimeLayout.fields.magic), RUNTIME_MAGIC);

  const inboxes = Array.from({ length: parties }, (_, id) => {
    const needed = inboxBytes(parties, laneBytes);
    const inbox = new SharedArrayBuffer(needed < SMALL_BYTES ? needed : Math.max(needed, FRESH_BYTES));
    // In case it comes out of the heap all the same: a best effort; a refusal costs only memory.
    native().system.freshPages(new Uint8Array(inbox), 0);
    const party = new Int32Array(inbox, 0, partyLayout.bytes >> 2);
    // Before any worker starts; the magic comes last.
    const set = (field: keyof typeof partyLayout.fields, value: number) => Atomics.store(
      party, word(partyLayout.fields[field]), value,
    );
    set('version', LAYOUT_VERSION);
    set('id', id);
    set('parties', parties);
    set('laneBytes', laneBytes);
    set('attention', words.attention.AWAKE);
    for (const [name, value] of Object.entries(settings(id))) set(name as keyof PartySettings, value as number);
    set('magic', PARTY_MAGIC);
    return inbox;
  });
  const slots = new SharedArrayBuffer(slotsLayout.bytes);
  // As above: each stage of a bucket is its owner's.
  new Int32Array(slots, slotsLayout.fields.word.at, SLOTS).forEach((_, slot, all) => {
    all[slot] = shared[BUCKET_OWNER + slot % BUCKETS]!;
  });
  const buckets = Array.from({ length: parties }, () => new SharedArrayBuffer(bucketsBytes(parties)));
  // What is not used costs no memory, as for the inboxes.
  for (const ofParty of buckets) native().system.freshPages(new Uint8Array(ofParty), 0);
  return {
    reactors, laneBytes, runtime, topics: createTopics(parties), inboxes, slots, buckets, eventFds, originNs,
  };
}

/**
 * After the last party has gone: returns the pages of all lanes to the kernel at once, not with the garbage. What
 * status() reads stays.
 */
export function giveBackLanes(shared: SharedRuntime): void {
  for (const inbox of shared.inboxes) native().system.freshPages(new Uint8Array(inbox), partyLayout.bytes);
}

/** The Party block at the beginning of an inbox, as words. */
export const partyWords = (inbox: SharedArrayBuffer): Int32Array => new Int32Array(inbox, 0, partyLayout.bytes >> 2);
/** The same as numbers; its counters are written by the owner alone, plainly: they are statistics. */
export function partyCounters(inbox: SharedArrayBuffer): Float64Array {
  return new Float64Array(inbox, 0, partyLayout.bytes >> 3);
}

/** The parts of it in which the party's I/O and its timers count. */
export const ioCounters = (inbox: SharedArrayBuffer): Float64Array => partOf(inbox, partyLayout.fields.io);
export const timerCounters = (inbox: SharedArrayBuffer): Float64Array => partOf(inbox, partyLayout.fields.timers);
function partOf(inbox: SharedArrayBuffer, { at, count }: { at: number; count: number }): Float64Array {
  return new Float64Array(inbox, at, count);
}

/**
 * Tells the consumer's native scan that producer `from` has made lane `lane` in this inbox. The lane's header must be
 * complete.
 */
export function announceLane(inbox: SharedArrayBuffer, from: number, lane: number): void {
  const madeBy = new Int32Array(inbox, partyLayout.bytes + from * LINE_BYTES, 1);
  // Only producer `from` writes this word; pairs with findLanes() in turn.cc, behind the version below.
  Atomics.store(madeBy, 0, madeBy[0]! | (1 << lane));
  // Pairs with scanLanes() in turn.cc. An add: several producers may announce at once.
  Atomics.add(partyWords(inbox), LANES_VERSION, 1);
}

/** True once producer `from` has announced lane `lane` in this inbox. */
export function isLaneMade(inbox: SharedArrayBuffer, from: number, lane: number): boolean {
  // Pairs with announceLane(): the lane's header is complete.
  return (Atomics.load(new Int32Array(inbox, partyLayout.bytes + from * LINE_BYTES, 1), 0) & (1 << lane)) !== 0;
}

/** Byte offset of a lane in any inbox of this runtime. */
export const laneAt = (shared: SharedRuntime, from: number, lane: number): number => laneOffset(
  shared.reactors + 1, shared.laneBytes, from, lane,
);

/** The block that concerns all parties. */
export class RuntimeBlock {
  private readonly shared: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.shared = new Int32Array(memory);
  }

  /** The reactor that owns bucket 0 to 1,023; while it moves, the old owner. */
  ownerOf(bucket: number): number {
    // Pairs with setOwner(); keyed messages use a word of their own, so any recent value is right here.
    return Atomics.load(this.shared, BUCKET_OWNER + bucket);
  }

  /** For the main thread: the bucket has moved, or nobody moves buckets and its owner has nothing of it left. */
  setOwner(bucket: number, owner: number): void {
    // Pairs with ownerOf().
    Atomics.store(this.shared, BUCKET_OWNER + bucket, owner);
  }

  /** Grows with each change of the words below. */
  changes(): number {
    // Pairs with setPresence() and noteDeath(): what they have stored is visible behind it.
    return Atomics.load(this.shared, CHANGES);
  }

  /** How many reactors there are now. */
  reactors(): number {
    // Pairs with setReactors().
    return Atomics.load(this.shared, REACTORS);
  }

  /** `setPresence` of those that come or go must follow: it increments the count of changes. */
  setReactors(count: number): void {
    // Pairs with reactors().
    Atomics.store(this.shared, REACTORS, count);
  }

  /** words.presence of a reactor. */
  presence(party: number): number {
    // Pairs with setPresence().
    return Atomics.load(this.shared, PRESENCE + party);
  }

  /** True for a reactor that has died for good, or is absent. */
  isDead(party: number): boolean {
    return this.presence(party) >= words.presence.DEAD;
  }

  /** Threads that have died in this reactor's place. */
  generation(party: number): number {
    // Pairs with noteDeath().
    return Atomics.load(this.shared, GENERATION + party);
  }

  /** The caller then summons every party. */
  setPresence(party: number, presence: number): void {
    // Pairs with presence(); stored before the count below grows.
    Atomics.store(this.shared, PRESENCE + party, presence);
    // Pairs with changes().
    Atomics.add(this.shared, CHANGES, 1);
  }

  /**
   * After the worker's exit event, which is the proof of death, or for a reactor that is not started again after all.
   * `presence` says whether another comes in its place. The caller then wakes every party.
   */
  noteDeath(party: number, presence: number): void {
    // Pairs with generation(); stored before the count of changes grows. Nobody else writes it.
    Atomics.store(this.shared, GENERATION + party, this.generation(party) + 1);
    this.setPresence(party, presence);
  }
}
