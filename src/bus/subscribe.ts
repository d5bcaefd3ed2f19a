/** Subscribing: `subscribe`, `subscribeBytes`, and what they return. */
import { checkFunction } from '../errors.js';
import type { ResultCode } from '../queues/index.js';
import { partyOf } from '../reactor/internal.js';
import type { ByteRecord, Protocol, Reactor, Runtime, StepResult, Untyped } from '../reactor/index.js';
import { busOf } from './bus.js';
import { giveRetained } from './late-joiner.js';
import { checkSubscribe, type SubscribeOptions, type SubscriptionStatus } from './options.js';
import { Subscriber } from './subscriber.js';
import type { TopicInfo } from './topic-info.js';
import type { Heard, PatternFits, TopicHandler } from './types.js';

/** What `subscribe` returns, for its own thread. */
export interface Subscription {
  /** A topic's name, or a beginning and a star. */
  readonly pattern: string;
  /**
   * Resolves when it has handled the last values that publishers retain; never rejects. Of messages that are
   * published after `subscribe` has returned it misses none, also before.
   */
  readonly ready: Promise<void>;
  /**
   * Why it has ended: EVICTED when it was too slow for too long, else CLOSED, by `leave()` or the end of the runtime.
   * Never rejects.
   */
  readonly ended: Promise<ResultCode>;
  /** Hears nothing any more; what waits for it is dropped and counted. Twice is once. Also from its own handler. */
  leave(): void;
  /** A fresh object of its figures, also after its end. */
  status(): SubscriptionStatus;
}

type Handler = (message: unknown, info: TopicInfo) => StepResult;

/**
 * Calls `handler` for each message of every topic that `pattern` means, whoever publishes it: the name of a topic, or
 * its beginning and a star. `reactor`: or the runtime, for its main thread.
 *
 * The value is read once for all subscribers of the thread, who are given the same object: do not change it. The
 * handler may answer what a step may; after BACK_PRESSURED it is given the same message again. Publishers reach it from
 * the return of this call on. Allocates. Throws ERR_PERCORE_CLOSED, ERR_PERCORE_NO_PLACE (too many patterns in this
 * reactor), ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const prices = subscribe(reactor, 'prices.*', { whenSlow: 'drop-oldest' }, (price) => show(price));
 *     await prices.ready;
 */
export function subscribe<P extends Protocol = Untyped, const Pattern extends string = string>(
  reactor: Reactor<P> | Runtime<P>, pattern: Pattern & PatternFits<P, Pattern>, options: SubscribeOptions,
  handler: TopicHandler<Heard<P, Pattern>>,
): Subscription {
  return join(reactor as Reactor | Runtime, pattern, options, handler as Handler, false);
}

/**
 * The same for bytes, which are read where they lie in the lane, as the topic's codec wrote them: bytes as they are,
 * the fields of a struct at its `offsets`. The record is valid during the step only. A message that has to wait is
 * copied, once for all subscribers of the thread; messages that come straight from a lane allocate nothing.
 *
 *     const { bid } = price.offsets;                                     // of struct({ bid: 'f64', ask: 'f64' })
 *     subscribeBytes(reactor, 'prices', {}, ({ view, offset }) => take(view.getFloat64(offset + bid, true)));
 */
export function subscribeBytes<P extends Protocol = Untyped, const Pattern extends string = string>(
  reactor: Reactor<P> | Runtime<P>, pattern: Pattern & PatternFits<P, Pattern>, options: SubscribeOptions,
  handler: TopicHandler<ByteRecord>,
): Subscription {
  return join(reactor as Reactor | Runtime, pattern, options, handler as Handler, true);
}

function join(
  of: Reactor | Runtime, pattern: string, options: SubscribeOptions, handler: Handler, takesBytes: boolean,
): Subscription {
  const party = partyOf(of);
  const settings = checkSubscribe(pattern, options, takesBytes, party.turn.classes);
  checkFunction('handler', handler);
  const bus = busOf(party);
  const subscriber = new Subscriber(bus, settings, handler);
  bus.add(subscriber);
  return {
    pattern, ready: giveRetained(bus, subscriber), ended: subscriber.ended,
    leave: () => subscriber.leave(), status: () => subscriber.status(),
  };
}
