/** Publishing: `createTopic`, and what it returns. */
import { checkFunction, checkInteger, invalidArgument } from '../errors.js';
import { partyOf } from '../reactor/internal.js';
import type { Protocol, Reactor, Runtime, Untyped } from '../reactor/index.js';
import { busOf, type Bus } from './bus.js';
import { checkTopic, type TopicOptions } from './options.js';
import type { Publisher } from './publisher.js';
import type { CodecFits, PublishedAs, TopicName } from './types.js';

/**
 * A topic, for the thread that publishes to it. `createTopic` makes it. Nothing here blocks.
 *
 *     const prices = createTopic(reactor, { name: 'prices.eur', codec: struct({ bid: 'f64', ask: 'f64' }) });
 *     if (prices.publish({ bid: 1.08, ask: 1.09 }) === BACK_PRESSURED) prices.whenRoom(() => …);
 *
 *     const at = prices.tryClaim(16);                    // the same in place, without an object for it
 *     if (at >= 0) {
 *       prices.view.setFloat64(at, 1.08, true);
 *       prices.view.setFloat64(at + 8, 1.09, true);
 *       prices.commit(16);
 *     }
 */
export class Topic<T = unknown> {
  readonly #bus: Bus;
  readonly #publisher: Publisher;

  /** `createTopic` makes topics; a Bus is not to be had outside of the package. */
  constructor(bus: Bus, publisher: Publisher) {
    this.#bus = bus;
    this.#publisher = publisher;
  }

  /** The name of the topic. */
  get name(): string {
    return this.#publisher.settings.name;
  }

  /**
   * Publishes a value to all who subscribe now, in whatever thread. It is copied once to each thread that has
   * subscribers, and is published at the end of the step at the latest.
   *
   * Returns OK if all of them will have it, except for what their own `whenSlow` drops; BACK_PRESSURED or TOO_LARGE if
   * nobody has it and nobody will; and CLOSED if this topic or the runtime is closed. A step that returns
   * BACK_PRESSURED after that waits for exactly the lane that was full. Structs that are published one after the other
   * in one step may share a record, as those of a batch do. If nobody subscribes, the call costs one load, and the
   * value is not even looked at unless it is retained. Throws ERR_PERCORE_UNSERIALIZABLE for a value that the codec
   * cannot write.
   */
  publish(value: T): number {
    return this.#publisher.publish(value);
  }

  /**
   * Publishes several values in their order, as many of them in one record as fit: up to 256, and an eighth of a lane
   * or 1 KiB. Each of them then costs a fraction of what it costs by itself; those who subscribe by `subscribeBatches`
   * get them in lists, and others one by one. Whatever is counted counts messages.
   *
   * Returns how many were taken, from the first on. Fewer than all: the next one was refused, as `publish` would have
   * refused it, and nobody has it or any behind it. Returns BACK_PRESSURED, TOO_LARGE or CLOSED if none was taken. A
   * step that returns BACK_PRESSURED after that waits for exactly the lane that was full. A topic with `retain` keeps
   * the last value that was taken. Throws ERR_PERCORE_UNSERIALIZABLE if the codec cannot write the first value, and
   * stops before a later one of that kind; ERR_PERCORE_INVALID_ARGUMENT if `values` is no array.
   *
   *     const taken = prices.publishBatch(waiting);
   *     if (taken > 0) waiting.splice(0, taken);
   *     if (waiting.length > 0) return BACK_PRESSURED;
   */
  publishBatch(values: readonly T[]): number {
    if (!Array.isArray(values)) throw invalidArgument('values', values, 'an array of values');
    return this.#publisher.publishBatch(values);
  }

  /** The memory of the last claim as bytes, for writing in place after `tryClaim`. Each claim may have other memory. */
  get bytes(): Uint8Array { return this.#publisher.memory.bytes; }
  /** The same memory as a DataView. */
  get view(): DataView { return this.#publisher.memory.view; }
  /** The same memory as 32-bit words, for fields that are aligned. */
  get words(): Int32Array { return this.#publisher.memory.words; }
  /** The same memory as a Buffer, for text and copies. */
  get buffer(): Buffer { return this.#publisher.memory.buffer; }
  /** The longest message in bytes. */
  get maxBytes(): number { return this.#publisher.maxBytes; }

  /**
   * Claims `length` bytes for a message that is written in place. Returns their offset, a multiple of 8, or a result
   * code as `publish` does. Call `commit` or `abort` in the same step, and send nothing else in between. It is for the
   * codecs `bytes` and `struct`; for a struct, claim all of its bytes. Throws ERR_PERCORE_INVALID_ARGUMENT for another
   * codec, and for a length that is no whole number.
   */
  tryClaim(length: number): number {
    const { codec } = this.#publisher.settings;
    if (codec.name !== 'bytes' && codec.name !== 'struct') {
      throw invalidArgument('codec', codec.name, "'bytes' or 'struct' for messages that are written in place");
    }
    return this.#publisher.tryClaim(checkInteger('length', length, 0, 2 ** 31 - 1));
  }

  /**
   * Publishes what was claimed, shortened to `length`. Throws ERR_PERCORE_CLAIM if that is more than was claimed, and
   * ERR_PERCORE_INVALID_ARGUMENT if it is less than the struct that the topic carries; the claim stays open then.
   */
  commit(length: number): void {
    this.#publisher.commitClaim(checkInteger('length', length, 0, 2 ** 31 - 1));
  }

  /** Gives the claim up: nobody has the message. */
  abort(): void {
    this.#publisher.abortClaim();
  }

  /**
   * Calls `then` once, in a later turn, when the party that was the last to refuse a message would take it, or has
   * died. Those who wait for one lane are called in the order in which they came. Allocates.
   */
  whenRoom(then: () => void): void {
    checkFunction('then', then);
    this.#publisher.whenRoom(then);
  }

  /**
   * Closes the topic: it publishes nothing more and forgets the last value. What was published still reaches its
   * subscribers. A second call does nothing.
   */
  close(): void {
    this.#bus.removePublisher(this.#publisher);
  }
}

/**
 * Makes a topic that this thread publishes to; several threads may publish to a topic of the same name. `reactor` may
 * also be the runtime, which stands for its main thread. Subscribers need not exist yet, and the publisher need not
 * know of them. Messages of one publisher keep their order. Allocates; blocks nobody. Throws ERR_PERCORE_NAME_TAKEN if
 * this thread has already made that topic, ERR_PERCORE_CLOSED if the runtime is closed, ERR_PERCORE_TOO_LARGE for
 * `retain` with too small lanes, and ERR_PERCORE_INVALID_ARGUMENT for a bad option.
 *
 *     const prices = createTopic(reactor, { name: 'prices.eur', retain: true });
 *     prices.publish({ bid: 1.08, ask: 1.09 });
 */
export function createTopic<
  P extends Protocol = Untyped, N extends TopicName<P> = TopicName<P>, T = PublishedAs<P, N>,
>(reactor: Reactor<P> | Runtime<P>, options: TopicOptions<N, T> & CodecFits<P, N, T>): Topic<T> {
  const party = partyOf(reactor as Reactor | Runtime);
  const settings = checkTopic(options, party.turn.classes);
  const bus = busOf(party);
  return new Topic<T>(bus, bus.addPublisher(settings));
}
