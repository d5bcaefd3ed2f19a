/**
 * What an app of levels declares, and what the compiler makes of it: who may spawn whom, who may use what. Types alone;
 * `defineApp` checks the same again at run time.
 */
import type { StructFields, StructRecord } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import type { Takes } from '../takes.js';

/** What a task, an init, an idle or the main thread may do. What is left out, it may not. */
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
  /** Tasks of a higher one preempt it, on its core: 1 to 255. */
  readonly priority: number;
  /** The number of its core in `cores`. Default 0. */
  readonly core?: number;
  /** Messages of each level that may wait for it, scheduled ones included: 1 to 65,536. Default 16. */
  readonly capacity?: number;
  /** What its messages are: `takes<Order>()`. Left out: it takes none. */
  readonly takes?: Takes<never>;
}

/** A core: where it runs, what runs first and what runs when nothing else does. */
export interface AppCore {
  /** Its CPU. Left out: `startApp` takes the next of those that the process may use. */
  readonly cpu?: number;
  /** It has an init, which runs once, before any task, and may do this. */
  readonly init?: Edges;
  /** It has an idle, which runs below all tasks, at no real-time priority, and may do this. */
  readonly idle?: Edges;
}

/** What `defineApp` takes. */
export interface AppDeclaration {
  /** The cores that it runs on, one CPU each. */
  readonly cores: readonly AppCore[];
  /**
   * State that several tasks change, by name: the fields of a struct each (see `struct` of percore/queues). Who holds
   * one may lock those that are declared after it, and no others.
   */
  readonly resources?: Readonly<Record<string, StructFields>>;
  /** What runs, by name. */
  readonly tasks: Readonly<Record<string, AppTask>>;
  /** What the main thread may do, by what `startApp` resolves with. */
  readonly main?: Pick<Edges, 'spawns' | 'schedules'>;
}

type ResourcesOf<T> = T extends { readonly resources: infer R } ? R : Record<never, never>;
interface CheckedEdges<T extends AppDeclaration> {
  readonly uses?: readonly (keyof ResourcesOf<T> & string)[];
  readonly spawns?: readonly (keyof T['tasks'] & string)[];
  readonly schedules?: readonly (keyof T['tasks'] & string)[];
}

/** What the compiler refuses besides: names that nobody has. */
export interface CheckedApp<T extends AppDeclaration> {
  readonly cores: { readonly [I in keyof T['cores']]: {
    readonly init?: CheckedEdges<T>; readonly idle?: CheckedEdges<T>;
  } };
  readonly tasks: { readonly [N in keyof T['tasks']]: CheckedEdges<T> };
  readonly main?: Omit<CheckedEdges<T>, 'uses'>;
}

type NamesOf<E, K extends keyof Edges> = E extends { readonly [X in K]: readonly (infer N)[] } ? N & string : never;
/** What a task takes; `undefined` where it takes nothing. */
export type AppMessage<T extends AppDeclaration, N extends keyof T['tasks']> =
  T['tasks'][N] extends { readonly takes: Takes<infer M> } ? M : undefined;
/** What follows the name of a task that is spawned. */
export type AppSent<T extends AppDeclaration, N extends keyof T['tasks']> =
  undefined extends AppMessage<T, N> ? [message?: AppMessage<T, N>] : [message: AppMessage<T, N>];
/** The state of a resource. */
export type AppState<T extends AppDeclaration, R> = R extends keyof ResourcesOf<T>
  ? ResourcesOf<T>[R] extends StructFields ? StructRecord<ResourcesOf<T>[R]> : never
  : never;
/** What a critical section may return: anything but a promise. */
export type Synchronous<X> = X extends PromiseLike<unknown> ? never : X;

/** Who may spawn and schedule: a task, and the main thread. */
export interface AppSender<T extends AppDeclaration, E> {
  /**
   * Lets a task run: at once where its level is above this one on this core and above what is locked here; else as soon
   * as its level is free. OK; BACK_PRESSURED when `capacity` messages of this level wait for it already, or their bytes
   * have no room; TOO_LARGE; CLOSED when its level has died. Copies the message. Does not block. Throws
   * ERR_PERCORE_UNDECLARED for a task that is not among its `spawns`.
   */
  spawn<N extends NamesOf<E, 'spawns'>>(task: N, ...message: AppSent<T, N>): number;
  /**
   * The same at `deadlineNs`, by the clock of `nowNs`. One that is over runs at once. A task that schedules itself at
   * `scheduledNs` plus its period does not drift. Throws ERR_PERCORE_UNDECLARED unless it is among its `schedules`.
   */
  schedule<N extends NamesOf<E, 'schedules'>>(task: N, deadlineNs: number, ...message: AppSent<T, N>): number;
}

/** What a task, an init or an idle is given. It is the same object each time. */
export interface AppContext<T extends AppDeclaration, E> extends AppSender<T, E> {
  /**
   * Runs `critical` while nobody else has the resource, and returns what it returns. On one core no task that uses the
   * resource can begin meanwhile; from another core its users wait. The state is valid during the call only.
   * `wasLeft`: a level has died while it had the resource, and nobody was told yet. A promise is refused. Takes no
   * system call where this level is the highest that uses it, else two. Does not allocate. Throws
   * ERR_PERCORE_UNDECLARED unless it is among its `uses`, ERR_PERCORE_LOCK_ORDER inside of one declared later, or of
   * itself.
   */
  lock<R extends NamesOf<E, 'uses'>, X>(
    resource: R, critical: (state: AppState<T, R>, wasLeft: boolean) => Synchronous<X>,
  ): X;
  /** When it was to run: its deadline if it was scheduled, else that of who spawned it; of init, the app's start. */
  readonly scheduledNs: number;
  /** Nanoseconds since the runtime's start, by the same clock in every level. */
  nowNs(): number;
  /** The number of its core. */
  readonly core: number;
  /** Its declared priority; 0 for idle. */
  readonly priority: number;
  /** The reactor that the level is. Callbacks of its own (timers, sockets) run at its level, between tasks. */
  readonly reactor: Reactor;
  /** What `startApp` was given as `data`. */
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
  /** One for each core, undefined where it has none. What it spawns runs when all of them have returned. */
  readonly init?: InitsOf<T, T['cores']>;
  /** The same; run again and again while it returns true. */
  readonly idle?: IdlesOf<T, T['cores']>;
}
