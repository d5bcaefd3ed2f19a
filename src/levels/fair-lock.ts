/**
 * A lock between levels, in shared memory: waiters are served in the order in which they came, and the death of any of
 * them stops nobody.
 *
 *      acquire: holder FREE --swap--> mine                                        nobody has it: one operation
 *      else: draw a number, show it, show my bit --> look again: free? mine? --> AWAITED added to the holder's word
 *            --> spin while the holder runs elsewhere, then sleep on the word
 *      release: mine --swap--> FREE                                               nobody waits: one operation
 *      else: who waits with the lowest number? --swap--> its, or FREE --> wake those who sleep
 *
 * What only one level uses needs none of this: it stores plainly that it has it, for whoever looks after its death.
 *
 * A ticket lock (Mellor-Crummey and Scott, 1991) whose tickets are not only drawn but shown: the word says who has the
 * lock, and a bit says who waits for it, so whatever a dead level leaves behind can always be seen. A number that was
 * drawn and never shown is only a gap in an order.
 *
 * | pair       | write side                | read side           | carries                        | needs             |
 * |------------|---------------------------|---------------------|--------------------------------|-------------------|
 * | lock.state | `release`, `handOn`       | `acquire`           | what the lock protects         | release - acquire |
 * | lock.wait  | `wait` (its bit)          | `release`           | "I may sleep"                  | seq. cst., both   |
 * | lock.free  | `release`, `handOn`       | `wait`              | "it is free"                   | seq. cst., both   |
 * | lock.await | `wait` (AWAITED)          | `release`           | "do not just free it"          | one word: atomic  |
 * | lock.dead  | `repair` (the dead's bit) | `handOn`            | "it will never take it"        | seq. cst., both   |
 *
 * A waiter adds AWAITED to the word before it sleeps on it, so that the swap by which the holder frees it fails, and
 * the holder looks who waits. Whoever then frees the lock looks at the bits once more afterwards, as a waiter shows its
 * bit before it looks at the holder (Dekker): one of them sees the other. The same holds between handing the lock on
 * and the repair after a death. A lock that was awaited once is handed on as awaited: a look in vain is all that costs.
 */
import { fairLockLayout } from '../layout.js';

const { fields } = fairLockLayout;
const HOLDER = fields.holder.at >> 2;
const WAITERS = fields.waiters.at >> 2;
const NEXT = fields.next.at >> 2;
const DEAD = fields.dead.at >> 2;
const WAS_LEFT = fields.wasLeft.at >> 2;
const LEFT_COUNT = fields.leftCount.at >> 2;
const NUMBER = fields.number.at >> 2;
const WORDS = fairLockLayout.bytes >> 2;

const FREE = 0;
const LEFT = -1;
/** Beside the holder in its word: somebody waits. */
const AWAITED = 1 << 8;
/** A sleeper looks again by itself after so long: sooner than a dead waker is repaired. */
const LOOK_EVERY_MS = 20;

/** The lock as one level sees it. The main thread has one as well, in order to repair it. */
export class FairLock {
  private readonly words: Int32Array;
  private readonly mine: number;

  /**
   * `isElsewhere` of a level: whether it runs on another CPU, so that spinning for it makes sense. `isAlone`: no other
   * level ever takes it.
   */
  constructor(
    memory: SharedArrayBuffer, byteOffset: number, private readonly self: number,
    private readonly isElsewhere: readonly boolean[], private readonly spins: number,
    private readonly isAlone = false,
  ) {
    this.words = new Int32Array(memory, byteOffset, WORDS);
    this.mine = self + 1;
  }

  /**
   * Takes it. True if the last level that had it died while it had it: what it protects may be half changed. Spins, and
   * then sleeps, while another level has it. Does not allocate.
   */
  acquire(): boolean {
    if (this.isAlone) {
      // Plain: read by the main thread alone, after the exit of this one.
      this.words[HOLDER] = this.mine;
      return false;
    }
    // lock.state: pairs with the store of FREE in release(). It is a swap, because several may want the lock.
    if (Atomics.compareExchange(this.words, HOLDER, FREE, this.mine) === FREE) return false;
    return this.wait();
  }

  /** Gives it to the level that has waited longest. */
  release(): void {
    const { words, mine } = this;
    if (this.isAlone) {
      // As in acquire().
      words[HOLDER] = FREE;
      return;
    }
    // lock.state: what the lock protects is visible before it is free. lock.await: it is a swap, since a waiter may
    // have added that it waits.
    if (Atomics.compareExchange(words, HOLDER, mine, FREE) === mine) return;
    // lock.wait: pairs with the bit that wait() shows.
    this.handOn(mine | AWAITED, Atomics.load(words, WAITERS), FREE);
  }

  /**
   * After the death of level `dead`, which its thread's exit has proved: nobody waits for it, and what it had goes to
   * the next one. True if it had the lock. Only the main thread calls it, once for each death.
   */
  repair(dead: number): boolean {
    const { words } = this;
    const bit = 1 << dead;
    // lock.dead: shown before the holder is looked at; pairs with the look in handOn().
    Atomics.or(words, DEAD, bit);
    // It waits no more. This is a read-modify-write, since others show their bits meanwhile.
    const waiters = Atomics.and(words, WAITERS, ~bit) & ~bit;
    // lock.dead: pairs with the store in handOn().
    const holder = Atomics.load(words, HOLDER);
    if ((holder & ~AWAITED) !== dead + 1) {
      // It may have died between giving the lock on and waking whom it gave it to.
      Atomics.notify(words, HOLDER);
      return false;
    }
    // Before it is anybody's: told to the next one, and counted.
    Atomics.store(words, WAS_LEFT, 1);
    Atomics.add(words, LEFT_COUNT, 1);
    this.handOn(holder, waiters, LEFT);
    return true;
  }

  /** How often a holder has died. */
  get leftCount(): number {
    // A statistic; pairs with the add in repair().
    return Atomics.load(this.words, LEFT_COUNT);
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private wait(): boolean {
    const { words, self, mine } = this;
    const bit = 1 << self;
    // Ordered by this operation alone. A level that dies after it leaves a gap, which is nobody's turn.
    words[NUMBER + self] = Atomics.add(words, NEXT, 1);
    // lock.wait: shown before the holder is looked at; the number above is visible with it.
    Atomics.or(words, WAITERS, bit);
    let spins = this.spins;
    for (;;) {
      // lock.free: pairs with the stores in release() and handOn().
      const holder = Atomics.load(words, HOLDER);
      if (holder === (mine | AWAITED)) break;
      if (holder === FREE || holder === LEFT) {
        // lock.state: as in acquire(). Others may wait besides.
        if (Atomics.compareExchange(words, HOLDER, holder, mine | AWAITED) === holder) break;
        continue;
      }
      if ((holder & AWAITED) === 0) {
        // lock.await: added before it spins or sleeps; if the holder has changed meanwhile, it looks again.
        Atomics.compareExchange(words, HOLDER, holder, holder | AWAITED);
        continue;
      }
      if (spins > 0 && this.isElsewhere[(holder & ~AWAITED) - 1] === true) {
        spins--;
        continue;
      }
      // lock.free: it does not sleep if the holder has changed since it looked.
      Atomics.wait(words, HOLDER, holder, LOOK_EVERY_MS);
    }
    // A read-modify-write, since others show and hide their bits meanwhile.
    Atomics.and(words, WAITERS, ~bit);
    // Only the holder reads and clears this word; repair() stored it before the lock was handed on.
    return Atomics.load(words, WAS_LEFT) !== 0 && Atomics.exchange(words, WAS_LEFT, 0) !== 0;
  }

  /** Gives the lock, whose word is `holder`, to the first of `waiters`, or sets it to `free`. */
  private handOn(holder: number, waiters: number, free: number): void {
    const { words } = this;
    let from = holder;
    let among = waiters;
    for (;;) {
      const next = this.firstOf(among);
      const to = next < 0 ? free : (next + 1) | AWAITED;
      // lock.state, lock.free: a swap, since the holder may be dead, and then two may want to hand the lock on.
      const found = Atomics.compareExchange(words, HOLDER, from, to);
      // lock.await: somebody has begun to wait for a dead one.
      if (found === (from | AWAITED) && found !== from) {
        from = found;
        continue;
      }
      if (found !== from) return;
      // lock.free: who has shown its bit meanwhile may sleep on what the word was.
      if (next < 0 ? Atomics.load(words, WAITERS) !== 0 : true) Atomics.notify(words, HOLDER);
      // lock.dead: the chosen level may have died, and been repaired before it was given the lock.
      if (next < 0 || (Atomics.load(words, DEAD) & (1 << next)) === 0) return;
      from = to;
      // lock.wait: as in release().
      among = Atomics.load(words, WAITERS) & ~Atomics.load(words, DEAD);
    }
  }

  /** The level that has waited longest, or -1. */
  private firstOf(waiters: number): number {
    const { words } = this;
    let first = -1;
    for (let left = waiters; left !== 0; left &= left - 1) {
      const level = 31 - Math.clz32(left & -left);
      // Visible with its bit: lock.wait.
      if (first < 0 || ((words[NUMBER + level]! - words[NUMBER + first]!) | 0) < 0) first = level;
    }
    return first;
  }
}
