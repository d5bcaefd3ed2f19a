/**
 * The shared words of slots, as one party sees them: the owner of each slot, how many messages for it each party has
 * sent, and how many of these each owner has taken. A slot is one stage of one bucket.
 *
 *      sender                                 old owner
 *      sent[slot] + 1                         (the mover has stored: it moves)
 *      look whether it moves                  look at sent[slot] of every sender: all taken?
 *      it does: sent[slot] - 1, hold it       they are: nobody sends any more, so the slot can go
 *
 * | pair         | write side                 | read side                 | carries                    | needs     |
 * |--------------|----------------------------|---------------------------|----------------------------|-----------|
 * | slot.word    | `begin`, `settle`          | `enter`, `leave`          | "it moves", "it is his"    | seq. cst. |
 * | slot.sent    | `enter`, `leave`           | `missing`                 | "a message is on its way"  | seq. cst. |
 * | slot.taken   | `taken`, plain             | who gets the slot         | what the old owner has run | the lane  |
 * | slot.stages  | `useStage`                 | `stages`                  | "this stage is used"       | seq. cst. |
 * | slot.bands   | `useBands`                 | `bandsOf`                 | "look for mine there"      | seq. cst. |
 *
 * Each side stores its own word and then loads the other's (Dekker), so either the sender sees the move and takes its
 * message back, or the owner sees the message and waits for it. Only the owner writes `taken`; the party that gets the
 * slot reads it after a record of the old owner's, or after its death.
 */
import { isMoving, movingWord, ownerIn, settledWord } from '../slot-word.js';
import { SLOTS, bucketsLayout, slotsLayout } from '../layout.js';
import type { SharedRuntime } from '../reactor/internal.js';

const WORD = slotsLayout.fields.word.at >> 2;
const STAGES_USED = slotsLayout.fields.stages.at >> 2;
const { sent, busyNs, held, waiting, lost, bands } = bucketsLayout.fields;

/** What one party has written about all slots; the others only read it. */
export class BucketFigures {
  readonly sent: Int32Array;
  readonly busyNs: Float64Array;
  /** `from * SLOTS + slot`. */
  readonly taken: Int32Array;
  private readonly numbers: Float64Array;
  private readonly bands: Int32Array;

  constructor({ buckets, reactors }: SharedRuntime, party: number) {
    const memory = buckets[party]!;
    this.sent = new Int32Array(memory, sent.at, SLOTS);
    this.busyNs = new Float64Array(memory, busyNs.at, busyNs.count);
    this.taken = new Int32Array(memory, bucketsLayout.bytes, (reactors + 1) * SLOTS);
    this.numbers = new Float64Array(memory, 0, bucketsLayout.bytes >> 3);
    this.bands = new Int32Array(memory, bands.at, bands.count);
  }

  /** The bands in which messages of this stage come from here, one bit each. */
  bandsOf(stage: number): number {
    // slot.bands: pairs with useBands().
    return Atomics.load(this.bands, stage);
  }

  useBands(stage: number, mask: number): void {
    // slot.bands: stored before anything is sent in these bands.
    Atomics.store(this.bands, stage, this.bands[stage]! | mask);
  }

  get held(): number { return this.numbers[held.at >> 3]!; }
  set held(count: number) { this.numbers[held.at >> 3] = count; }
  /** Messages that are held now. */
  get waiting(): number { return this.numbers[waiting.at >> 3]!; }
  set waiting(count: number) { this.numbers[waiting.at >> 3] = count; }
  get lost(): number { return this.numbers[lost.at >> 3]!; }
  set lost(count: number) { this.numbers[lost.at >> 3] = count; }
}

export class BucketTable {
  /** For each party, the main thread's last. */
  readonly figures: readonly BucketFigures[];
  private readonly words: Int32Array;
  private readonly sent: Int32Array;

  constructor(shared: SharedRuntime, private readonly id: number) {
    this.words = new Int32Array(shared.slots);
    this.figures = Array.from({ length: shared.reactors + 1 }, (_, party) => new BucketFigures(shared, party));
    this.sent = this.figures[id]!.sent;
  }

  word(slot: number): number {
    // slot.word: pairs with begin() and settle().
    return Atomics.load(this.words, WORD + slot);
  }

  /** The stages that are used, one bit each. */
  get stages(): number {
    // slot.stages: pairs with useStage().
    return Atomics.load(this.words, STAGES_USED);
  }

  useStage(stage: number): void {
    // slot.stages: stored before anything is sent in this stage.
    Atomics.or(this.words, STAGES_USED, 1 << stage);
  }

  // ---- For a sender -----------------------------------------------------------------------------------------------

  /** The owner, to whom one message of this slot may be sent now, and is counted; or -1 while the slot moves. */
  enter(slot: number): number {
    // slot.sent: stored before the word is loaded; pairs with missing().
    Atomics.store(this.sent, slot, this.sent[slot]! + 1);
    // slot.word: pairs with begin(), after which the owner looks at `sent`.
    const word = Atomics.load(this.words, WORD + slot);
    return isMoving(word) ? -1 : ownerIn(word);
  }

  /** The message was not sent after all. Returns the word of the slot: if it moves, its owner has to look again. */
  leave(slot: number): number {
    // slot.sent: as in enter().
    Atomics.store(this.sent, slot, this.sent[slot]! - 1);
    // slot.word: an owner that looked before is told by the caller; one that looks later sees what was stored.
    return Atomics.load(this.words, WORD + slot);
  }

  // ---- For an owner -----------------------------------------------------------------------------------------------

  /** Messages of this slot that `from` has sent and this party has not taken. */
  missing(from: number, slot: number): number {
    // slot.sent: pairs with enter(); the word said before that the slot moves.
    const sent = Atomics.load(this.figures[from]!.sent, slot);
    return (sent - this.figures[this.id]!.taken[from * SLOTS + slot]!) | 0;
  }

  /** What is missing from `from` will never come. */
  forget(from: number, slot: number): void {
    const own = this.figures[this.id]!;
    const missing = this.missing(from, slot);
    // Below 0: messages that it had run were run again.
    own.lost += Math.max(0, missing);
    own.taken[from * SLOTS + slot]! += missing;
  }

  /** This party goes on where the owner before it stopped. */
  takeOver(slot: number, owner: number): void {
    const { taken } = this.figures[this.id]!;
    const before = this.figures[owner]!.taken;
    for (let at = slot; at < taken.length; at += SLOTS) taken[at] = before[at]!;
  }

  // ---- For whoever moves a slot -----------------------------------------------------------------------------------

  /** The slot begins to move to `to`. Returns its word from then on, or undefined if its word is not `expected`. */
  begin(slot: number, expected: number, to: number): number | undefined {
    const word = movingWord(expected, to);
    // slot.word: pairs with enter(), leave() and missing().
    return Atomics.compareExchange(this.words, WORD + slot, expected, word) === expected ? word : undefined;
  }

  /** Ends the move that `word` stands for, with `owner`; false if it has already ended. */
  settle(slot: number, word: number, owner: number): boolean {
    // slot.word: what this party has taken over is visible behind it; pairs with enter().
    return Atomics.compareExchange(this.words, WORD + slot, word, settledWord(word, owner)) === word;
  }
}
