/** Declares an app of levels: checks what the compiler cannot see, and computes levels and ceilings. */
import { checkInteger, checkOptions, checkText, invalidArgument, PercoreError } from '../errors.js';
import { MOST_LEVELS } from '../layout.js';
import { struct } from '../queues/index.js';
import type { AppDeclaration, CheckedApp, Edges } from './declaration.js';
import { planOf, type Plan } from './plan.js';

const MOST_TASKS = 1024;
const EDGES = ['uses', 'spawns', 'schedules'];

const plans = new WeakMap<App, Plan>();

/** An app that was checked: `defineApp` makes it, `implementApp` gives it its code, and `startApp` starts it. */
export class App<T extends AppDeclaration = AppDeclaration> {
  /** `defineApp` makes apps. */
  constructor(readonly declaration: T) {
    plans.set(this as unknown as App, planOf(declaration));
  }

  /**
   * For each core its levels, lowest first, with their tasks; and for each resource the ceiling to which it lifts its
   * holder on each core, as a declared priority (0: it is not used there).
   */
  describe(): AppDescription {
    const { levels, resources } = planIn(this as unknown as App);
    const priorityOf = (core: number, rank: number): number =>
      levels.find((level) => level.core === core && level.rank === rank)?.priority ?? 0;
    return {
      levels: levels.map(({ core, priority, tasks }) => ({ core, priority, tasks })),
      ceilings: Object.fromEntries(resources.map(({ name, ceilings }) => [
        name, ceilings.map((rank, core) => priorityOf(core, rank)),
      ])),
    };
  }
}

/** What `App.describe` says. */
export interface AppDescription {
  /** The levels of each core, from the lowest. */
  readonly levels: readonly { readonly core: number; readonly priority: number; readonly tasks: readonly string[] }[];
  /** Of each resource its ceiling on each core, as a declared priority; 0 where it is not used. */
  readonly ceilings: Readonly<Record<string, readonly number[]>>;
}

/**
 * Declares an app: tasks with priorities, the resources that they share, and who may spawn whom. Starts nothing.
 *
 *     export const app = defineApp({
 *       cores: [{ init: { spawns: ['work'] } }],
 *       resources: { shared: { value: 'u32' } },
 *       tasks: {
 *         work: { priority: 1, uses: ['shared'], spawns: ['alarm'] },
 *         alarm: { priority: 2, uses: ['shared'], takes: takes<number>() },
 *       },
 *     });
 *
 * Each priority of a core becomes a level, a reactor of its own: at most 32 levels. Throws ERR_PERCORE_CAPACITY for
 * more, and ERR_PERCORE_INVALID_ARGUMENT for what does not fit together; its `argument` is the path to the fault. May
 * be called in any thread; does not block. Source of the model: RTFM for Linux, which computes ceilings from declared
 * priorities.
 */
export function defineApp<const T extends AppDeclaration>(declaration: T & CheckedApp<NoInfer<T>>): App<T> {
  checkApp(declaration);
  const app = new App<T>(declaration);
  const { levels } = planIn(app as unknown as App);
  if (levels.length > MOST_LEVELS) {
    throw new PercoreError(
      'ERR_PERCORE_CAPACITY',
      `the tasks of this app have ${levels.length} levels, and ${MOST_LEVELS} is the most: each priority of each core `
        + 'is one, and each idle. Let tasks of one core share a priority where they need not preempt each other',
      { argument: 'tasks', value: levels.length, allowed: `at most ${MOST_LEVELS} levels` },
    );
  }
  return app;
}

/** What follows from an app's declaration. Throws ERR_PERCORE_INVALID_ARGUMENT if it is not an app. */
export function planIn(app: App): Plan {
  const plan = plans.get(app);
  if (plan === undefined) throw invalidArgument('app', app, 'what defineApp has returned');
  return plan;
}

function checkApp(declaration: AppDeclaration): void {
  checkOptions('app', declaration, ['cores', 'resources', 'tasks', 'main']);
  const { cores, resources = {}, tasks, main } = declaration ?? {};
  if (!Array.isArray(cores) || cores.length === 0) throw invalidArgument('cores', cores, 'a list of at least one core');
  for (const [section, value] of [['tasks', tasks], ['resources', resources]] as const) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalidArgument(section, value, 'an object: things by name');
    }
  }
  const names = Object.keys(tasks);
  if (names.length > MOST_TASKS) throw invalidArgument('tasks', `${names.length} tasks`, `at most ${MOST_TASKS}`);
  for (const [name, fields] of Object.entries(resources)) {
    checkText('resources', name);
    try {
      struct(fields);
    } catch (cause) {
      // It says what is wrong with them, so the fields as a whole need not be shown again.
      const { message, code, argument: _argument, ...details } = cause as PercoreError;
      throw new PercoreError(code, `resources.${name}: ${message}`, { ...details, argument: `resources.${name}` });
    }
  }
  const edges = (path: string, given: Edges | undefined, known: readonly string[] = EDGES): void => {
    checkOptions(path, given, known);
    checkNames(`${path}.uses`, given?.uses, Object.keys(resources));
    checkNames(`${path}.spawns`, given?.spawns, names);
    checkNames(`${path}.schedules`, given?.schedules, names);
  };
  for (const [at, core] of cores.entries() as IterableIterator<[number, AppDeclaration['cores'][number]]>) {
    // A hole of a list is undefined, which elsewhere means options that were left out.
    checkOptions(`cores[${at}]`, core ?? null, ['cpu', 'init', 'idle']);
    if (core.cpu !== undefined) checkInteger(`cores[${at}].cpu`, core.cpu, 0, 8191);
    edges(`cores[${at}].init`, core.init);
    edges(`cores[${at}].idle`, core.idle);
  }
  for (const [name, task] of Object.entries(tasks)) {
    const path = `tasks.${checkText('tasks', name)}`;
    edges(path, task, [...EDGES, 'priority', 'core', 'capacity', 'takes']);
    checkInteger(`${path}.priority`, task?.priority, 1, 255);
    checkInteger(`${path}.core`, task.core ?? 0, 0, cores.length - 1);
    checkInteger(`${path}.capacity`, task.capacity ?? 1, 1, 65_536);
  }
  edges('main', main as Edges | undefined, ['spawns', 'schedules']);
}

function checkNames(path: string, given: unknown, known: readonly string[]): void {
  if (given === undefined) return;
  if (!Array.isArray(given)) throw invalidArgument(path, given, 'a list of names');
  for (const [at, name] of given.entries()) {
    if (known.includes(name as string)) continue;
    const list = known.map((each) => `"${each}"`).join(', ') || 'nothing, since none is declared';
    throw invalidArgument(`${path}[${at}]`, name, `one of ${list}`);
  }
}
