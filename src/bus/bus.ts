/**
 * The bus of one party: its topics, its subscribers, and what it knows of the topics of others. It is made when its
 * thread first publishes or subscribes; a thread that does neither has no bus, and pays nothing.
 *
 *      Publisher --lane to each party with subscribers--> BUS_TASK --HeardTopic--> Subscriber, Subscriber, …
 *          └── TopicMembership: who subscribes, in shared memory ──┘
 */
import { PercoreError } from '../errors.js';
import { BANDS } from '../layout.js';
import { OK } from '../queues/index.js';
import { LocalTask, type LaneRecord, type Party } from '../reactor/internal.js';
import type { ByteRecord } from '../reactor/index.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';
import { needStack } from '../stack-room.js';
import { PUBLISHES, SUBSCRIBES, TopicRows, type TopicRow } from '../topic-figures.js';
import { TopicMembership } from '../topic-membership.js';
import { HeardTopic, type HeardHost } from './heard-topic.js';
import type { TopicSettings } from './options.js';
import { matches } from './pattern.js';
import { Publisher } from './publisher.js';
import type { Subscriber, SubscriberHost } from './subscriber.js';
import {
  BUS_HEAD_BYTES, BUS_TASK, KIND_BITS, MESSAGES_IN_BATCH, RETAINED_SERVICE, TOPIC,
  type RetainedAnswer, type RetainedQuestion, type RetainedValue, type TopicDescription,
} from './wire.js';

/** Last values travel in answers of about this many bytes, so that an answer never needs more than a lane takes. */
const ANSWER_BYTES = 16_384;

/** See the head of this file. */
export class Bus implements HeardHost, SubscriberHost {
  readonly publishers = new Map<string, Publisher>();
  readonly subscribers = new Set<Subscriber>();
  readonly members: TopicMembership;
  private readonly rows: TopicRows;
  joins = 0;
  delivered = 0;
  unwanted = 0;
  /**
   * How many messages came for topics that this thread was never told of; they were meant for the previous thread in
   * its place.
   */
  unknown = 0;
  /**
   * The topics that others have told of, by lane and number. Not by publisher: in another lane messages of an earlier
   * thread in its place may still wait, to which the same number meant another topic.
   */
  private readonly heard: HeardTopic[][] = [];
  /** How many subscribers have each pattern. */
  private readonly patterns = new Map<string, number>();
  private made = 0;

  /** Throws ERR_PERCORE_CLOSED when the party has left. */
  constructor(readonly party: Party) {
    const { turn, dispatcher, shared, id } = party;
    dispatcher.addTask(new LocalTask<ByteRecord, true>(
      turn, { name: BUS_TASK, band: DEFAULT_BAND, capacity: 1, concurrency: Infinity, takesBytes: true },
      (record) => this.take(record),
    ));
    dispatcher.addHandler(RETAINED_SERVICE, (question: RetainedQuestion) => this.answer(question));
    this.rows = new TopicRows(shared.topics, id);
    this.members = new TopicMembership(shared.topics, id);
    this.members.begin();
    party.leavers.add(this);
  }

  // ---- Publishing ---------------------------------------------------------------------------------------------------

  /** Makes a topic's publisher. Throws ERR_PERCORE_NAME_TAKEN, and what a bad codec or too small a lane throws. */
  addPublisher(settings: TopicSettings): Publisher {
    const { name, retain } = settings;
    if (this.publishers.has(name)) {
      throw new PercoreError(
        'ERR_PERCORE_NAME_TAKEN', `topic "${name}" is already published here: use what createTopic returned for it`,
        { argument: 'name', value: name },
      );
    }
    const row = this.rows.begin(PUBLISHES, name, settings.band, 0);
    let publisher: Publisher;
    try {
      publisher = new Publisher(this.party, this.members, settings, this.made++, row);
    } catch (error) {
      row.end();
      throw error;
    }
    this.publishers.set(name, publisher);
    if (retain) this.members.retain(1);
    return publisher;
  }

  /** Ends a publisher. A second call does nothing. */
  removePublisher(publisher: Publisher): void {
    if (publisher.isClosed) return;
    publisher.end();
    this.publishers.delete(publisher.settings.name);
    if (publisher.settings.retain) this.members.retain(-1);
  }

  /**
   * The last values of this thread's topics that match, after the topic with the number `behind`. Values that the
   * asking subscriber gets as messages are left out.
   */
  private answer({ pattern, behind, joinedAs }: RetainedQuestion): RetainedAnswer {
    const values: RetainedValue[] = [];
    let bytes = 0;
    // The map keeps the order in which topics were made, which is that of their numbers.
    for (const publisher of this.publishers.values()) {
      if (publisher.number <= behind || !matches(pattern, publisher.settings.name)) continue;
      const value = publisher.retained(joinedAs);
      if (value === undefined) continue;
      if (values.length !== 0 && bytes + value.bytes.length > ANSWER_BYTES) return { values, hasMore: true };
      bytes += value.bytes.length + BUS_HEAD_BYTES;
      values.push(value);
    }
    return { values, hasMore: false };
  }

  // ---- Subscribing --------------------------------------------------------------------------------------------------

  /** The row in shared memory in which a subscriber is counted. */
  rowFor(pattern: string, band: number | undefined, capacity: number): TopicRow {
    return this.rows.begin(SUBSCRIBES, pattern, band ?? -1, capacity);
  }

  /** Adds a subscriber, which misses nothing that is published from now on. Throws ERR_PERCORE_NO_PLACE. */
  add(subscriber: Subscriber): void {
    const { pattern } = subscriber;
    const count = this.patterns.get(pattern) ?? 0;
    try {
      subscriber.joinedAs = count === 0
        ? this.members.write([...this.patterns.keys(), pattern])
        : this.members.announce();
    } catch (error) {
      subscriber.row.end();
      throw error;
    }
    this.patterns.set(pattern, count + 1);
    subscriber.joinedTotal = this.members.totalOf(subscriber.joinedAs);
    this.subscribers.add(subscriber);
    this.joins++;
  }

  /** The party has left, so nothing comes any more. */
  leave(): void {
    for (const subscriber of this.subscribers) subscriber.leave();
  }

  /** Removes a subscriber that has ended. */
  remove(subscriber: Subscriber): void {
    const { pattern } = subscriber;
    this.subscribers.delete(subscriber);
    this.joins++;
    const count = this.patterns.get(pattern)! - 1;
    if (count > 0) {
      this.patterns.set(pattern, count);
      return;
    }
    this.patterns.delete(pattern);
    this.members.write([...this.patterns.keys()]);
  }

  /** What this thread knows of a publisher's topic, if the publisher has ever sent anything of it here. */
  heardOf(from: number, band: number, number: number): HeardTopic | undefined {
    return this.heard[laneOf(from, band)]?.[number];
  }

  // ---- What comes through lanes -------------------------------------------------------------------------------------

  /** Handles one record of a lane: a message, several, or the description of a topic. */
  private take(record: ByteRecord): number {
    const { words, offset, length, from, priority: band } = record;
    const head = words[offset >> 2]!;
    const number = head >>> KIND_BITS;
    const at = offset + BUS_HEAD_BYTES;
    if ((head & TOPIC) !== 0) {
      this.hear(record, number);
      return OK;
    }
    const topic = this.heard[laneOf(from, band)]?.[number];
    if ((head & MESSAGES_IN_BATCH) !== 0) {
      // What comes from a lane, as all that the bus is given, is such a record.
      const batch = record as LaneRecord;
      if (topic !== undefined) {
        return topic.deliverBatch(batch, at, length - BUS_HEAD_BYTES, words[(offset >> 2) + 1]!, band);
      }
      this.unknown += batch.messages;
      batch.steps++;
      return OK;
    }
    if (topic === undefined) {
      this.unknown++;
      return OK;
    }
    return topic.deliver(at, length - BUS_HEAD_BYTES, words[(offset >> 2) + 1]!, band);
  }

  /** Handles a TOPIC record: from now on that number of that publisher stands for this topic. */
  private hear(record: ByteRecord, number: number): void {
    const { buffer, offset, length, from, priority: band } = record;
    const text = buffer.toString('utf8', offset + BUS_HEAD_BYTES, offset + length);
    const description = JSON.parse(text) as TopicDescription;
    // The number may have stood for another topic, of an earlier thread in the publisher's place.
    (this.heard[laneOf(from, band)] ??= [])[number] = new HeardTopic(this, description, record);
  }
}

/** Messages of topics come by forward lanes alone, of which each publisher has one for each band. */
const laneOf = (from: number, band: number): number => from * BANDS + band;

const buses = new WeakMap<Party, Bus>();

/** The bus of a party, which is made if there is none. Throws ERR_PERCORE_CLOSED. */
export function busOf(party: Party): Bus {
  let bus = buses.get(party);
  if (bus === undefined) {
    // Half of one would keep the names of its task and its service for ever.
    needStack();
    buses.set(party, bus = new Bus(party));
  }
  return bus;
}

/** The bus of a party, or undefined if it has none. */
export const knownBusOf = (party: Party): Bus | undefined => buses.get(party);
