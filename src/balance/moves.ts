/**
 * Moving buckets, by the main thread: one move of a bucket at a time, whoever asks for it.
 *
 *      settled --begin--> moving --old owner hands over--> settled
 *                            \--old owner dies--> all at rest --> the new owner adopts it --> settled
 *                                                                    \--dies as well--> another adopts it
 */
import { isMoving, nextOwnerIn, ownerIn } from '../bucket-word.js';
import { PercoreError } from '../errors.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import type { Controller, Party } from '../reactor/internal.js';
import { roomIn, type KeyRoom } from './room.js';

export class BucketMoves {
  /** Moves that have ended with another owner, adoptions included. */
  moved = 0;
  /** Buckets whose owner had died. */
  adopted = 0;
  failed = 0;
  /** Nanoseconds from the last message at the old owner until the bucket was the new one's. */
  readonly pauses = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
  readonly room: KeyRoom;
  /** The last move of each bucket that is under way. */
  private readonly underWay = new Map<number, Promise<boolean>>();
  private readonly reactors: number;

  constructor(main: Party) {
    this.room = roomIn(main);
    this.reactors = main.shared.reactors;
  }

  /** Moves under way, those that wait for another of the same bucket included. */
  get count(): number {
    return this.underWay.size;
  }

  isUnderWay(bucket: number): boolean {
    return this.underWay.has(bucket);
  }

  /** The owner of a bucket; while it moves, the old one. */
  ownerOf(bucket: number): number {
    return ownerIn(this.room.table.word(bucket));
  }

  isDead(reactor: number): boolean {
    return this.room.party.peers.block.isDead(reactor);
  }

  /** True when the bucket has moved, false when it was there. Rejects with why it stays where it was. */
  move(bucket: number, to: number): Promise<boolean> {
    const before = this.underWay.get(bucket);
    const move = before === undefined ? this.run(bucket, to) : before.then(
      () => this.run(bucket, to), () => this.run(bucket, to),
    );
    this.underWay.set(bucket, move);
    const end = (): void => {
      if (this.underWay.get(bucket) === move) this.underWay.delete(bucket);
    };
    move.then(end, end);
    return move;
  }

  private async run(bucket: number, to: number): Promise<boolean> {
    const { table } = this.room;
    const before = table.word(bucket);
    const owner = ownerIn(before);
    if (owner === to) return false;
    if (this.isDead(to)) throw hasDied(to, bucket);
    const word = isMoving(before) ? undefined : table.begin(bucket, before, to);
    if (word === undefined) throw new PercoreError('ERR_PERCORE_CLOSED', `bucket ${bucket} is moved by somebody else`);
    try {
      const isHandedOver = !this.isDead(owner) && await this.release(bucket, word);
      if (!isHandedOver) await this.adopt(bucket, word);
      this.moved++;
      return true;
    } catch (error) {
      this.failed++;
      throw error;
    }
  }

  /** False when the old owner has died before it was through. */
  private async release(bucket: number, word: number): Promise<boolean> {
    const owner = ownerIn(word);
    try {
      this.pauses.record((await this.room.tell(owner, { ask: 'release', bucket, word })) as number);
      return true;
    } catch (error) {
      if (this.isDead(owner)) return false;
      // Where it could not even be asked, it has not settled anything.
      if (this.room.table.settle(bucket, word, owner)) this.room.summonAll();
      throw error;
    }
  }

  private async adopt(bucket: number, word: number): Promise<void> {
    const { table } = this.room;
    // Afterwards everybody has seen that it moves, and what they say to have sent is what they have sent.
    await Promise.all(this.living().map((reactor) => this.room.tell(reactor, { ask: 'rest' }).catch(() => undefined)));
    for (let moving = word; ;) {
      const to = nextOwnerIn(moving);
      try {
        await this.room.tell(to, { ask: 'adopt', bucket, word: moving });
        this.adopted++;
        return;
      } catch (error) {
        // Settled by the new owner before it died, or by what the old one had published.
        if (table.word(bucket) !== moving) return;
        const next = this.living().find((reactor) => reactor !== to);
        if (next === undefined || this.room.party.isClosed) throw error;
        moving = table.begin(bucket, moving, next)!;
      }
    }
  }

  private living(): number[] {
    return Array.from({ length: this.reactors }, (_, reactor) => reactor).filter((reactor) => !this.isDead(reactor));
  }
}

const moves = new WeakMap<Party, BucketMoves>();

/** The moves of a runtime, made at their first use. */
export function movesOf({ main }: Controller): BucketMoves {
  const known = moves.get(main);
  if (known !== undefined) return known;
  const made = new BucketMoves(main);
  moves.set(main, made);
  return made;
}

function hasDied(reactorId: number, bucket: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_REACTOR_DIED', `bucket ${bucket} cannot move to reactor ${reactorId}, which has died`,
    { argument: 'to', value: reactorId, reactorId },
  );
}
