/** Streaming answers as users ask for them. */
import { checkInteger, checkOptions, checkText } from '../errors.js';
import { askedIn, type CallContext } from './call-context.js';
import type { Incoming } from './call-incoming.js';
import type { CallOptions } from './calls.js';
import { partyOf } from './internal.js';
import type { Argument, Protocol, StreamedBy, StreamName } from './protocol.js';
import type { Reactor } from './reactor.js';
import type { Runtime } from './runtime.js';

export interface CallStreamOptions extends CallOptions {
  /**
   * Most values that may be under way or wait here: 1 to 65,536, default 256. The other side yields no more until some
   * of them are taken, so a slow reader slows the generator down.
   */
  credits?: number;
}

/** What follows the name: as in `call`, a service without an argument is asked by its name alone. */
export type StreamRest<P, N> = undefined extends Argument<P, N>
  ? [argument?: Argument<P, N>, options?: CallStreamOptions]
  : [argument: Argument<P, N>, options?: CallStreamOptions];

/** The values of one streaming answer, in order. Leaving the loop, or `return()`, ends the generator. */
export interface StreamedAnswer<T> extends AsyncIterableIterator<T, undefined, undefined> {
  /**
   * The values in batches, as many together as have arrived: a promise for each batch instead of each value, so it is
   * several times as fast. Leaving the loop ends the stream.
   *
   *     for await (const lines of callStream(runtime, 'lines', '/etc/hosts').batches()) write(lines.join(''));
   */
  batches(): AsyncIterableIterator<T[], undefined, undefined>;
  /** Ends the stream at both sides. Resolves at once, before the generator's `finally` has run. */
  return(): Promise<IteratorResult<T, undefined>>;
}

const DEFAULT_CREDITS = 256;
const MOST_CREDITS = 65_536;
const STREAM_OPTIONS = ['reactor', 'key', 'priority', 'timeoutMs', 'signal', 'credits'];
const NO_OPTIONS: CallStreamOptions = Object.freeze({});

/**
 * Asks a party for a streaming answer and returns its values, as they come.
 *
 *     reactor.handle('lines', async function* (path) {
 *       const file = await open(path);
 *       try {
 *         yield* file.readLines();
 *       } finally {
 *         await file.close();                   // also when the caller leaves its loop, aborts, or dies
 *       }
 *     });
 *     for await (const line of callStream(runtime, 'lines', '/etc/hosts', { timeoutMs: 500 })) console.log(line);
 *
 * `of` is the asker: a reactor, the runtime for its main thread, or the context of a call that is being answered, whose
 * limits then hold for the stream as well. It asks at once, and never blocks. `timeoutMs` limits the whole stream. Each
 * value is copied when it is yielded; here it allocates the copy and a promise. A handler may also be a plain generator
 * (`function*`), which is faster still: it runs as far as the credits go. What the generator throws is thrown here,
 * after the values that it yielded before; so is ERR_PERCORE_REACTOR_DIED. A time-out, the signal's reason and
 * ERR_PERCORE_CLOSED are thrown at once, and values that had arrived are dropped and counted. A stream that is neither
 * read to its end nor left holds its place among the 65,536 calls of its party.
 *
 * Throws what `call` rejects with if the question cannot be asked. Only this thread may use it. Credits are those of
 * Reactive Streams.
 */
export function callStream<P extends Protocol, N extends StreamName<P>>(
  of: Reactor<P> | Runtime<P> | CallContext<P>, name: N, ...rest: StreamRest<P, N>
): StreamedAnswer<StreamedBy<P, N>> {
  const [argument, options = NO_OPTIONS] = rest as [unknown, CallStreamOptions?];
  checkText('name', name);
  checkOptions(`callStream("${name}")`, options, STREAM_OPTIONS);
  const credits = checkInteger('credits', options.credits ?? DEFAULT_CREDITS, 1, MOST_CREDITS);
  const within = askedIn(of);
  const asker = within === undefined ? partyOf(of as Reactor<P> as Reactor).asking : within.host.asker;
  return new Values(asker.stream(name, argument, options, credits, within)) as StreamedAnswer<never>;
}

class Values implements AsyncIterableIterator<unknown, undefined, undefined> {
  readonly #incoming: Incoming;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#incoming.next();
  }

  batches(): Batches {
    return new Batches(this.#incoming);
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#incoming.return();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

class Batches implements AsyncIterableIterator<unknown[], undefined, undefined> {
  readonly #incoming: Incoming;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
  }

  next(): Promise<IteratorResult<unknown[], undefined>> {
    return this.#incoming.nextBatch();
  }

  return(): Promise<IteratorResult<unknown[], undefined>> {
    this.#incoming.return();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
