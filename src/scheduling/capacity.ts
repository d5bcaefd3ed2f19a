/**
 * Whether what the classes have declared fits: the admission test of polled classes. In a round each class is polled
 * `polls` times, and each poll runs a step of one of its tasks.
 *
 *      workload  tasks of all classes                              9 + 18 + 10 + 11             =  48
 *      time      polls of a round                                 10 +  6 +  3 +  1             =  20
 *      capacity  polls that are asked for: tasks x polls           9x10 + 18x6 + 10x3 + 11x1    = 239
 *      total     polls that there are: each of the round's, in each of as many rounds  20 x 20  = 400
 *
 * It fits while the capacity is no more than the total. With average times it also follows how long a round takes and
 * how long at most a task waits for its next poll. Source: the four streams of "The Kernel", whose numbers these are.
 */
import type { DeclaredClass } from './classes.js';

/** One class of a plan. */
export interface ClassPlan extends DeclaredClass {
  /** `tasks` x `polls`. */
  readonly capacity: number;
  /** Its part of a round's time, 0 to 1. Undefined unless every class says what a step takes. */
  readonly share: number | undefined;
  /** Longest time from one poll of a task to its next, nanoseconds, if all are always ready. Undefined as above. */
  readonly everyNs: number | undefined;
}

export interface CapacityPlan {
  /** Tasks of all classes together. */
  readonly workload: number;
  /** Polls of a round. */
  readonly time: number;
  /** Polls that all tasks ask for: tasks times polls, over the classes. */
  readonly capacity: number;
  /** Polls that there are: the square of `time`. */
  readonly total: number;
  /** What a round takes, nanoseconds. Undefined unless every class says what a step takes. */
  readonly roundNs: number | undefined;
  /** What is planned of each class. */
  readonly classes: readonly ClassPlan[];
}

/** The numbers of these classes. Plain arithmetic. */
export function planCapacity(classes: readonly DeclaredClass[]): CapacityPlan {
  const sum = (of: (one: DeclaredClass) => number): number => classes.reduce((total, one) => total + of(one), 0);
  const time = sum(({ polls }) => polls);
  const isTimed = classes.length > 0 && classes.every(({ averageNs }) => averageNs !== undefined);
  const roundNs = isTimed ? sum(({ polls, averageNs }) => polls * averageNs!) : undefined;
  return {
    workload: sum(({ tasks }) => tasks),
    time,
    capacity: sum(({ tasks, polls }) => tasks * polls),
    total: time * time,
    roundNs,
    classes: classes.map((one) => ({
      ...one,
      capacity: one.tasks * one.polls,
      share: roundNs === undefined ? undefined : (one.polls * one.averageNs!) / roundNs,
      everyNs: roundNs === undefined ? undefined : Math.ceil(one.tasks / one.polls) * roundNs,
    })),
  };
}

/** What is wrong with a plan; empty when it fits. */
export function faultsOfPlan({ capacity, total }: CapacityPlan): string[] {
  return capacity > total ? [`the classes ask for ${capacity} polls, and there are ${total}`] : [];
}

/** What one class really uses in one party. */
export interface ClassUse {
  /** The name of the class. */
  readonly name: string;
  /** Its band. */
  readonly priority: number;
  /** How many tasks it has now. Only the party itself knows; undefined in what another thread reports about it. */
  readonly spawned: number | undefined;
  /** Steps that were run. */
  readonly steps: number;
  /** Time in its quanta, without collections, in nanoseconds. */
  readonly busyNs: number;
  /** What a step took, without collections, in nanoseconds; 0 before the first. */
  readonly measuredNs: number;
  /** What a step should take, as declared, in nanoseconds. */
  readonly averageNs: number | undefined;
  /** Its part of the time of all classes and bands, 0 to 1, beside `share` of the plan. */
  readonly share: number;
  /** Its part of the clock's time, 0 to 1. */
  readonly utilisation: number;
}

/** The figures of a party by band, as in its status. Those of an earlier moment may be subtracted. */
export interface BandFigures {
  readonly steps: readonly number[];
  readonly stepNs: readonly number[];
  readonly collectedNs: readonly number[];
}

/** What each class has used in `elapsedNs`. */
export function useOfClasses(
  classes: readonly DeclaredClass[], { steps, stepNs, collectedNs }: BandFigures, elapsedNs: number,
): ClassUse[] {
  const netNs = stepNs.map((ns, band) => Math.max(0, ns - collectedNs[band]!));
  const allNs = netNs.reduce((sum, ns) => sum + ns, 0);
  return classes.map(({ name, priority, averageNs }) => {
    const busyNs = netNs[priority]!;
    const count = steps[priority]!;
    return {
      name, priority, spawned: undefined, steps: count, busyNs,
      measuredNs: count === 0 ? 0 : busyNs / count,
      averageNs,
      share: allNs === 0 ? 0 : busyNs / allNs,
      utilisation: elapsedNs <= 0 ? 0 : busyNs / elapsedNs,
    };
  });
}
