import { checkOptions, invalidArgument } from '../errors.js';
import {
  bandOfClass, countOfBand, faultsOfPlan, planCapacity, useOfClasses, type BandFigures, type CapacityPlan,
  type ClassUse, type DeclaredClass,
} from '../scheduling/internal.js';
import { partyIn, type Reactor } from './reactor.js';
import { controllerIn, type Runtime } from './runtime.js';
import { figuresOf } from './status.js';

/** What the classes of one reactor, or of the main thread, really use. */
export interface PartyUse extends BandFigures {
  /** The party: the main thread comes after the last reactor. */
  readonly id: number;
  /** When these figures were read, nanoseconds since the runtime's start. */
  readonly atNs: number;
  /** From when on this counts: 0, or `atNs` of the earlier report. */
  readonly sinceNs: number;
  /** What each class has used. */
  readonly classes: readonly ClassUse[];
  /** Time in turns that no class has used: other bands, promises, and the turn's own work. */
  readonly otherNs: number;
  /** Garbage collections of the thread. */
  readonly collectorNs: number;
  /** Time inside turns, in nanoseconds. */
  readonly busyNs: number;
}

/** What `capacity` returns. */
export interface CapacityReport extends CapacityPlan {
  /** 'fits', or 'exceeds' for the reasons in `why`. */
  readonly verdict: 'fits' | 'exceeds';
  /** What does not fit, in sentences; empty where all does. */
  readonly why: readonly string[];
  /** What is really used: for a runtime, by each of its reactors; for a reactor, by itself. */
  readonly parties: readonly PartyUse[];
}

/** A measured average that is this much above the declared one is a reason. */
const TOLERATED = 1.1;
const REPORT = [
  'workload', 'time', 'capacity', 'total', 'roundNs', 'classes', 'verdict', 'why', 'parties',
] as const satisfies readonly (keyof CapacityReport)[];
/** Fewer steps say nothing about an average. */
const ENOUGH_STEPS = 100;

/**
 * Whether what the classes have declared fits, and what they really use. `workload` is the number of tasks of all
 * classes, `time` the polls of a round, `capacity` the polls that all tasks ask for, and `total` the available polls
 * (`time` squared). The verdict is 'exceeds' if `capacity` is more than `total`, if a class has more tasks than it
 * declares, or if its steps take a tenth more than declared. With `since`, an earlier report, the use is that of the
 * time between the two.
 *
 *     const runtime = await createRuntime({ entry, classes: {
 *       audio: { priority: 7, tasks: 9, polls: 10, averageNs: 5_000 }, bulk: { priority: 1, tasks: 11 },
 *     } });
 *     const { verdict, why, parties } = capacity(runtime);
 *     console.log(verdict, why, parties[0]?.classes[0]?.measuredNs);
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT if `of` is neither a reactor nor a runtime. Reads shared memory and disturbs
 * nobody; allocates. Only its own thread knows how many tasks a class has.
 */
export function capacity(of: Reactor | Runtime, since?: CapacityReport): CapacityReport {
  const controller = controllerIn(of);
  const party = partyIn(of) ?? controller?.main;
  if (party === undefined) throw invalidArgument('of', of, 'a reactor, or a runtime');
  const { classes } = party.turn;
  const ids = controller === undefined ? [party.id] : controller.members.map(({ id }) => id);
  const plan = planCapacity(classes);
  const before = partiesOf(since);
  const parties = ids.map((id) => {
    const earlier = before.find((one) => one.id === id);
    const use = useOf(id, classes, figuresOf(party.shared, id), party.nowNs(), earlier);
    if (id !== party.id) return use;
    const tasks = [...party.dispatcher.tasks.values()];
    return {
      ...use,
      classes: use.classes.map((one) => ({ ...one, spawned: countOfBand(tasks, one.priority) })),
    };
  });
  const why = [...faultsOfPlan(plan), ...parties.flatMap((use) => faultsOfUse(plan, use))];
  return { ...plan, verdict: why.length === 0 ? 'fits' : 'exceeds', why, parties };
}

/** The figures of an earlier report. */
function partiesOf(since: CapacityReport | undefined): readonly PartyUse[] {
  if (since === undefined) return [];
  const { parties } = checkOptions('since', since, REPORT);
  if (!Array.isArray(parties)) throw invalidArgument('since', since, 'what capacity has returned before, or left out');
  return parties as readonly PartyUse[];
}

/**
 * The priority of a class, for whatever takes a priority: `timers.after({ priority: priorityOf(reactor, 'audio') })`.
 * Throws ERR_PERCORE_INVALID_ARGUMENT for a name that `createRuntime({ classes })` does not have.
 */
export function priorityOf(of: Reactor | Runtime, name: string): number {
  const party = partyIn(of) ?? controllerIn(of)?.main;
  if (party === undefined) throw invalidArgument('of', of, 'a reactor, or a runtime');
  return bandOfClass(party.turn.classes, name);
}

type Figures = BandFigures & { readonly busyNs: number; readonly collectorNs: number };

function useOf(
  id: number, classes: readonly DeclaredClass[], now: Figures, atNs: number, earlier: PartyUse | undefined,
): PartyUse {
  const { steps, stepNs, collectedNs, busyNs, collectorNs } = now;
  const less = (given: readonly number[], before: readonly number[] | undefined): number[] =>
    given.map((value, band) => value - (before?.[band] ?? 0));
  const sinceNs = earlier?.atNs ?? 0;
  const figures = {
    steps: less(steps, earlier?.steps), stepNs: less(stepNs, earlier?.stepNs),
    collectedNs: less(collectedNs, earlier?.collectedNs),
  };
  const uses = useOfClasses(classes, figures, atNs - sinceNs);
  const spent = busyNs - (earlier?.busyNs ?? 0);
  return {
    id, atNs, sinceNs, steps, stepNs, collectedNs, busyNs, collectorNs,
    classes: uses,
    otherNs: Math.max(0, spent - uses.reduce((sum, one) => sum + one.busyNs, 0)),
  };
}

function faultsOfUse({ classes }: CapacityPlan, use: PartyUse): string[] {
  return use.classes.flatMap(({ name, spawned = 0, steps, measuredNs, averageNs }) => {
    const { tasks } = classes.find((one) => one.name === name)!;
    const where = `class "${name}" of party ${use.id}`;
    return [
      ...(tasks > 0 && spawned > tasks ? [`${where} has ${spawned} tasks and declares ${tasks}`] : []),
      ...(averageNs !== undefined && steps >= ENOUGH_STEPS && measuredNs > averageNs * TOLERATED
        ? [`${where} takes ${Math.round(measuredNs)} ns a step and declares ${averageNs}`] : []),
    ];
  });
}
