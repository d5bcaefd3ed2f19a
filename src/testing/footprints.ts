/**
 * Learns while exploring which thread touches which word, and says which accesses concern no other thread.
 *
 *     a read of a word that no other thread will ever write    \  can be made at any time without anybody noticing,
 *     a write of a word that no other thread will ever touch   /  so it is made together with the access before it, and
 *                                                                 makes no state of its own
 *
 * Nobody knows beforehand which thread will touch which word. So a word is assumed to be a thread's own until another
 * thread touches it. If an access was already made because of that assumption, the exploration begins again, knowing
 * more (OUTDATED). This ends, because each time one more thread is known for some word, and the assumptions of the last
 * exploration held throughout.
 *
 * Nothing is left out by this. An access that commutes with everything that other threads ever do can be moved, in any
 * schedule, to directly after the access of its own thread before it; and every state between accesses of the others is
 * reached with it already made. (The accesses of threads that are done or dead count too: it may be only because of an
 * assumption that no access met them.)
 *
 * Source: the independence of partial order reduction (Godefroid 1996), with single threads as the only reduced sets.
 * The code is our own.
 */
import { isWrite, type Access } from './access.js';

/** Thrown when an access shows that an earlier one was wrongly assumed to concern no other thread. */
export const OUTDATED: unique symbol = Symbol('outdated');

/** The most threads that can be explored: each is a bit of one word. */
export const MOST_THREADS = 31;

/** By which accesses of others an access can be disturbed: by any, by one that changes the word, by a sleep at it. */
const BY_TOUCH = 0;
const BY_WRITE = 1;
const BY_SLEEP = 2;

export class Footprints {
  /**
   * For each of the three and each word, bit t: a thread other than t has touched the word; has changed it or woken
   * those who sleep at it; has slept at it.
   */
  private readonly disturbed: Int32Array[] = [0, 1, 2].map(() => new Int32Array(0));
  private isAssumed = new Uint8Array(0);

  /** If `reduces` is false, every access is a step of its own. */
  constructor(private readonly reduces: boolean) {}

  /**
   * Notes an access that `thread` makes or is about to make. Throws OUTDATED if that contradicts an assumption.
   */
  note(thread: number, access: Access): void {
    const { word, verb } = access;
    if (word >= this.isAssumed.length) this.extend(word);
    const others = ~(1 << thread);
    const changes = isWrite(access) || verb === 'notify';
    let isNew = this.add(BY_TOUCH, word, others);
    if (changes) isNew = this.add(BY_WRITE, word, others) || isNew;
    if (verb === 'wait') isNew = this.add(BY_SLEEP, word, others) || isNew;
    if (isNew && this.isAssumed[word] === 1) {
      this.isAssumed.fill(0);
      throw OUTDATED;
    }
  }

  /** True if, as far as is known, this access concerns no other thread. The access must have been noted before. */
  isAlone(thread: number, access: Access): boolean {
    if (!this.reduces) return false;
    const by = access.verb === 'notify' ? BY_SLEEP : isWrite(access) ? BY_TOUCH : BY_WRITE;
    if ((this.disturbed[by][access.word] & (1 << thread)) !== 0) return false;
    this.isAssumed[access.word] = 1;
    return true;
  }

  private add(by: number, word: number, threads: number): boolean {
    const before = this.disturbed[by][word];
    return (this.disturbed[by][word] = before | threads) !== before;
  }

  private extend(word: number): void {
    const words = Math.max(word + 1, this.isAssumed.length * 2, 1024);
    for (let by = 0; by < this.disturbed.length; by++) {
      const grown = new Int32Array(words);
      grown.set(this.disturbed[by]);
      this.disturbed[by] = grown;
    }
    const isAssumed = new Uint8Array(words);
    isAssumed.set(this.isAssumed);
    this.isAssumed = isAssumed;
  }
}
