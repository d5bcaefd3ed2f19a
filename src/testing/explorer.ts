/**
 * Runs a few virtual threads, made of shipped code, through every order in which their accesses to shared memory can
 * happen.
 *
 *     state = shared words + for each thread: its own fields at the start of the call it is in,
 *                                             what its accesses since then answered, the access it would make next
 *
 *     pop a state --> for each thread that can run: one access further (virtual-thread.ts: by replay of its call)
 *                 --> for each that may die: the same state without it
 *                 --> a state not seen before? check it, push it
 *
 * The code under test is the shipped code: it is not rewritten as generators, and there is no second version of it.
 * Schedules that lead to the same state are merged, so that 10^30 schedules may be a few thousand states. Accesses that
 * concern no other thread make no states: see footprints.ts.
 *
 * A step that returns 'wait' (full, empty, asleep) is made again only when the content of a word that it read or wrote
 * has changed. So loops that spin come to an end, and if all threads wait in a state, that is noticed: somebody is
 * stuck.
 *
 * JavaScript's memory model promises sequential consistency to programs without data races. The explorer checks in each
 * state that no two next accesses race: conflict while one of them is plain. Therefore it is enough to explore
 * interleavings. Reads that are declared to race are explored beyond that promise: see virtual-thread.ts.
 *
 * Source: the state merging of explicit-state model checkers (Holzmann, SPIN) and the replay of loom (Rust); own code.
 */
import { isAtomic, isWrite, type Access } from './access.js';
import {
  checkExploration, type Exploration, type Report, type Violation, type ViolationKind, type VirtualThread,
} from './exploration.js';
import { OUTDATED } from './footprints.js';
import { Machine, FailedStep, canTimeOut, type State } from './machine.js';
import { scheduleOf, type Trail } from './schedule.js';
import type { ThreadState } from './thread-state.js';

export type { Exploration, Report, Verdict, Violation, ViolationKind, VirtualThread } from './exploration.js';

/**
 * Explores all schedules, from the present contents of the memory. It blocks until it is done, and takes about ten
 * microseconds for each step. It is meant for tests alone: no field can be added to the owned objects any longer, their
 * fields are set back and forth, and the memory is left in one of the explored states. Throws
 * ERR_PERCORE_INVALID_ARGUMENT; whatever is found is in the report.
 *
 *     import { explore, VirtualMemory } from 'percore/testing';
 *
 *     const memory = new VirtualMemory();
 *     const queues = memory.load(import.meta.resolve('percore/queues'));      // the shipped code, with virtual Atomics
 *     const queue = queues.create({ kind: 'spsc', capacity: 2, recordBytes: 4 });
 *     memory.name(queue.buffer, 'ring');
 *     const producer = queues.pub(queue), consumer = queues.sub(queue);
 *     const sent = { count: 0 }, received = { count: 0 };
 *
 *     const report = explore({ memory, threads: [
 *       { name: 'producer', owns: [producer, sent], step() {
 *         if (sent.count === 5) return 'done';
 *         const at = producer.tryClaim();
 *         if (at < 0) return 'wait';
 *         producer.words[producer.wordOf(at)] = ++sent.count;
 *         producer.commit();
 *       } },
 *       { name: 'consumer', owns: [consumer, received], step() {
 *         if (received.count === 5) return 'done';
 *         const count = consumer.drain((view, offset) => {
 *           if (view.getInt32(offset, true) !== ++received.count) throw new Error('out of order');
 *         });
 *         if (count === 0) return 'wait';
 *       } },
 *     ] });
 *     console.log(report.states, report.violations);                          // some hundred states, and []
 */
export function explore(exploration: Exploration): Report {
  checkExploration(exploration);
  const { memory } = exploration;
  const before = memory.perform;
  try {
    return new Explorer(exploration).run();
  } finally {
    memory.perform = before;
  }
}

/** The search begins after so many random schedules in a row that teach nothing new, or after MOST_WALKS of them. */
const DULL_WALKS = 12;
const MOST_WALKS = 400;
const MOST_WALK_STEPS = 2000;

class Explorer {
  private readonly machine: Machine;
  private readonly maxViolations: number;
  private seen = new Set<string>();
  private pending: State[] = [];
  private violations: Violation[] = [];
  private steps = 0;
  private terminalStates = 0;

  constructor(private readonly exploration: Exploration) {
    this.maxViolations = exploration.maxViolations ?? 1;
    this.machine = new Machine(exploration.memory, exploration.threads, exploration.reduces !== false);
  }

  run(): Report {
    if (this.exploration.reduces !== false) this.learn();
    for (;;) {
      try {
        return this.search();
      } catch (error) {
        if (error !== OUTDATED) throw error;
        this.machine.forget();
      }
    }
  }

  /**
   * Follows random schedules before the search, to learn which thread touches which word: whatever is learned later
   * makes the search begin again.
   */
  private learn(): void {
    let random = 1;
    const below = (bound: number): number => {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      return Math.floor((random / 2 ** 32) * bound);
    };
    for (let walk = 0, dull = 0; walk < MOST_WALKS && dull < DULL_WALKS; walk++) {
      try {
        let state = this.machine.begin();
        for (let step = 0; step < MOST_WALK_STEPS; step++) {
          const all = this.machine.moves(state);
          // Deaths are made rare, so that they happen late in a walk as well as early.
          const moves = below(30) === 0 ? all : all.filter(({ kind }) => kind !== 'die');
          if (all.length === 0) break;
          if (moves.length === 0) continue;
          const outcomes = this.machine.make(state, moves[below(moves.length)]);
          state = outcomes[below(outcomes.length)];
        }
        dull++;
      } catch (error) {
        if (error === OUTDATED) this.machine.forget();
        // If something is wrong, the search will find it again.
        dull = error === OUTDATED ? 0 : dull + 1;
      }
    }
  }

  private search(): Report {
    const { maxStates = 1e6 } = this.exploration;
    this.seen = new Set();
    this.pending = [];
    this.violations = [];
    this.steps = this.terminalStates = 0;
    this.guard('error', null, () => this.reach(this.machine.begin()));
    while (this.violations.length < this.maxViolations) {
      const state = this.pending.pop();
      if (state === undefined) break;
      if (this.seen.size > maxStates) {
        this.violate('limit', `more than ${maxStates} states`, state.trail);
        break;
      }
      for (const move of this.machine.moves(state)) {
        this.steps++;
        this.guard('error', state.trail, () =>
          this.machine.make(state, move).forEach((outcome) => this.reach(outcome)),
        );
      }
      this.machine.release(state);
    }
    if (this.violations.length === 0 && this.terminalStates === 0)
      this.violate('endless', 'no schedule ever comes to an end', null);
    return {
      states: this.seen.size, steps: this.steps, terminalStates: this.terminalStates, violations: this.violations,
    };
  }

  /** Checks and queues `state`, unless it was seen before. */
  private reach(state: State): void {
    const key = this.machine.keyOf(state);
    if (this.seen.has(key)) return this.machine.release(state);
    this.seen.add(key);
    this.checkRaces(state);
    this.check('invariant', state, this.exploration.invariant);
    if (state.threads.every((thread) => thread.status !== 'ready' && !canTimeOut(thread))) this.end(state);
    this.pending.push(state);
  }

  private end(state: State): void {
    this.terminalStates++;
    const those = (...statuses: ThreadState['status'][]): VirtualThread[] =>
      this.exploration.threads.filter((_, i) => statuses.includes(state.threads[i].status));
    const names = (threads: VirtualThread[]): string[] => threads.map(({ name }) => name);
    const waiting = those('waiting', 'asleep');
    const stuck = names(waiting.filter(({ mayWait }) => mayWait !== true));
    if (stuck.length > 0) this.violate('stuck', `${stuck.join(' and ')} can never go on`, state.trail);
    this.check('end', state, () => this.exploration.atEnd?.({ dead: names(those('dead')), waiting: names(waiting) }));
  }

  private checkRaces({ threads, trail }: State): void {
    for (let i = 0; i < threads.length; i++) {
      for (let j = 0; j < i; j++) {
        // A quick test that is true for most states.
        if (threads[i].next !== null && threads[j].next !== null && threads[i].next!.word !== threads[j].next!.word)
          continue;
        for (const one of imminentOf(threads[j])) {
          const other = imminentOf(threads[i]).find(
            (access) => isConflict(one, access) && !this.isAllowed(j, one, access) && !this.isAllowed(i, access, one),
          );
          if (other !== undefined) this.violateRace(j, one, i, other, trail);
        }
      }
    }
  }

  private violateRace(j: number, one: Access, i: number, other: Access, trail: Trail | null): void {
    const describe = (thread: number, { verb }: Access): string =>
      `${verb} by ${this.exploration.threads[thread].name}`;
    const word = this.exploration.memory.nameOf(one.word);
    this.violate('race', `${describe(j, one)} and ${describe(i, other)} of ${word} are not ordered`, trail);
  }

  /** True if `thread` has declared that this read may race with plain writes. */
  private isAllowed(thread: number, read: Access, write: Access): boolean {
    return !isAtomic(write) && this.machine.threads[thread].mayRace(read);
  }

  private check(kind: ViolationKind, state: State, test: (() => void) | undefined): void {
    if (test === undefined) return;
    this.machine.show(state);
    this.guard(kind, state.trail, test);
  }

  private guard(kind: ViolationKind, trail: Trail | null, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error === OUTDATED) throw error;
      this.violate(
        kind, error instanceof Error ? error.message : String(error), error instanceof FailedStep ? error.trail : trail,
      );
    }
  }

  private violate(kind: ViolationKind, message: string, trail: Trail | null): void {
    // One state may break several rules; the first one is enough.
    if (this.violations.length >= this.maxViolations) return;
    this.violations.push({ kind, message, schedule: scheduleOf(this.exploration.memory, trail) });
  }
}

/**
 * The next access of a thread. One that waits would, if it looked again, make any of the accesses of its step again.
 */
const imminentOf = ({ next, status, past }: ThreadState): readonly Access[] =>
  next !== null ? [next] : status === 'waiting' ? past.map(({ access }) => access) : [];

/** True if both touch the same bits, at least one writes, and at least one is plain. */
function isConflict(a: Access, b: Access): boolean {
  return a.word === b.word && (a.mask & b.mask) !== 0 && (isWrite(a) || isWrite(b)) && !(isAtomic(a) && isAtomic(b));
}
