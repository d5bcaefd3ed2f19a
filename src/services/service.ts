/**
 * A service of which every reactor has an instance, its *shard*. Each has a state of its own; none is shared.
 *
 *      service.on('apples').add(3)     the shard of the reactor that owns the bucket of this key
 *      service.at(1).total()           the shard of reactor 1
 *      service.map('total')            every shard; their answers in the order of the reactors
 *      service.local                   the shard of this thread, itself: no call, no copy
 *
 * A call of a method is a call of the runtime to the name `service:<name>`, with the method and its arguments as its
 * argument. So everything that holds for calls holds here: a death rejects, deadlines travel, answers have room.
 *
 * Source of the idea: `sharded<>` of Seastar, with `invoke_on`, `invoke_on_all` and `map_reduce0`.
 */
import {
  checkBytes, checkFunction, checkInteger, checkOptions, checkText, invalidArgument, PercoreError,
} from '../errors.js';
import {
  callStream, type CallOptions, type CallStreamOptions, type Reactor, type Runtime, type StreamedAnswer,
} from '../reactor/index.js';
import { partyOf } from '../reactor/internal.js';
import {
  methodsOf, runMethod, stopOf, type Asked, type ServiceAnswer, type ServiceArguments, type ServiceMethod,
  type ServiceStub, type StreamedByMethod, type StreamingMethod,
} from './methods.js';

/** Options of `createService`. */
export interface ServiceOptions {
  /** Unique among the services of the reactor: 1 to 200 letters. */
  readonly name: string;
}

/** Limits of a call to a service, and the band in which it runs. */
export type ServiceCallOptions = Pick<CallOptions, 'priority' | 'timeoutMs' | 'signal'>;

/** Which shard is asked for a stream, by `key` or by `reactor`, and the limits of that call. */
export type ServiceStreamOptions = CallStreamOptions
  & ({ readonly key: string | Uint8Array } | { readonly reactor: number });

/** What a shard is told about itself when it is made. */
export interface Shard {
  /** The reactor that it lives in, with its timers, sockets and tasks. */
  readonly reactor: Reactor;
  /** The number of that reactor. */
  readonly id: number;
  /** How many shards the service has: one for each reactor that there is now. */
  readonly count: number;
  /** Whether the bucket of this key belongs to that reactor now. */
  owns(key: string | Uint8Array): boolean;
}

/** Reaches the shards of a service that is opened by its name alone: `openService`. */
export interface ServiceCaller<S extends object> {
  readonly name: string;
  /**
   * The shard of the reactor that owns the bucket of `key` when a method is called. Its methods promise what the shard
   * answers, and reject as `call` does. Throws ERR_PERCORE_INVALID_ARGUMENT if `key` is not a key.
   */
  on(key: string | Uint8Array, options?: ServiceCallOptions): ServiceStub<S>;
  /** The shard of this reactor. Throws ERR_PERCORE_INVALID_ARGUMENT if there is no such reactor. */
  at(reactor: number, options?: ServiceCallOptions): ServiceStub<S>;
  /**
   * Calls a method of every shard with the same arguments, all at once; promises the answers in the order of the
   * reactors. Rejects as the first shard that does, also when a reactor has died.
   */
  map<N extends ServiceMethod<S>>(
    method: N, given?: Readonly<ServiceArguments<S, N>>, options?: ServiceCallOptions,
  ): Promise<ServiceAnswer<S, N>[]>;
  /**
   * The same, and joins the answers from the left, in the order of the reactors, beginning with `initial`. `reduce`
   * runs in this thread.
   */
  mapReduce<N extends ServiceMethod<S>, R>(
    method: N, given: Readonly<ServiceArguments<S, N>>, reduce: (joined: R, answer: ServiceAnswer<S, N>) => R,
    initial: R, options?: ServiceCallOptions,
  ): Promise<R>;
  /**
   * Asks one shard for the values of a method that streams them, and returns them as they come: see `callStream`, which
   * has the same options. Asks at once. Throws ERR_PERCORE_INVALID_ARGUMENT.
   *
   *     for await (const trade of book.stream('trades', ['EURUSD'], { key: 'EURUSD', credits: 64 })) show(trade);
   */
  stream<N extends StreamingMethod<S>>(
    method: N, given: Readonly<ServiceArguments<S, N>>, options: ServiceStreamOptions,
  ): StreamedAnswer<StreamedByMethod<S, N>>;
}

/** A service as a reactor that has a shard of it sees it: `createService`. */
export interface Service<S extends object> extends ServiceCaller<S> {
  /** The shard of this reactor itself: its methods run at once, and take and return references. */
  readonly local: S;
}

const MOST_LETTERS = 200;
const CALL_OPTIONS = ['priority', 'timeoutMs', 'signal'];

const handlerName = (name: string): string => `service:${name}`;

/**
 * Starts this reactor's shard of a service. Call it in the synchronous part of the entry, which runs in every reactor:
 * calls of the others wait for it. What `make` returns is the implementation: an object whose methods, synchronous or
 * not, others may call. It is made again with each start of its reactor, with a fresh state. If it has a method `stop`,
 * that runs when the runtime closes and is awaited, as hooks of `onStop` are; nobody else may call it.
 *
 *     export default function start(reactor: Reactor): void {
 *       const counts = createService(reactor, { name: 'counts' }, () => {
 *         const byName = new Map<string, number>();
 *         return {
 *           add: (name: string, by: number) => void byName.set(name, (byName.get(name) ?? 0) + by),
 *           total: () => [...byName.values()].reduce((sum, count) => sum + count, 0),
 *         };
 *       });
 *       void counts.on('apples').add('apples', 3);
 *     }
 *
 * Throws ERR_PERCORE_NAME_TAKEN, ERR_PERCORE_CLOSED, or ERR_PERCORE_INVALID_ARGUMENT, and what `make` throws.
 */
export function createService<S extends object>(
  reactor: Reactor, options: ServiceOptions, make: (shard: Shard) => S,
): Service<S> {
  const { id, shared } = partyOf(reactor);
  // The main thread has a number after the last possible reactor.
  if (id === shared.reactors) {
    throw invalidArgument('reactor', reactor, 'a reactor: the main thread has no shard; openService calls from there');
  }
  const name = checkServiceName(checkOptions('options', options, ['name']).name);
  checkFunction('make', make);
  const owns = (key: string | Uint8Array): boolean => reactor.ownerOf(key) === id;
  const local = make({ reactor, id, get count() { return reactor.reactors; }, owns });
  const methods = methodsOf(name, local);
  reactor.handle(handlerName(name), (asked: unknown) => runMethod(name, local, methods, asked));
  const stop = stopOf(local);
  if (stop !== undefined) reactor.onStop(async () => void (await stop()));
  return new ShardedService<S>(reactor, name, local);
}

/**
 * Reaches a service by its name, from the main thread or from a reactor; it has everything except `local`. `S` is what
 * `make` returned, for the compiler. Whether the service exists is seen at the first call (ERR_PERCORE_NO_HANDLER).
 *
 *     const counts = openService<Counts>(runtime, 'counts');
 *     console.log(await counts.mapReduce('total', [], (sum, count) => sum + count, 0));
 */
export function openService<S extends object>(from: Reactor | Runtime, name: string): ServiceCaller<S> {
  partyOf(from);
  return new ShardedService<S>(from, checkServiceName(name), undefined);
}

class ShardedService<S extends object> implements Service<S> {
  readonly name: string;
  readonly #from: Reactor | Runtime;
  readonly #local: S | undefined;
  readonly #stubs: Stubs;

  constructor(from: Reactor | Runtime, name: string, local: S | undefined) {
    this.name = name;
    this.#from = from;
    this.#local = local;
    this.#stubs = new Stubs((asked, where) => this.#call(asked, where));
  }

  get local(): S {
    if (this.#local !== undefined) return this.#local;
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT', `service "${this.name}" was opened by name here: it has no shard of its own`,
      { argument: 'local' },
    );
  }

  on(key: string | Uint8Array, options?: ServiceCallOptions): ServiceStub<S> {
    if (typeof key !== 'string') checkBytes('key', key);
    return this.#stubs.make({ ...checkCallOptions(options), key }) as ServiceStub<S>;
  }

  at(reactor: number, options?: ServiceCallOptions): ServiceStub<S> {
    checkInteger('reactor', reactor, 0, this.#from.reactors - 1);
    return this.#stubs.make({ ...checkCallOptions(options), reactor }) as ServiceStub<S>;
  }

  async map<N extends ServiceMethod<S>>(
    method: N, given?: Readonly<ServiceArguments<S, N>>, options?: ServiceCallOptions,
  ): Promise<ServiceAnswer<S, N>[]> {
    const limits = checkCallOptions(options);
    const asked = askFor(method, given);
    const { reactors } = this.#from;
    const answers = Array.from({ length: reactors }, (_, reactor) => this.#call(asked, { ...limits, reactor }));
    return Promise.all(answers) as Promise<ServiceAnswer<S, N>[]>;
  }

  async mapReduce<N extends ServiceMethod<S>, R>(
    method: N, given: Readonly<ServiceArguments<S, N>>, reduce: (joined: R, answer: ServiceAnswer<S, N>) => R,
    initial: R, options?: ServiceCallOptions,
  ): Promise<R> {
    checkFunction('reduce', reduce);
    const answers = await this.map(method, given, options);
    return answers.reduce((joined, answer) => reduce(joined, answer), initial);
  }

  stream<N extends StreamingMethod<S>>(
    method: N, given: Readonly<ServiceArguments<S, N>>, options: ServiceStreamOptions,
  ): StreamedAnswer<StreamedByMethod<S, N>> {
    const asked = askFor(method, given);
    const { key, reactor } = (options ?? {}) as { key?: unknown; reactor?: unknown };
    if ((key === undefined) === (reactor === undefined)) {
      throw invalidArgument('options', options, 'with a key or a reactor: whose shard is asked');
    }
    return callStream(this.#from as Reactor, handlerName(this.name), asked, options) as StreamedAnswer<never>;
  }

  #call(asked: Asked, where: CallOptions): Promise<unknown> {
    return this.#from.call(handlerName(this.name), asked, where);
  }
}

/** Where a stub's calls go. No text, since any text may be the name of a method. */
const WHERE = Symbol('where');

interface Stub {
  readonly [WHERE]: CallOptions;
}

/**
 * Makes the objects whose methods are calls. A method is made when it is first used, once for all stubs of a service.
 */
class Stubs {
  readonly #prototype: object;

  constructor(call: (asked: Asked, where: CallOptions) => Promise<unknown>) {
    // It has no prototype, since a method of a service may be called toString.
    this.#prototype = new Proxy(Object.create(null) as Record<string, unknown>, {
      get(methods, name): unknown {
        // `await` asks for `then`, and whoever prints it asks for symbols.
        if (typeof name !== 'string' || name === 'then') return undefined;
        return methods[name] ??= function remote(this: Stub, ...given: unknown[]) {
          return call([name, ...given], this[WHERE]);
        };
      },
    });
  }

  make(where: CallOptions): object {
    return Object.create(this.#prototype, { [WHERE]: { value: where } }) as object;
  }
}

function askFor(method: string, given: unknown): Asked {
  checkText('method', method);
  if (given !== undefined && !Array.isArray(given)) throw invalidArgument('given', given, 'a list of arguments');
  return [method, ...((given ?? []) as unknown[])];
}

function checkServiceName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= MOST_LETTERS) return name;
  throw invalidArgument('name', name, `a string of 1 to ${MOST_LETTERS} letters`);
}

function checkCallOptions(options: ServiceCallOptions | undefined): ServiceCallOptions {
  return checkOptions('options', options, CALL_OPTIONS);
}
