/**
 * What one party measures of its tasks, in memory that all threads of the process can read: a slot for each task, with
 * its counts, its bounds, and a histogram for each kind of figure.
 *
 *      ready ----------------> starts --------------------------> done
 *        \---- scheduleIn ----/  \----------- run -------------/  /
 *         \---- relief ---> asks for its next tick               /
 *          \-------------------- response ---------------------/
 *
 * The words are plain stores of their one writer, since they are statistics. A slot's name is complete before `used`
 * says that the slot exists. Source of the four figures: jerry_rt_module (schedule-in, response and relief of a
 * thread).
 */
import {
  CAUSE_BYTES, FIGURES_MAGIC, FIGURE_KINDS, FIGURE_NAME_BYTES, LANES_PER_PEER, LAYOUT_VERSION, figuresLayout,
  taskFiguresLayout,
} from '../layout.js';
import { HISTOGRAM_WORDS, Histogram } from './histogram.js';
import { TRACE_BYTES, TraceRing } from './trace-ring.js';

/** Kinds of figures, in the order of their histograms. */
export const FIGURES = ['scheduleIn', 'response', 'relief', 'run'] as const;
export type FigureName = (typeof FIGURES)[number];
export const SCHEDULE_IN = 0;
export const RESPONSE = 1;
export const RELIEF = 2;
export const RUN = 3;

/** The slot for all tasks for which there was no other slot left. */
const OTHERS = '(others)';
const HISTOGRAM_BYTES = HISTOGRAM_WORDS * 4;
const SLOTS_AT = Math.ceil((figuresLayout.bytes + LANES_PER_PEER * HISTOGRAM_BYTES) / 128) * 128;
const SLOT_BYTES = Math.ceil((taskFiguresLayout.bytes + FIGURE_KINDS * HISTOGRAM_BYTES) / 128) * 128;
const { used, leftOut, asked, isTracing, isOff, slots: slotsField, magic, version } = figuresLayout.fields;
const field = taskFiguresLayout.fields;
const STEPS = field.steps.at >> 3;
const MESSAGES = field.messages.at >> 3;
const DEPTH = field.depth.at >> 3;
const REFUSED = field.refused.at >> 3;
const ERRORS = field.errors.at >> 3;
const AGAIN = field.again.at >> 3;
const RECORDED = field.recorded.at >> 3;
const VIOLATIONS = field.violations.at >> 3;
const BOUND_NS = field.boundNs.at >> 3;
const CAUSE_CHANGES = field.causeChanges.at >> 2;

/** What a task counts itself. Its owner adds what is new to its slot now and then. */
export interface TaskCounts {
  readonly steps: number;
  readonly refused: number;
  readonly errors: number;
  readonly again: number;
  readonly depth: number;
}

/**
 * What of a task's counts is in its slot already. A slot outlives its tasks, and `(others)` has many at once, so what
 * is new is added: a copy would fall when a task is made again.
 */
export class ToldCounts {
  steps = 0;
  depth = 0;
  refused = 0;
  errors = 0;
  again = 0;

  /** `period`: which time with figures the counts belong to; see TaskWatch. */
  constructor(public period: number) {}

  /** What has happened so far is in no figure. Messages that wait are, since they still do. */
  skip({ steps, refused, errors, again }: TaskCounts): void {
    this.steps = steps;
    this.refused = refused;
    this.errors = errors;
    this.again = again;
  }
}

/** What a slot keeps of the name of its task. */
export function keptName(name: string): string {
  return Buffer.from(name, 'utf8').subarray(0, FIGURE_NAME_BYTES).toString('utf8');
}

/** The slot of one task. Its owner writes; any thread that has the memory may read, and may set bounds. */
export class FigureSlot {
  readonly name: string;
  readonly band: number;
  /** All of it but the histograms. */
  readonly head: Uint8Array;
  readonly histograms: readonly Histogram[];
  /** As the owner has last read them: Infinity if there is none. */
  readonly bounds: Float64Array = new Float64Array(FIGURE_KINDS).fill(Infinity);
  /** The largest values so far, or the bounds where these are lower: what is above them must be recorded. */
  readonly limits: Float64Array = new Float64Array(FIGURE_KINDS);
  private readonly numbers: Float64Array;
  private readonly integers: Int32Array;
  /** A task of this thread has it. */
  private isTaken = false;

  constructor(memory: SharedArrayBuffer, readonly index: number) {
    const at = SLOTS_AT + index * SLOT_BYTES;
    this.numbers = new Float64Array(memory, at, taskFiguresLayout.bytes >> 3);
    const integers = this.integers = new Int32Array(memory, at, taskFiguresLayout.bytes >> 2);
    this.band = integers[field.band.at >> 2]!;
    this.head = new Uint8Array(memory, at, taskFiguresLayout.bytes);
    const bytes = Buffer.from(memory, at + field.name.at, integers[field.nameBytes.at >> 2]);
    this.name = bytes.toString('utf8');
    this.histograms = Array.from({ length: FIGURE_KINDS }, (_, kind) => new Histogram(
      new Uint32Array(memory, at + taskFiguresLayout.bytes + kind * HISTOGRAM_BYTES, HISTOGRAM_WORDS),
    ));
  }

  /** Adds `count` values; returns true if they are above their bound. */
  record(kind: number, ns: number, count: number): boolean {
    this.histograms[kind]!.record(ns, count);
    this.numbers[RECORDED]! += count;
    if (ns <= this.limits[kind]!) return false;
    this.setLimit(kind);
    if (ns <= this.bounds[kind]!) return false;
    this.numbers[VIOLATIONS + kind]! += count;
    return true;
  }

  /**
   * Adds `steps`, and what the task itself has counted since: with each of its quanta, so what seldom changes is only
   * looked at.
   */
  note(counts: TaskCounts, told: ToldCounts, steps: number): void {
    const { numbers } = this;
    numbers[STEPS]! += steps;
    const taken = counts.steps;
    numbers[MESSAGES]! += taken - told.steps;
    told.steps = taken;
    const { depth, refused, errors, again } = counts;
    if (depth !== told.depth) this.noteDepth(depth, told);
    if (refused === told.refused && errors === told.errors && again === told.again) return;
    numbers[REFUSED]! += refused - told.refused;
    numbers[ERRORS]! += errors - told.errors;
    numbers[AGAIN]! += again - told.again;
    told.refused = refused;
    told.errors = errors;
    told.again = again;
  }

  /** A task of this name was made. */
  begin(): void {
    const { numbers } = this;
    numbers[field.begun.at >> 3]!++;
    // What waited for tasks of the thread before has gone with it.
    if (!this.isTaken) numbers[DEPTH] = 0;
    this.isTaken = true;
  }

  /** So many messages wait for a task of this slot. */
  noteDepth(depth: number, told: ToldCounts): void {
    this.numbers[DEPTH]! += depth - told.depth;
    told.depth = depth;
  }

  /** One count of the slot, by its name in the table. */
  count(of: 'steps' | 'messages' | 'refused' | 'errors' | 'again' | 'depth' | 'begun' | 'recorded'): number {
    return this.numbers[field[of].at >> 3]!;
  }

  /** For the owner: says why the task was last late. */
  tellCause(text: string): void {
    const { integers } = this;
    // A sequence lock: odd until the text is whole; pairs with cause().
    Atomics.add(integers, CAUSE_CHANGES, 1);
    const bytes = Buffer.from(integers.buffer, integers.byteOffset + field.cause.at, CAUSE_BYTES);
    integers[field.causeBytes.at >> 2] = bytes.write(text, 'utf8');
    // As above.
    Atomics.add(integers, CAUSE_CHANGES, 1);
  }

  /** Why the task was last late; empty if it never was, undefined while the text is being written. Allocates. */
  cause(): string | undefined {
    const { integers } = this;
    // Pairs with tellCause().
    const changes = Atomics.load(integers, CAUSE_CHANGES);
    const length = integers[field.causeBytes.at >> 2]!;
    const text = Buffer.from(integers.buffer, integers.byteOffset + field.cause.at, length).toString('utf8');
    return changes % 2 === 0 && Atomics.load(integers, CAUSE_CHANGES) === changes ? text : undefined;
  }

  violations(kind: number): number {
    return this.numbers[VIOLATIONS + kind]!;
  }

  /** 0 if there is none. */
  boundNs(kind: number): number {
    return this.numbers[BOUND_NS + kind]!;
  }

  /** For `FigureTable.setBound`. */
  storeBound(kind: number, ns: number): void {
    this.numbers[BOUND_NS + kind] = ns;
  }

  /** For the owner: takes over the bounds as they were set. Returns the lowest, Infinity if there is none. */
  takeBounds(): number {
    let lowest = Infinity;
    for (let kind = 0; kind < FIGURE_KINDS; kind++) {
      const ns = this.boundNs(kind);
      this.bounds[kind] = ns > 0 ? ns : Infinity;
      lowest = Math.min(lowest, this.bounds[kind]!);
      this.setLimit(kind);
    }
    return lowest;
  }

  private setLimit(kind: number): void {
    this.limits[kind] = Math.min(this.bounds[kind]!, this.histograms[kind]!.max());
  }
}

/** Everything that one party measures. */
export class FigureTable {
  /**
   * How long messages were under way in lanes to this party, by kind of lane: forward lanes by band (0 to 7), then
   * return.
   */
  readonly lanes: readonly Histogram[];
  private readonly words: Int32Array;
  private readonly numbers: Float64Array;
  private readonly known: FigureSlot[] = [];

  constructor(private readonly memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, figuresLayout.bytes >> 2);
    this.numbers = new Float64Array(memory, 0, figuresLayout.bytes >> 3);
    this.lanes = Array.from({ length: LANES_PER_PEER }, (_, lane) => new Histogram(
      new Uint32Array(memory, figuresLayout.bytes + lane * HISTOGRAM_BYTES, HISTOGRAM_WORDS),
    ));
  }

  /** The slots in use, in the order in which they were made. Allocates for those that it sees for the first time. */
  slots(): readonly FigureSlot[] {
    // figures.used: pairs with the store in slotFor(): the name is complete.
    const count = Atomics.load(this.words, used.at >> 2);
    while (this.known.length < count) this.known.push(new FigureSlot(this.memory, this.known.length));
    return this.known;
  }

  /**
   * For the owner: the slot of this name and band; makes it if there is none. A task that is made again continues the
   * figures of its predecessor. When all slots but one are taken, the last is for all other tasks together. Allocates.
   */
  slotFor(name: string, band: number): FigureSlot {
    const bytes = Buffer.from(name, 'utf8').subarray(0, FIGURE_NAME_BYTES);
    const kept = keptName(name);
    const slots = this.slots();
    let slot = slots.find((each) => each.name === kept && each.band === band);
    const most = this.words[slotsField.at >> 2]!;
    if (slot === undefined && slots.length >= most - 1) {
      this.numbers[leftOut.at >> 3]!++;
      if (name !== OTHERS) return slots[most - 1] ?? this.slotFor(OTHERS, band);
    }
    if (slot === undefined) {
      const index = slots.length;
      const at = SLOTS_AT + index * SLOT_BYTES;
      const words = new Int32Array(this.memory, at, taskFiguresLayout.bytes >> 2);
      words[field.band.at >> 2] = band;
      words[field.nameBytes.at >> 2] = bytes.length;
      new Uint8Array(this.memory, at + field.name.at, bytes.length).set(bytes);
      // figures.used: pairs with the load in slots(); the slot above is complete.
      Atomics.store(this.words, used.at >> 2, index + 1);
      slot = this.slots()[index]!;
    }
    slot.begin();
    return slot;
  }

  /** For any thread: sets a new upper bound, 0 for none. The owner takes it over within a millisecond of work. */
  setBound(slot: FigureSlot, kind: number, ns: number): void {
    slot.storeBound(kind, ns);
    // figures.asked: pairs with the load in Watch: the bound above is stored.
    Atomics.add(this.words, asked.at >> 2, 1);
  }

  /** Grows whenever a bound is set. */
  get asked(): number {
    // figures.asked: pairs with setBound().
    return Atomics.load(this.words, asked.at >> 2);
  }

  /** For any thread: says whether the owner keeps its runs. It follows within a millisecond of work. */
  setTracing(isOn: boolean): void {
    Atomics.store(this.words, isTracing.at >> 2, isOn ? 1 : 0);
    // figures.asked: pairs with the load in Watch: the word above is stored.
    Atomics.add(this.words, asked.at >> 2, 1);
  }

  get isTracing(): boolean {
    // figures.asked: pairs with setTracing(), whose second store was seen before.
    return Atomics.load(this.words, isTracing.at >> 2) === 1;
  }

  /** For any thread: whether the owner takes no figures. It follows when it is summoned. */
  setOff(isOffNow: boolean): void {
    // figures.isOff: pairs with the owner's load, after a summons.
    Atomics.store(this.words, isOff.at >> 2, isOffNow ? 1 : 0);
  }

  get isOff(): boolean {
    // figures.isOff: pairs with setOff().
    return Atomics.load(this.words, isOff.at >> 2) === 1;
  }

  /** The last runs, which lie after the slots. Allocates. */
  trace(): TraceRing {
    return new TraceRing(this.memory, SLOTS_AT + this.room * SLOT_BYTES);
  }

  /** For how many tasks there is room. */
  get room(): number {
    return this.words[slotsField.at >> 2]!;
  }

  get leftOut(): number {
    return this.numbers[leftOut.at >> 3]!;
  }
}

/**
 * Memory for one party's figures, with room for `slots` tasks. What is not used costs only address space. `isOn`:
 * whether they are taken from the start.
 */
export function createFigures(slots: number, isOn = true): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SLOTS_AT + slots * SLOT_BYTES + TRACE_BYTES);
  const words = new Int32Array(memory, 0, figuresLayout.bytes >> 2);
  // Nobody else has it yet; the magic number comes last.
  Atomics.store(words, version.at >> 2, LAYOUT_VERSION);
  Atomics.store(words, slotsField.at >> 2, slots);
  Atomics.store(words, isOff.at >> 2, isOn ? 0 : 1);
  Atomics.store(words, magic.at >> 2, FIGURES_MAGIC);
  return memory;
}
