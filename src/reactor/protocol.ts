/**
 * What a program's reactors answer and take, as types: one declaration checks the entry, which handles and spawns, and
 * everybody who calls and sends. Only the compiler uses it; at run time a message is what its sender says it is.
 *
 *     interface Town {
 *       calls: {
 *         sum(pair: [number, number]): number;            // answered by reactor.handle('sum', …), asked by call
 *         ticks(count: number): AsyncIterable<number>;    // the same by a generator, and asked by callStream
 *       };
 *       tasks: { orders: Order; frames: Uint8Array };     // made by reactor.spawn and reactor.spawnBytes
 *     }
 *     export default function start(reactor: Reactor<Town>): void { … }
 *     const runtime = await createRuntime<Town>({ entry });
 *
 * What is left out is not checked: without `tasks`, every name is accepted and every message may be sent. A
 * `Reactor<Town>` may be passed to whatever takes a plain `Reactor`.
 */
import type { CallOptions } from './calls.js';

export interface Protocol {
  /** Services by name: the function that answers a call, of one parameter or none. */
  readonly calls?: object;
  /** Tasks by name: the type of their messages, Uint8Array for a task of bytes. */
  readonly tasks?: object;
  /** Topics by name: the type of what is published there. See `createTopic` and `subscribe`. */
  readonly topics?: object;
}

/** The protocol of a program that declares none: any name, any value; answers are `unknown`. */
export interface Untyped {
  readonly calls: { readonly [name: string]: (argument: never) => unknown };
  readonly tasks: { readonly [name: string]: unknown };
}

type CallsOf<P> = P extends { readonly calls: infer C } ? C : Untyped['calls'];
type TasksOf<P> = P extends { readonly tasks: infer T } ? T : Untyped['tasks'];
/** The type with which the compiler refuses a service of more parameters: a call carries one value. */
type TooMany = 'a service takes one argument';
/**
 * `A` are its parameters. If it has none it takes `undefined`, so that the options of a call are never its argument.
 */
type ArgumentOf<A extends unknown[]> = A extends []
  ? undefined
  : IfOne<A, [A[0]] extends [never] ? unknown : A[0]>;
type IfOne<A extends unknown[], T> = A extends [unknown?] ? T : number extends A['length'] ? T : TooMany;
type Asked<F> = F extends (...given: infer A) => unknown ? ArgumentOf<A> : unknown;
/** A function that may be given where one of wider parameters is asked for, as methods may: nobody could check it. */
type Lenient<A extends unknown[], R> = { run(...given: A): R }['run'];

/** What a function streams: the values of the async iterable or iterator that it returns; `never` for others. */
type Values<F> = F extends (...given: never) => infer R ? [R] extends [never] ? never : ValuesOf<Awaited<R>> : never;
type ValuesOf<R> = R extends AsyncIterable<infer T> ? T : R extends IterableIterator<infer T> ? T : never;
type StreamingOf<C> = { [N in keyof C & string]: [Values<C[N]>] extends [never] ? never : N }[keyof C & string];

/** Names of services. */
export type ServiceName<P> = keyof CallsOf<P> & string;
/** Names of services that answer once. */
export type CallName<P> = P extends { readonly calls: infer C }
  ? string extends keyof C ? string : Exclude<keyof C & string, StreamingOf<C>>
  : string;
/** Names of services that answer a stream. */
export type StreamName<P> = P extends { readonly calls: infer C }
  ? string extends keyof C ? string : StreamingOf<C>
  : string;
/** What such a service yields. */
export type StreamedBy<P, N> = P extends { readonly calls: infer C }
  ? string extends keyof C ? unknown : N extends keyof C ? Values<C[N]> : unknown
  : unknown;
/** What the service takes. */
export type Argument<P, N> = N extends keyof CallsOf<P> ? Asked<CallsOf<P>[N]> : unknown;
/** What it answers, awaited. */
export type Answer<P, N> = N extends keyof CallsOf<P>
  ? CallsOf<P>[N] extends (...given: infer A) => infer R ? IfOne<A, Awaited<R>> : unknown
  : unknown;
/**
 * What follows the name in a call: a service that takes no argument, or may take none, can be called by its name alone.
 * Options come third: `call('ping', undefined, { reactor: 1 })`.
 */
export type CallRest<P, N> = undefined extends Argument<P, N>
  ? [argument?: Argument<P, N>, options?: CallOptions]
  : [argument: Argument<P, N>, options?: CallOptions];
/** The function that answers the service. */
export type HandlerOf<P, N, C> = Lenient<[argument: Argument<P, N>, context: C], Answer<P, N> | Promise<Answer<P, N>>>;

/** Names of tasks. */
export type TaskName<P> = keyof TasksOf<P> & string;
/** Names of tasks of bytes. */
export type ByteTaskName<P> = { [N in TaskName<P>]: Uint8Array extends TasksOf<P>[N] ? N : never }[TaskName<P>];
/** What is sent to a task. */
export type MessageTo<P, N> = N extends keyof TasksOf<P> ? TasksOf<P>[N] : unknown;
/** What the step of a task gets: as declared, or `M` if nothing is. */
export type MessageOf<P, N, M> = P extends { readonly tasks: infer T }
  ? string extends keyof T ? M : MessageTo<P, N>
  : M;
