/**
 * The options by which a user chooses a discipline: checked where they are given, on whatever thread, and made into one
 * on the thread that runs by it. They are plain data, so they travel to workers.
 */
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import { BANDS } from '../layout.js';
import { AgeingBands } from './ageing-bands.js';
import { Bands } from './bands.js';
import type { Discipline } from './discipline.js';
import { EarliestDeadline } from './earliest-deadline.js';
import { LatencyGoals, type LatencyGoal } from './latency-goals.js';
import { RoundRobin } from './round-robin.js';
import { ShuffledBands } from './shuffled-bands.js';
import { WeightedBands } from './weighted-bands.js';

/** A number for each band that needs another one than `others`: `{ 7: 8, 6: 4, others: 1 }`. */
export type ByBand = { readonly [band in 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7]?: number } & { readonly others?: number };

/**
 * Which of those that are ready runs next. Every field that is left out has the default that is named here.
 *
 * - `strict`: the highest band first. With `ageing`, what has been passed over so often (1 to 2^30 selections) is
 *   selected once, so that nothing starves: the first of its band waits for at most `ageing` + 7 others.
 * - `roundRobin`: in the order in which they became ready, whatever the band.
 * - `weighted`: each band so many quanta in a round (1 to 2^20, default 1).
 * - `shares`: each band time in proportion to its shares (above 0, to 10^6; default 1). `goalsNs`, above 0, are the
 *   waits that a band should not exceed; it gets more shares, up to 1,024 times its own, as long as it needs them.
 * - `deadline`: what must be done soonest (nanoseconds after it became ready, 0 to 10^15, default 10^9).
 * - `shuffled`: for tests: the highest band first, and among equals by `seed`.
 */
export type DisciplineOptions =
  | { readonly kind: 'strict'; readonly ageing?: number }
  | { readonly kind: 'roundRobin' }
  | { readonly kind: 'weighted'; readonly weights?: ByBand }
  | { readonly kind: 'shares'; readonly shares?: ByBand; readonly goalsNs?: ByBand }
  | { readonly kind: 'deadline'; readonly deadlinesNs?: ByBand }
  | { readonly kind: 'shuffled'; readonly seed: number };

/** The same, or the name alone where nothing else is to be said. */
export type DisciplineChoice = DisciplineOptions | 'strict' | 'roundRobin' | 'weighted' | 'shares' | 'deadline';

const KINDS = ['strict', 'roundRobin', 'weighted', 'shares', 'deadline', 'shuffled'] as const;
const BY_BAND = [...Array.from({ length: BANDS }, (_, band) => `${band}`), 'others'];
const NAMES = KINDS.filter((kind) => kind !== 'shuffled');

/** Throws ERR_PERCORE_INVALID_ARGUMENT, with what is allowed, unless `choice` is one; undefined is the strict one. */
export function checkDiscipline(choice: DisciplineChoice | undefined): DisciplineOptions {
  if (choice === undefined) return { kind: 'strict' };
  if (typeof choice === 'string') return { kind: checkOneOf('discipline', choice, NAMES) } as DisciplineOptions;
  const allowed = "an object with a kind, or a name such as 'strict'";
  if (typeof choice !== 'object' || choice === null) throw invalidArgument('discipline', choice, allowed);
  const known: Record<(typeof KINDS)[number], readonly string[]> = {
    strict: ['ageing'],
    roundRobin: [],
    weighted: ['weights'],
    shares: ['shares', 'goalsNs'],
    deadline: ['deadlinesNs'],
    shuffled: ['seed'],
  };
  const given: Record<string, unknown> = readable('discipline', choice, allowed);
  const kind = checkOneOf('discipline.kind', given['kind'], KINDS);
  checkOptions('discipline', choice, ['kind', ...known[kind]]);
  // A copy of plain data, each field read once: what was checked is what is used, and can be sent to workers.
  const copy = Object.fromEntries(known[kind].flatMap((name) => {
    const value = given[name];
    if (value === undefined) return [];
    return [[name, typeof value === 'object' && value !== null ? copyByBand(`discipline.${name}`, value) : value]];
  }));
  const options = { kind, ...copy } as DisciplineOptions;
  // Making one checks its numbers.
  makeDiscipline(options, () => 0);
  return options;
}

/** A Proxy may refuse every question. */
function readable(name: string, given: object, allowed: string): Record<string, unknown> {
  try {
    void Object.keys(given);
  } catch {
    throw invalidArgument(name, given, allowed);
  }
  return given as Record<string, unknown>;
}

/** The numbers by band that were given, each read once. */
function copyByBand(name: string, given: object): ByBand {
  const numbers: Record<string, unknown> = checkOptions<object>(name, given, BY_BAND) as Record<string, unknown>;
  return Object.fromEntries(BY_BAND.flatMap((band) => {
    const value = numbers[band];
    return value === undefined ? [] : [[band, value]];
  }));
}

/**
 * The discipline that the options mean. `nowNs` must be exact within a turn for goals; for deadlines the time at which
 * the turn began will do.
 */
export function makeDiscipline(options: DisciplineOptions, nowNs: () => number): Discipline {
  switch (options.kind) {
    case 'strict':
      if (options.ageing === undefined) return new Bands();
      return new AgeingBands(checkInteger('discipline.ageing', options.ageing, 1, 2 ** 30));
    case 'roundRobin':
      return new RoundRobin();
    case 'weighted':
      return new WeightedBands(byBand('discipline.weights', options.weights, 1, wholeFrom1(2 ** 20)));
    case 'shares':
      return new LatencyGoals(
        byBand('discipline.shares', options.shares, 1, above0(1e6)), goals(options.goalsNs), nowNs,
      );
    case 'deadline':
      return new EarliestDeadline(byBand('discipline.deadlinesNs', options.deadlinesNs, 1e9, from0(1e15)), nowNs);
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

function goals(given: ByBand | undefined): LatencyGoal[] {
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
