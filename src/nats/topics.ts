/**
 * Topics across machines: what is published to a topic goes to a subject of the broker, and what a stream has comes to
 * a topic. Values travel as JSON unless options say otherwise, since the other side may be another program.
 *
 *      topic --subscriber--> publisher --> subject, stream --> consumer --> topic
 *                 ^------- BACK_PRESSURED ---+   +---- refused, not given out ---+
 */
import { checkFunction, checkOptions, checkText, invalidArgument, messageOf, PercoreError } from '../errors.js';
import { subscribe, type SubscribeOptions, type Subscription, type Topic, type TopicInfo } from '../bus/index.js';
import type { Reactor, StepResult } from '../reactor/index.js';
import type { Nats } from './bridge.js';
import { createNatsConsumer } from './consumer.js';
import type { NatsConsumer, NatsMessage } from './consumer-types.js';
import { linkOf } from './nats.js';
import type { NatsConsumerOptions } from './options.js';
import type { NatsPublishOptions } from './publish-options.js';
import type { NatsPublisher } from './publisher-types.js';

/** How the messages of a topic become messages of a broker. */
export interface TopicToSubjectOptions<T = unknown> {
  /** The name of a topic, or the beginning of names and a star. */
  readonly topic: string;
  /** The publisher that they go to. */
  readonly to: NatsPublisher;
  /** Default: JSON. */
  readonly encode?: (value: T, info: TopicInfo) => Uint8Array | string;
  /**
   * Returns the key, identifier and headers of each message. Without it no message has a key, so all go to the
   * publisher's own subject.
   */
  readonly describe?: (value: T, info: TopicInfo) => NatsPublishOptions;
  /** Options of the subscription. */
  readonly subscribe?: SubscribeOptions;
}

/** How the messages of a broker become messages of a topic. */
export interface SubjectToTopicOptions<T = unknown> extends NatsConsumerOptions {
  /** The topic, made by `createTopic`, or a function that chooses it for each message. */
  readonly topic: Topic<T> | ((message: NatsMessage) => Topic<T>);
  /** Default: JSON. If it throws, the message is given up after `tries`. */
  readonly decode?: (message: NatsMessage) => T;
}

/**
 * Publishes to a subject whatever is published to a topic, in any thread. When the broker is slow or away, the
 * publisher refuses, then this subscriber does, then the topic's own publishers: nothing grows. It runs in the
 * publisher's reactor. Call `leave()` of the returned subscription to end it.
 *
 *     topicToSubject(nats, { topic: 'orders', to: orders, describe: ({ symbol }) => ({ key: symbol }) });
 *
 * Throws as `subscribe` does.
 */
export function topicToSubject<T = unknown>(nats: Nats, options: TopicToSubjectOptions<T>): Subscription {
  const { of } = linkOf(nats);
  if (options === undefined) throw invalidArgument('options', options, 'an object with topic and to');
  const { topic, to, encode = toJson, describe, subscribe: how = {} } = checkOptions(
    'options', options, ['topic', 'to', 'encode', 'describe', 'subscribe'],
  );
  checkText('topic', topic);
  if (typeof to?.publish !== 'function') throw invalidArgument('to', to, 'what createNatsPublisher has returned');
  checkFunction('encode', encode);
  if (describe !== undefined) checkFunction('describe', describe);
  return subscribe(of as Reactor, topic, how, (value: unknown, info): StepResult =>
    to.publish(encode(value as T, info), describe?.(value as T, info)));
}

/**
 * Publishes to a topic what a stream has. A message is acknowledged when the topic has taken it: every thread that
 * subscribes will have it, if it lives. While a subscriber is slow, reading waits. Rejects as `createNatsConsumer`
 * does.
 *
 *     const orders: Topic<Order> = createTopic(reactor, { name: 'orders' });
 *     await subjectToTopic(nats, { stream: 'ORDERS', name: 'books', topic: orders });
 */
export async function subjectToTopic<T = unknown>(
  nats: Nats, options: SubjectToTopicOptions<T>,
): Promise<NatsConsumer> {
  if (options === undefined) throw invalidArgument('options', options, 'an object with stream, name and topic');
  const { topic, decode = fromJson, ...rest } = options;
  checkFunction('decode', decode);
  if (typeof topic !== 'function' && typeof topic?.publish !== 'function') {
    throw invalidArgument('topic', topic, 'what createTopic has returned, or a function');
  }
  return createNatsConsumer(nats, rest, (message) => {
    const one = typeof topic === 'function' ? topic(message) : topic;
    return one.publish(decode(message) as T);
  });
}

const toJson = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw invalidArgument('value', value, 'a value that JSON has, or give `encode`');
  return text;
};

function fromJson(message: NatsMessage): unknown {
  try {
    return JSON.parse(message.text()) as unknown;
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `a message of subject "${message.subject}" is not JSON (${messageOf(cause)}); give \`decode\` for others`,
      { argument: 'decode', cause },
    );
  }
}
