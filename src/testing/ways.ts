/**
 * What a thread has done before, by what it was answered. A step that asks the same and is answered the same goes the
 * same way, so its call is run once for each way and not once for each state of the others.
 *
 *     from a thread's state:   load cursor --> 3: store bell --> 0: the thread's state after
 *                                         \--> 4: the thread's state after
 *
 * What is asked is all that a call can see of the world: the accesses that it makes, and whether a call that found
 * nothing would find the same again.
 */
import type { Past, ThreadState } from './thread-state.js';
import type { Access } from './access.js';

/** What an access answers; or, of accesses made, whether they would all find and leave the same again. */
export type Question = Access | readonly Past[];

export interface Way {
  readonly after: ThreadState;
  /** The accesses made on it, for the schedule. */
  readonly made: readonly Past[];
}

interface Fork {
  readonly question: Question;
  readonly ways: Map<number, Fork | Way>;
}

export class Ways {
  /** By the answer that ends a sleep, 0 for what does not sleep. */
  private readonly first = new Map<number, Map<ThreadState, Fork | Way>>();
  /** Answers of the present step, and how many of them its call has been told. */
  private readonly answers: number[] = [];
  private told = 0;
  private from: ThreadState | undefined;
  private begun: Map<ThreadState, Fork | Way> = new Map();
  private last: Fork | undefined;

  /** `answer` may change memory, as an access does: it is asked once for each question of a step. */
  constructor(private readonly answer: (question: Question) => number) {}

  /** Goes where a step from this state went before. Undefined: it has not been answered so yet, and must be run. */
  follow(from: ThreadState, how: number): Way | undefined {
    this.begin(from);
    const begun = this.first.get(how);
    if (begun === undefined) this.first.set(how, this.begun = new Map());
    else this.begun = begun;
    let at = this.begun.get(from);
    while (at !== undefined && 'question' in at) {
      const answer = this.answer(at.question);
      this.answers.push(answer);
      this.last = at;
      at = at.ways.get(answer);
    }
    return at;
  }

  /** For a step that nobody will take again: its questions are answered, and not remembered. */
  leave(): void {
    this.begin(undefined);
  }

  /** The answer for a step that is run: what `follow` has found already is told again. */
  ask(question: Question): number {
    if (this.told === this.answers.length) {
      const fork: Fork = { question, ways: new Map() };
      this.lead(fork);
      this.answers.push(this.answer(question));
      this.last = fork;
    }
    return this.answers[this.told++];
  }

  /** The step that was run has come to its end. */
  end(way: Way): void {
    this.lead(way);
  }

  /** What is nobody else's business is known otherwise now, so calls stop elsewhere. */
  forget(): void {
    this.first.clear();
  }

  private begin(from: ThreadState | undefined): void {
    this.from = from;
    this.answers.length = this.told = 0;
    this.last = undefined;
  }

  private lead(to: Fork | Way): void {
    if (this.from === undefined) return;
    if (this.last === undefined) this.begun.set(this.from, to);
    else this.last.ways.set(this.answers[this.answers.length - 1], to);
  }
}
