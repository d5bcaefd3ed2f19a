/**
 * Runs a few virtual threads, made of shipped code, through every order in which their accesses to shared memory can happen.
 *
 *     state = shared words + for each thread: its own fields at the start of the call it is in,
 *                                             what its accesses since then answered, the access it would make next
 *
 *     pop a state --> for each thread that can run: one access further (virtual-thread.ts: by replay of its call)
 *                 --> for each that may die: the same state without it
 *                 --> a state not seen before? check it, push it
 *
 * There are no generators and no second version of the code. Schedules are merged by the set of states seen: 10^30 of
 * them are a few thousand states.
 *
 * A call that answers 'wait' (full, empty, asleep) is made again only when a word it looked at or stored has another
 * content, so loops that spin end, and a state in which everybody waits is seen as one: somebody is stuck.
 *
 * JavaScript's memory model promises sequential consistency to programs without data races. In each state reached, no two
 * next accesses may conflict with one of them plain; so exploring interleavings leaves nothing out.
 *
 * Source: the state merging of explicit-state model checkers (Holzmann, SPIN) and the replay of loom (Rust); own code.
 */
import { isAtomic, isRead, isWrite, type Access, type VirtualMemory } from './virtual-memory.js';
import { ReplayedThread, type Past, type ThreadState, type VirtualThread } from './virtual-thread.js';

export type { Verdict, VirtualThread } from './virtual-thread.js';

export interface Exploration {
  readonly memory: VirtualMemory;
  readonly threads: readonly VirtualThread[];
  /** Checked in every state, with shared words and the threads' own fields in place. It fails by throwing. */
  invariant?(): void;
  /** Checked where no thread can run any more. It fails by throwing. */
  atEnd?(end: { readonly dead: readonly string[]; readonly waiting: readonly string[] }): void;
  /** Give up with a violation of kind 'limit' after so many states. Default one million. */
  readonly maxStates?: number;
  /** Stop after so many violations. Default 1. */
  readonly maxViolations?: number;
}

/**
 * race: two unordered accesses, one plain, one a write. stuck: a thread waits for ever that may not. error: a step threw.
 * invariant, end: that check threw. endless: no schedule ends. limit: too many states.
 */
export type ViolationKind = 'race' | 'stuck' | 'error' | 'invariant' | 'end' | 'endless' | 'limit';

export interface Violation {
  readonly kind: ViolationKind;
  readonly message: string;
  /** What led there, one line an access, in order. */
  readonly schedule: readonly string[];
}

export interface Report {
  readonly states: number;
  readonly steps: number;
  readonly terminalStates: number;
  readonly violations: readonly Violation[];
}

/** The way to a state, newest first. `happened` is null for a death. */
interface Trail {
  readonly before: Trail | null;
  readonly thread: string;
  readonly happened: Past | null;
}

interface State {
  readonly cells: Int32Array;
  readonly threads: readonly ThreadState[];
  readonly trail: Trail | null;
}

/**
 * Explores all schedules. Blocks until done; takes some ten microseconds a step. Not for production: it freezes the owned objects'
 * shape and moves their fields back and forth. Runs from the memory's present contents, and leaves it in some explored state.
 *
 *     import { explore, VirtualMemory } from 'percore/testing';
 *
 *     const memory = new VirtualMemory();
 *     const queues = memory.load(import.meta.resolve('percore/queues'));      // the shipped text, with virtual Atomics
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
  const { memory } = exploration;
  const before = memory.perform;
  try {
    return new Explorer(exploration).run();
  } finally {
    memory.perform = before;
  }
}

class Explorer {
  private readonly memory: VirtualMemory;
  private readonly initialCells: Int32Array;
  private readonly threads: readonly ReplayedThread[];
  private readonly seen = new Set<string>();
  private readonly pending: State[] = [];
  private readonly violations: Violation[] = [];
  private readonly maxViolations: number;
  private steps = 0;
  private terminalStates = 0;

  constructor(private readonly exploration: Exploration) {
    this.memory = exploration.memory;
    this.maxViolations = exploration.maxViolations ?? 1;
    this.initialCells = this.memory.cells.slice();
    this.threads = exploration.threads.map((thread) => new ReplayedThread(this.memory, thread));
  }

  run(): Report {
    const { maxStates = 1e6 } = this.exploration;
    this.guard('error', null, () => this.reach({ cells: this.initialCells, threads: this.threads.map((thread) => thread.begin()), trail: null }));
    while (this.violations.length < this.maxViolations) {
      const state = this.pending.pop();
      if (state === undefined) break;
      if (this.seen.size > maxStates) {
        this.violate('limit', `more than ${maxStates} states`, state.trail);
        break;
      }
      this.expand(state);
    }
    if (this.violations.length === 0 && this.terminalStates === 0) this.violate('endless', 'no schedule ever comes to an end', null);
    return { states: this.seen.size, steps: this.steps, terminalStates: this.terminalStates, violations: this.violations };
  }

  /** Reaches all states one step away. */
  private expand(state: State): void {
    const nobodyDied = state.threads.every(({ status }) => status !== 'dead');
    this.threads.forEach(({ thread }, i) => {
      const { status } = state.threads[i];
      if (status === 'ready') this.advance(state, i);
      if (thread.mayDie === true && nobodyDied && status !== 'done') this.die(state, i);
    });
  }

  private advance(state: State, i: number): void {
    this.steps++;
    const cells = this.enter(state);
    const access = state.threads[i].next!;
    const result = isRead(access) ? cells[access.word] & access.mask : 0;
    const trail: Trail = { before: state.trail, thread: this.threads[i].thread.name, happened: { access, result } };
    this.guard('error', trail, () => this.leave(state, i, this.threads[i].advance(state.threads[i]), cells, trail));
  }

  private die(state: State, i: number): void {
    const cells = this.enter(state);
    const { thread } = this.threads[i];
    const trail: Trail = { before: state.trail, thread: thread.name, happened: null };
    thread.onDeath?.();
    this.guard('error', trail, () => this.leave(state, i, { ...state.threads[i], status: 'dead', past: [], next: null }, cells, trail));
  }

  /** Puts a copy of the state's words in place; accesses happen at once. */
  private enter(state: State): Int32Array {
    const cells = state.cells.slice();
    this.memory.cells = cells;
    this.memory.perform = (access) => this.memory.apply(access);
    return cells;
  }

  /** Goes on to the state in which thread `i` is `changed` and the words are `cells`. */
  private leave(state: State, i: number, changed: ThreadState, cells: Int32Array, trail: Trail): void {
    const threads = state.threads.map((thread, j) => (j === i ? changed : this.threads[j].wakeIfChanged(thread)));
    this.reach({ cells, threads, trail });
  }

  /** Checks and queues `state`, unless it was seen before. */
  private reach(state: State): void {
    const key = this.keyOf(state);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.checkRaces(state);
    this.check('invariant', state, this.exploration.invariant);
    if (state.threads.every(({ status }) => status !== 'ready')) this.end(state);
    this.pending.push(state);
  }

  private end(state: State): void {
    this.terminalStates++;
    const those = (status: ThreadState['status']): VirtualThread[] =>
      this.threads.filter((_, i) => state.threads[i].status === status).map(({ thread }) => thread);
    const names = (threads: VirtualThread[]): string[] => threads.map(({ name }) => name);
    const stuck = names(those('waiting').filter(({ mayWait }) => mayWait !== true));
    if (stuck.length > 0) this.violate('stuck', `${stuck.join(' and ')} can never go on`, state.trail);
    this.check('end', state, () => this.exploration.atEnd?.({ dead: names(those('dead')), waiting: names(those('waiting')) }));
  }

  private checkRaces({ threads, trail }: State): void {
    // One that waits would make any access of its call again, were it to look.
    const imminent = threads.map(({ next, status, past }) => (next !== null ? [next] : status === 'waiting' ? past.map(({ access }) => access) : []));
    const describe = (i: number, { verb }: Access): string => `${verb} by ${this.threads[i].thread.name}`;
    for (let i = 0; i < threads.length; i++) {
      for (let j = 0; j < i; j++) {
        for (const one of imminent[j]) {
          const other = imminent[i].find((access) => isConflict(one, access));
          if (other !== undefined) this.violate('race', `${describe(j, one)} and ${describe(i, other)} of ${this.memory.nameOf(one.word)} are not ordered`, trail);
        }
      }
    }
  }

  private check(kind: ViolationKind, state: State, test: (() => void) | undefined): void {
    if (test === undefined) return;
    this.enter(state);
    state.threads.forEach((thread, i) => this.threads[i].restore(thread));
    this.guard(kind, state.trail, test);
  }

  private guard(kind: ViolationKind, trail: Trail | null, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.violate(kind, error instanceof Error ? error.message : String(error), trail);
    }
  }

  private violate(kind: ViolationKind, message: string, trail: Trail | null): void {
    // One state can break several rules; the first says enough.
    if (this.violations.length >= this.maxViolations) return;
    const schedule: string[] = [];
    for (let at = trail; at !== null; at = at.before) schedule.push(`${at.thread}: ${at.happened === null ? 'dies' : this.describe(at.happened)}`);
    this.violations.push({ kind, message, schedule: schedule.reverse() });
  }

  /** `store ring.producerCursor = 1`, `load ring.consumerCursor -> 0`, `add eventfd+0 1 -> 0`. */
  private describe({ access, result }: Past): string {
    const what = `${access.verb} ${this.memory.nameOf(access.word)}`;
    if (!isRead(access)) return `${what} = ${access.value}`;
    if (!isWrite(access)) return `${what} -> ${result}`;
    return `${what} ${access.verb === 'compareExchange' ? `${access.expected} by ${access.value}` : access.value} -> ${result}`;
  }

  private keyOf({ cells, threads }: State): string {
    let key = '';
    for (let i = 0; i < cells.length; i++) if (cells[i] !== this.initialCells[i]) key += `${i}=${cells[i]} `;
    for (const { status, own, past } of threads) {
      key += `|${status} ${own.key}`;
      for (const { result } of past) key += `:${result}`;
    }
    return key;
  }
}

/** Both touch the same bits, at least one writes, at least one is plain. */
function isConflict(a: Access, b: Access): boolean {
  return a.word === b.word && (a.mask & b.mask) !== 0 && (isWrite(a) || isWrite(b)) && !(isAtomic(a) && isAtomic(b));
}
