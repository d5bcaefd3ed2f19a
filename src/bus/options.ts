/** The options of topics and subscriptions, how they are checked, and the figures of a subscription. */
import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import { describe } from '../queues/internal.js';
import { value, type CodecDescription, type CodecFor } from '../queues/index.js';
import { checkBandOrClass, checkConcurrency, type Party } from '../reactor/internal.js';
import { checkPattern, checkTopicName } from './pattern.js';

/**
 * What happens when a subscriber cannot keep up, by the names that queues use. `wait`: publishers are refused until it
 * has room. `drop-newest`, `drop-oldest`: it loses messages, which are counted. `evict`: as `wait`, but a subscriber
 * that takes nothing for `evictAfterMs` while it is full loses its subscription.
 */
export type TopicPolicy = 'wait' | 'drop-newest' | 'drop-oldest' | 'evict';

/** Options of `createTopic`. */
export interface TopicOptions<N extends string = string, T = unknown> {
  /** The name, which is the same wherever the topic is published: at most 256 letters, without a star. */
  name: N;
  /** How its messages are written: `struct({ … })`, `bytes`, `value()` or `msgpack()`. Default: `value()`. */
  codec?: CodecFor<T> | (() => CodecFor<T>);
  /** The band of its messages: 0 low to 7 high. Default 3. */
  priority?: number;
  /** The name of a class of the runtime, instead of `priority`. */
  class?: string;
  /**
   * True if late subscribers get the last message of this publisher when they join. Needs `laneBytes` of 32,768 or
   * more. Default false.
   */
  retain?: boolean;
}

/** Options of `subscribe`, `subscribeBatches` and `subscribeBytes`. */
export interface SubscribeOptions {
  /**
   * The band in which the handler runs: 0 low to 7 high. If it is left out, or the same as the topic's, the handler
   * runs where the message lies, without waiting in between.
   */
  priority?: number;
  /** The name of a class of the runtime, instead of `priority`. */
  class?: string;
  /**
   * How many messages may wait for it: 1 to 2^20, default 1,024. They are references to one object, however many
   * subscribers wait for it.
   */
  capacity?: number;
  /** What happens when more messages come than may wait. Default 'wait'. */
  whenSlow?: TopicPolicy;
  /** Only for `whenSlow: 'evict'`: how long it may stand still, in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
  /** How many asynchronous steps may be under way at once: 1 to 2^20. Without it there is no limit. */
  concurrency?: number;
}

/** What one subscription has done. All are counts from 0 that only grow, except `lag`. */
export interface SubscriptionStatus {
  /** The name of the topic that it has subscribed to, or a beginning of names and a star. */
  readonly pattern: string;
  /** What happens when more than `capacity` messages would wait. */
  readonly whenSlow: TopicPolicy;
  /** How many messages may wait for its handler. */
  readonly capacity: number;
  /** How many messages wait now. */
  readonly lag: number;
  /** How many messages its handler has taken. */
  readonly received: number;
  /** How many messages it should have had and were lost, for whatever reason. */
  readonly dropped: number;
  /** The same by reason. `evicted` and `left` count the messages that waited when it ended. */
  readonly droppedByReason: {
    readonly newest: number; readonly oldest: number; readonly evicted: number; readonly left: number;
  };
  /** True once it has left or was evicted; its handler is then not called again. */
  readonly isOver: boolean;
}

const POLICIES: readonly TopicPolicy[] = ['wait', 'drop-newest', 'drop-oldest', 'evict'];
const TOPIC_OPTIONS = ['name', 'codec', 'priority', 'class', 'retain'];
const SUBSCRIBE_OPTIONS = ['priority', 'class', 'capacity', 'whenSlow', 'evictAfterMs', 'concurrency'];

/** The options of a topic, after they were checked. */
export interface TopicSettings {
  readonly name: string;
  readonly codec: CodecDescription;
  readonly band: number;
  readonly retain: boolean;
}

/** Checks the options of a topic. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkTopic(options: TopicOptions, classes: Party['turn']['classes']): TopicSettings {
  if (options === undefined) throw invalidArgument('options', options, "an object with name, such as 'prices.eur'");
  const { name, codec = value(), retain = false } = checkOptions('options', options, TOPIC_OPTIONS);
  return {
    name: checkTopicName(name), codec: describe(codec), band: checkBandOrClass(options, classes),
    retain: checkBoolean('retain', retain),
  };
}

/** The options of a subscription, after they were checked and completed. */
export interface SubscriberSettings {
  readonly pattern: string;
  /** Undefined means the band of each message. */
  readonly band: number | undefined;
  readonly capacity: number;
  readonly concurrency: number;
  readonly whenSlow: TopicPolicy;
  readonly evictAfterMs: number;
  /** What its handler gets: a value, a record in place, or a list of values. */
  readonly takes: Taking;
}

/** What the handler of a subscription gets. */
export type Taking = 'values' | 'bytes' | 'batches';

/** Checks the options of a subscription. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkSubscribe(
  pattern: string, options: SubscribeOptions | undefined, takes: Taking, classes: Party['turn']['classes'],
): SubscriberSettings {
  const checked = checkOptions('options', options, SUBSCRIBE_OPTIONS);
  const { priority, class: ofClass, capacity = 1024, whenSlow = 'wait', evictAfterMs = 1000, concurrency } = checked;
  if ((whenSlow as string) === 'block') {
    throw invalidArgument(
      'whenSlow', whenSlow,
      "'wait', 'drop-newest', 'drop-oldest' or 'evict' (no thread is blocked for a subscriber of a topic)",
    );
  }
  checkOneOf('whenSlow', whenSlow, POLICIES);
  if (checked.evictAfterMs !== undefined && whenSlow !== 'evict') {
    throw invalidArgument('evictAfterMs', evictAfterMs, `left out, unless whenSlow is 'evict' (it is '${whenSlow}')`);
  }
  return {
    pattern: checkPattern(pattern), takes,
    band: priority === undefined && ofClass === undefined ? undefined : checkBandOrClass(checked, classes),
    capacity: checkInteger('capacity', capacity, 1, 2 ** 20),
    whenSlow,
    evictAfterMs: checkInteger('evictAfterMs', evictAfterMs, 0, 2 ** 31 - 1),
    concurrency: checkConcurrency(concurrency),
  };
}
