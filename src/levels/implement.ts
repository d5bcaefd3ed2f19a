/**
 * The code of an app, as the entry of its reactors. Each of them is one level: it asks for its priority, makes its
 * tasks, runs its core's init if it is the lowest level, and waits until it is told to begin.
 *
 *      entry: ask for SCHED_FIFO, make tasks, init --all entries have run--> `app:order`: preempting, or by turns
 *      --all know--> `app:begin`: what init has spawned goes, idle runs
 */
import { checkFunction, invalidArgument, PercoreError } from '../errors.js';
import { APP_MAGIC, appCoreLayout, appLayout, appLevelLayout, LAYOUT_VERSION, partyLayout } from '../layout.js';
import { native } from '../native.js';
import { AGAIN, OK } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import { partyOf } from '../reactor/internal.js';
import { Context, type LevelParts } from './context.js';
import { CoreTurns } from './core-turns.js';
import type { AppCode, AppDeclaration } from './declaration.js';
import { planIn, type App } from './define-app.js';
import { LevelOutbox, taskName } from './outbox.js';
import { LockStack, ResourceLock } from './resource-lock.js';
import { runFramed, TaskRunner, type AnyCode, type RunFrame } from './task-runner.js';
import { levelWords, ShownCeiling, StepGate } from './step-gate.js';
import { askForFifo, raiserOf, ThreadLevel } from './thread-level.js';

const GRANTED = appLevelLayout.fields.granted.at >> 2;
const NOT_RAISED = appLevelLayout.fields.notRaised.at >> 2;
const IS_LEVEL = partyLayout.fields.isLevel.at >> 2;
const REST_EVERY_NS = partyLayout.fields.restEveryNs.at >> 2;
const REST_NS = partyLayout.fields.restNs.at >> 2;
const TID = appLevelLayout.fields.tid.at >> 2;
const TAKES_TURNS = appCoreLayout.fields.takesTurns.at >> 2;

/** How long a level rests at once. */
const REST_PIECE_NS = 500_000;

/** What `startApp` gives to each entry. */
export interface AppData {
  readonly isPercoreApp: true;
  readonly memory: SharedArrayBuffer;
  /** By core. */
  readonly cpus: readonly number[];
  /** The SCHED_FIFO priority of rank 1. */
  readonly lowest: number;
  /** Whether to ask for priorities. */
  readonly isPreemptive: boolean;
  /** The part of its time that a level without rest leaves to ordinary threads. */
  readonly restShare: number;
  /** The user's `data`. */
  readonly data: unknown;
  /** The shape of the app that was started, for comparison. */
  readonly shape: string;
}

/** The entry of an app: the default export of the module that `startApp` gets. */
export type AppEntry = (reactor: Reactor, data: unknown) => void;

/** What must be the same in the thread that starts an app and in its levels. */
export const shapeOf = (app: App): string => JSON.stringify(app.declaration);

/**
 * Gives an app its code, and returns the entry of its reactors: the default export of the module that `startApp` gets.
 * Each level loads the module and has variables of its own, so what several tasks share belongs into resources, even if
 * they are tasks of one level.
 *
 *     export default implementApp(app, {
 *       init: [({ spawn }) => spawn('work')],
 *       tasks: {
 *         work({ lock, spawn }) {
 *           lock('shared', (shared) => { shared.value += 1; });
 *           spawn('alarm', 5);
 *         },
 *         alarm({ lock }, by) { lock('shared', (shared) => { shared.value += by; }); },
 *       },
 *     });
 *
 * If code throws, that costs only its own message: it is counted, and reported as 'stepError' of the runtime. Throws
 * ERR_PERCORE_INVALID_ARGUMENT for code that is missing or not declared.
 */
export function implementApp<T extends AppDeclaration>(app: App<T>, code: AppCode<T>): AppEntry {
  const any = app as unknown as App;
  planIn(any);
  const given = code as unknown as AnyAppCode;
  checkCode(any, given);
  return (reactor, data) => startLevel(any, given, reactor, checkData(any, data));
}

interface AnyAppCode {
  readonly tasks: Readonly<Record<string, AnyCode>>;
  readonly init?: readonly (AnyCode | undefined)[];
  readonly idle?: readonly (AnyCode | undefined)[];
}

function checkCode({ declaration }: App, code: AnyAppCode): void {
  const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
  if (!isObject(code)) throw invalidArgument('code', code, 'an object with tasks, and init and idle where declared');
  const { tasks, init = [], idle = [] } = code;
  if (!isObject(tasks)) throw invalidArgument('code.tasks', tasks, 'an object with a function for each task');
  const names = Object.keys(declaration.tasks);
  for (const name of names) checkFunction(`tasks.${name}`, tasks?.[name]);
  for (const name of Object.keys(tasks)) {
    if (names.includes(name)) continue;
    throw invalidArgument(`tasks.${name}`, name, `left out, or declared: ${names.join(', ')}`);
  }
  for (const [section, list] of [['init', init], ['idle', idle]] as const) {
    if (!Array.isArray(list)) throw invalidArgument(section, list, 'an array with a place for each core');
    for (let core = 0; core < Math.max(list.length, declaration.cores.length); core++) {
      const path = `${section}[${core}]`;
      if (declaration.cores[core]?.[section] !== undefined) {
        checkFunction(path, list[core]);
      } else if (list[core] !== undefined) {
        throw invalidArgument(path, list[core], `left out: cores[${core}] declares none`);
      }
    }
  }
}

function checkData(app: App, data: unknown): AppData {
  const given = data as AppData | undefined;
  if (given?.isPercoreApp !== true) {
    throw new PercoreError('ERR_PERCORE_ENTRY', 'this is the entry of an app of levels: start it by startApp', {
      argument: 'entry',
    });
  }
  if (given.shape !== shapeOf(app)) {
    throw new PercoreError(
      'ERR_PERCORE_ENTRY', 'the entry implements another app than the one that was started: let both import one',
      { argument: 'app' },
    );
  }
  const header = new Int32Array(given.memory, 0, appLayout.bytes >> 2);
  const { magic, version } = appLayout.fields;
  // Written before any thread of the app was started.
  if (header[magic.at >> 2] !== APP_MAGIC || header[version.at >> 2] !== LAYOUT_VERSION) {
    throw new PercoreError('ERR_PERCORE_DAMAGED', 'the memory of the app is of another version of percore', {});
  }
  return given;
}

function startLevel(app: App, code: AnyAppCode, reactor: Reactor, data: AppData): void {
  const { memory, cpus, lowest } = data;
  const plan = planIn(app);
  const { cores } = app.declaration;
  const level = plan.levels[reactor.id]!;
  const status = new Int32Array(memory, plan.levelAt(level.id), appLevelLayout.bytes >> 2);
  const asked = level.rank === 0 || !data.isPreemptive ? 0 : lowest + level.rank - 1;
  // Pairs with the look of the main thread, after this entry has run.
  Atomics.store(status, GRANTED, askForFifo(asked));

  const ranks = Math.max(...plan.levels.map(({ rank }) => rank));
  // Read by whoever waits for this level, which is later than this.
  Atomics.store(status, TID, native().threads.id());
  const stack = new LockStack(new ThreadLevel(level.rank, ranks, lowest, undefined));
  const isElsewhere = plan.levels.map(({ core }) => cpus[core] !== cpus[level.core]);
  const used = plan.resources.filter(({ users }) => users.includes(level.id));
  const locks = new Map(used.map(({ index, name, ceilings }) => [
    name, new ResourceLock(name, index, ceilings[level.core]!, stack, memory, plan, level.id, isElsewhere),
  ]));
  const outbox = new LevelOutbox(plan, memory, level.id, reactor);
  const parts: LevelParts = { plan, level, reactor, outbox, locks, data: data.data };
  const frame: RunFrame = { turns: undefined, gate: undefined, rank: level.rank };

  for (const name of level.tasks) {
    const { index, edges } = plan.tasks.find((task) => task.name === name)!;
    const context = new Context(`task "${name}"`, parts, edges);
    const runner = new TaskRunner(name, index, code.tasks[name]!, context, parts, frame, memory);
    reactor.spawnBytes({ name: taskName(name) }, runner.step);
  }
  const idleOfCore = level.hasIdle ? code.idle![level.core]! : undefined;
  const idleContext = new Context(`idle of core ${level.core}`, parts, cores[level.core]!.idle ?? {});
  const idle = reactor.spawn({ name: 'app:idle' }, () => (
    runFramed(frame, `idle of core ${level.core}`, () => idleOfCore!(idleContext as never)) === true ? AGAIN : OK));

  reactor.handle('app:order', () => {
    // The main thread wrote it before it called.
    const takesTurns = Atomics.load(new Int32Array(memory, plan.coreAt(level.core), 1), TAKES_TURNS) === 1;
    const thread = new ThreadLevel(level.rank, ranks, lowest, takesTurns ? undefined : new ShownCeiling(status));
    if (takesTurns) {
      askForFifo(0);
      frame.turns = stack.turns = new CoreTurns(plan, memory, level.id);
    } else {
      const raise = raiserOf(ranks, lowest);
      // Stored before its level had run any code of the app.
      const tidOf = (id: number): number => Atomics.load(levelWords(plan, memory, id), TID);
      frame.gate = new StepGate(plan, memory, level.id, (id, rank) => raise(tidOf(id), rank));
      outbox.beforeSentAbove = (rank) => thread.beforeWaking(rank);
      // See native/turn.cc. The idle of a core is nobody's level.
      if (level.rank > 0) Atomics.store(partyOf(reactor).words, IS_LEVEL, 1);
      if (status[GRANTED]! > 0 && data.restShare > 0) rest(partyOf(reactor).words, data.restShare);
    }
    stack.thread = thread;
    outbox.onSentAbove = (rank) => {
      if (rank > thread.rank) stack.turns?.giveWay(thread.rank);
      // A statistic, shown now and then.
      if (thread.notRaised !== status[NOT_RAISED]) status[NOT_RAISED] = thread.notRaised;
    };
  });
  reactor.handle('app:begin', () => {
    runFramed(frame, `init of core ${level.core}`, () => outbox.release());
    if (idleOfCore !== undefined) idle.send(undefined);
  });
  outbox.keep();
  if (!level.hasInit) return;
  const context = new Context(`init of core ${level.core}`, parts, cores[level.core]!.init!);
  context.scheduledNs = reactor.nowNs();
  runFramed(frame, `init of core ${level.core}`, () => code.init![level.core]!(context as never));
}

/** From now on this thread rests by itself: see native/level_rest.h. */
function rest(words: Int32Array, share: number): void {
  words[REST_NS] = REST_PIECE_NS;
  words[REST_EVERY_NS] = Math.round(REST_PIECE_NS * (1 - share) / share);
}
