/**
 * Questions that many have at a time, asked once for all of them: does everybody see that my slot moves, has all been
 * run that this one has sent? The answer must come from a question that was asked after the one who has it came.
 *
 *      ask --> joins the next question to that party --the one under way has ended--> asked, with what all of them need
 *
 * So each party is asked one question at a time, however many slots move: a call for each slot and each of 64 peers
 * would be more than a party may have under way. One thread.
 */
interface Next {
  needs: number;
  readonly answer: Promise<unknown>;
}

export class Together {
  private readonly underWay = new Map<number, Promise<unknown>>();
  private readonly next = new Map<number, Next>();

  /** `put` asks party `to`; `needs` are the bits that those have who ask together. */
  constructor(private readonly put: (to: number, needs: number) => Promise<unknown>) {}

  /** What a question to `to` is answered or fails with that is put later than now. */
  ask(to: number, needs = 0): Promise<unknown> {
    const known = this.next.get(to);
    if (known !== undefined) {
      known.needs |= needs;
      return known.answer;
    }
    const before = this.underWay.get(to) ?? Promise.resolve();
    // Whatever the one before has come to.
    const answer = before.then(() => undefined, () => undefined).then(() => {
      this.next.delete(to);
      const answered = this.put(to, next.needs);
      this.underWay.set(to, answered);
      const end = (): void => {
        if (this.underWay.get(to) === answered) this.underWay.delete(to);
      };
      answered.then(end, end);
      return answered;
    });
    const next: Next = { needs, answer };
    this.next.set(to, next);
    return answer;
  }
}
