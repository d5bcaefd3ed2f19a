/**
 * Queues of values: a codec on top of the ends that move bytes. A value is written straight into the ring and read
 * straight out of it; what arrives is a copy. The property `ring` is the end below.
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

/** The method by which a codec of structs offers a value by itself. */
interface StructOffer<T> {
  offer(value: T, ring: StructRing, memory: RecordMemory): ResultCode;
}

/** What carries the values of a producer: the end of a ring. */
type RingEnd = FixedProducer | VariableProducer;
/** What carries the values of a consumer: the end of one ring, or of several. */
export interface ByteConsumer extends LinkableFrom {
  readonly lost?: number;
  drain(handler: (view: DataView, offset: number, length: number) => void, limit?: number): number;
  ready(options?: WaitOptions): Promise<ResultCode>;
  readySync(options?: SyncWaitOptions): ResultCode;
  leave(): void;
  close(): void;
}

/**
 * The producing end of a queue with a codec. It belongs to one thread; nothing blocks except what says so.
 *
 *     const producer = pub(create({ kind: 'spsc', capacityBytes: 2 ** 16, codec: value<Order>() }));
 *     while (producer.offer(order) === BACK_PRESSURED) await producer.room();
 */
export class ValueProducer<T> implements QueueProducer<T>, LinkableTo {
  private readonly codec: Codec<T>;
  private readonly views = new Views();
  /** The codec, if it is that of a struct in a ring of structs, which writes by a method of its own. */
  private readonly structs: StructOffer<T> | undefined;

  constructor(readonly ring: RingEnd, readonly description: CodecFor<T>) {
    const codec = (this.codec = makeCodec(description));
    this.structs = codec instanceof StructCodec && ring instanceof FixedProducer
      ? (codec as unknown as StructOffer<T>) : undefined;
  }

  /**
   * Writes one value into the ring. Returns OK, BACK_PRESSURED, TOO_LARGE, CLOSED, or DROPPED where a consumer has
   * chosen that. Throws ERR_PERCORE_UNSERIALIZABLE with the path to what cannot be sent; nothing was claimed then.
   * Blocks only if a consumer has subscribed with `whenSlow: 'block'`.
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
    // Nothing of the user's runs here: a getter that offered to the same queue would write to the same place.
    return ring.commit(codec.write(value, this.views.of(ring.view), at));
  }

  /** Publishes what is committed. Returns OK, or CLOSED if the queue was closed before that. */
  flush(): ResultCode {
    return this.ring.flush();
  }

  /**
   * Resolves OK when there is room for the value that was last refused, or for a short one if none was. Resolves CLOSED
   * when there never will be, or when this end closes or leaves, and DROPPED at once if a consumer with `whenSlow:
   * 'drop-newest'` is in the way. Rejects with `signal.reason` when `signal` aborts, and with ERR_PERCORE_TIMEOUT after
   * `timeoutMs`.
   */
  room(options?: WaitOptions): Promise<ResultCode> {
    return this.ring.room(undefined, options);
  }

  /** As `room`, but freezes the thread; a reactor may not call it. Returns BACK_PRESSURED after `timeoutMs`. */
  roomSync(options?: SyncWaitOptions): ResultCode {
    return this.ring.roomSync(undefined, options);
  }

  [LINK_TO](): Linked<LinkTo> {
    return { ...this.ring[LINK_TO](), codec: this.description };
  }

  /** Declares that no value will follow; see `close` of the ring's producer. */
  close(): void {
    this.ring.close();
  }

  /** Publishes what is committed and gives the place up. Another `pub` may go on where this producer stopped. */
  leave(): void {
    this.ring.leave();
  }
}

/**
 * The producing end of a banded queue with a codec. It belongs to one thread; nothing blocks except what says so.
 *
 *     const producer = pub(create({ kind: 'banded', capacityBytes: 2 ** 16, codec: value<Job>() }));
 *     producer.offer(urgentJob, 7);
 */
export class BandedValueProducer<T> {
  private readonly producers: readonly ValueProducer<T>[];

  constructor(readonly ring: BandedProducer, description: CodecFor<T>) {
    this.producers = Array.from({ length: BANDS }, (_, band) => new ValueProducer<T>(ring.band(band), description));
  }

  /**
   * The producer of one band, from 0 (low) to 7 (high). Throws ERR_PERCORE_INVALID_ARGUMENT for a band that does not
   * exist.
   */
  band(band: number): ValueProducer<T> {
    return (typeof band === 'number' ? this.producers[band] : undefined) ?? (this.ring.band(band) as never);
  }

  /** Writes one value into a band; see `offer` of ValueProducer. */
  offer(value: T, band: number): ResultCode {
    return this.band(band).offer(value);
  }

  /** Publishes what is committed in every band. Returns OK, or CLOSED if any band is closed. */
  flush(): ResultCode {
    return this.ring.flush();
  }

  /** Declares that no value will follow: the consumer reads all bands and then gets CLOSED. */
  close(): void {
    this.ring.close();
  }

  /** Publishes what is committed and gives the place up. Another `pub` may go on where this producer stopped. */
  leave(): void {
    this.ring.leave();
  }
}

/**
 * The consuming end of a queue with a codec. It belongs to one thread; nothing blocks except what says so.
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

  /** How many values were lost because this consumer was too slow, if its policy may lose any. */
  get lost(): number {
    return this.ring.lost ?? 0;
  }

  /**
   * The next value, or undefined when there is none now; `state` then says EMPTY, CLOSED or EVICTED. Releases the
   * record at once. Throws ERR_PERCORE_UNSERIALIZABLE for a record that cannot be read here; it counts as read.
   */
  poll(): T | undefined {
    this.value = undefined;
    this.met(this.ring.drain(this.keep, 1));
    return this.value;
  }

  /**
   * Calls `handler` for up to `limit` values, and releases their records with one store. Returns how many there were, 0
   * when empty, CLOSED when none will follow, or EVICTED. Delivery is at most once: a value counts as read as soon as
   * its handler is called, even if the handler throws.
   */
  drain(handler: (value: T) => void, limit?: number): number {
    checkFunction('handler', handler);
    return this.met(this.ring.drain((view, offset, length) => handler(this.read(view, offset, length)), limit));
  }

  /**
   * Resolves OK when a value can be read, and CLOSED (or EVICTED) when none will be. Rejects with `signal.reason` when
   * `signal` aborts, and with ERR_PERCORE_TIMEOUT after `timeoutMs`.
   */
  ready(options?: WaitOptions): Promise<ResultCode> {
    return this.ring.ready(options);
  }

  /** As `ready`, but freezes the thread; a reactor may not call it. Returns EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    return this.ring.readySync(options);
  }

  [LINK_FROM](): Linked<LinkFrom> {
    return { ...this.ring[LINK_FROM](), codec: this.description };
  }

  /** Gives the place up; see `leave` of the ring's consumer. Do not use this end afterwards. */
  leave(): void {
    this.ring.leave();
  }

  /** Leaves for good; see `close` of the ring's consumer. */
  close(): void {
    this.ring.close();
  }

  /** Iterates over the values until the queue ends. Throws ERR_PERCORE_CLOSED for a consumer that was evicted. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return valuesOf(this);
  }

  /** Sets `state` by what a drain has answered. */
  private met(count: number): number {
    this.state = count > 0 ? OK : count === 0 ? EMPTY : (count as ResultCode);
    return count;
  }

  private read(view: DataView, offset: number, length: number): T {
    // One ring has one view; lanes, bands and chunks have several, one each.
    return this.codec.read(this.views.of(view), offset, length);
  }
}

/** The four views of what `view` sees, kept until another view is asked for. */
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
