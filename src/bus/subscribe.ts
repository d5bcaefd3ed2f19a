/** Subscribing: `subscribe`, `subscribeBatches`, `subscribeBytes`, and what they return. */
import { checkFunction } from '../errors.js';
import type { ResultCode } from '../queues/index.js';
import { partyOf } from '../reactor/internal.js';
import type { ByteRecord, Protocol, Reactor, Runtime, StepResult, Untyped } from '../reactor/index.js';
import { busOf } from './bus.js';
import { giveRetained } from './late-joiner.js';
import { checkSubscribe, type SubscribeOptions, type SubscriptionStatus, type Taking } from './options.js';
import { Subscriber } from './subscriber.js';
import type { TopicInfo } from './topic-info.js';
import type { Heard, PatternFits, TopicHandler } from './types.js';

/** What `subscribe` returns. It belongs to the thread that called it. */
export interface Subscription {
  /** The name of a topic, or a beginning of names and a star. */
  readonly pattern: string;
  /**
   * Resolves when it has handled the last values that publishers retain; never rejects. It misses no message that is
   * published after `subscribe` has returned, even before this resolves.
   */
  readonly ready: Promise<void>;
  /**
   * Why it has ended: EVICTED if it was too slow for too long, else CLOSED, by `leave()` or the end of the runtime.
   * Never rejects.
   */
  readonly ended: Promise<ResultCode>;
  /**
   * Ends the subscription. Whatever waits for its handler is dropped and counted. May be called from its own handler. A
   * second call does nothing.
   */
  leave(): void;
  /** The figures of the subscription as a fresh object, also after its end. */
  status(): SubscriptionStatus;
}

type Handler = (message: unknown, info: TopicInfo) => StepResult;

/**
 * Calls `handler` for each message of every topic that `pattern` matches, whoever publishes it. A pattern is the name
 * of a topic, or the beginning of names and a star. `reactor` may also be the runtime, which stands for its main
 * thread.
 *
 * The value is read once for all subscribers of the thread, who get the same object: do not change it. The handler may
 * answer what a step may; after BACK_PRESSURED it gets the same message again. Publishers reach it as soon as this call
 * has returned. Allocates. Throws ERR_PERCORE_CLOSED, ERR_PERCORE_NO_PLACE (too many patterns in this reactor),
 * ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const prices = subscribe(reactor, 'prices.*', { whenSlow: 'drop-oldest' }, (price) => show(price));
 *     await prices.ready;
 */
export function subscribe<P extends Protocol = Untyped, const Pattern extends string = string>(
  reactor: Reactor<P> | Runtime<P>, pattern: Pattern & PatternFits<P, Pattern>, options: SubscribeOptions,
  handler: TopicHandler<Heard<P, Pattern>>,
): Subscription {
  return join(reactor as Reactor | Runtime, pattern, options, handler as Handler, 'values');
}

/**
 * As `subscribe`, but for lists: the handler is called once with several messages of one publisher's topic, in their
 * order. It gets in one list what lies in one record: what `publishBatch` has put there, up to 256 messages, or structs
 * that were published one by one in one step. Any other message that was published by itself is a list of one. Messages
 * that had to wait come in one list with those that waited behind them.
 * A list may be divided where not all of it finds room, or where others in this thread take messages one by one.
 *
 * Everything else is as for single messages: `capacity`, `whenSlow` and all figures count messages. After
 * BACK_PRESSURED the handler gets the same messages again, if they were not dropped meanwhile, and with them those that
 * have come since. All subscribers of the thread get the same list: do not change it.
 *
 *     subscribeBatches(reactor, 'prices.*', {}, (prices, { topic }) => store(topic, prices));
 */
export function subscribeBatches<P extends Protocol = Untyped, const Pattern extends string = string>(
  reactor: Reactor<P> | Runtime<P>, pattern: Pattern & PatternFits<P, Pattern>, options: SubscribeOptions,
  handler: TopicHandler<readonly Heard<P, Pattern>[]>,
): Subscription {
  return join(reactor as Reactor | Runtime, pattern, options, handler as Handler, 'batches');
}

/**
 * As `subscribe`, but for bytes, which are read where they lie in the lane. They are as the topic's codec wrote them:
 * bytes as they are, or the fields of a struct at its `offsets`. The record is valid only during the step. A message
 * that has to wait is copied, once for all subscribers of the thread; messages that come straight from a lane allocate
 * nothing.
 *
 *     const { bid } = price.offsets;                                     // of struct({ bid: 'f64', ask: 'f64' })
 *     subscribeBytes(reactor, 'prices', {}, ({ view, offset }) => take(view.getFloat64(offset + bid, true)));
 */
export function subscribeBytes<P extends Protocol = Untyped, const Pattern extends string = string>(
  reactor: Reactor<P> | Runtime<P>, pattern: Pattern & PatternFits<P, Pattern>, options: SubscribeOptions,
  handler: TopicHandler<ByteRecord>,
): Subscription {
  return join(reactor as Reactor | Runtime, pattern, options, handler as Handler, 'bytes');
}

function join(
  of: Reactor | Runtime, pattern: string, options: SubscribeOptions, handler: Handler, takes: Taking,
): Subscription {
  const party = partyOf(of);
  const settings = checkSubscribe(pattern, options, takes, party.turn.classes);
  checkFunction('handler', handler);
  const bus = busOf(party);
  const subscriber = new Subscriber(bus, settings, handler);
  bus.add(subscriber);
  return {
    pattern, ready: giveRetained(bus, subscriber), ended: subscriber.ended,
    leave: () => subscriber.leave(), status: () => subscriber.status(),
  };
}
