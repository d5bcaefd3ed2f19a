/**
 * What an app of levels declares, and what the compiler makes of it: who may spawn whom, and who may use what. Types
 * alone; `defineApp` checks the same again at run time.
 */
import type { StructFields, StructRecord } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import type { Takes } from '../takes.js';

/** What a task, an init, an idle or the main thread may do. It may not do anything that is left out. */
export interface Edges {
  /** Resources that it may lock. */
  readonly uses?: readonly string[];
  /** Tasks that it may spawn. */
  readonly spawns?: readonly string[];
  /** Tasks that it may schedule for a later time. */
  readonly schedules?: readonly string[];
}

/** A task: a function that runs to completion for each message. */
export interface AppTask extends Edges {
  /** Tasks of a higher priority preempt it, on its core: 1 to 255. */
  readonly priority: number;
  /** The number of its core in `cores`. Default 0. */
  readonly core?: number;
  /** How many messages of each level may wait for it, including scheduled ones: 1 to 65,536. Default 16. */
  readonly capacity?: number;
  /** The type of its messages: `takes<Order>()`. If it is left out, the task takes none. */
  readonly takes?: Takes<never>;
}

/** A core: where it runs, what runs first, and what runs when nothing else does. */
export interface AppCore {
  /** Its CPU. If it is left out, `startApp` takes the next one that the process may use. */
  readonly cpu?: number;
  /** The core has an init, which runs once, before any task, and may do this. */
  readonly init?: Edges;
  /** The core has an idle, which runs below all tasks, without real-time priority, and may do this. */
  readonly idle?: Edges;
}

/** What `defineApp` takes. */
export interface AppDeclaration {
  /** The cores that it runs on, one CPU each. */
  readonly cores: readonly AppCore[];
  /**
   * State that several tasks change, by name; each has the fields of a struct (see `struct` of percore/queues). Whoever
   * holds one may lock those that are declared after it, and no others.
   */
  readonly resources?: Readonly<Record<string, StructFields>>;
  /** What runs, by name. */
  readonly tasks: Readonly<Record<string, AppTask>>;
  /** What the main thread may do through the object that `startApp` resolves with. */
  readonly main?: Pick<Edges, 'spawns' | 'schedules'>;
}

type ResourcesOf<T> = T extends { readonly resources: infer R } ? R : Record<never, never>;
interface CheckedEdges<T extends AppDeclaration> {
  readonly uses?: readonly (keyof ResourcesOf<T> & string)[];
  readonly spawns?: readonly (keyof T['tasks'] & string)[];
  readonly schedules?: readonly (keyof T['tasks'] & string)[];
}

/** What the compiler refuses as well: names that do not exist. */
export interface CheckedApp<T extends AppDeclaration> {
  readonly cores: { readonly [I in keyof T['cores']]: {
    readonly init?: CheckedEdges<T>; readonly idle?: CheckedEdges<T>;
  } };
  readonly tasks: { readonly [N in keyof T['tasks']]: CheckedEdges<T> };
  readonly main?: Omit<CheckedEdges<T>, 'uses'>;
}

type NamesOf<E, K extends keyof Edges> = E extends { readonly [X in K]: readonly (infer N)[] } ? N & string : never;
/** What a task takes; `undefined` if it takes nothing. */
export type AppMessage<T extends AppDeclaration, N extends keyof T['tasks']> =
  T['tasks'][N] extends { readonly takes: Takes<infer M> } ? M : undefined;
/** What follows the name of a task when it is spawned. */
export type AppSent<T extends AppDeclaration, N extends keyof T['tasks']> =
  undefined extends AppMessage<T, N> ? [message?: AppMessage<T, N>] : [message: AppMessage<T, N>];
/** The state of a resource. */
export type AppState<T extends AppDeclaration, R> = R extends keyof ResourcesOf<T>
  ? ResourcesOf<T>[R] extends StructFields ? StructRecord<ResourcesOf<T>[R]> : never
  : never;
/** What a critical section may return: anything except a promise. */
export type Synchronous<X> = X extends PromiseLike<unknown> ? never : X;

/** What a task and the main thread can spawn and schedule. */
export interface AppSender<T extends AppDeclaration, E> {
  /**
   * Lets a task run: at once if its level is above this one on this core and above what is locked here, else as soon as
   * its level is free. Returns OK; BACK_PRESSURED if `capacity` messages of this level already wait for it, or their
   * bytes have no room; TOO_LARGE; CLOSED if its level has died. Copies the message. Does not block. Throws
   * ERR_PERCORE_UNDECLARED for a task that is not among its `spawns`.
   */
  spawn<N extends NamesOf<E, 'spawns'>>(task: N, ...message: AppSent<T, N>): number;
  /**
   * The same at `deadlineNs`, by the clock of `nowNs`. If that has passed, the task runs at once. A task that schedules
   * itself at `scheduledNs` plus its period does not drift. Throws ERR_PERCORE_UNDECLARED unless the task is among its
   * `schedules`.
   */
  schedule<N extends NamesOf<E, 'schedules'>>(task: N, deadlineNs: number, ...message: AppSent<T, N>): number;
}

/** What a task, an init or an idle gets. It is the same object each time. */
export interface AppContext<T extends AppDeclaration, E> extends AppSender<T, E> {
  /**
   * Runs `critical` while nobody else has the resource, and returns what it returns. On the same core no task that uses
   * the resource can begin meanwhile; users on other cores wait. The state is valid only during the call. `wasLeft`: a
   * level has died while it held the resource, and nobody has been told yet. A returned promise is refused. Makes no
   * system call unless somebody has to wait, or several cores use the resource, or an idle locks it. Does not allocate.
   * Throws ERR_PERCORE_UNDECLARED unless the resource is among its `uses`, and ERR_PERCORE_LOCK_ORDER inside of a lock
   * of itself or of a resource that is declared later.
   */
  lock<R extends NamesOf<E, 'uses'>, X>(
    resource: R, critical: (state: AppState<T, R>, wasLeft: boolean) => Synchronous<X>,
  ): X;
  /**
   * When it was to run: its deadline if it was scheduled, else that of the task that spawned it; for init, the app's
   * start.
   */
  readonly scheduledNs: number;
  /** Nanoseconds since the runtime's start, by the same clock in every level. */
  nowNs(): number;
  /** The number of its core. */
  readonly core: number;
  /** Its declared priority; 0 for idle. */
  readonly priority: number;
  /** The reactor of this level. Its own callbacks (timers, sockets) run at its level, between tasks. */
  readonly reactor: Reactor;
  /** What `startApp` got as `data`. */
  readonly data: unknown;
}

type Done = void | undefined | number | boolean;
type InitOf<T extends AppDeclaration, C> = C extends { readonly init: infer E }
  ? (context: AppContext<T, E>) => Done : undefined;
type IdleOf<T extends AppDeclaration, C> = C extends { readonly idle: infer E }
  ? (context: AppContext<T, E>) => boolean | void : undefined;
type InitsOf<T extends AppDeclaration, C> = { readonly [I in keyof C]?: InitOf<T, C[I]> };
type IdlesOf<T extends AppDeclaration, C> = { readonly [I in keyof C]?: IdleOf<T, C[I]> };

/** The code of an app: what `implementApp` takes. Functions run to completion: none of them returns a promise. */
export interface AppCode<T extends AppDeclaration> {
  /** The function of each task, by its name. */
  readonly tasks: { readonly [N in keyof T['tasks']]: (
    context: AppContext<T, T['tasks'][N]>, message: AppMessage<T, N>,
  ) => Done };
  /** One for each core, undefined if it has none. What they spawn runs when all of them have returned. */
  readonly init?: InitsOf<T, T['cores']>;
  /** One for each core as well; runs again and again while it returns true. */
  readonly idle?: IdlesOf<T, T['cores']>;
}
