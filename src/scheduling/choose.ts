/**
 * The options by which a user chooses a discipline. They are checked where they are given, on whatever thread, and
 * turned into a discipline on the thread that uses it. They are plain data, so they can travel to workers.
 */
import { checkInteger, checkOneOf, checkOptions, invalidArgument, keysOf, PercoreError } from '../errors.js';
import { fileUrlOf } from '../file-url.js';
import { BANDS } from '../layout.js';
import { AgeingBands } from './ageing-bands.js';
import { Bands } from './bands.js';
import type { DeclaredClass } from './classes.js';
import type { Discipline } from './discipline.js';
import { EarliestDeadline } from './earliest-deadline.js';
import { LatencyGoals, type LatencyGoal } from './latency-goals.js';
import type { Ready } from './ready.js';
import { RoundRobin } from './round-robin.js';
import { DEFAULT_DEBT_NS } from './shares.js';
import { ShuffledBands } from './shuffled-bands.js';
import { WeightedBands } from './weighted-bands.js';

/**
 * A number for each band or class that needs another one than `others`: `{ 7: 8, audio: 4, others: 1 }`. A class is
 * named as `createRuntime({ classes })` names it.
 */
export interface ByBand {
  readonly [bandOrClass: string]: number | undefined;
}

/**
 * Which of those that are ready runs next. Every field that is left out has the default that is named here.
 *
 * - `strict`: the highest band first. With `ageing`, whatever was passed over that often (1 to 2^30 selections) is
 *   selected once, so that nothing starves: the first of its band waits for at most `ageing` + 7 others.
 * - `roundRobin`: in the order in which they became ready, whatever the band.
 * - `weighted`: each band so many quanta in a round (1 to 2^20; default the `polls` of its class, else 1).
 * - `shares`: each band time in proportion to its shares (above 0, to 10^6; default 1). `goalsNs`, above 0, are the
 *   waits that a band should not exceed; it gets more shares, up to 1,024 times its own, as long as it needs them.
 *   `debtNs` (1,000 to 10^12, default 10^7) is the most that one quantum is charged.
 * - `deadline`: what must be done soonest (nanoseconds after it became ready, 0 to 10^15, default 10^9).
 * - `shuffled`: for tests: the highest band first, and among equals by `seed`.
 * - `own`: what the default export of `module` (a file URL or an absolute path) returns when each thread calls it with
 *   `data`, which is cloned: a Discipline.
 */
export type DisciplineOptions =
  | { readonly kind: 'strict'; readonly ageing?: number }
  | { readonly kind: 'roundRobin' }
  | { readonly kind: 'weighted'; readonly weights?: ByBand }
  | { readonly kind: 'shares'; readonly shares?: ByBand; readonly goalsNs?: ByBand; readonly debtNs?: number }
  | { readonly kind: 'deadline'; readonly deadlinesNs?: ByBand }
  | { readonly kind: 'shuffled'; readonly seed: number }
  | { readonly kind: 'own'; readonly module: URL | string; readonly data?: unknown };

/** Options of a discipline that this package provides. */
export type BuiltInOptions = Exclude<DisciplineOptions, { readonly kind: 'own' }>;

/** The same, or the name alone if there is nothing else to say. */
export type DisciplineChoice = DisciplineOptions | 'strict' | 'roundRobin' | 'weighted' | 'shares' | 'deadline';

const KINDS = ['strict', 'roundRobin', 'weighted', 'shares', 'deadline', 'shuffled', 'own'] as const;
/** How many times its own shares a band may get for its goal. */
const MOST_SHARES = 1024;
const BY_BAND = [...Array.from({ length: BANDS }, (_, band) => `${band}`), 'others'];
const NAMES = KINDS.filter((kind) => kind !== 'shuffled' && kind !== 'own');

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT, which says what is allowed, unless `choice` is valid; undefined means the strict
 * one. Returns plain data with numbers by band, not by class.
 */
export function checkDiscipline(
  choice: DisciplineChoice | undefined, classes: readonly DeclaredClass[] = [],
): DisciplineOptions {
  if (choice === undefined) return { kind: 'strict' };
  if (typeof choice === 'string') {
    const kind = checkOneOf('discipline', choice, NAMES);
    return kind === 'weighted' ? withPolls({ kind }, classes) : { kind } as DisciplineOptions;
  }
  const allowed = "an object with a kind, or a name such as 'strict'";
  if (typeof choice !== 'object' || choice === null) throw invalidArgument('discipline', choice, allowed);
  const known: Record<(typeof KINDS)[number], readonly string[]> = {
    strict: ['ageing'],
    roundRobin: [],
    weighted: ['weights'],
    shares: ['shares', 'goalsNs', 'debtNs'],
    deadline: ['deadlinesNs'],
    shuffled: ['seed'],
    own: ['module', 'data'],
  };
  if (keysOf(choice) === undefined) throw invalidArgument('discipline', choice, allowed);
  const given = choice as unknown as Record<string, unknown>;
  const kind = checkOneOf('discipline.kind', given['kind'], KINDS);
  checkOptions('discipline', choice, ['kind', ...known[kind]]);
  if (kind === 'own') return checkModule(given['module'], given['data']);
  // A copy of plain data, each field read once: what was checked is what is used, and can be sent to workers.
  const copy = Object.fromEntries(known[kind].flatMap((name) => {
    const value = given[name];
    if (value === undefined) return [];
    return [[
      name, typeof value === 'object' && value !== null ? copyByBand(`discipline.${name}`, value, classes) : value,
    ]];
  }));
  const options = { kind, ...copy } as BuiltInOptions;
  // Making one checks its numbers.
  makeDiscipline(options, { nowNs: () => 0, readyNs: () => 0 });
  return options.kind === 'weighted' ? withPolls(options, classes) : options;
}

/** If no weight is given, a class is polled in a round as often as it has declared. */
function withPolls(
  { kind, weights }: { readonly kind: 'weighted'; readonly weights?: ByBand }, classes: readonly DeclaredClass[],
): DisciplineOptions {
  const polls = Object.fromEntries(classes.map(({ priority, polls: each }) => [priority, each]));
  const all = { ...polls, ...weights };
  return Object.keys(all).length === 0 ? { kind } : { kind, weights: all };
}

function checkModule(module: unknown, data: unknown): DisciplineOptions {
  const text = typeof module === 'object' && module !== null && 'href' in module ? String(module.href) : module;
  if (typeof text === 'string' && fileUrlOf(text) !== undefined) {
    return { kind: 'own', module: text, ...(data === undefined ? {} : { data: cloneOf(data) }) };
  }
  const allowed = "a file URL such as new URL('./mine.js', import.meta.url), or an absolute path";
  throw invalidArgument('discipline.module', module, allowed);
}

function cloneOf(data: unknown): unknown {
  try {
    return structuredClone(data);
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_UNSERIALIZABLE', `discipline.data cannot be handed to threads: ${(cause as Error).message}`,
      { argument: 'discipline.data', cause },
    );
  }
}

/** The numbers by band that were given, each read once; those of a class by its band. */
function copyByBand(name: string, given: object, classes: readonly DeclaredClass[]): ByBand {
  const known = [...BY_BAND, ...classes.map((one) => one.name)];
  const numbers: Record<string, unknown> = checkOptions<object>(name, given, known) as Record<string, unknown>;
  const copy: Record<string, number> = {};
  for (const key of known) {
    const value = numbers[key];
    if (value === undefined) continue;
    const band = classes.find((one) => one.name === key)?.priority ?? key;
    if (copy[band] !== undefined) throw invalidArgument(`${name}.${key}`, value, `left out: band ${band} has a number`);
    copy[band] = value as number;
  }
  return copy;
}

/** The clock that disciplines read. */
export interface DisciplineClock {
  /** Exact. */
  readonly nowNs: () => number;
  /** When what is pushed now became ready; the time at which the turn began is good enough. */
  readonly readyNs: () => number;
}

/**
 * The discipline that the options describe. If `previous` is of the same kind, it takes over the new numbers and is
 * returned itself, so that it keeps what it knows: virtual times, deadlines, the rest of a round.
 */
export function makeDiscipline(
  options: BuiltInOptions, { nowNs, readyNs }: DisciplineClock, previous?: Discipline<Ready>,
): Discipline<Ready> {
  switch (options.kind) {
    case 'strict':
      if (options.ageing === undefined) return new Bands();
      return new AgeingBands(checkInteger('discipline.ageing', options.ageing, 1, 2 ** 30));
    case 'roundRobin':
      return new RoundRobin();
    case 'weighted': {
      const weights = byBand('discipline.weights', options.weights, 1, wholeFrom1(2 ** 20));
      if (!(previous instanceof WeightedBands)) return new WeightedBands(weights);
      previous.setWeights(weights);
      return previous;
    }
    case 'shares': {
      const shares = byBand('discipline.shares', options.shares, 1, above0(1e6));
      const goals = goalsOf(options.goalsNs);
      const debtNs = checkInteger('discipline.debtNs', options.debtNs ?? DEFAULT_DEBT_NS, 1000, 1e12);
      if (!(previous instanceof LatencyGoals)) return new LatencyGoals(shares, goals, nowNs, MOST_SHARES, debtNs);
      previous.adjust(shares, goals, debtNs);
      return previous;
    }
    case 'deadline': {
      const deadlinesNs = byBand('discipline.deadlinesNs', options.deadlinesNs, 1e9, from0(1e15));
      if (!(previous instanceof EarliestDeadline)) return new EarliestDeadline(deadlinesNs, readyNs);
      previous.setDeadlines(deadlinesNs);
      return previous;
    }
    case 'shuffled':
      return new ShuffledBands(checkInteger('discipline.seed', options.seed, -(2 ** 31), 2 ** 32 - 1));
  }
}

type Check = (name: string, value: unknown) => number;

function byBand(name: string, given: ByBand | undefined, others: number, check: Check): number[] {
  const numbers = checkOptions<Record<string, number | undefined>>(name, given, BY_BAND);
  const rest = numbers['others'] === undefined ? others : check(`${name}.others`, numbers['others']);
  return BY_BAND.slice(0, BANDS)
    .map((band) => (numbers[band] === undefined ? rest : check(`${name}.${band}`, numbers[band])));
}

function goalsOf(given: ByBand | undefined): LatencyGoal[] {
  const NONE = Infinity;
  const all = byBand('discipline.goalsNs', given, NONE, above0(1e15));
  return all.flatMap((goalNs, band) => (goalNs === NONE ? [] : [{ band, goalNs }]));
}

const wholeFrom1 = (most: number): Check => (name, value) => checkInteger(name, value, 1, most);

function above0(most: number): Check {
  return (name, value) => {
    if (typeof value === 'number' && value > 0 && value <= most) return value;
    throw invalidArgument(name, value, `a number above 0, up to ${most}`);
  };
}

function from0(most: number): Check {
  return (name, value) => {
    if (typeof value === 'number' && value >= 0 && value <= most) return value;
    throw invalidArgument(name, value, `a number from 0 to ${most}`);
  };
}
