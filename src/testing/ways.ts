/**
 * Remembers the paths that steps have taken. A step that makes the same accesses and gets the same results takes the
 * same path, so it has to be run only once for each path, and not once for each state of the other threads.
 *
 *     from a thread's state:   load cursor --> 3: store bell --> 0: the thread's state after the step
 *                                         \--> 4: the thread's state after the step
 *
 * A question is all that a step can learn about the world: the result of an access, and whether a step that found
 * nothing would find the same again.
 */
import type { Past, ThreadState } from './thread-state.js';
import type { Access } from './access.js';

/** An access, whose result is asked for; or past accesses, and whether all would find and leave the same again. */
export type Question = Access | readonly Past[];

/** A path to its end. */
export interface Way {
  /** The thread's state after it. */
  readonly after: ThreadState;
  /** The accesses that were made on it, for the schedule. */
  readonly made: readonly Past[];
}

/** A question on a path, and how the path goes on for each answer. */
interface Fork {
  readonly question: Question;
  readonly ways: Map<number, Fork | Way>;
}

/** All paths that one thread has taken. */
export class Ways {
  /** The beginnings of all paths, by the result that ends a sleep (0 if the thread does not sleep) and by its state. */
  private readonly first = new Map<number, Map<ThreadState, Fork | Way>>();
  /** The answers in the present step, and how many of them its code has been told. */
  private readonly answers: number[] = [];
  private told = 0;
  private from: ThreadState | undefined;
  private begun: Map<ThreadState, Fork | Way> = new Map();
  private last: Fork | undefined;

  /** `answer` may change memory, as accesses do, so it is called only once for each question of a step. */
  constructor(private readonly answer: (question: Question) => number) {}

  /**
   * Follows the path of an earlier step from this state. Undefined if there was none with these answers: run the step.
   */
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

  /** For a step that will not be taken again: its questions are answered but not remembered. */
  leave(): void {
    this.begin(undefined);
  }

  /** Answers a question of a step that is being run. Answers that `follow` has already found are told again. */
  ask(question: Question): number {
    if (this.told === this.answers.length) {
      const fork: Fork = { question, ways: new Map() };
      this.lead(fork);
      this.answers.push(this.answer(question));
      this.last = fork;
    }
    return this.answers[this.told++];
  }

  /** Remembers the end of the step that was run. */
  end(way: Way): void {
    this.lead(way);
  }

  /** Forgets all paths, for when more is known about other threads, so that steps stop at other accesses. */
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
