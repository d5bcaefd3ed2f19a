/** Options of topics and subscriptions, how they are checked, and their figures. */
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

export interface TopicOptions<N extends string = string, T = unknown> {
  /** The same name wherever the topic is published; at most 256 letters, without a star. */
  name: N;
  /** How its messages are written: `struct({ … })`, `bytes`, `value()` or `msgpack()`. Default: `value()`. */
  codec?: CodecFor<T> | (() => CodecFor<T>);
  /** Band of its messages: 0 low to 7 high. Default 3. */
  priority?: number;
  /** A class of the runtime, instead of `priority`. */
  class?: string;
  /**
   * Late subscribers get the last message of this publisher when they join. Needs `laneBytes` of 32,768 or more.
   * Default false.
   */
  retain?: boolean;
}

export interface SubscribeOptions {
  /**
   * Band in which the handler runs: 0 low to 7 high. If it is left out, or the same as the topic's, the handler runs
   * where the message lies, without waiting in between.
   */
  priority?: number;
  /** A class of the runtime, instead of `priority`. */
  class?: string;
  /** How many messages may wait for it: 1 to 2^20, default 1,024. They are references: all wait for the same object. */
  capacity?: number;
  /** Default 'wait'. */
  whenSlow?: TopicPolicy;
  /** Only for `whenSlow: 'evict'`: the longest standstill in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
  /** Most asynchronous steps under way at once: 1 to 2^20. Without it there is no limit. */
  concurrency?: number;
}

/** What one subscription has done. All are counts from 0 that only grow, except `lag`. */
export interface SubscriptionStatus {
  /** The name that it has subscribed to, or a beginning and a star. */
  readonly pattern: string;
  /** What happens when more than `capacity` messages wait. */
  readonly whenSlow: TopicPolicy;
  /** How many messages may wait for its handler. */
  readonly capacity: number;
  /** Messages that wait. */
  readonly lag: number;
  /** Messages that its handler has taken. */
  readonly received: number;
  /** Messages that it should have had and that were lost, for whatever reason. */
  readonly dropped: number;
  /** `evicted` and `left`: the messages that waited when it ended. */
  readonly droppedByReason: {
    readonly newest: number; readonly oldest: number; readonly evicted: number; readonly left: number;
  };
  /** It has left or was evicted: its handler is not called again. */
  readonly isOver: boolean;
}

const POLICIES: readonly TopicPolicy[] = ['wait', 'drop-newest', 'drop-oldest', 'evict'];
const TOPIC_OPTIONS = ['name', 'codec', 'priority', 'class', 'retain'];
const SUBSCRIBE_OPTIONS = ['priority', 'class', 'capacity', 'whenSlow', 'evictAfterMs', 'concurrency'];

export interface TopicSettings {
  readonly name: string;
  readonly codec: CodecDescription;
  readonly band: number;
  readonly retain: boolean;
}

export function checkTopic(options: TopicOptions, classes: Party['turn']['classes']): TopicSettings {
  if (options === undefined) throw invalidArgument('options', options, "an object with name, such as 'prices.eur'");
  const { name, codec = value(), retain = false } = checkOptions('options', options, TOPIC_OPTIONS);
  return {
    name: checkTopicName(name), codec: describe(codec), band: checkBandOrClass(options, classes),
    retain: checkBoolean('retain', retain),
  };
}

/** Options of a subscription, complete. */
export interface SubscriberSettings {
  readonly pattern: string;
  /** Undefined: the band of each message. */
  readonly band: number | undefined;
  readonly capacity: number;
  readonly concurrency: number;
  readonly whenSlow: TopicPolicy;
  readonly evictAfterMs: number;
  readonly takesBytes: boolean;
}

export function checkSubscribe(
  pattern: string, options: SubscribeOptions | undefined, takesBytes: boolean, classes: Party['turn']['classes'],
): SubscriberSettings {
  const checked = checkOptions('options', options, SUBSCRIBE_OPTIONS);
  const { priority, class: ofClass, capacity = 1024, whenSlow = 'wait', evictAfterMs = 1000, concurrency } = checked;
  if ((whenSlow as string) === 'block') {
    throw invalidArgument(
      'whenSlow', whenSlow,
      "'wait', 'drop-newest', 'drop-oldest' or 'evict' (no thread stands still for a subscriber of a topic)",
    );
  }
  checkOneOf('whenSlow', whenSlow, POLICIES);
  if (checked.evictAfterMs !== undefined && whenSlow !== 'evict') {
    throw invalidArgument('evictAfterMs', evictAfterMs, `left out, unless whenSlow is 'evict' (it is '${whenSlow}')`);
  }
  return {
    pattern: checkPattern(pattern), takesBytes,
    band: priority === undefined && ofClass === undefined ? undefined : checkBandOrClass(checked, classes),
    capacity: checkInteger('capacity', capacity, 1, 2 ** 20),
    whenSlow,
    evictAfterMs: checkInteger('evictAfterMs', evictAfterMs, 0, 2 ** 31 - 1),
    concurrency: checkConcurrency(concurrency),
  };
}
