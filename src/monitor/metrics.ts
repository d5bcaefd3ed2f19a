/**
 * Figures of tasks, classes and lanes, read from the memory in which each party records them: nobody is asked, nobody
 * stops, and a reactor that is stuck can be read like any other.
 */
import { RETURN_LANES } from '../layout.js';
import { invalidArgument } from '../errors.js';
import { Histogram, HISTOGRAM_WORDS, type FigureName } from '../observe/index.js';
import { FIGURES, FigureTable, type FigureSlot } from '../observe/internal.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { ownCost, partyOf, summon, type OwnCost, type Party } from '../reactor/internal.js';

/** Figures of one kind. Times in nanoseconds; percentiles to within 3.2 %, `minNs` and `maxNs` exact. */
export interface FigureSummary {
  /** How many values there were; short ones are counted by samples. */
  readonly count: number;
  /** The shortest, in nanoseconds. */
  readonly minNs: number;
  /** The mean. */
  readonly meanNs: number;
  /** The median. */
  readonly p50Ns: number;
  /** What 99 of 100 did not exceed. */
  readonly p99Ns: number;
  /** What 999 of 1,000 did not exceed. */
  readonly p999Ns: number;
  /** The longest. */
  readonly maxNs: number;
}
/** The same, with the bound that was set. */
export interface BoundedFigure extends FigureSummary {
  /** Undefined if there is no bound. */
  readonly boundNs: number | undefined;
  /** Values above the bound that there was at the time. */
  readonly violations: number;
}
export type Figures<F> = { readonly [name in FigureName]: F };

export interface TaskMetrics {
  /** The party that it runs in; the main thread comes after the last reactor. */
  readonly party: number;
  readonly name: string;
  /** Its band. */
  readonly priority: number;
  /** Steps begun, including those that had to be run again. */
  readonly steps: number;
  /** Messages that its steps have taken, as of a moment ago. */
  readonly messages: number;
  /** Messages that wait in its mailbox. */
  readonly depth: number;
  /** Messages of its own thread that its mailbox refused. */
  readonly refused: number;
  /** Steps that threw. */
  readonly errors: number;
  /** Steps that answered AGAIN. */
  readonly again: number;
  /** How often a task of this name was made again. */
  readonly restarts: number;
  /** How long it waited, ran and took in all. */
  readonly figures: Figures<BoundedFigure>;
}
/** All tasks of a band together, over all parties that were asked for. */
export interface ClassMetrics {
  /** The name in `createRuntime({ classes })`, or 'band 3'. */
  readonly name: string;
  /** The band of the class. */
  readonly priority: number;
  /** Tasks in it now. */
  readonly tasks: number;
  /** Steps that these have run. */
  readonly steps: number;
  /** Values above a bound, of all its tasks and figures. */
  readonly violations: number;
  /** Those of its tasks together. */
  readonly figures: Figures<FigureSummary>;
}
/** How long messages were under way, from publishing to being taken: one in some dozens is measured. */
export interface LaneMetrics {
  /** Who reads the lane; the main thread comes after the last reactor. */
  readonly party: number;
  /** The band of the lane. */
  readonly priority: number;
  /** It carries answers, and what is sent with `isReturn`. */
  readonly isReturn: boolean;
  /** How long messages were under way in it. */
  readonly figure: FigureSummary;
}
export interface Metrics {
  /** Each task of each reactor that was asked of. */
  readonly tasks: readonly TaskMetrics[];
  /** Each class, or band where none are declared. */
  readonly classes: readonly ClassMetrics[];
  /** Each lane that has carried something. */
  readonly lanes: readonly LaneMetrics[];
  /** The cost of being watched, as measured in this thread. */
  readonly ownCost: OwnCost;
}

/**
 * The figures of all parties of a runtime, or of one reactor. The runtime must have been made with `metrics: true`;
 * otherwise throws ERR_PERCORE_INVALID_ARGUMENT. Reads shared memory and blocks nobody. It is a snapshot, but not of
 * one moment: a task may have gone on between two of its figures, and a reactor whose turns follow each other closely
 * tells what it has counted every few dozen turns, and 20 µs after the last. Allocates and takes some ten microseconds
 * for each task, so calling it every few seconds is fine. The first call takes some milliseconds, to measure what
 * figures cost.
 *
 *     const runtime = await createRuntime({ entry, metrics: true });
 *     for (const { name, figures } of metricsOf(runtime).tasks) console.log(name, figures.response.p99Ns);
 */
export function metricsOf(of: Reactor | Runtime): Metrics {
  const party = partyOf(of);
  const tables = tablesOf(party, of);
  const classes = party.turn.classes;
  const slots = tables.flatMap(({ id, table }) => table.slots().map((slot) => ({ id, slot })));
  const bands = [...new Set(slots.map(({ slot }) => slot.band))].sort((a, b) => b - a);
  return {
    tasks: slots.map(({ id, slot }) => taskMetrics(id, slot)),
    classes: bands.map((band) => {
      const name = classes.find(({ priority }) => priority === band)?.name ?? `band ${band}`;
      return classMetrics(name, band, slots.map(({ slot }) => slot).filter((slot) => slot.band === band));
    }),
    lanes: laneMetrics(tables),
    ownCost: ownCost(party),
  };
}

/** How long messages were under way, by kind of lane, for the kinds of which some were measured. */
export function laneMetrics(tables: readonly { readonly id: number; readonly table: FigureTable }[]): LaneMetrics[] {
  return tables.flatMap(({ id, table }) => table.lanes.map((lane, number) => ({
    party: id, priority: number % RETURN_LANES, isReturn: number >= RETURN_LANES, figure: summaryOf(lane),
  }))).filter(({ figure }) => figure.count !== 0);
}

/**
 * Switches figures of tasks and lanes off and on again while the program runs, with the recorder and the runs that
 * `traceTasks` keeps: of all parties of a runtime, or of one reactor. While they are off a step costs what it costs
 * without `metrics`, and what happens is in no figure; those so far stay. Bounds stay too, and hold again. Each party
 * follows at the end of its next turn, which this asks for. Does not block. The runtime must have been made with
 * `metrics`, at best `metrics: { isOn: false }`; otherwise throws ERR_PERCORE_INVALID_ARGUMENT. Does nothing once the
 * runtime has closed.
 *
 *     const runtime = await createRuntime({ entry, metrics: { isOn: false } });
 *     process.on('SIGUSR2', () => setMetrics(runtime, true));
 */
export function setMetrics(of: Reactor | Runtime, isOn: boolean): void {
  const party = partyOf(of);
  if (typeof isOn !== 'boolean') throw invalidArgument('isOn', isOn, 'true or false');
  for (const { id, table } of tablesOf(party, of)) {
    table.setOff(!isOn);
    if (!party.peers.isClosed) summon(party.peers.words(id), party.peers.waker(id));
  }
}

/**
 * Says that the running step has done what it is for; what follows only prepares its next tick. The time since the task
 * became ready is its figure `relief`. Does nothing outside of a step, or without `metrics`. Reads the clock; does not
 * allocate.
 */
export function relieved(reactor: Reactor): void {
  partyOf(reactor).turn.watch?.relief();
}

/** The tables of the parties that `of` means. Throws if nothing is measured. */
export function tablesOf(party: Party, of: Reactor | Runtime): { id: number; table: FigureTable }[] {
  const { figures } = party.shared;
  if (figures === undefined) {
    throw invalidArgument('reactor', of, 'one of a runtime that takes figures: createRuntime({ metrics: true })');
  }
  // What this thread has counted and not told yet.
  party.turn.watch?.tell();
  const all = figures.map((memory, id) => ({ id, table: new FigureTable(memory) }));
  return party.id === party.shared.reactors ? all : [all[party.id]!];
}

export function summaryOf(histogram: Histogram): FigureSummary {
  const { count, mean, p50, p99, p999 } = histogram.summary();
  return {
    count, minNs: histogram.min(), meanNs: mean, p50Ns: p50, p99Ns: p99, p999Ns: p999, maxNs: histogram.max(),
  };
}

/** An object with a value for each kind of figure. */
export function byFigure<F>(valueOf: (kind: number) => F): Figures<F> {
  return Object.fromEntries(FIGURES.map((name, kind) => [name, valueOf(kind)])) as unknown as Figures<F>;
}

function taskMetrics(party: number, slot: FigureSlot): TaskMetrics {
  return {
    party, name: slot.name, priority: slot.band, steps: slot.count('steps'), messages: slot.count('messages'),
    depth: slot.count('depth'), refused: slot.count('refused'), errors: slot.count('errors'),
    again: slot.count('again'), restarts: Math.max(0, slot.count('begun') - 1),
    figures: byFigure((kind) => ({
      ...summaryOf(slot.histograms[kind]!), boundNs: slot.boundNs(kind) || undefined,
      violations: slot.violations(kind),
    })),
  };
}

function classMetrics(name: string, priority: number, slots: readonly FigureSlot[]): ClassMetrics {
  const kinds = byFigure((kind) => {
    const sum = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    for (const slot of slots) sum.add(slot.histograms[kind]!);
    return summaryOf(sum);
  });
  return {
    name, priority, tasks: slots.length, steps: slots.reduce((sum, slot) => sum + slot.count('steps'), 0),
    violations: slots.reduce((sum, slot) => sum + FIGURES.reduce((all, _, kind) => all + slot.violations(kind), 0), 0),
    figures: kinds,
  };
}
