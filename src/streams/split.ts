/**
 * One stream above, several below. Each branch has room for a few values of its own. If the branch that a value is for
 * has no room, the value stays with the splitter and holds back the other branches too, as every full reader does.
 *
 *      above --poll--> value --route--> room of branch 0 --poll--> …
 *                               \-----> room of branch 1 --poll--> …
 */
import { CLOSED, EMPTY, OK } from '../result-codes.js';
import { Bell, MOST_PASSED, Watch, type Flow } from './flow.js';

/** Says which branches a value is for, by pushing their numbers to `into`, which is empty. */
export type Route<T> = (value: T, isOpen: (branch: number) => boolean, into: number[]) => void;

interface Branch<T> {
  readonly values: T[];
  readonly bell: Bell;
  isOpen: boolean;
}

/** The part of a split stream that all its branches share. */
export class Splitter<T> {
  /** How many values were for a branch that nobody reads any more, or that does not exist. */
  dropped = 0;
  private readonly branches: Branch<T>[];
  private above: Flow<T> | undefined;
  private readonly bell: Bell = new Bell();
  private watch: Watch | undefined;
  private isWatching = false;
  private held: T | undefined;
  /** The branches that the held value is for and that have not been given it yet. */
  private readonly targets: number[] = [];
  private isOver = false;
  private failure: { readonly error: unknown } | undefined;
  private readonly isOpenAt = (branch: number): boolean => this.branches[branch]?.isOpen === true;

  constructor(branches: number, private readonly room: number, private readonly route: Route<T>) {
    this.branches = Array.from({ length: branches }, () => ({ values: [], bell: new Bell(), isOpen: true }));
  }

  /** The flow of a branch. The first branch that is read opens the stream above. */
  open(above: () => Flow<T>, branch: number): Flow<T> {
    if (this.above === undefined) {
      this.above = above();
      this.watch = new Watch(this.above, this.bell);
    }
    return new BranchFlow(this, branch);
  }

  /** True if that branch has a value, perhaps after a look at the stream above. */
  hasValue(branch: number): boolean {
    const { values } = this.branches[branch]!;
    if (values.length === 0 && this.isOpenAt(branch)) this.fill(branch);
    return values.length !== 0;
  }

  /** The next value of that branch, which must have one. */
  take(branch: number): T {
    const { values } = this.branches[branch]!;
    const wasFull = values.length === this.room;
    const value = values.shift() as T;
    // Whatever this branch has held back can go on.
    if (wasFull) this.ringAll();
    return value;
  }

  /** What a branch without a value finds. Throws what the stream above has thrown. */
  codeOf(branch: number): number {
    if (!this.isOver) return this.isOpenAt(branch) ? EMPTY : CLOSED;
    if (this.failure !== undefined) throw this.failure.error;
    return CLOSED;
  }

  /** Settles when a poll of that branch may find something. */
  ready(branch: number): Promise<unknown> {
    const wait = this.branches[branch]!.bell.wait();
    // A held value goes on only when its branch has room.
    if (this.targets.length === 0) this.watchAbove();
    return wait;
  }

  /** Nobody reads that branch any more. The stream above is closed with the last branch. */
  close(branch: number): void {
    const closing = this.branches[branch]!;
    if (!closing.isOpen) return;
    closing.isOpen = false;
    this.dropped += closing.values.splice(0).length;
    if (this.branches.some(({ isOpen }) => isOpen)) this.ringAll();
    else this.above?.close();
  }

  /** Takes values from above until this branch has one, a branch has no room, or nothing is left. */
  private fill(branch: number): void {
    const { values } = this.branches[branch]!;
    for (let passed = 0; values.length === 0 && !this.isOver && this.deliver(); passed++) {
      if (passed === MOST_PASSED) return void queueMicrotask(() => this.branches[branch]!.bell.ring());
      this.next();
      if (this.above!.state === EMPTY) return;
    }
  }

  /** Asks the stream above for one value, and finds out which branches it is for. */
  private next(): void {
    const above = this.above!;
    try {
      const value = above.poll();
      if (above.state === OK) {
        this.held = value;
        this.route(value as T, this.isOpenAt, this.targets);
        return;
      }
    } catch (error) {
      this.fail(error);
    }
    if (this.failure === undefined && above.state === EMPTY) return;
    this.isOver = true;
    this.ringAll();
  }

  private fail(error: unknown): void {
    this.failure = { error };
    try {
      this.above!.close();
    } catch {
      // The branches are told why the stream has failed, which came first.
    }
  }

  /** Gives the held value to the branches that it is for. Returns false if one of them has no room. */
  private deliver(): boolean {
    while (this.targets.length > 0) {
      const branch = this.branches[this.targets[0]!];
      if (branch?.isOpen !== true) {
        this.dropped++;
      } else if (branch.values.length === this.room) {
        return false;
      } else {
        branch.values.push(this.held as T);
        branch.bell.ring();
      }
      this.targets.shift();
    }
    this.held = undefined;
    return true;
  }

  private watchAbove(): void {
    if (this.isWatching || this.above === undefined) return;
    this.isWatching = true;
    void this.bell.wait().then(() => {
      this.isWatching = false;
      this.ringAll();
    }, (error: unknown) => {
      this.fail(error);
      this.isOver = true;
      this.ringAll();
    });
    this.watch!.ask();
  }

  private ringAll(): void {
    for (const { bell } of this.branches) bell.ring();
  }
}

class BranchFlow<T> implements Flow<T> {
  state: number = EMPTY;

  constructor(private readonly splitter: Splitter<T>, private readonly branch: number) {}

  poll(): T | undefined {
    const { splitter, branch } = this;
    if (splitter.hasValue(branch)) {
      this.state = OK;
      return splitter.take(branch);
    }
    this.state = splitter.codeOf(branch);
    return undefined;
  }

  ready(): Promise<unknown> {
    return this.splitter.ready(this.branch);
  }

  close(): void {
    this.splitter.close(this.branch);
  }
}
