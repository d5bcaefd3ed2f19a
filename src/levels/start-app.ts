/** Starts an app of levels: one reactor for each level, several on one CPU, each above the one before. */
import { checkBoolean, checkFunction, checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { APP_MAGIC, appCoreLayout, appLayout, appLevelLayout, LAYOUT_VERSION } from '../layout.js';
import { native } from '../native.js';
import {
  createRuntime, type CloseOptions, type CloseResult, type ReactorDeath, type ReactorStatus, type Runtime,
  type RuntimeOptions,
} from '../reactor/index.js';
import { controllerOf, partyOf } from '../reactor/internal.js';
import { targetsOf } from './context.js';
import { noteDeadLevel } from './core-turns.js';
import type { AppDeclaration, AppSender } from './declaration.js';
import { planIn, type App } from './define-app.js';
import { shapeOf, type AppData } from './implement.js';
import { AT_ONCE, checkDeadline, LevelOutbox, SCHEDULED, SPAWNED, undeclared } from './outbox.js';
import type { Plan } from './plan.js';
import { repairableLock } from './resource-lock.js';
import { appStatus, isPinned, type AppStatus } from './app-status.js';

/** Options of `startApp`. */
export interface StartAppOptions extends Pick<
  RuntimeOptions, 'laneBytes' | 'resourceLimits' | 'startTimeoutMs' | 'io' | 'idle' | 'main'
> {
  /** The module whose default export is what `implementApp` returned: a file URL, or an absolute path. */
  readonly entry: URL | string;
  /** The SCHED_FIFO priority of the lowest level of each core: 1 to 99, default 1. */
  readonly lowestPriority?: number;
  /**
   * The part of its time that a level which always has something to do leaves to threads of ordinary priority: 0.001 to
   * 0.5, or 0 for none; default 0.06. The system keeps 5 % for them by itself, but takes it in pieces of 50 ms; this is
   * half a millisecond at once, between two turns. Levels that rest anyway lose nothing.
   */
  readonly restShare?: number;
  /** A CPU for each core, instead of `cpu` of the cores. */
  readonly cpus?: readonly number[];
  /** Asks for no real-time priority, so that levels take turns. For comparisons and tests. */
  readonly isPreemptive?: boolean;
  /**
   * Called when a level has died, once for each. Its tasks are gone, what is sent to them is answered CLOSED, and the
   * other levels go on; an app that cannot go on without it closes itself here. Without this, and without a listener of
   * 'reactorDied' of the runtime, it is a warning.
   */
  readonly onLevelDied?: (death: LevelDeath) => void;
  /** What contexts have as `data`. It is copied by structured clone, so memory is shared. */
  readonly data?: unknown;
}

const OPTIONS = [
  'laneBytes', 'resourceLimits', 'startTimeoutMs', 'io', 'idle', 'main', 'entry', 'lowestPriority', 'cpus',
  'isPreemptive', 'restShare', 'data', 'onLevelDied',
];
/** What `onLevelDied` is told. */
export interface LevelDeath {
  /** The number of the reactor that the level was. */
  readonly reactor: number;
  /** The number of its core in the declaration. */
  readonly core: number;
  /** As declared; 0 for idle. */
  readonly priority: number;
  /** The tasks that have ended with it. */
  readonly tasks: readonly string[];
  /** Resources that it held: the next one that locks them is told `wasLeft`. */
  readonly held: readonly string[];
  /** What the runtime says of the death: the error or the exit code, and what was lost. */
  readonly death: ReactorDeath;
}

/** What closing an app resolves with. */
export interface AppCloseResult extends CloseResult {
  /**
   * Of each task that has any, the messages that it never ran: their time had not come, its level had died, or
   * `drainMs` was over.
   */
  readonly notRun: Readonly<Record<string, number>>;
}

/** A little more than the 5 % of the kernel, so that it never takes them. */
const REST_SHARE = 0.06;
const LEAST_SHARE = 0.001;
const MOST_SHARE = 0.5;
const IS_CLOSING = appLayout.fields.isClosing.at >> 2;
const TAKES_TURNS = appCoreLayout.fields.takesTurns.at >> 2;
const GRANTED = appLevelLayout.fields.granted.at >> 2;

/**
 * A running app; `startApp` resolves with it. It belongs to the main thread.
 *
 *     const running = await startApp(app, { entry: new URL('./code.js', import.meta.url) });
 *     console.log(running.status().cores[0]?.isPreemptive);
 *     await running.close();
 */
export class RunningApp<T extends AppDeclaration = AppDeclaration>
implements AppSender<T, T['main']>, AsyncDisposable {
  readonly #plan: Plan;
  readonly #data: AppData;
  readonly #outbox: LevelOutbox;
  readonly #spawns: ReadonlyMap<string, number>;
  readonly #schedules: ReadonlyMap<string, number>;

  /** `startApp` makes them. */
  constructor(
    /** The reactors that its levels are. What closing it resolves with has no `notRun`. */
    readonly runtime: Runtime, app: App<T>, data: AppData, onLevelDied: ((death: LevelDeath) => void) | undefined,
  ) {
    this.#plan = planIn(app as unknown as App);
    this.#data = data;
    this.nowNs = partyOf(runtime).nowNs;
    this.#outbox = new LevelOutbox(this.#plan, data.memory, this.#plan.levels.length, runtime);
    this.#spawns = targetsOf(this.#plan, app.declaration.main?.spawns);
    this.#schedules = targetsOf(this.#plan, app.declaration.main?.schedules);
    controllerOf(runtime).beforeClosing.push(() => {
      // Pairs with the look of each level that schedules.
      Atomics.store(new Int32Array(data.memory, 0, appLayout.bytes >> 2), IS_CLOSING, 1);
    });
    runtime.on('reactorDied', (death) => {
      const held = noteDeath(this.#plan, data, death.reactorId);
      const { id, core, priority, tasks } = this.#plan.levels[death.reactorId]!;
      if (onLevelDied !== undefined) return onLevelDied({ reactor: id, core, priority, tasks, held, death });
      if (runtime.listenerCount('reactorDied') > 1) return;
      const names = tasks.map((task) => `"${task}"`).join(', ') || 'none';
      process.emitWarning(
        `level ${id} of the app (core ${core}, priority ${priority}, tasks ${names}) died and is not started again: `
          + `${death.error?.message ?? `exit code ${death.exitCode}`}`,
        { code: 'ERR_PERCORE_REACTOR_DIED' },
      );
    });
  }

  /** See AppSender. What ordinary code spawns counts as due at the time of the call. */
  readonly spawn: AppSender<T, T['main']>['spawn'] = (task, ...message) => {
    const index = this.#spawns.get(task);
    if (index === undefined) throw undeclared('spawn', 'the main thread', 'main.spawns', task, this.#spawns.keys());
    return this.#outbox.send(index, SPAWNED, this.nowNs(), AT_ONCE, message[0]);
  };

  /** See AppSender. */
  readonly schedule: AppSender<T, T['main']>['schedule'] = (task, deadlineNs, ...message) => {
    const index = this.#schedules.get(task);
    if (index === undefined) {
      throw undeclared('schedule', 'the main thread', 'main.schedules', task, this.#schedules.keys());
    }
    return this.#outbox.send(index, SCHEDULED, deadlineNs, checkDeadline(deadlineNs), message[0]);
  };

  /** Nanoseconds since the start of the runtime, as in the levels. */
  readonly nowNs: () => number;

  /** What was granted to each level, and how resources are used. A fresh object. */
  status(): AppStatus {
    return appStatus(this.#plan, this.#data, this.runtime, this.#outbox.refusals);
  }

  /**
   * Lets every level run what it was sent, then ends the levels: see `Runtime.close`. What was scheduled for a later
   * time does not run any more, and `schedule` answers CLOSED from now on; `notRun` counts it.
   */
  async close(options?: CloseOptions): Promise<AppCloseResult> {
    const result = await this.runtime.close(options);
    return { ...result, notRun: notRunOf(this.#plan, this.#data.memory) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts an app: a reactor for each level, at SCHED_FIFO priorities that rise with the levels, and all levels of a core
 * on one CPU. Every init runs, then what the inits have spawned. An app also starts where the system refuses real-time
 * priorities: its levels then take turns, more slowly, and `status()` says why. Rejects as `createRuntime` does. The
 * levels of an app are not started again after a death.
 */
export async function startApp<T extends AppDeclaration>(
  app: App<T>, options: StartAppOptions,
): Promise<RunningApp<T>> {
  const plan = planIn(app as unknown as App);
  const {
    entry, lowestPriority, cpus: _cpus, isPreemptive = true, restShare = REST_SHARE, data: given, onLevelDied,
    ...rest
  } = checkOptions('options', options, OPTIONS);
  checkBoolean('isPreemptive', isPreemptive);
  checkShare(restShare);
  if (onLevelDied !== undefined) checkFunction('onLevelDied', onLevelDied);
  const lowest = checkInteger('lowestPriority', lowestPriority ?? 1, 1, 99);
  const ranks = Math.max(...plan.levels.map(({ rank }) => rank));
  if (lowest + ranks - 1 > 99) {
    throw new PercoreError(
      'ERR_PERCORE_CAPACITY', `${ranks} levels above a lowest priority of ${lowest} pass 99, the highest there is`,
      { argument: 'lowestPriority', value: lowest, allowed: `1 to ${100 - ranks}` },
    );
  }
  const cpus = cpusFor(app as unknown as App, options.cpus);
  const data: AppData = {
    isPercoreApp: true, memory: newMemory(plan), cpus, lowest, isPreemptive, restShare,
    shape: shapeOf(app as unknown as App), data: given,
  };
  const runtime = await createRuntime({
    ...rest, entry, data, reactors: plan.levels.length, pin: plan.levels.map(({ core }) => cpus[core]!),
    idle: rest.idle ?? { strategy: 'park' }, laneBytes: rest.laneBytes ?? 65_536,
  });
  try {
    const running = new RunningApp<T>(runtime, app, data, onLevelDied);
    const { reactors } = runtime.status();
    for (const core of cpus.keys()) setOrder(plan, data, core, reactors);
    await Promise.all(plan.levels.map(({ id }) => runtime.call('app:order', undefined, { reactor: id })));
    await Promise.all(plan.levels.map(({ id }) => runtime.call('app:begin', undefined, { reactor: id })));
    return running;
  } catch (error) {
    await runtime.close({ drainMs: 0 });
    if ((error as Partial<PercoreError>).code !== 'ERR_PERCORE_NO_HANDLER') throw error;
    throw new PercoreError(
      'ERR_PERCORE_ENTRY', `the default export of ${String(entry)} is not what implementApp returned: write `
        + '`export default implementApp(app, { tasks: … })` there', { argument: 'entry', value: entry, cause: error },
    );
  }
}

/**
 * Whether the levels of a core preempt each other: all were granted what they asked for, and share one CPU. Otherwise
 * they take turns.
 */
function setOrder(
  plan: Plan, { memory, lowest, cpus }: AppData, core: number, reactors: readonly ReactorStatus[],
): void {
  const levels = plan.levels.filter((level) => level.core === core);
  const isGranted = levels.every(({ id, rank }) => isPinned(reactors[id]!, cpus[core]!) && (
    // Pairs with the store in the level's entry, which has run.
    rank === 0 || Atomics.load(new Int32Array(memory, plan.levelAt(id), 1), GRANTED) === lowest + rank - 1));
  // Stored before the levels are told to look.
  Atomics.store(new Int32Array(memory, plan.coreAt(core), 1), TAKES_TURNS, isGranted || levels.length === 1 ? 0 : 1);
}

/** Messages that were sent and not begun, by task. */
function notRunOf(plan: Plan, memory: SharedArrayBuffer): Record<string, number> {
  const senders = plan.levels.length + 1;
  const notRun: Record<string, number> = {};
  for (const { index, name } of plan.tasks) {
    const begun = new Int32Array(memory, plan.begunAt(index), senders * 2);
    let count = 0;
    for (let sender = 0; sender < senders; sender++) {
      const sent = new Int32Array(memory, plan.sentAt(sender), plan.tasks.length * 2);
      // All their threads have ended, but for those that are stuck: then it is a recent value.
      for (const kind of [SPAWNED, SCHEDULED]) {
        count += (Atomics.load(sent, index * 2 + kind) - Atomics.load(begun, sender * 2 + kind)) | 0;
      }
    }
    if (count > 0) notRun[name] = count;
  }
  return notRun;
}

function newMemory(plan: Plan): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(plan.bytes);
  const header = new Int32Array(memory, 0, appLayout.bytes >> 2);
  // Stored before any of its threads starts.
  header[appLayout.fields.version.at >> 2] = LAYOUT_VERSION;
  header[appLayout.fields.magic.at >> 2] = APP_MAGIC;
  return memory;
}

function checkShare(share: unknown): void {
  if (share === 0 || (typeof share === 'number' && share >= LEAST_SHARE && share <= MOST_SHARE)) return;
  throw invalidArgument('restShare', share, `0, or ${LEAST_SHARE} to ${MOST_SHARE}`);
}

function cpusFor({ declaration }: App, given: readonly number[] | undefined): number[] {
  const { cores } = declaration;
  if (given !== undefined && (!Array.isArray(given) || given.length !== cores.length)) {
    throw invalidArgument('cpus', given, `a list of ${cores.length} CPU numbers, one a core`);
  }
  const allowed = native().threads.getAffinity();
  return cores.map(({ cpu }, core) => (
    checkInteger('cpus', given?.[core] ?? cpu ?? allowed[core % allowed.length], 0, 8191)));
}

/** Nobody waits for a dead level any more. Returns what it held. */
function noteDeath(plan: Plan, { memory }: AppData, id: number): string[] {
  const held = plan.resources.filter(({ index }) => repairableLock(plan, memory, index).repair(id));
  noteDeadLevel(plan, memory, id);
  return held.map(({ name }) => name);
}
