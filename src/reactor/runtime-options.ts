/** The options of createRuntime: their meaning, and what is checked before anything is opened. */
import type { ResourceLimits } from 'node:worker_threads';
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import type { AskedIoSource } from '../io/index.js';
import { chooseSource, type SourceChoice } from '../io/internal.js';
import { MAX_REACTORS, words } from '../layout.js';
import { cpuBudget, type CpuBudget, type Policy } from '../realtime/index.js';
import {
  checkClasses, checkDiscipline, type ClassOptions, type DeclaredClass, type DisciplineChoice, type DisciplineOptions,
} from '../scheduling/internal.js';
import { defaultStrategy, explainDecisions } from './decisions.js';
import { checkEntry } from './entry.js';
import { checkIdleOptions, idleSettings, type IdleOptions } from './idle-strategy.js';
import { checkMemory, type MemoryOptions } from './memory-options.js';
import { checkRestart, type RestartOptions } from './restart-policy.js';
import type { PartySettings } from './shared.js';
import { checkStall, type StallOptions } from './stalls.js';
import { checkPins, checkPolicies, type PinOption, type Pins, type PolicyOption } from './thread-options.js';
import type { Budget, PublishEvery } from './turn.js';

/** `R` is the runtime that `main` gets. */
export interface OptionsFor<R> {
  /**
   * Module whose default export runs once in every reactor, ES or CommonJS: a file URL, also as text, or an absolute
   * path.
   */
  entry: URL | string;
  /** 1 to 255, or 'auto' (default): the CPUs of the affinity mask, bounded by the cgroup's quota. */
  reactors?: number | 'auto';
  /**
   * The most reactors that `runtime.scale` may be asked for, from `reactors` to 255; default: no more than `reactors`.
   * Each takes address space at once (16 lanes of `laneBytes` for each pair of reactors) and memory when it is used.
   */
  maxReactors?: number;
  /**
   * Pins each reactor to a CPU of the affinity mask, in turn (true, the default), or not at all (false); or by the
   * topology: 'pack' (neighbours, which share caches), 'spread' (as far apart as there is room), 'isolated' (isolated
   * CPUs first); or to the CPUs of a list, one for each reactor there may be, of which several may be the same. What a
   * reactor starts, a child process or a worker, is not pinned with it. A CPU that is not granted is in
   * `status().reactors[id].refusals`; for a CPU of a list there is also a warning.
   */
  pin?: PinOption;
  /**
   * The policy by which the system schedules each reactor's thread, once its entry has run: `fifo(1 to 99)`,
   * `roundRobin(1 to 99)`, `deadline({ … })` or `other({ nice })` of `percore/realtime`, for all, or a list with one
   * (or undefined) for each reactor there may be. If it is left out: as the main thread's. A refusal is in
   * `status().reactors[id].refusals`, with its cause and its fix, and there is a warning. `setPolicy` changes it.
   */
  policy?: PolicyOption;
  /** What happens to memory before it is needed: locked, touched, huge pages. Nothing by default. */
  memory?: MemoryOptions;
  /** Passed to the entry as its second argument. It is a structured clone, so SharedArrayBuffers are shared. */
  data?: unknown;
  /** Bytes of each lane: a power of two, 4 KiB to 2^26. Default 256 KiB; the longest message is a little under half. */
  laneBytes?: number;
  /**
   * How reactors idle. Default 'adaptive' with spins of 50 µs; 'park' under a fractional cgroup quota. A reactor never
   * spins, whatever you ask for, if another reactor (or, with only one CPU, the main thread) needs its CPU as well, or
   * if the cgroup's quota leaves nothing for the main thread: `refusals` says so.
   */
  idle?: IdleOptions;
  /**
   * What bounds one turn. `quanta` (one task or lane each, up to 16 steps): 1 to 10^6, default 64. `timeNs`: 1,000 to
   * 10^9, default 20,000.
   */
  budget?: { quanta?: number; timeNs?: number };
  /**
   * What bounds lazy publishing inside a step. `records`: 1 to 2^20, default 64. `timeNs`: 1,000 to 10^9, default
   * 20,000.
   */
  publishEvery?: { records?: number; timeNs?: number };
  /**
   * The rule that selects what runs next, in every reactor and on the main thread: 'strict' (default), 'roundRobin',
   * 'weighted', 'shares', 'deadline', or one of these with its numbers; see DisciplineOptions. `setDiscipline`
   * changes it.
   */
  discipline?: DisciplineChoice;
  /**
   * Names for bands, with what each reactor is meant to do in them: `{ audio: { priority: 7, tasks: 4 } }`. Tasks and
   * disciplines may use the names; `status()` and `capacity()` show what each class uses. See ClassOptions. Costs one
   * reading of the clock for each turn.
   */
  classes?: Readonly<Record<string, ClassOptions>>;
  /**
   * 'manual', for tests: each reactor's `timers` follow a ManualClock, `reactor.clock`, which stands still until the
   * entry moves it. Time-outs of calls and connections stay real.
   */
  clock?: 'manual';
  /**
   * Where sockets' readiness and bytes come from: 'auto' (default) decides by what a system call costs here, and
   * `status().decisions` says how; 'epoll'; or 'io_uring' (it needs Linux 6.1 and permission; if it is refused epoll
   * stands in, and `status()` says why). See docs/guide/io.md.
   */
  io?: { source: AskedIoSource };
  /**
   * Runs on the main thread before any reactor does: make here the tasks and handlers of the main thread that entries
   * send to or ask. `createRuntime` waits for it, as for the entries; what it throws rejects `createRuntime`.
   */
  main?: (runtime: R) => void | Promise<void>;
  /**
   * Starts a reactor again, in its place, when its thread has died after `createRuntime` has resolved: at most this
   * many times within this long. If it is left out, a reactor that dies is dead for good. docs/guide/restart.md says
   * what goes on and what is lost.
   */
  restart?: RestartOptions;
  /**
   * Takes figures of each task: how long its messages wait, run and take, in histograms that `metricsOf` reads. An
   * object says for how many tasks of each reactor there is room, `tasks`, 2 to 65,536, default 256, and with `isOn:
   * false` that none are taken until `setMetrics` switches them on. Default false. Costs some nanoseconds a step, see
   * docs/guide/observation.md.
   */
  metrics?: boolean | { tasks?: number; isOn?: boolean };
  /**
   * Watches for steps that hold their thread too long: each is counted in `status()`, and reported by the event
   * 'stalled' with the JavaScript stack of the thread, while it is blocked. An object sets the threshold: see
   * StallOptions. Default false. A thread looks eight times during each threshold; a step costs nothing more.
   */
  stall?: boolean | StallOptions;
  /** Limits of each worker's heap, as for `new Worker`. */
  resourceLimits?: ResourceLimits;
  /**
   * The longest time in which no reactor comes closer to being ready (thread begun; entry run, including its
   * asynchronous part): 1 to 2^31 - 1 ms, default 30,000. After that createRuntime rejects with ERR_PERCORE_TIMEOUT,
   * which names those that are stuck, and ends everything.
   */
  startTimeoutMs?: number;
}

/** The same, checked and complete. */
export interface RuntimeSettings extends Pins {
  readonly entry: string;
  readonly cpus: CpuBudget;
  readonly asked: number | 'auto';
  /** What was decided because the program has not, and why. */
  readonly decisions: readonly string[];
  /** How many reactors there are at the start, and places for them. */
  readonly reactors: number;
  readonly places: number;
  /** True when the user named the CPUs. */
  readonly isPinnedByList: boolean;
  readonly policies: readonly (Policy | undefined)[];
  readonly memory: Required<MemoryOptions>;
  readonly data: unknown;
  readonly laneBytes: number;
  /** Settings of each party, the main thread's last. */
  readonly parties: readonly PartySettings[];
  readonly budget: Budget;
  readonly publishEvery: PublishEvery;
  readonly discipline: DisciplineOptions;
  readonly classes: readonly DeclaredClass[];
  readonly clock: 'manual' | undefined;
  readonly source: SourceChoice;
  /** For how many tasks of each party figures are taken; 0 for none. */
  readonly measuredTasks: number;
  readonly isMeasuring: boolean;
  readonly stall: Required<StallOptions> | undefined;
  readonly resourceLimits: ResourceLimits | undefined;
  readonly restart: Required<RestartOptions> | undefined;
  readonly startTimeoutMs: number;
}

const KNOWN = [
  'entry', 'reactors', 'maxReactors', 'pin', 'policy', 'memory', 'data', 'laneBytes', 'idle', 'budget', 'publishEvery',
  'discipline', 'classes', 'clock', 'io', 'main', 'restart', 'metrics', 'stall', 'resourceLimits', 'startTimeoutMs',
];
const LIMITS = ['maxYoungGenerationSizeMb', 'maxOldGenerationSizeMb', 'codeRangeSizeMb', 'stackSizeMb'];
const MOST_MS = 2 ** 31 - 1;

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT, or ERR_PERCORE_ENTRY for a file that does not exist or cannot be loaded. Opens
 * nothing.
 */
export function checkRuntimeOptions(options: OptionsFor<never>): RuntimeSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('options', options, 'an object with an entry');
  }
  checkOptions('options', options, KNOWN);
  if (options.main !== undefined) checkFunction('main', options.main);
  const entry = checkEntry(options.entry);
  const laneBytes = checkLaneBytes(options.laneBytes ?? 2 ** 18);
  const budgetGiven = checkOptions('budget', options.budget, ['quanta', 'timeNs']);
  const budget = {
    quanta: checkInteger('budget.quanta', budgetGiven.quanta ?? 64, 1, 1e6),
    timeNs: checkInteger('budget.timeNs', budgetGiven.timeNs ?? 20_000, 1000, 1e9),
  };
  const publishGiven = checkOptions('publishEvery', options.publishEvery, ['records', 'timeNs']);
  const publishEvery = {
    records: checkInteger('publishEvery.records', publishGiven.records ?? 64, 1, 2 ** 20),
    timeNs: checkInteger('publishEvery.timeNs', publishGiven.timeNs ?? 20_000, 1000, 1e9),
  };
  const classes = checkClasses(options.classes);
  const discipline = checkDiscipline(options.discipline, classes);
  if (options.clock !== undefined && options.clock !== 'manual') {
    throw invalidArgument('clock', options.clock, "'manual' or left out");
  }
  const source = chooseSource('io.source', checkOptions('io', options.io, ['source']).source);
  const startTimeoutMs = checkInteger('startTimeoutMs', options.startTimeoutMs ?? 30_000, 1, MOST_MS);
  for (const [limit, value] of Object.entries(checkOptions('resourceLimits', options.resourceLimits, LIMITS))) {
    if (value !== undefined && !(typeof value === 'number' && value > 0 && value < Infinity)) {
      throw invalidArgument(`resourceLimits.${limit}`, value, 'a number above 0');
    }
  }
  checkIdleOptions('idle', options.idle);
  const cpus = cpuBudget();
  const asked = options.reactors ?? 'auto';
  const reactors = asked === 'auto'
    ? Math.min(cpus.count, MAX_REACTORS)
    : checkInteger('reactors', asked, 1, MAX_REACTORS);
  const places = checkInteger('maxReactors', options.maxReactors ?? reactors, reactors, MAX_REACTORS);
  const policies = checkPolicies(options.policy, places);
  const { pins, pinRefusals } = checkPins(options.pin ?? true, policies, cpus);
  const idle = idleSettings({ ...options.idle, strategy: options.idle?.strategy ?? defaultStrategy(cpus) });
  return {
    entry, cpus, asked, reactors, places, pins, pinRefusals, policies, isPinnedByList: Array.isArray(options.pin),
    decisions: explainDecisions(cpus, asked, options.idle?.strategy, source.decision),
    memory: checkMemory(options.memory),
    data: options.data,
    laneBytes,
    parties: [...pins.map(() => idle), settingsOfMain(idle, cpus)],
    budget, publishEvery, discipline, classes, source, startTimeoutMs, ...checkMetrics(options.metrics),
    clock: options.clock, resourceLimits: options.resourceLimits, restart: checkRestart(options.restart),
    stall: checkStall(options.stall),
  };
}

/** The main thread never spins for ever: it has other work, and seldom a CPU of its own. */
function settingsOfMain(idle: PartySettings, cpus: CpuBudget): PartySettings {
  const { PARK, ADAPTIVE } = words.idleStrategy;
  return {
    ...idle, idleStrategy: idle.idleStrategy === PARK ? PARK : ADAPTIVE, isCpuShared: cpus.allowed.length === 1 ? 1 : 0,
  };
}

function checkMetrics(
  metrics: boolean | { tasks?: number; isOn?: boolean } = false,
): Pick<RuntimeSettings, 'measuredTasks' | 'isMeasuring'> {
  if (metrics === false) return { measuredTasks: 0, isMeasuring: false };
  const { tasks = 256, isOn = true } = metrics === true ? {} : checkOptions('metrics', metrics, ['tasks', 'isOn']);
  if (typeof isOn !== 'boolean') throw invalidArgument('metrics.isOn', isOn, 'true or false');
  return { measuredTasks: checkInteger('metrics.tasks', tasks, 2, 65_536), isMeasuring: isOn };
}

function checkLaneBytes(value: number): number {
  const isPower = Number.isInteger(value) && (value & (value - 1)) === 0;
  if (!isPower || value < 4096 || value > 2 ** 26) {
    throw invalidArgument('laneBytes', value, 'a power of two from 4096 to 67108864');
  }
  return value;
}
