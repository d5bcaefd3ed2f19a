/**
 * The states of a few virtual threads over one memory, and the moves between them: a thread makes its next access, its
 * sleep times out, or it dies. The explorer decides which move to make; this file makes it, and keeps what the threads
 * have to know about each other.
 */
import { Footprints, OUTDATED } from './footprints.js';
import type { Trail } from './schedule.js';
import { TIMED_OUT, WOKEN, isWrite, type Access } from './access.js';
import type { VirtualMemory } from './virtual-memory.js';
import type { VirtualThread } from './exploration.js';
import type { ThreadState } from './thread-state.js';
import { ReplayedThread, type Company } from './virtual-thread.js';

export interface State {
  readonly cells: Int32Array;
  readonly threads: readonly ThreadState[];
  readonly trail: Trail | null;
}

/** Something that one thread can do in a state. */
export interface Move {
  readonly thread: number;
  readonly kind: 'advance' | 'time out' | 'die';
}

/** The error for a step that has thrown, with the schedule that led there. */
export class FailedStep extends Error {
  constructor(readonly trail: Trail | null, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

export class Machine implements Company {
  readonly threads: readonly ReplayedThread[];
  private readonly initialCells: Int32Array;
  private readonly footprints: Footprints;
  private readonly racyWords = new Set<number>();
  /** The words that have ever been changed. Their contents are numbered, so that keys stay short. */
  private readonly changedWords: number[] = [];
  private readonly isChanged: Uint8Array;
  private readonly numbers = new Map<string, number>();
  /** For `keyOf`: what the words that have ever been changed hold. */
  private readonly contents: Int32Array<ArrayBuffer>;
  private readonly contentBytes: Buffer;
  /** Memory of states that are no longer needed, to be used again. */
  private readonly spare: Int32Array[] = [];
  answersPoison = false;
  /** The states of all threads while one of them goes on. */
  private present: readonly ThreadState[];

  constructor(
    private readonly memory: VirtualMemory, threads: readonly VirtualThread[], reduces: boolean,
  ) {
    this.initialCells = memory.cells.slice();
    this.isChanged = new Uint8Array(this.initialCells.length);
    this.contents = new Int32Array(this.initialCells.length);
    this.contentBytes = Buffer.from(this.contents.buffer);
    this.footprints = new Footprints(reduces);
    for (const range of threads.flatMap(({ racyReads }) => racyReads ?? [])) {
      const { first, end } = memory.wordsOf(range);
      for (let word = first; word < end; word++) this.racyWords.add(word);
    }
    this.threads = threads.map((thread, i) => new ReplayedThread(memory, thread, i, this));
    this.present = threads.map(() => BLANK);
  }

  /** All threads before their first access. */
  begin(): State {
    const cells = this.initialCells.slice();
    this.memory.cells = cells;
    this.present = this.threads.map(() => BLANK);
    const begun: ThreadState[] = [];
    // One after the other, since a thread may see what the one before it has done until its first access.
    for (const thread of this.threads) {
      begun.push(thread.begin());
      this.present = this.threads.map((_, i) => begun[i] ?? BLANK);
    }
    return this.wakeThoseConcerned({ cells, threads: begun, trail: null });
  }

  /** To be called after OUTDATED, since steps then stop at other accesses than before. */
  forget(): void {
    for (const thread of this.threads) thread.forget();
  }

  /** All moves that are possible in a state. */
  moves({ threads }: State): Move[] {
    const moves: Move[] = [];
    const nobodyDied = threads.every(({ status }) => status !== 'dead');
    for (let thread = 0; thread < threads.length; thread++) {
      const state = threads[thread];
      if (state.status === 'ready') moves.push({ thread, kind: 'advance' });
      if (canTimeOut(state)) moves.push({ thread, kind: 'time out' });
      if (this.threads[thread].thread.mayDie === true && nobodyDied && state.status !== 'done')
        moves.push({ thread, kind: 'die' });
    }
    return moves;
  }

  /** The states after a move: one, or several if a read races. Throws FailedStep, or OUTDATED (footprints.ts). */
  make(state: State, move: Move): State[] {
    const mover = this.threads[move.thread];
    mover.made = [];
    try {
      return move.kind === 'advance' ? this.advance(state, move.thread) : [this.interrupt(state, move)];
    } catch (error) {
      if (error === OUTDATED) throw error;
      throw new FailedStep(
        { before: state.trail, thread: mover.thread.name, happened: mover.made.length === 0 ? 'fails' : mover.made },
        error,
      );
    }
  }

  /** Lets the memory of a state be used for another one. The state must not be used after this. */
  release({ cells }: State): void {
    this.spare.push(cells);
  }

  /** Puts the words of a state and the threads' own fields in place, so that checks can look at them. */
  show({ cells, threads }: State): void {
    this.memory.cells = cells;
    this.memory.perform = (access) => this.memory.apply(access);
    threads.forEach((thread, i) => this.threads[i].restore(thread));
  }

  /** A key that is equal for states from which the same can follow. */
  keyOf({ cells, threads }: State): string {
    const { changedWords, initialCells } = this;
    // Leave out words that still have their first content, so that words that are changed later make no difference.
    let length = changedWords.length;
    while (length > 0 && cells[changedWords[length - 1]] === initialCells[changedWords[length - 1]]) length--;
    for (let i = 0; i < length; i++) this.contents[i] = cells[changedWords[i]];
    let key = String(this.numberOf(this.contentBytes.toString('latin1', 0, 4 * length)));
    for (const { number } of threads) key += `,${number}`;
    return key;
  }

  isAlone(thread: number, access: Access): boolean {
    return !this.isShared(thread, access) || this.footprints.isAlone(thread, access);
  }

  sleepersAt(word: number): number {
    return this.present.filter(({ status, next }) => status === 'asleep' && next!.word === word).length;
  }

  isRacy(word: number): boolean {
    return this.racyWords.has(word);
  }

  private advance(state: State, i: number): State[] {
    const mover = this.threads[i];
    const { name } = mover.thread;
    const access = state.threads[i].next!;
    const outcomes: State[] = [];
    for (const answersPoison of mover.mayRace(access) && this.isLoose(state, i, access) ? [false, true] : [false]) {
      const cells = this.enter(state);
      mover.made = [];
      this.answersPoison = answersPoison;
      const changed = mover.advance(state.threads[i]);
      this.answersPoison = false;
      const threads = state.threads.map((thread, j) => (j === i ? changed : this.wakeIfNotified(thread, j, access)));
      outcomes.push({ cells, threads, trail: { before: state.trail, thread: name, happened: mover.made } });
    }
    if (this.racyWords.size > 0)
      for (let j = 0; j < this.threads.length; j++)
        if (j !== i) outcomes.push(...outcomes.flatMap((outcome) => this.poisonings(outcome, j, access)));
    return outcomes.map((outcome) => this.wakeThoseConcerned(outcome));
  }

  /** The other outcomes that are possible if thread `j` has read, in a race, the word that was just written. */
  private poisonings(state: State, j: number, written: Access): State[] {
    const hits = this.threads[j].openReads(state.threads[j], written);
    return [...new Set(hits > 0 ? [1, hits] : [])].map((count) => {
      const cells = this.enter(state);
      const poisoned = this.threads[j].poisoned(state.threads[j], written, count);
      const happened = `has read POISON ${count === 1 ? '' : `${count} times `}at ${this.memory.nameOf(written.word)}`;
      return {
        cells, threads: state.threads.with(j, poisoned),
        trail: { before: state.trail, thread: this.threads[j].thread.name, happened },
      };
    });
  }

  /** Makes a thread die, or ends its sleep because of a time-out. */
  private interrupt(state: State, { thread: i, kind }: Move): State {
    const cells = this.enter(state);
    this.memory.perform = (access) => {
      this.isShared(i, access);
      return this.memory.apply(access);
    };
    const changed =
      kind === 'die' ? this.threads[i].die(state.threads[i]) : this.threads[i].wake(state.threads[i], TIMED_OUT);
    const trail = {
      before: state.trail, thread: this.threads[i].thread.name, happened: kind === 'die' ? 'dies' : 'sleeps no longer',
    };
    return this.wakeThoseConcerned({ cells, threads: state.threads.with(i, changed), trail });
  }

  /** Puts a copy of a state's words in place, which may then be changed. */
  private enter(state: State): Int32Array {
    const cells = this.spare.pop() ?? new Int32Array(state.cells.length);
    cells.set(state.cells);
    this.memory.cells = cells;
    this.present = state.threads;
    return cells;
  }

  /** True if another thread has written the word and has not ordered that write yet. */
  private isLoose({ threads }: State, i: number, { word, mask }: Access): boolean {
    return threads.some(
      ({ loose }, j) => j !== i && loose.some((write) => write.word === word && (write.mask & mask) !== 0),
    );
  }

  private wakeIfNotified(thread: ThreadState, j: number, { verb, word }: Access): ThreadState {
    return verb === 'notify' && thread.status === 'asleep' && thread.next!.word === word
      ? this.threads[j].wake(thread, WOKEN)
      : thread;
  }

  /** Wakes the threads that wait and now have a reason to look again. */
  private wakeThoseConcerned({ cells, threads, trail }: State): State {
    this.memory.cells = cells;
    return { cells, threads: threads.map((thread, j) => this.threads[j].wakeIfChanged(thread)), trail };
  }

  /** Notes an access. False if it only concerns the test's own words. */
  private isShared(thread: number, access: Access): boolean {
    const { word } = access;
    if (this.memory.isIgnored(word)) return false;
    if (isWrite(access) && this.isChanged[word] === 0) {
      this.isChanged[word] = 1;
      this.changedWords.push(word);
    }
    if (this.memory.isNoted(word)) return false;
    this.footprints.note(thread, access);
    return true;
  }

  private numberOf(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.numbers.set(text, this.numbers.size);
    return this.numbers.size - 1;
  }
}

/** A thread that has not begun. */
const BLANK: ThreadState = {
  status: 'waiting', own: { objects: [], contents: [], key: -1 }, past: [], next: null, loose: [], number: -1,
};

/** True for a thread that sleeps with a time-out. */
export const canTimeOut = ({ status, next }: ThreadState): boolean => status === 'asleep' && next!.value === 1;
