/** What the bus of one thread shows to observers. */
import { partyOf } from '../reactor/internal.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { knownBusOf } from './bus.js';
import type { SubscriptionStatus } from './options.js';

export interface TopicStatus {
  readonly name: string;
  /** Band of its messages. */
  readonly priority: number;
  /** The last message is kept for those who subscribe later. */
  readonly retain: boolean;
  /** Messages that `publish` has taken. */
  readonly published: number;
  /** Those that `publish` has refused, for whatever reason. */
  readonly refused: number;
  /** Parties that have subscribers now; the main thread comes after the last reactor. */
  readonly subscribers: readonly number[];
}

export interface BusStatus {
  /** The topics that this thread publishes. */
  readonly topics: readonly TopicStatus[];
  /** The subscriptions of this thread. */
  readonly subscriptions: readonly SubscriptionStatus[];
  /** Messages that it was given, each counted once, however many of its subscribers had it. */
  readonly delivered: number;
  /** Of those, the messages for which no subscriber was left. */
  readonly unwanted: number;
  /** Messages that were meant for the thread before this one, after a restart. */
  readonly unknown: number;
}

/**
 * The topics and subscriptions of one thread: a reactor's own, or the main thread's if `of` is the runtime. Allocates.
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
