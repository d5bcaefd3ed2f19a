/** What the bus of one thread shows to observers. */
import { partyOf } from '../reactor/internal.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { knownBusOf } from './bus.js';
import type { SubscriptionStatus } from './options.js';

/** The figures of one topic that this thread publishes. */
export interface TopicStatus {
  /** The name of the topic. */
  readonly name: string;
  /** The band of its messages. */
  readonly priority: number;
  /** True if the last message is kept for those who subscribe later. */
  readonly retain: boolean;
  /** How many messages `publish` has taken. */
  readonly published: number;
  /** How many messages `publish` has refused, for whatever reason. */
  readonly refused: number;
  /** The parties that have subscribers now; the main thread comes after the last reactor. */
  readonly subscribers: readonly number[];
}

/** The figures of one thread's topics and subscriptions. */
export interface BusStatus {
  /** The topics that this thread publishes. */
  readonly topics: readonly TopicStatus[];
  /** The subscriptions of this thread. */
  readonly subscriptions: readonly SubscriptionStatus[];
  /** How many messages it was given. Each counts once, however many of its subscribers had it. */
  readonly delivered: number;
  /** For how many of them no subscriber was left. */
  readonly unwanted: number;
  /** How many messages were meant for the previous thread in its place, after a restart. */
  readonly unknown: number;
}

/**
 * The topics and subscriptions of one thread: of a reactor, or of the main thread if `reactor` is the runtime. Only
 * from that thread. Allocates; blocks nobody.
 *
 *     for (const { name, refused } of topicsOf(reactor).topics) console.log(`${name}: ${refused} refused`);
 */
export function topicsOf(reactor: Reactor | Runtime): BusStatus {
  const bus = knownBusOf(partyOf(reactor));
  if (bus === undefined) return { topics: [], subscriptions: [], delivered: 0, unwanted: 0, unknown: 0 };
  const { publishers, subscribers, delivered, unwanted, unknown } = bus;
  return {
    topics: [...publishers.values()].map(({ settings, published, refused, parties }) => ({
      name: settings.name, priority: settings.band, retain: settings.retain, published, refused, subscribers: parties,
    })),
    subscriptions: [...subscribers].map((subscriber) => subscriber.status()),
    delivered, unwanted, unknown,
  };
}
