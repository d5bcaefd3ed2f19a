/**
 * Queues of values: a codec on top of the ends that move bytes. The value is written straight into the ring and read
 * straight out of it; what arrives is a copy. The ring below is reached by `ring`.
 */
import { checkFunction } from '../errors.js';
import { BANDS } from '../layout.js';
import type { BandedProducer } from './banded-queue.js';
import type { Codec, CodecFor, RecordMemory } from './codec.js';
import { makeCodec } from './codecs.js';
import { LINK_FROM, LINK_TO } from './doors.js';
import { FixedProducer } from './fixed-records.js';
import type { LinkFrom, LinkTo, LinkableFrom, LinkableTo, Linked } from './link-ends.js';
import { valuesOf, type QueueConsumer, type QueueProducer } from './queue-ends.js';
import { recordMemory } from './record-memory.js';
import { StructCodec, type StructRing } from './struct-codec.js';
import { EMPTY, OK, type ResultCode } from '../result-codes.js';
import type { VariableProducer } from './variable-records.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';

interface StructOffer<T> {
  offer(value: T, ring: StructRing, memory: RecordMemory): ResultCode;
}

/** What carries the values: the end of a ring, or of several. */
type RingEnd = FixedProducer | VariableProducer;
export interface ByteConsumer extends LinkableFrom {
  readonly lost?: number;
  drain(handler: (view: DataView, offset: number, length: number) => void, limit?: number): number;
  ready(options?: WaitOptions): Promise<ResultCode>;
  readySync(options?: SyncWaitOptions): ResultCode;
  leave(): void;
  close(): void;
}

/**
 * The producing end of a queue with a codec. One thread; nothing blocks but what says so.
 *
 *     const producer = pub(create({ kind: 'spsc', capacityBytes: 2 ** 16, codec: value<Order>() }));
 *     while (producer.offer(order) === BACK_PRESSURED) await producer.room();
 */
export class ValueProducer<T> implements QueueProducer<T>, LinkableTo {
  private readonly codec: Codec<T>;
  private readonly views = new Views();
  /** The codec of a ring of structs, which has a way of its own. */
  private readonly structs: StructOffer<T> | undefined;

  constructor(readonly ring: RingEnd, readonly description: CodecFor<T>) {
    const codec = (this.codec = makeCodec(description));
    this.structs = codec instanceof StructCodec && ring instanceof FixedProducer
      ? (codec as unknown as StructOffer<T>) : undefined;
  }

  /**
   * Writes one value into the ring. OK, BACK_PRESSURED, TOO_LARGE, CLOSED, or DROPPED by a consumer's choice. Throws
   * ERR_PERCORE_UNSERIALIZABLE with the path to what cannot be sent; then nothing was claimed. Blocks only where a
   * consumer has subscribed with `whenSlow: 'block'`.
   */
  offer(value: T): ResultCode {
    const { codec, structs } = this;
    if (structs !== undefined) {
      const ring = this.ring as FixedProducer;
      return structs.offer(value, ring, this.views.of(ring.view));
    }
    const ring = this.ring as VariableProducer;
    const at = ring.claimOrBlock(codec.measure(value, ring.maxRecordBytes));
    if (at < 0) {
      codec.forget();
      return at as ResultCode;
    }
    // Runs nothing of the user's: a getter that offered here as well would write to the same place.
    return ring.commit(codec.write(value, this.views.of(ring.view), at));
  }

  /** Publishes what is committed. OK or CLOSED. */
  flush(): ResultCode {
    return this.ring.flush();
  }

  /**
   * Resolves OK when the value that was last refused has room, or a short one if none was; CLOSED when none ever will,
   * or this end closes or leaves. Rejects by `signal` and `timeoutMs`.
   */
  room(options?: WaitOptions): Promise<ResultCode> {
    return this.ring.room(undefined, options);
  }

  /** The same for a thread that may stand still: not inside a reactor. BACK_PRESSURED after `timeoutMs`. */
  roomSync(options?: SyncWaitOptions): ResultCode {
    return this.ring.roomSync(undefined, options);
  }

  [LINK_TO](): Linked<LinkTo> {
    return { ...this.ring[LINK_TO](), codec: this.description };
  }

  /** No value will follow; see `close` of the ring's producer. */
  close(): void {
    this.ring.close();
  }

  /** Publishes and gives the place up: another `pub` may go on. */
  leave(): void {
    this.ring.leave();
  }
}

/**
 * The producing end of a banded queue with a codec. One thread; nothing blocks but what says so.
 *
 *     const producer = pub(create({ kind: 'banded', capacityBytes: 2 ** 16, codec: value<Job>() }));
 *     producer.offer(urgentJob, 7);
 */
export class BandedValueProducer<T> {
  private readonly producers: readonly ValueProducer<T>[];

  constructor(readonly ring: BandedProducer, description: CodecFor<T>) {
    this.producers = Array.from({ length: BANDS }, (_, band) => new ValueProducer<T>(ring.band(band), description));
  }

  /** The end of one band, 0 low to 7 high. */
  band(band: number): ValueProducer<T> {
    return (typeof band === 'number' ? this.producers[band] : undefined) ?? (this.ring.band(band) as never);
  }

  /** Writes one value into a band; see ValueProducer. */
  offer(value: T, band: number): ResultCode {
    return this.band(band).offer(value);
  }

  /** Publishes what is committed in every band. OK or CLOSED. */
  flush(): ResultCode {
    return this.ring.flush();
  }

  /** No value will follow: the consumer drains all bands, then gets CLOSED. */
  close(): void {
    this.ring.close();
  }

  /** Publishes and gives the place up: another `pub` may go on. */
  leave(): void {
    this.ring.leave();
  }
}

/**
 * The consuming end of a queue with a codec. One thread; nothing blocks but what says so.
 *
 *     for await (const order of sub(orders)) handle(order);            // until the queue ends
 *
 *     const order = consumer.poll();                                   // or one, if there is one now
 *     if (consumer.state === OK) handle(order);
 */
export class ValueConsumer<T> implements QueueConsumer<T>, LinkableFrom {
  /** What the last `poll` or `drain` met: OK, EMPTY, CLOSED or EVICTED. */
  state: ResultCode = EMPTY;
  private readonly codec: Codec<T>;
  private value: T | undefined;
  private readonly views = new Views();
  private readonly keep = (view: DataView, offset: number, length: number): void => {
    this.value = this.read(view, offset, length);
  };

  constructor(readonly ring: ByteConsumer, readonly description: CodecFor<T>) {
    this.codec = makeCodec(description);
  }

  /** Values lost because this consumer was too slow, where it subscribed with a policy that loses. */
  get lost(): number {
    return this.ring.lost ?? 0;
  }

  /**
   * The next value, or undefined when there is none now: `state` then says EMPTY, CLOSED or EVICTED. Releases its
   * record at once.
   */
  poll(): T | undefined {
    this.value = undefined;
    this.met(this.ring.drain(this.keep, 1));
    return this.value;
  }

  /**
   * Calls `handler` for up to `limit` values, and releases their records with one store. Returns how many, 0 when
   * empty, CLOSED when none will follow, or EVICTED. At most once: a value counts as read once its handler is called,
   * thrown or not.
   */
  drain(handler: (value: T) => void, limit?: number): number {
    checkFunction('handler', handler);
    return this.met(this.ring.drain((view, offset, length) => handler(this.read(view, offset, length)), limit));
  }

  /**
   * Resolves OK when a value can be read, CLOSED (or EVICTED) when none will be. Rejects by `signal` and `timeoutMs`.
   */
  ready(options?: WaitOptions): Promise<ResultCode> {
    return this.ring.ready(options);
  }

  /** The same for a thread that may stand still: not inside a reactor. EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    return this.ring.readySync(options);
  }

  [LINK_FROM](): Linked<LinkFrom> {
    return { ...this.ring[LINK_FROM](), codec: this.description };
  }

  /** Gives the place up: see `leave` of the ring's consumer. Not to be used after. */
  leave(): void {
    this.ring.leave();
  }

  /** Leaves for good: see `close` of the ring's consumer. */
  close(): void {
    this.ring.close();
  }

  /** Ends when the queue does. Throws ERR_PERCORE_CLOSED for a consumer that was evicted. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return valuesOf(this);
  }

  private met(count: number): number {
    this.state = count > 0 ? OK : count === 0 ? EMPTY : (count as ResultCode);
    return count;
  }

  private read(view: DataView, offset: number, length: number): T {
    // One ring has one view; lanes, bands and chunks have one each.
    return this.codec.read(this.views.of(view), offset, length);
  }
}

/** The four views of what `view` sees; kept while it is the same. */
class Views {
  private view: DataView | undefined;
  private memory: RecordMemory | undefined;

  of(view: DataView): RecordMemory {
    if (view !== this.view) {
      this.view = view;
      this.memory = recordMemory(view.buffer as SharedArrayBuffer, view.byteOffset, view.byteLength & ~3);
    }
    return this.memory!;
  }
}
