import { checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { checkBandOrClass, partyOf } from '../reactor/internal.js';
import { checkSignal } from '../waiting.js';
import type { Flow, FlowHost, Open } from './flow.js';
import { iterate, readIn, type StreamRun, type Target } from './reader.js';
import { routeOf, type SplitOptions } from './route.js';
import { openerOf, type Source } from './sources.js';
import { Splitter } from './split.js';
import { FilterFlow, MapFlow, MergeFlow, TakeFlow, openAll } from './stages.js';
import { WindowFlow, type StreamWindow } from './window.js';

/** How a reactor reads a stream. */
export interface StreamReadOptions {
  /** The name that reports use. */
  readonly name: string;
  /** The band in which the stages and the target run: 0 low to 7 high. Default 3. */
  readonly priority?: number;
  /** The name of a class of `createRuntime({ classes })`, instead of a priority. */
  readonly class?: string;
  /** How many asynchronous calls of the target may be under way at once: 1 to 2^20. Default 1. */
  readonly concurrency?: number;
  /** Cancels the reading when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

const MOST_COUNT = 2 ** 20;
const MOST_MS = 2 ** 31 - 1;

/**
 * Values one after the other, from a source through stages to a reader. Nothing runs until the stream is read, by `to`
 * in a band of a reactor or by `for await` anywhere. Nothing is taken from the source that the reader has not asked
 * for, so that a slow reader holds back everything above it, up to the peer of a connection or the producer of a queue.
 * What is gathered on the way is bounded. An error of the source, of a stage or of the target ends the stream and
 * closes its source; so does a cancellation. A stream can be read once.
 *
 *     createStream(queues.sub(orders))
 *       .filter((order) => order.size > 0)
 *       .window({ count: 100, ms: 5 })
 *       .to(reactor, { name: 'batches', priority: 2 }, book);     // a task, a process, an address, a queue, a function
 *
 *     for await (const line of createStream(lines).take(10)) console.log(line);
 *
 * It belongs to the thread that made it. No method waits. The methods allocate when a stream is built; each value costs
 * a few calls. All methods throw ERR_PERCORE_INVALID_ARGUMENT for a bad argument, and for a stream that was used
 * already.
 */
export class Stream<T> implements AsyncIterable<T> {
  readonly #open: Open<T>;
  #isTaken = false;
  #splitter: Splitter<T> | undefined;

  /** `createStream` makes streams. */
  constructor(open: Open<T>) {
    this.#open = open;
  }

  /** How many values `split` gave to nobody, because their branch was no longer read or did not exist. */
  get dropped(): number {
    return this.#splitter?.dropped ?? 0;
  }

  /** A stream of what `change` returns for each value. If `change` throws, the stream fails. */
  map<U>(change: (value: T) => U): Stream<U> {
    checkFunction('change', change);
    const open = this.#take();
    return new Stream((host) => new MapFlow(open(host), change));
  }

  /** A stream of the values for which `accepts` returns true. If `accepts` throws, the stream fails. */
  filter(accepts: (value: T) => boolean): Stream<T> {
    checkFunction('accepts', accepts);
    const open = this.#take();
    return new Stream((host) => new FilterFlow(open(host), accepts));
  }

  /** A stream of the first `count` values, 0 to 2^53 - 1. It then ends, and its source is closed. */
  take(count: number): Stream<T> {
    checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    const open = this.#take();
    return new Stream((host) => new TakeFlow(open(host), count));
  }

  /**
   * A stream of the values of this stream and the others as they come, those of each in their order. It ends when all
   * have ended, and fails when one fails.
   */
  merge<U = never>(...others: Stream<U>[]): Stream<T | U> {
    const all = [this, ...others];
    for (const each of all) if (!(each instanceof Stream)) throw invalidArgument('others', each, 'streams');
    const opens = all.map((each) => each.#take() as Open<T | U>);
    return new Stream<T | U>((host) => new MergeFlow<T | U>(openAll(opens, host)));
  }

  /**
   * A stream of lists of values. Each has `count` of them, or fewer when `ms` milliseconds have passed since its first
   * value, or at the end. Time is measured by the timers of the reactor that reads.
   */
  window(options: StreamWindow): Stream<T[]> {
    const { count = 1024, ms } = checkOptions('window', options, ['count', 'ms']);
    checkInteger('count', count, 1, MOST_COUNT);
    if (ms !== undefined) checkInteger('ms', ms, 1, MOST_MS);
    const open = this.#take();
    return new Stream((host) => new WindowFlow(open(host), count, ms, host));
  }

  /**
   * Makes several streams of one. With `percent`, each value goes to one of them, in these shares. With `overlapped`,
   * each value goes to all. With `by`, the function says for each value which one gets it. A branch that is not read
   * holds the others back when its `room` is full. A branch that was closed does not; the values for it are counted in
   * `dropped`.
   *
   *     const [most, some] = stream.split({ percent: [80, 20] });
   *     const [even, odd] = numbers.split({ by: (number) => number % 2, branches: 2 });
   */
  split(options: SplitOptions<T>): Stream<T>[] {
    const { branches, room, route } = routeOf(options);
    const open = this.#take();
    const splitter = (this.#splitter = new Splitter<T>(branches, room, route));
    return Array.from({ length: branches }, (_, branch) => {
      return new Stream<T>((host: FlowHost): Flow<T> => splitter.open(() => open(host), branch));
    });
  }

  /**
   * Reads the stream in a band of a reactor, or of the main thread of a runtime, and hands each value to `target`: up
   * to 16 values before others of the band have their turn. A target that is full is offered the same value again when
   * it has room. Throws ERR_PERCORE_INVALID_ARGUMENT, and what the source throws when it is opened.
   */
  to(reactor: Reactor | Runtime, options: StreamReadOptions, target: Target<T>): StreamRun {
    const { name, concurrency = 1, signal } = checkOptions(
      'to', options, ['name', 'priority', 'class', 'concurrency', 'signal'],
    );
    checkText('name', name);
    checkInteger('concurrency', concurrency, 1, MOST_COUNT);
    checkSignal(signal);
    const isTarget = typeof target === 'function'
      || (typeof target === 'object' && target !== null && ('send' in target || 'offer' in target));
    if (!isTarget) throw invalidArgument('target', target, 'a task, the producing end of a queue, or a function');
    const party = partyOf(reactor);
    const band = checkBandOrClass(options, party.turn.classes);
    return readIn(party, this.#take(), { name, band, concurrency, signal }, target);
  }

  /** Reads the stream in this thread. Leaving the loop closes the source. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return iterate(this.#take());
  }

  #take(): Open<T> {
    if (this.#isTaken) throw invalidArgument('stream', this, 'read once: to read it twice, split it');
    this.#isTaken = true;
    return this.#open;
  }
}

/**
 * Makes a stream of a source: the consuming end of a queue of values, a connection (its chunks, copied), or anything
 * that can be iterated, also asynchronously. For a stream of a task's messages, use a queue in this thread, `const
 * inbox = queues.create<Order>({ backend: 'deque', capacity: 100 })`, and a step that returns
 * `queues.pub(inbox).offer(order)`. Any thread may call it. Throws ERR_PERCORE_INVALID_ARGUMENT if `source` is none of
 * these.
 *
 *     for await (const even of createStream([1, 2, 3, 4]).filter((number) => number % 2 === 0)) console.log(even);
 */
export function createStream<T>(source: Source<T>): Stream<T> {
  return new Stream<T>(openerOf<T>(source));
}
