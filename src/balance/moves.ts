/**
 * Moves buckets, on the main thread: one move of a bucket at a time, whoever asks for it. Each stage of a bucket, a
 * slot, moves by itself:
 *
 *      settled --begin--> moving --old owner hands over--> settled
 *                            \--old owner dies--> all at rest --> the new owner adopts it --> settled
 *                                                                    \--dies as well--> another adopts it
 */
import { isMoving, nextOwnerIn, ownerIn } from '../slot-word.js';
import { PercoreError } from '../errors.js';
import { BUCKETS, STAGES, words } from '../layout.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import { setBucketMover, type Controller, type Party } from '../reactor/internal.js';
import { BucketPins } from './pins.js';
import { roomIn, type KeyRoom } from './room.js';
import { Together } from './together.js';

/** How often it looks whether a thread has ended. */
const LOOK_MS = 2;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class BucketMoves {
  /** Moves that ended with another owner, including adoptions. */
  moved = 0;
  /** Stages of buckets whose owner had died. */
  adopted = 0;
  failed = 0;
  /** Nanoseconds from the last message at the old owner until the bucket belonged to the new one. */
  readonly pauses = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
  readonly room: KeyRoom;
  /** Whether each party is between two steps: for all slots together. */
  private readonly rests: Together;
  readonly pins: BucketPins = new BucketPins();
  /** The reactor from which a bucket was taken when that reactor was last emptied. */
  private readonly takenFrom = new Map<number, number>();
  /** The last move of each bucket that is under way. */
  private readonly underWay = new Map<number, Promise<boolean>>();
  private readonly reactors: number;

  /**
   * `isLeaving`: whether the thread of a reactor that is taken away is still there; a reactor that is added has
   * another.
   */
  constructor(main: Party, private readonly isLeaving: (reactor: number) => boolean = () => false) {
    this.room = roomIn(main);
    this.rests = new Together((to) => this.room.tell(to, { ask: 'rest' }));
    this.reactors = main.shared.reactors;
  }

  /** Moves under way, including those that wait for another move of the same bucket. */
  get count(): number {
    return this.underWay.size;
  }

  isUnderWay(bucket: number): boolean {
    return this.underWay.has(bucket);
  }

  /** The owner of a bucket; while it moves, the old one. */
  ownerOf(bucket: number): number {
    return this.room.party.peers.block.ownerOf(bucket);
  }

  isDead(reactor: number): boolean {
    return this.room.party.peers.block.isDead(reactor);
  }

  /** True when some of the bucket belongs to a reactor that has died. */
  isOrphan(bucket: number): boolean {
    return this.isDead(this.ownerOf(bucket)) || this.slotsOf(bucket).some((slot) => this.isDead(this.holderOf(slot)));
  }

  /** True if some of the bucket belongs to `reactor`, or is on its way there. */
  isPartlyOf(bucket: number, reactor: number): boolean {
    return this.ownerOf(bucket) === reactor || this.slotsOf(bucket).some((slot) => {
      const word = this.room.table.word(slot);
      return ownerIn(word) === reactor || (isMoving(word) && nextOwnerIn(word) === reactor);
    });
  }

  /**
   * Moves all buckets of a reactor to `targets`, or to those that take work. Returns how many; rejects with the first
   * failure.
   */
  async empty(from: number, targets?: readonly number[]): Promise<number> {
    const othersOf = (reactors: readonly number[]): number[] => reactors.filter((reactor) => reactor !== from);
    let others = othersOf(targets ?? this.takers());
    // A reactor that is gone cannot keep them, so those get them that take no work now: drained, or to be started
    // again.
    if (others.length === 0 && this.isDead(from)) others = othersOf(this.heirs());
    const all = Array.from({ length: BUCKETS }, (_, bucket) => bucket);
    const buckets = all.filter((bucket) => this.isPartlyOf(bucket, from));
    if (others.length === 0) return 0;
    for (const bucket of buckets) this.takenFrom.set(bucket, from);
    const move = async (bucket: number, to: number): Promise<boolean> => {
      try {
        return await this.move(bucket, to);
      } catch (error) {
        // Its target was taken away meanwhile: another will do, unless somebody has named the targets.
        const next = targets === undefined && this.isGone(to) ? othersOf(this.takers()) : [];
        if (next.length === 0) throw error;
        return move(bucket, next[bucket % next.length]!);
      }
    };
    return this.allOf(buckets.map((bucket, i) => move(bucket, others[i % others.length]!)));
  }

  /**
   * Gives a reactor that takes work its part of all buckets: those that are pinned to it, those that were taken from it
   * when it was emptied, and some of those that have most, until all have equally many. Returns how many; rejects as
   * `empty` does.
   */
  async fill(to: number): Promise<number> {
    const takers = this.takers();
    if (!takers.includes(to)) return 0;
    const of = new Map<number, number[]>(takers.map((reactor) => [reactor, []]));
    const coming: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const owner = this.ownerOf(bucket);
      const home = this.pins.of(bucket) ?? this.takenFrom.get(bucket);
      if (home === to && owner !== to) coming.push(bucket);
      else if (this.pins.of(bucket) === undefined) of.get(owner)?.push(bucket);
    }
    let missing = Math.floor(BUCKETS / takers.length) - coming.length - of.get(to)!.length;
    of.delete(to);
    for (; missing > 0; missing--) {
      const [richest] = [...of.values()].sort((a, b) => b.length - a.length);
      if (richest === undefined || richest.length === 0) break;
      coming.push(richest.pop()!);
    }
    for (const bucket of coming) this.takenFrom.delete(bucket);
    return this.allOf(coming.map((bucket) => this.move(bucket, to).catch((error: unknown) => {
      // It was taken away meanwhile, so the bucket is right where it is.
      if (!this.isGone(to)) throw error;
      return false;
    })));
  }

  private async allOf(moves: readonly Promise<boolean>[]): Promise<number> {
    const failed = (await Promise.allSettled(moves)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return moves.length;
  }

  /** It is being taken away, or is not there any more. */
  private isGone(reactor: number): boolean {
    const { block } = this.room.party.peers;
    return reactor >= block.reactors() || block.presence(reactor) === words.presence.ABSENT;
  }

  /** Reactors that take new work. */
  takers(): number[] {
    const { block } = this.room.party.peers;
    return Array.from({ length: block.reactors() }, (_, id) => id).filter(
      (id) => block.presence(id) === words.presence.HERE,
    );
  }

  /** True if the bucket has moved, false if it was there. Rejects with the reason why it stays where it was. */
  move(bucket: number, to: number): Promise<boolean> {
    const before = this.underWay.get(bucket);
    const run = (): Promise<boolean> => this.run(bucket, to);
    const move = before === undefined ? run() : before.then(run, run);
    this.underWay.set(bucket, move);
    const end = (): void => {
      if (this.underWay.get(bucket) === move) this.underWay.delete(bucket);
    };
    move.then(end, end);
    return move;
  }

  /** Moves all stages at once. If one cannot go, the others come back. */
  private async run(bucket: number, to: number): Promise<boolean> {
    const { block } = this.room.party.peers;
    // A reactor that is being taken away no longer counts, though it may still be there.
    if (this.isGone(to)) throw isNotStarted(to, bucket, block.reactors());
    if (this.isDead(to)) throw hasDied(to, bucket);
    const owner = block.ownerOf(bucket);
    const slots = this.slotsOf(bucket);
    const results = await Promise.allSettled(slots.map((slot) => this.runSlot(slot, to)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined) {
      if (owner === to && results.every((result) => result.status === 'fulfilled' && !result.value)) return false;
      block.setOwner(bucket, to);
      this.moved++;
      return true;
    }
    this.failed++;
    if (!this.isDead(owner)) {
      // A stage that cannot come back either stays apart until the bucket moves again.
      await Promise.allSettled(slots.map((slot) => this.runSlot(slot, owner)));
    }
    throw failure.reason;
  }

  private async runSlot(slot: number, to: number): Promise<boolean> {
    const { table } = this.room;
    const before = table.word(slot);
    const owner = ownerIn(before);
    if (owner === to) return false;
    const word = isMoving(before) ? undefined : table.begin(slot, before, to);
    if (word === undefined) throw new PercoreError('ERR_PERCORE_CLOSED', `slot ${slot} is moved by somebody else`);
    if (this.isDead(owner) || !(await this.release(slot, word))) await this.adopt(slot, word);
    return true;
  }

  /** False if the old owner has died before it was through. */
  private async release(slot: number, word: number): Promise<boolean> {
    const owner = ownerIn(word);
    try {
      this.pauses.record((await this.room.tell(owner, { ask: 'release', slot, word })) as number);
      return true;
    } catch (error) {
      if (this.isDead(owner)) return false;
      // If it could not even be asked, it has not settled anything.
      if (this.room.table.settle(slot, word, owner)) this.room.summonAll();
      throw error;
    }
  }

  private async adopt(slot: number, word: number): Promise<void> {
    const { table } = this.room;
    // A reactor that is taken away answers CLOSED before it has run what it has, and before it has ended the moves from
    // it.
    while (this.isLeaving(ownerIn(word)) && !this.room.party.isClosed) await sleep(LOOK_MS);
    if (table.word(slot) !== word) return;
    // Afterwards everybody has seen that it moves, and what they say they have sent is what they have sent.
    await Promise.all(this.senders(slot).map((reactor) => this.rests.ask(reactor).catch(() => undefined)));
    const tried = new Set<number>();
    for (let moving = word; ;) {
      const to = nextOwnerIn(moving);
      tried.add(to);
      try {
        await this.room.tell(to, { ask: 'adopt', slot, word: moving });
        this.adopted++;
        return;
      } catch (error) {
        // Settled by the new owner before it died, or by what the old one had published.
        if (table.word(slot) !== moving) return;
        const next = this.heirs().find((reactor) => !tried.has(reactor));
        if (next === undefined || this.room.party.isClosed) {
          // Nobody can have it: it belongs to the dead reactor again, until it is moved anew.
          if (table.settle(slot, moving, ownerIn(moving))) this.room.summonAll();
          throw error;
        }
        moving = table.begin(slot, moving, next)!;
      }
    }
  }

  /** The slots of a bucket, in the stages that are used. */
  private slotsOf(bucket: number): number[] {
    const { stages } = this.room.table;
    const used = Array.from({ length: STAGES }, (_, stage) => stage).filter((stage) => (stages & (1 << stage)) !== 0);
    return used.map((stage) => stage * BUCKETS + bucket);
  }

  private holderOf(slot: number): number {
    return ownerIn(this.room.table.word(slot));
  }

  /** All whose thread is there, or comes: also those that are just being added or taken away. */
  private living(): number[] {
    return Array.from({ length: this.reactors }, (_, reactor) => reactor).filter((reactor) => !this.isDead(reactor));
  }

  /** All that may have sent to this slot; the entry of one that is being added may not have come so far. */
  private senders(slot: number): number[] {
    const { table, party } = this.room;
    const stage = Math.floor(slot / BUCKETS);
    const count = party.peers.block.reactors();
    return this.living().filter((reactor) => reactor < count || table.figures[reactor]!.bandsOf(stage) !== 0);
  }

  /** Those of them that are there to stay. */
  private heirs(): number[] {
    const count = this.room.party.peers.block.reactors();
    return this.living().filter((reactor) => reactor < count);
  }
}

setBucketMover({
  empty: (controller, reactor) => movesOf(controller).empty(reactor),
  fill: (controller, reactor) => movesOf(controller).fill(reactor),
});

const moves = new WeakMap<Party, BucketMoves>();

/** The moves of a runtime; the first use makes them. */
export function movesOf({ main, members, roster }: Controller): BucketMoves {
  const known = moves.get(main);
  if (known !== undefined) return known;
  const made = new BucketMoves(main, (id) => roster.isLeaving(id) && members[id]?.isDead === false);
  moves.set(main, made);
  return made;
}

function hasDied(reactorId: number, bucket: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_REACTOR_DIED', `bucket ${bucket} cannot move to reactor ${reactorId}, which has died`,
    { argument: 'to', value: reactorId, reactorId },
  );
}

function isNotStarted(reactorId: number, bucket: number, count: number): PercoreError {
  const message = `bucket ${bucket} cannot move to reactor ${reactorId}, which is not started: there are ${count} `
    + `reactors now. Start it first, by runtime.scale(${reactorId + 1})`;
  return new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', message, {
    argument: 'to', value: reactorId, allowed: `0 to ${count - 1}`, reactorId,
  });
}
