/**
 * Which thread touches which word, learned while exploring: it says which accesses do not concern any other thread.
 *
 *     a read of a word that no other thread will ever write    \  can be made at any time without anybody noticing:
 *     a write of a word that no other thread will ever touch   /  they happen together with the access before, and make
 *                                                                 no states of their own
 *
 * Who will touch what is not known beforehand. So a word counts as nobody else's until somebody else comes to touch it;
 * when an access was already made on the strength of that, the exploration begins anew, knowing more (OUTDATED). It
 * ends, because every beginning knows one thread more of some word; and what the last pass took for granted held in all
 * of it.
 *
 * Why nothing is left out: an access that commutes with all that other threads ever do can be moved forward in any
 * schedule to right behind the one before it of its own thread, and every state between the others' accesses is reached
 * with it already made. (Threads that are done or dead count too: that they are never met by an access was perhaps only
 * because they were taken to be alone.)
 *
 * Source: the independence of partial order reduction (Godefroid 1996), with single threads as the only reduced sets;
 * own code.
 */
import { isWrite, type Access } from './access.js';

/** Thrown when an access shows that an earlier one was taken for nobody else's business wrongly. */
export const OUTDATED: unique symbol = Symbol('outdated');

export const MOST_THREADS = 31;

/** What a thread's access can be disturbed by. */
const BY_TOUCH = 0;
const BY_WRITE = 1;
const BY_SLEEP = 2;

export class Footprints {
  /**
   * Bit t: some other thread than t has touched the word; has changed it, or woken those who sleep at it; has slept at
   * it.
   */
  private readonly disturbed: Int32Array[] = [0, 1, 2].map(() => new Int32Array(0));
  private isAssumed = new Uint8Array(0);

  /** False: every access is a step of its own. */
  constructor(private readonly reduces: boolean) {}

  /**
   * Notes an access that `thread` makes or is about to make. Throws OUTDATED where that contradicts what was assumed.
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

  /** True for an access, noted before, that is nobody else's business as far as is known. */
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
