/**
 * Questions that many slots have at the same time, asked once for all of them: does everybody see that my slot moves?
 * Has everything run that this party has sent? An answer counts only for those that had come before it was asked.
 *
 *      ask --> joins the next question to that party --the one under way has ended--> asked, for all who have joined
 *
 * So each party is asked one such question at a time, however many slots move: a call for each slot and each of 64
 * peers would be more than a party may have under way. One thread.
 */
import { BANDS } from '../layout.js';

/** More than all bits of lanes together. */
const MOST_LANES = 2 ** BANDS;

export class Together {
  private readonly underWay = new Map<number, Promise<unknown>>();
  private readonly next = new Map<number, Promise<unknown>>();

  /** `put` asks party `to` about `lanes`, bits that stand for lanes. */
  constructor(private readonly put: (to: number, lanes: number) => Promise<unknown>) {}

  /**
   * What a question to `to` about `lanes` is answered or fails with that is put later than now. Questions about others
   * go beside it: a lane may be held until the answer about another one has come.
   */
  ask(to: number, lanes = 0): Promise<unknown> {
    const key = to * MOST_LANES + lanes;
    const known = this.next.get(key);
    if (known !== undefined) return known;
    const before = this.underWay.get(key) ?? Promise.resolve();
    // Whatever the one before has come to.
    const answer = before.then(() => undefined, () => undefined).then(() => {
      this.next.delete(key);
      const answered = this.put(to, lanes);
      this.underWay.set(key, answered);
      const end = (): void => {
        if (this.underWay.get(key) === answered) this.underWay.delete(key);
      };
      answered.then(end, end);
      return answered;
    });
    this.next.set(key, answer);
    return answer;
  }
}
