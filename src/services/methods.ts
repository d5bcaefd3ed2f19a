/** What other reactors can call of a service's implementation, as types and at run time. */
import { PercoreError, invalidArgument } from '../errors.js';

/** Runs once, with its reactor's end; nobody else calls it. */
const HOOK = 'stop';
/** `await` would call a method of this name. */
const RESERVED: ReadonlySet<string> = new Set(['constructor', 'then', HOOK]);

/** A method of an implementation, whatever it takes. */
export type Method = (...given: never[]) => unknown;

/** What a method streams: the values of the async iterable that it returns; `never` if it returns none. */
export type StreamedByMethod<S, N extends keyof S> = S[N] extends (...given: never[]) => infer R
  ? [R] extends [never] ? never : Awaited<R> extends AsyncIterable<infer T> | IterableIterator<infer T> ? T : never
  : never;
type Callable<S> = {
  [N in keyof S]: N extends 'stop' | 'then' ? never : N extends string ? S[N] extends Method ? N : never : never;
}[keyof S] & string;
type Streaming<S> = { [N in keyof S & string]: [StreamedByMethod<S, N>] extends [never] ? never : N }[keyof S & string];
/** Names of what can be called: methods whose name is a string, except the hook `stop` and those that stream. */
export type ServiceMethod<S> = Exclude<Callable<S>, Streaming<S>>;
/** Names of methods that answer a stream, such as asynchronous generators. */
export type StreamingMethod<S> = Callable<S> & Streaming<S>;
/** The arguments of a method. */
export type ServiceArguments<S, N extends keyof S> = S[N] extends (...given: infer A) => unknown ? A : never;
/** Its answer, awaited. */
export type ServiceAnswer<S, N extends keyof S> = S[N] extends (...given: never[]) => infer R ? Awaited<R> : never;
/** A shard as others see it: the same methods, each of which promises its answer. */
export type ServiceStub<S> = {
  readonly [N in ServiceMethod<S>]: (...given: ServiceArguments<S, N>) => Promise<ServiceAnswer<S, N>>
};

/**
 * The methods of an implementation by name: the functions of a plain object, or the methods of an instance's classes. A
 * function in a field of an instance is not one of them, since callbacks that it was given lie there as well, also
 * private ones. Throws if it is not an implementation.
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

/** The `stop` hook of an implementation; undefined if it has none. */
export function stopOf(implementation: object): (() => unknown) | undefined {
  const { stop } = implementation as { stop?: unknown };
  return typeof stop === 'function' ? () => stop.call(implementation) as unknown : undefined;
}

/** What a call of a service carries: the method, then its arguments. */
export type Asked = readonly [method: string, ...given: unknown[]];

/** Runs what was asked for. Throws ERR_PERCORE_NO_HANDLER for a method that does not exist. */
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
