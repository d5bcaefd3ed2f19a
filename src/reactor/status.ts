/**
 * What `runtime.status()` shows: what was asked for, what was granted, why not, and the figures of each party. The
 * figures are read from shared memory, so nobody is asked and nobody is stopped; their names and meanings are those of
 * the tables (`partyLayout`, `ioCountersLayout` and `timerCountersLayout` in layout.ts).
 */
import type { Capabilities } from '../capabilities.js';
import { listFigures, readFigures, type Figure, type FiguresOf } from '../figures.js';
import {
  LANES_PER_PEER, LINE_BYTES, ioCountersLayout, partyLayout, queueLayout, placeLayout, timerCountersLayout, words,
  FIRST_PLACE_BYTES,
} from '../layout.js';
import type { CpuBudget, Policy } from '../realtime/index.js';
import { policyOfThread, showRefusal, type Grants } from '../realtime/internal.js';
import type { DeclaredClass, DisciplineInForce } from '../scheduling/index.js';
import { idleName, type IdleStrategy } from './idle-strategy.js';
import type { MachineStatus } from './machine-status.js';
import type { MemoryStatus } from './memory-options.js';
import type { PolicyGrant } from './policy-grant.js';
import type { StallStatus } from './stalls.js';
import { laneAt, partyCounters, partyWords, type SharedRuntime } from './shared.js';

/** Records that others have sent to a party and that it has not taken yet. */
export interface LaneBacklog {
  /** Lanes that were ever used: one for each sender and band, with answers counted apart. */
  readonly count: number;
  /** Records that wait in them. */
  readonly backlog: number;
  /** Their bytes. */
  readonly backlogBytes: number;
}

/** Why something that a party sent was not taken, or something sent to it reached nobody. */
export type RefusalReasons = PartyFigures['refusedByReason'];
export type DropReasons = PartyFigures['droppedByReason'];
/** The streams and listeners of one thread. */
export type IoFigures = FiguresOf<typeof ioCountersLayout.fields>['io'];
/** The timers of one thread, including the deadlines of calls and connections. */
export type TimerFigures = FiguresOf<typeof timerCountersLayout.fields>['timers'];

type PartyFigures = FiguresOf<typeof partyLayout.fields>;

/** What the quanta of one class have run: entries of `steps`, `stepNs` and `collectedNs` by name. */
export interface ClassFigures {
  /** The band of the class. */
  readonly priority: number;
  /** Steps that were run. */
  readonly steps: number;
  /** Time of its quanta, in nanoseconds. */
  readonly stepNs: number;
  /** The part of that which was garbage collection. */
  readonly collectedNs: number;
}

/** How a party selects, and the names of its bands. */
interface SchedulingStatus {
  readonly discipline: DisciplineInForce;
  /** By the names of `createRuntime({ classes })`. */
  readonly classes: { readonly [name: string]: ClassFigures };
}

/** The figures of the main thread, which sends, calls and answers as a party of its own. */
export interface MainStatus extends PartyFigures, SchedulingStatus {
  /** What it has received and sent. */
  readonly io: IoFigures;
  /** What its timers have done. */
  readonly timers: TimerFigures;
  /** What waits in the lanes to it. */
  readonly lanes: LaneBacklog;
}

export interface ReactorStatus extends PartyFigures, SchedulingStatus {
  /** Its number, from 0. */
  readonly id: number;
  /**
   * 'left': it ended when the runtime was closed; 'dead': it ended in any other way; 'restarting': it did, and is being
   * started again; 'drained': it runs, and takes no new work until `runtime.resume`.
   */
  readonly state: 'starting' | 'ready' | 'draining' | 'quiet' | 'left' | 'dead' | 'restarting' | 'drained';
  /** How many of its threads have died: 0 if none ever died, also where another reactor had its place before. */
  readonly generation: number;
  /** How often it was ready again after a death. */
  readonly restarts: number;
  /** The CPU that `pin` gives it; undefined for none. */
  readonly cpuAsked: number | undefined;
  /** The CPUs that it may run on, as the kernel says. */
  readonly cpuGranted: readonly number[];
  /** How late the kernel may end its sleeps, in nanoseconds; undefined where it cannot be read. */
  readonly timerSlackNs: number | undefined;
  /** The policy that was asked for its thread, and the one that it has now, according to the kernel. */
  readonly policy: { readonly asked: Policy | undefined; readonly granted: Policy | undefined };
  /** Node's number of its thread, as `inspect` and `recover` of queues know it; also after its death. */
  readonly threadId: number;
  /** The kernel's number of its thread, for /proc, `taskset` and `chrt`. */
  readonly tid: number | undefined;
  /**
   * Source of I/O, 'epoll' or 'io_uring', and what it has carried. It is granted once the reactor is ready. For 'auto',
   * `decision` says why it is that one.
   */
  readonly io: IoFigures & {
    readonly asked: string | undefined; readonly granted: string | undefined; readonly decision: string | undefined;
  };
  /** What its timers have done. */
  readonly timers: TimerFigures;
  /** What waits in the lanes to it. */
  readonly lanes: LaneBacklog;
  /** Device interrupts that go to its CPU and take it from the reactor; as of the first call of `status()`. */
  readonly interrupts: readonly string[];
  /** Why something that was asked for was not granted. */
  readonly refusals: readonly string[];
  /** How it idles now: 'park' if it may not spin, whatever was asked for. */
  readonly idle: {
    readonly strategy: IdleStrategy;
    readonly spinNs: number;
    readonly ioIntervalNs: number;
    readonly gatherNs: number;
  };
  /** What code in this reactor has posted by parentPort: the runtime's event 'message'. */
  readonly messages: number;
}

export interface RuntimeStatus {
  /** What is native, what stands in, what is missing, and why: see `capabilities()`. */
  readonly capabilities: Capabilities;
  /** What was found of mask and quota. */
  readonly cpus: CpuBudget;
  /** What the machine grants, as of the first call. */
  readonly machine: MachineStatus;
  /** What was asked of memory, and granted. */
  readonly memory: MemoryStatus;
  /**
   * The rule that was last chosen for all. Which one each party uses now, also after a change of its own or after a
   * fault, is in `reactors[id].discipline` and `main.discipline`.
   */
  readonly discipline: DisciplineInForce;
  /** What `createRuntime` was given. */
  readonly reactorsAsked: number | 'auto';
  /**
   * What was decided because the program has not, and why: the number of reactors, how they idle, the source of I/O.
   */
  readonly decisions: readonly string[];
  /** Each reactor, by its number. */
  readonly reactors: readonly ReactorStatus[];
  /** The main thread. */
  readonly main: MainStatus;
  /** The watch for stalls; undefined if none was asked for. */
  readonly stall: StallStatus | undefined;
  /** Bytes of shared address space; lanes that were never used take no memory. */
  readonly sharedBytes: number;
  /** The version of Node. */
  readonly node: string;
}

const PHASES = Object.entries(words.phase).map(([name]) => name.toLowerCase()) as ReactorStatus['state'][];

/** Name, unit and meaning of each figure that a party has in a status, for exporters. */
export const partyFigures: readonly Figure[] = [
  ...listFigures(partyLayout.fields), ...listFigures(ioCountersLayout.fields, partyLayout.fields.io.at),
  ...listFigures(timerCountersLayout.fields, partyLayout.fields.timers.at),
];

/** What the main thread knows about a reactor besides its shared words. */
export interface KnownOfReactor {
  readonly isDead: boolean;
  /** It takes no new work. */
  readonly isDrained: boolean;
  /** It has died, and is not ready again. */
  readonly isRestarting: boolean;
  readonly generation: number;
  readonly restarts: number;
  readonly grants: Grants | undefined;
  readonly policy: PolicyGrant | undefined;
  readonly messages: number;
  readonly threadId: number;
  readonly whyNoSpin: string | undefined;
  readonly pinRefusal: string | undefined;
  readonly scheduling: KnownOfScheduling;
}

/** What the main thread knows of how a party selects. */
export interface KnownOfScheduling {
  readonly discipline: DisciplineInForce;
  readonly classes: readonly DeclaredClass[];
}

/** All of it, except what requires looking at the machine. */
export function reactorStatus(
  shared: SharedRuntime, id: number, known: KnownOfReactor,
): Omit<ReactorStatus, 'interrupts'> {
  const {
    isDead, isDrained, isRestarting, generation, restarts, grants, policy, messages, threadId, whyNoSpin, pinRefusal,
    scheduling,
  } = known;
  const io = grants?.io;
  const party = partyWords(shared.inboxes[id]!);
  const figures = figuresOfParty(shared, id, isDead, scheduling);
  const { phase: phaseField, idleStrategy, spinNs, ioIntervalNs, gatherNs } = partyLayout.fields;
  // Pairs with setPhase(); the settings below pair with setIdleStrategy(). Any recent value is right.
  const word = (at: number) => Atomics.load(party, at >> 2);
  const phase = word(phaseField.at);
  const asked = idleName(word(idleStrategy.at));
  // Its last word says whether it left as it was told.
  const hasDied = isDead && phase !== words.phase.LEFT;
  const isHeldBack = whyNoSpin !== undefined && asked !== 'park';
  const refusals = [...(grants?.refusals ?? [])];
  if (pinRefusal !== undefined) refusals.push(pinRefusal);
  if (policy?.refusal !== undefined) refusals.push(showRefusal(policy.asked, policy.refusal));
  if (isHeldBack) {
    refusals.push(`idle '${asked}': ${whyNoSpin}, where a spin would only delay what it waits for; it parks`);
  }
  return {
    id,
    state: isRestarting ? 'restarting' : hasDied ? 'dead'
      : isDrained && phase === words.phase.READY ? 'drained' : PHASES[phase]!,
    generation,
    restarts,
    cpuAsked: grants?.cpuAsked,
    cpuGranted: grants?.cpuGranted ?? [],
    timerSlackNs: grants?.timerSlackNs,
    policy: {
      asked: policy?.asked,
      // The number of an ended thread may be another's by now.
      granted: isDead || grants === undefined ? undefined : policyOfThread(grants.tid),
    },
    threadId,
    tid: grants?.tid,
    refusals,
    idle: {
      strategy: isHeldBack ? 'park' : asked, spinNs: word(spinNs.at), ioIntervalNs: word(ioIntervalNs.at),
      gatherNs: word(gatherNs.at),
    },
    ...figures,
    io: { asked: io?.asked, granted: io?.granted, decision: io?.decision, ...figures.io },
    messages,
  };
}

/** The main thread's party comes after the last reactor. */
export function mainStatus(shared: SharedRuntime, scheduling: KnownOfScheduling): MainStatus {
  return figuresOfParty(shared, shared.reactors, false, scheduling);
}

/** The figures of a party that belong to no group. */
export function figuresOf(shared: SharedRuntime, id: number): PartyFigures {
  return readFigures(partyLayout.fields, partyCounters(shared.inboxes[id]!));
}

/** `isOver`: its thread has ended. */
function figuresOfParty(
  shared: SharedRuntime, id: number, isOver: boolean, { discipline, classes }: KnownOfScheduling,
): MainStatus {
  const counters = partyCounters(shared.inboxes[id]!);
  const { io, timers } = partyLayout.fields;
  const figures = readFigures(partyLayout.fields, counters, 0, isOver);
  return {
    ...figures,
    discipline: structuredClone(discipline),
    classes: Object.fromEntries(classes.map(({ name, priority }) => [name, {
      priority, steps: figures.steps[priority]!, stepNs: figures.stepNs[priority]!,
      collectedNs: figures.collectedNs[priority]!,
    }])),
    ...readFigures(ioCountersLayout.fields, counters, io.at, isOver),
    ...readFigures(timerCountersLayout.fields, counters, timers.at, isOver),
    lanes: laneBacklog(shared, id),
  };
}

/** Asks the lanes themselves: both ends keep their cursors and counts in the header of each. */
function laneBacklog(shared: SharedRuntime, id: number): LaneBacklog {
  const inbox = shared.inboxes[id]!;
  const { producerCursor, consumerCursor, published } = queueLayout.fields;
  const consumedAt = FIRST_PLACE_BYTES + placeLayout.fields.consumed.at;
  let count = 0;
  let backlog = 0;
  let backlogBytes = 0;
  for (let from = 0; from <= shared.reactors; from++) {
    const [madeBy] = new Int32Array(inbox, partyLayout.bytes + from * LINE_BYTES, 1) as unknown as [number];
    for (let lane = 0; lane < LANES_PER_PEER; lane++) {
      if ((madeBy & (1 << lane)) === 0) continue;
      const at = laneAt(shared, from, lane);
      const cells = new Int32Array(inbox, at, queueLayout.bytes >> 2);
      const numbers = new Float64Array(inbox, at, queueLayout.bytes >> 3);
      count++;
      // Statistics: the consumer's cursor first, so that what is taken meanwhile cannot make the difference negative.
      const consumed = numbers[consumedAt >> 3]!;
      // Pairs with the stores of both ends of the ring: any recent value is right.
      const released = Atomics.load(cells, consumerCursor.at >> 2);
      backlog += Math.max(0, numbers[published.at >> 3]! - consumed);
      backlogBytes += (Atomics.load(cells, producerCursor.at >> 2) - released) | 0;
    }
  }
  return { count, backlog, backlogBytes };
}
