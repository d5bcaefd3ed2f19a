/** Where the values of a stream come from: the consuming end of a queue, anything iterable, or a connection. */
import { PercoreError, invalidArgument } from '../errors.js';
import { isResult, iteratorOf, notAResult } from '../iterators.js';
import type { Connection } from '../io/index.js';
import { CLOSED, EMPTY, EVICTED, OK } from '../result-codes.js';
import { Bell, type Flow } from './flow.js';

/** The consuming end of any queue of values: what `sub` of percore/queues returns for such a queue. */
export interface QueueSource<T> {
  /** What the last poll found: OK, EMPTY, CLOSED or EVICTED. */
  readonly state: number;
  /** The next value; undefined when there is none now, or when the value is undefined. */
  poll(): T | undefined;
  /** Settles when a poll may find something else. */
  ready(): Promise<unknown>;
  /** Says that nobody reads here any more. */
  close(): void;
}

/** What a stream can be made of. Chunks of a connection are copied. */
export type Source<T> = QueueSource<T> | AsyncIterable<T> | Iterable<T> | Connection;

/** How many chunks of a connection may wait before the peer is held back. */
const MOST_CHUNKS = 16;

/**
 * Checks a source, and returns what makes its flow when it is read. Throws ERR_PERCORE_INVALID_ARGUMENT if it is not a
 * source.
 */
export function openerOf<T>(source: Source<T>): () => Flow<T> {
  if (typeof source === 'object' && source !== null) {
    // The order matters: the end of a queue can be iterated as well.
    if ('poll' in source && 'ready' in source) return () => new QueueFlow(source as QueueSource<T>);
    if ('onData' in source && 'pause' in source) return () => new ConnectionFlow(source) as Flow<unknown> as Flow<T>;
    if (Symbol.asyncIterator in source) return () => new AsyncFlow(iteratorOf('source', source, Symbol.asyncIterator));
    if (Symbol.iterator in source) return () => new IterableFlow(iteratorOf('source', source, Symbol.iterator));
  }
  throw invalidArgument('source', source, 'the consuming end of a queue of values, an iterable, or a connection');
}

/** The flow of a queue's consuming end. */
class QueueFlow<T> implements Flow<T> {
  constructor(private readonly source: QueueSource<T>) {}

  get state(): number {
    return this.source.state;
  }

  poll(): T | undefined {
    const { source } = this;
    const value = source.poll();
    if (source.state !== EVICTED) return value;
    // Not the end of the queue, and must not look like it; and nothing would ever come.
    throw new PercoreError(
      'ERR_PERCORE_CLOSED',
      'the consumer that a stream reads was evicted: it was too slow for too long. What it has lost is counted: '
        + 'inspect(queue).dropped.evicted. Subscribe again, and make a new stream',
    );
  }

  ready(): Promise<unknown> {
    return this.source.ready();
  }

  close(): void {
    this.source.close();
  }
}

/** The flow of anything that can be iterated without waiting. */
class IterableFlow<T> implements Flow<T> {
  state: number = EMPTY;

  constructor(private readonly iterator: Iterator<T>) {}

  poll(): T | undefined {
    if (this.state === CLOSED) return undefined;
    const result = this.iterator.next();
    if (!isResult(result)) throw notAResult('the source of a stream', result);
    this.state = result.done === true ? CLOSED : OK;
    return this.state === OK ? (result.value as T) : undefined;
  }

  ready(): Promise<unknown> {
    return Promise.resolve();
  }

  close(): void {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    this.iterator.return?.();
  }
}

/**
 * The flow of an asynchronous iterable. Asks for a value when it is polled, and for no more until that one is taken.
 */
class AsyncFlow<T> implements Flow<T> {
  state: number = EMPTY;
  private asked: Promise<void> | undefined;
  private result: IteratorResult<T> | undefined;
  private failure: { readonly error: unknown } | undefined;
  private isClosed = false;

  constructor(private readonly iterator: AsyncIterator<T>) {}

  poll(): T | undefined {
    const { result, failure } = this;
    if (failure !== undefined) {
      this.isClosed = true;
      throw failure.error;
    }
    if (this.isClosed || result?.done === true) {
      this.isClosed = true;
      this.state = CLOSED;
      return undefined;
    }
    this.result = undefined;
    this.state = result === undefined ? EMPTY : OK;
    if (result === undefined) this.ask();
    return result?.value;
  }

  ready(): Promise<unknown> {
    this.ask();
    return this.asked ?? Promise.resolve();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    // Whatever it has to clean up is its own business; nobody waits for it.
    void Promise.resolve(this.iterator.return?.()).catch(() => undefined);
  }

  private ask(): void {
    if (this.asked !== undefined || this.result !== undefined || this.isClosed) return;
    this.asked = this.follow();
  }

  private async follow(): Promise<void> {
    try {
      const result = await this.iterator.next();
      if (!isResult(result)) throw notAResult('the source of a stream', result);
      this.result = result;
    } catch (error) {
      this.failure = { error };
    }
    this.asked = undefined;
  }
}

/**
 * Hands on the chunks of a connection as they arrive. While nobody takes them the connection is paused, and the kernel
 * holds the peer back.
 */
class ConnectionFlow implements Flow<Uint8Array> {
  state: number = EMPTY;
  private readonly bell = new Bell();
  private readonly chunks: Uint8Array[] = [];
  private failure: { readonly error: unknown } | undefined;
  private isOver = false;

  constructor(private readonly connection: Connection) {
    connection.onData((bytes) => {
      this.chunks.push(bytes.slice());
      if (this.chunks.length === MOST_CHUNKS) connection.pause();
      this.bell.ring();
    });
    connection.onEnd(() => this.end());
    connection.onClose((error) => {
      if (error !== undefined) this.failure = { error };
      this.end();
    });
    if (connection.isClosed) this.end();
  }

  poll(): Uint8Array | undefined {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) {
      if (this.chunks.length === MOST_CHUNKS - 1) this.connection.resume();
      this.state = OK;
      return chunk;
    }
    this.state = this.isOver ? CLOSED : EMPTY;
    if (this.isOver && this.failure !== undefined) throw this.failure.error;
    return undefined;
  }

  ready(): Promise<unknown> {
    return this.bell.wait();
  }

  /** The connection itself goes on: its owner may still send, and ends it. */
  close(): void {
    this.isOver = true;
    this.chunks.length = 0;
    if (!this.connection.isClosed) this.connection.pause();
  }

  private end(): void {
    this.isOver = true;
    this.bell.ring();
  }
}
