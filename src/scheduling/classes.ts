/**
 * Classes of tasks: a class is a band with a name and, where somebody has declared them, numbers: how many tasks it
 * has, how often it is polled in a round, and what a step costs. They are plain data, so they travel to workers.
 */
import { checkBoolean, checkInteger, checkOptions, checkText, invalidArgument, PercoreError } from '../errors.js';
import { BANDS } from '../layout.js';
import type { ReadyView } from './ready.js';

/** What `createRuntime({ classes })` says about one class. Numbers hold for one reactor. */
export interface ClassOptions {
  /** Band of the class, 0 low to 7 high. No other class has the same. */
  readonly priority: number;
  /** How many tasks it is meant to have: 0 to 10^6. Default 0. */
  readonly tasks?: number;
  /** How often it is polled in a round: 1 to 2^20. Default 1. It is the weight of the class if none is given. */
  readonly polls?: number;
  /** How long a step of it takes on average, in nanoseconds: 1 to 10^12. Without it no time can be predicted. */
  readonly averageNs?: number;
  /** True: a spawn beyond `tasks` throws ERR_PERCORE_CAPACITY. Default false: then only `capacity` reports it. */
  readonly isBounded?: boolean;
}

/** A class, complete. */
export interface DeclaredClass {
  readonly name: string;
  /** Its band. */
  readonly priority: number;
  /** Tasks that it may have in each reactor. */
  readonly tasks: number;
  /** Polls that each of them asks for in a round; its weight. */
  readonly polls: number;
  /** What a step should take, in nanoseconds. */
  readonly averageNs: number | undefined;
  /** One task more than declared is refused. */
  readonly isBounded: boolean;
}

const OPTIONS = ['priority', 'tasks', 'polls', 'averageNs', 'isBounded'];

/**
 * The classes by their names, the highest first. Throws ERR_PERCORE_INVALID_ARGUMENT for a wrong number, for a name
 * that could be mistaken for a band ('7', 'others'), and for two classes of one band.
 */
export function checkClasses(given: Readonly<Record<string, ClassOptions>> | undefined): readonly DeclaredClass[] {
  if (given === undefined) return [];
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidArgument('classes', given, 'an object such as { audio: { priority: 7 } }, or left out');
  }
  const classes = Object.entries(given).map(([name, options]) => checkClass(name, options));
  for (const [i, { name, priority }] of classes.entries()) {
    const other = classes.slice(0, i).find((one) => one.priority === priority);
    if (other === undefined) continue;
    throw invalidArgument(
      `classes.${name}.priority`, priority, `a band of its own: class "${other.name}" has this one`,
    );
  }
  return classes.toSorted((a, b) => b.priority - a.priority);
}

function checkClass(name: string, options: ClassOptions): DeclaredClass {
  const argument = `classes.${name}`;
  if (name === 'others' || /^\d*$/.test(name)) {
    throw invalidArgument('classes', name, 'named by words: numbers and "others" mean bands');
  }
  checkText('classes', name);
  if (options === undefined) throw invalidArgument(argument, options, 'an object with a priority');
  const { priority, tasks = 0, polls = 1, averageNs, isBounded = false } = checkOptions(argument, options, OPTIONS);
  return {
    name,
    priority: checkInteger(`${argument}.priority`, priority, 0, BANDS - 1),
    tasks: checkInteger(`${argument}.tasks`, tasks, 0, 1e6),
    polls: checkInteger(`${argument}.polls`, polls, 1, 2 ** 20),
    averageNs: averageNs === undefined ? undefined : checkAverage(`${argument}.averageNs`, averageNs),
    isBounded: checkBoolean(`${argument}.isBounded`, isBounded),
  };
}

function checkAverage(argument: string, value: unknown): number {
  if (typeof value === 'number' && value >= 1 && value <= 1e12) return value;
  throw invalidArgument(argument, value, 'a number from 1 to 1000000000000');
}

/** The band of the class of that name. Throws ERR_PERCORE_INVALID_ARGUMENT, which lists the existing classes. */
export function bandOfClass(classes: readonly DeclaredClass[], name: unknown): number {
  const found = classes.find((one) => one.name === name);
  if (found !== undefined) return found.priority;
  const known = classes.map((one) => `"${one.name}"`).join(', ');
  const allowed = known === '' ? 'left out: the runtime was made without the option classes' : `one of ${known}`;
  throw invalidArgument('class', name, allowed);
}

/** How many of `tasks` are in this band. */
export function countOfBand(tasks: Iterable<ReadyView>, band: number): number {
  let count = 0;
  for (const task of tasks) if (task.band === band) count++;
  return count;
}

/** Throws ERR_PERCORE_CAPACITY if `task` would be one more than its class has declared, and the class is bounded. */
export function checkAdmission(
  classes: readonly DeclaredClass[], task: ReadyView & { readonly name: string }, others: Iterable<ReadyView>,
): void {
  const declared = classes.find(({ isBounded, priority }) => isBounded && priority === task.band);
  if (declared === undefined || countOfBand(others, task.band) < declared.tasks) return;
  const { name, tasks } = declared;
  throw new PercoreError(
    'ERR_PERCORE_CAPACITY',
    `task "${task.name}" would be one more than class "${name}" may have: it declares ${tasks} tasks for each reactor, `
      + 'and isBounded. Declare more tasks, end one, or leave isBounded out',
    { argument: 'class', value: name, allowed: `${tasks} tasks` },
  );
}
