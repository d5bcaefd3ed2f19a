/**
 * The shared words of buckets, as one party sees them: whose each bucket is, how many of its messages each party has
 * sent, and how many of these each owner has taken.
 *
 *      sender                                 old owner
 *      sent[bucket] + 1                       (the mover has stored: it moves)
 *      look whether it moves                  look at sent[bucket] of every sender: all taken?
 *      it does: sent[bucket] - 1, hold it     they are: nobody sends any more, so the bucket can go
 *
 * | pair         | write side                 | read side                 | carries                    | needs     |
 * |--------------|----------------------------|---------------------------|----------------------------|-----------|
 * | bucket.word  | `begin`, `settle`          | `enter`, `leave`          | "it moves", "it is his"    | seq. cst. |
 * | bucket.sent  | `enter`, `leave`           | `missing`                 | "a message is on its way"  | seq. cst. |
 * | bucket.taken | `taken`, plain             | who gets the bucket       | what the old owner has run | the lane  |
 *
 * Each side stores its own word and then loads the other's (Dekker), so either the sender sees the move and takes its
 * message back, or the owner sees the message and waits for it. `taken` is written by the owner alone; who gets the
 * bucket reads it after a record of the old owner's, or after its death.
 */
import { isMoving, movingWord, ownerIn, settledWord } from '../bucket-word.js';
import { BUCKETS, bucketsLayout, bucketsStride, runtimeLayout } from '../layout.js';
import type { SharedRuntime } from '../reactor/internal.js';

const WORD = runtimeLayout.fields.bucketOwner.at >> 2;
const { busyNs, held, lost } = bucketsLayout.fields;

/** What one party has written about all buckets; the others only read it. */
export class BucketFigures {
  readonly sent: Int32Array;
  readonly busyNs: Float64Array;
  /** `from * BUCKETS + bucket`. */
  readonly taken: Int32Array;
  private readonly numbers: Float64Array;

  constructor({ buckets, reactors }: SharedRuntime, party: number) {
    const at = party * bucketsStride(reactors + 1);
    this.sent = new Int32Array(buckets, at, BUCKETS);
    this.busyNs = new Float64Array(buckets, at + busyNs.at, BUCKETS);
    this.taken = new Int32Array(buckets, at + bucketsLayout.bytes, (reactors + 1) * BUCKETS);
    this.numbers = new Float64Array(buckets, at, bucketsLayout.bytes >> 3);
  }

  get held(): number { return this.numbers[held.at >> 3]!; }
  set held(count: number) { this.numbers[held.at >> 3] = count; }
  get lost(): number { return this.numbers[lost.at >> 3]!; }
  set lost(count: number) { this.numbers[lost.at >> 3] = count; }
}

export class BucketTable {
  /** Of each party, the main thread's last. */
  readonly figures: readonly BucketFigures[];
  private readonly words: Int32Array;
  private readonly sent: Int32Array;

  constructor(shared: SharedRuntime, private readonly id: number) {
    this.words = new Int32Array(shared.runtime);
    this.figures = Array.from({ length: shared.reactors + 1 }, (_, party) => new BucketFigures(shared, party));
    this.sent = this.figures[id]!.sent;
  }

  word(bucket: number): number {
    // bucket.word: pairs with begin() and settle().
    return Atomics.load(this.words, WORD + bucket);
  }

  // ---- For a sender -----------------------------------------------------------------------------------------------

  /** The owner, to whom one message of this bucket may be sent now, and is counted; or -1 while the bucket moves. */
  enter(bucket: number): number {
    // bucket.sent: stored before the word is loaded; pairs with missing().
    Atomics.store(this.sent, bucket, this.sent[bucket]! + 1);
    // bucket.word: pairs with begin(), after which the owner looks at `sent`.
    const word = Atomics.load(this.words, WORD + bucket);
    return isMoving(word) ? -1 : ownerIn(word);
  }

  /** The message was not sent after all. The word of the bucket: if it moves, its owner has to look again. */
  leave(bucket: number): number {
    // bucket.sent: as in enter().
    Atomics.store(this.sent, bucket, this.sent[bucket]! - 1);
    // bucket.word: an owner that looked before is told by the caller; one that looks later sees what was stored.
    return Atomics.load(this.words, WORD + bucket);
  }

  // ---- For an owner -----------------------------------------------------------------------------------------------

  /** Messages of this bucket that `from` has sent and this party has not taken. */
  missing(from: number, bucket: number): number {
    // bucket.sent: pairs with enter(); the word said before that the bucket moves.
    const sent = Atomics.load(this.figures[from]!.sent, bucket);
    return (sent - this.figures[this.id]!.taken[from * BUCKETS + bucket]!) | 0;
  }

  /** What is missing from `from` will never come. */
  forget(from: number, bucket: number): void {
    const own = this.figures[this.id]!;
    const missing = this.missing(from, bucket);
    own.lost += missing;
    own.taken[from * BUCKETS + bucket]! += missing;
  }

  /** This party goes on where the owner before it has stood. */
  takeOver(bucket: number, owner: number): void {
    const { taken } = this.figures[this.id]!;
    const before = this.figures[owner]!.taken;
    for (let at = bucket; at < taken.length; at += BUCKETS) taken[at] = before[at]!;
  }

  // ---- For whoever moves a bucket -----------------------------------------------------------------------------------

  /** The bucket begins to move to `to`. Its word from then on, or undefined where `expected` is not its word. */
  begin(bucket: number, expected: number, to: number): number | undefined {
    const word = movingWord(expected, to);
    // bucket.word: pairs with enter(), leave() and missing().
    return Atomics.compareExchange(this.words, WORD + bucket, expected, word) === expected ? word : undefined;
  }

  /** The move that `word` stands for ends with `owner`; false when it has ended already. */
  settle(bucket: number, word: number, owner: number): boolean {
    // bucket.word: what this party has taken over is visible behind it; pairs with enter().
    return Atomics.compareExchange(this.words, WORD + bucket, word, settledWord(word, owner)) === word;
  }
}
