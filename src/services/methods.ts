/** What of a service's implementation can be called from other reactors, as types and at run time. */
import { PercoreError, invalidArgument } from '../errors.js';

/** Runs once with its reactor's end; it is called by nobody else. */
const HOOK = 'stop';
/** `await` would call a method of this name. */
const RESERVED: ReadonlySet<string> = new Set(['constructor', 'then', HOOK]);

/** A method of an implementation, whatever it takes. */
export type Method = (...given: never[]) => unknown;

/** What a method streams: the values of the async iterable that it answers; `never` where it answers none. */
export type StreamedByMethod<S, N extends keyof S> = S[N] extends (...given: never[]) => infer R
  ? [R] extends [never] ? never : Awaited<R> extends AsyncIterable<infer T> | IterableIterator<infer T> ? T : never
  : never;
type Callable<S> = {
  [N in keyof S]: N extends 'stop' | 'then' ? never : N extends string ? S[N] extends Method ? N : never : never;
}[keyof S] & string;
type Streaming<S> = { [N in keyof S & string]: [StreamedByMethod<S, N>] extends [never] ? never : N }[keyof S & string];
/** Names of what can be called: methods whose name is a string, but for the hook `stop` and for those that stream. */
export type ServiceMethod<S> = Exclude<Callable<S>, Streaming<S>>;
/** Names of methods that answer a stream: asynchronous generators, say. */
export type StreamingMethod<S> = Callable<S> & Streaming<S>;
/** What a method takes. */
export type ServiceArguments<S, N extends keyof S> = S[N] extends (...given: infer A) => unknown ? A : never;
/** What it answers, awaited. */
export type ServiceAnswer<S, N extends keyof S> = S[N] extends (...given: never[]) => infer R ? Awaited<R> : never;
/** A shard as others see it: the same methods, each of which promises its answer. */
export type ServiceStub<S> = {
  readonly [N in ServiceMethod<S>]: (...given: ServiceArguments<S, N>) => Promise<ServiceAnswer<S, N>>
};

/**
 * The methods of an implementation by name: the functions of a plain object, or the methods of an instance's classes. A
 * function in a field of an instance is none: callbacks that it was given lie there as well, private ones included.
 * Throws where it is no implementation.
 */
export function methodsOf(service: string, implementation: unknown): ReadonlyMap<string, Method> {
  if (typeof implementation !== 'object' || implementation === null) {
    throw invalidArgument(`implementation of service "${service}"`, implementation, 'an object with methods');
  }
  const found = new Map<string, Method>();
  const above = Object.getPrototypeOf(implementation) as object | null;
  const isPlain = above === null || above === Object.prototype;
  let at: object | null = isPlain ? implementation : above;
  for (; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object | null) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value !== 'function' || found.has(name)) continue;
      if (name === 'then') throw invalidArgument('implementation', name, 'without a method that await would call');
      if (!RESERVED.has(name)) found.set(name, value as Method);
    }
  }
  if (found.size > 0) return found;
  throw invalidArgument(`implementation of service "${service}"`, implementation, 'an object with methods to call');
}

/** The `stop` hook of an implementation; undefined where it has none. */
export function stopOf(implementation: object): (() => unknown) | undefined {
  const { stop } = implementation as { stop?: unknown };
  return typeof stop === 'function' ? () => stop.call(implementation) as unknown : undefined;
}

/** What a call of a service carries: the method, then its arguments. */
export type Asked = readonly [method: string, ...given: unknown[]];

/** Runs what was asked. Throws ERR_PERCORE_NO_HANDLER for a method that there is not. */
export function runMethod(
  service: string, implementation: object, methods: ReadonlyMap<string, Method>, asked: unknown,
): unknown {
  if (!Array.isArray(asked) || typeof asked[0] !== 'string') {
    throw invalidArgument(`call of service "${service}"`, asked, 'a list: the method and its arguments');
  }
  const [name, ...given] = asked as unknown as Asked;
  const method = methods.get(name);
  if (method !== undefined) return method.apply(implementation, given as never[]);
  const known = [...methods.keys()].map((each) => `"${each}"`).join(', ');
  throw new PercoreError(
    'ERR_PERCORE_NO_HANDLER', `service "${service}" has no method "${name}"; it has ${known}`,
    { argument: 'method', value: name, allowed: known },
  );
}
