/** What an app reports about itself: what the system has granted to its levels, and what happened to its resources. */
import { appCoreLayout, appLevelLayout, partyLayout } from '../layout.js';
import { native } from '../native.js';
import type { ReactorStatus, Runtime } from '../reactor/index.js';
import { partyCounters, partyOf } from '../reactor/internal.js';
import { fifo } from '../realtime/index.js';
import { explainRefusal } from '../realtime/internal.js';
import { DEAD } from './core-turns.js';
import type { AppData } from './implement.js';
import type { Plan } from './plan.js';
import { repairableLock } from './resource-lock.js';

/** What `RunningApp.status` says. */
export interface AppStatus {
  /** Each core of the declaration, in its order. */
  readonly cores: readonly {
    readonly cpu: number;
    /** Whether its higher levels preempt its lower ones; otherwise they take turns. True for a core with one level. */
    readonly isPreemptive: boolean;
    /** Why they do not; or why a level does not have the priority that it asked for. */
    readonly why?: string;
    /** Other cores of the declaration that have the same CPU: theirs and these share it by their priorities. */
    readonly sharedWith?: readonly number[];
    /** Why a level may wait for threads of ordinary priority in spite of its own; undefined if it does not. */
    readonly mayWait?: string;
  }[];
  /** Each level, the reactors in their order. */
  readonly levels: readonly LevelStatus[];
  /** What the main thread was refused, by `spawn` and `schedule` of this object. */
  readonly main: RefusedMessages;
  /** Each resource of the declaration, in its order. */
  readonly resources: readonly {
    readonly name: string;
    /** How often a level has died while it held the resource. */
    readonly left: number;
  }[];
}

/** Messages that were spawned or scheduled and not taken. */
export interface RefusedMessages {
  /** All of them. */
  readonly refused: number;
  /** Those that were answered CLOSED: their level has died, or the app was being closed. */
  readonly closed: number;
}

/** One level of an app. */
export interface LevelStatus extends RefusedMessages {
  /** The number of the reactor that the level is. */
  readonly reactor: number;
  /** The number of its core in the declaration. */
  readonly core: number;
  /** As declared; 0 for idle. */
  readonly priority: number;
  /** The tasks that run here. */
  readonly tasks: readonly string[];
  /** The SCHED_FIFO priority that was asked for; 0 for none. */
  readonly fifoAsked: number;
  /**
   * The SCHED_FIFO priority that its thread has now, as the kernel says; 0 for none, and once it has ended. While it
   * holds a resource that a level above waits for, this is the priority of the ceiling.
   */
  readonly fifoGranted: number;
  /** The CPUs on which it runs. */
  readonly cpus: readonly number[];
  /**
   * Its thread has ended before the app was closed. It is not started again, and what is sent to its tasks is answered
   * CLOSED.
   */
  readonly isDead: boolean;
  /**
   * The part of its time that it leaves to ordinary threads if it always has something to do: see
   * `StartAppOptions.restShare`. 0 for a level that was granted no real-time priority, and once its thread has ended.
   */
  readonly restShare: number;
  /** How long it has rested for that reason, in ms. What it sleeps for lack of work is not counted. */
  readonly restedMs: number;
  /** How often the system refused to raise or lower it for a lock, after it had granted its priority. */
  readonly notRaised: number;
}

/** The first Node whose scavenges wait for other threads in spite of --single-threaded; 24 does not do so. */
const FIRST_THAT_WAITS = 26;
const RESTED_NS = partyLayout.fields.restedNs.at >> 3;
const TAKES_TURNS = appCoreLayout.fields.takesTurns.at >> 2;
const {
  granted: GRANTED, refused: REFUSED, closed: CLOSED, isBusy: IS_BUSY, notRaised: NOT_RAISED,
} = appLevelLayout.fields;

/** Whether a level runs on the CPU of its core, and nowhere else. */
export const isPinned = ({ cpuGranted }: Pick<ReactorStatus, 'cpuGranted'>, cpu: number): boolean =>
  cpuGranted.length === 1 && cpuGranted[0] === cpu;

export function appStatus(
  plan: Plan, { memory, cpus, lowest, isPreemptive, restShare }: AppData, runtime: Runtime, main: RefusedMessages,
): AppStatus {
  const reactors = runtime.status().reactors;
  const { shared } = partyOf(runtime).peers;
  const words = plan.levels.map(({ id }) => new Int32Array(memory, plan.levelAt(id), appLevelLayout.bytes >> 2));
  const levels = plan.levels.map(({ id, core, rank, priority, tasks }): LevelStatus => {
    const of = words[id]!;
    const takesTurns = Atomics.load(new Int32Array(memory, plan.coreAt(core), 1), TAKES_TURNS) === 1;
    const { cpuGranted, policy: { granted } } = reactors[id]!;
    const isDead = Atomics.load(of, IS_BUSY.at >> 2) === DEAD;
    const mayRest = !takesTurns && !isDead && Atomics.load(of, GRANTED.at >> 2) > 0;
    return {
      reactor: id, core, priority, tasks, fifoAsked: rank === 0 || !isPreemptive ? 0 : lowest + rank - 1,
      fifoGranted: granted?.kind === 'fifo' ? granted.priority : 0, cpus: cpuGranted,
      // Statistics.
      refused: Atomics.load(of, REFUSED.at >> 2), closed: Atomics.load(of, CLOSED.at >> 2),
      isDead,
      restShare: mayRest ? restShare : 0, restedMs: (partyCounters(shared.inboxes[id]!)[RESTED_NS] ?? 0) / 1e6,
      notRaised: Atomics.load(of, NOT_RAISED.at >> 2),
    };
  });
  return {
    cores: cpus.map((cpu, core) => {
      const others = [...cpus.keys()].filter((other) => other !== core && cpus[other] === cpu);
      return { cpu, ...ofCore(core), ...(others.length === 0 ? {} : { sharedWith: others }) };
    }),
    levels,
    main,
    resources: plan.resources.map(({ index, name }) => ({ name, left: repairableLock(plan, memory, index).leftCount })),
  };

  function ofCore(core: number): { isPreemptive: boolean; why?: string; mayWait?: string } {
    // As above.
    const takesTurns = Atomics.load(new Int32Array(memory, plan.coreAt(core), 1), TAKES_TURNS) === 1;
    const here = plan.levels.filter((level) => level.core === core);
    const refusal = here.map(({ id }) => Atomics.load(words[id]!, GRANTED.at >> 2)).find((code) => code < 0);
    const why = refusal === undefined ? {} : { why: whyNot(refusal) };
    // A thread that has ended has no policy.
    const living = here.filter(({ id }) => reactors[id]!.policy.granted !== undefined).map(({ id }) => levels[id]!);
    const lost = takesTurns ? undefined : whyLost(living);
    if (lost !== undefined) return { isPreemptive: here.length === 1, why: lost };
    if (!takesTurns) {
      const mayWait = here.length > 1 ? whyWaits() : undefined;
      return { isPreemptive: true, ...why, ...(mayWait === undefined ? {} : { mayWait }) };
    }
    if (!isPreemptive) return { isPreemptive: false, why: 'it was not asked for (isPreemptive: false)' };
    const loose = refusal === undefined ? here.find(({ id }) => !isPinned(reactors[id]!, cpus[core]!)) : undefined;
    if (loose !== undefined) {
      return { isPreemptive: false, why: `level ${loose.id} could not be pinned to CPU ${cpus[core]}` };
    }
    return { isPreemptive: false, why: whyNot(refusal) };
  }
}

/** Why those of a core that were granted what they asked for no longer preempt each other; undefined if they do. */
function whyLost(levels: readonly LevelStatus[]): string | undefined {
  // One that holds a resource may have the priority of its ceiling, which is more.
  const changed = levels.find(({ fifoAsked, fifoGranted }) => fifoGranted < fifoAsked);
  if (changed === undefined) return undefined;
  const { reactor, fifoAsked } = changed;
  return `level ${reactor} does not have SCHED_FIFO ${fifoAsked} any more: somebody has changed its policy`;
}

/**
 * V8 shares the work of a collection with threads that serve the whole process, and compiles in them. They have no
 * real-time priority, so a level that hands work to one which was preempted waits for it. Setting the flag in a running
 * process ends Node 24 and does nothing in Node 26, so it has to be on the command line. --single-threaded-gc is not
 * enough: a collection also waits until a thread that compiles has come to a halt.
 */
function whyWaits(): string | undefined {
  if (process.execArgv.some((flag) => /^--single[-_]threaded$/.test(flag))) {
    return Number(process.versions.node.split('.')[0]) < FIRST_THAT_WAITS ? undefined
      : 'V8 of this Node collects garbage with threads of ordinary priority even with --single-threaded';
  }
  return 'V8 collects garbage and compiles with threads of ordinary priority, for which a level waits now and then; '
    + 'start Node with --single-threaded';
}

function whyNot(refusal: number | undefined): string {
  if (refusal === undefined) return 'the system granted other priorities than those asked for';
  const errno = native().system.errorName(-refusal);
  // The highest priority, so that what it takes is enough for every level.
  const { cause, fix } = explainRefusal(fifo(99), errno);
  return `SCHED_FIFO: ${errno}, ${cause}; to have it: ${fix}`;
}
