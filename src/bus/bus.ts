/**
 * The bus of one party: its topics, its subscribers, and what it knows of the topics of others. It is made when its
 * thread first publishes or subscribes; a thread that does neither has no bus, and pays nothing.
 *
 *      Publisher --lane to each party with subscribers--> BUS_TASK --HeardTopic--> Subscriber, Subscriber, …
 *          └── TopicMembership: who subscribes, in shared memory ──┘
 */
import { PercoreError } from '../errors.js';
import { OK } from '../queues/index.js';
import { LocalTask, type Party } from '../reactor/internal.js';
import type { ByteRecord } from '../reactor/index.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';
import { PUBLISHES, SUBSCRIBES, TopicRows, type TopicRow } from '../topic-figures.js';
import { TopicMembership } from '../topic-membership.js';
import { HeardTopic, type HeardHost } from './heard-topic.js';
import type { TopicSettings } from './options.js';
import { matches } from './pattern.js';
import { Publisher } from './publisher.js';
import type { Subscriber, SubscriberHost } from './subscriber.js';
import {
  BUS_HEAD_BYTES, BUS_TASK, RETAINED_SERVICE,
  type RetainedAnswer, type RetainedQuestion, type RetainedValue, type TopicDescription,
} from './wire.js';

/** Last values travel in answers of about this many bytes, so that an answer never needs more than one lane takes. */
const ANSWER_BYTES = 16_384;

export class Bus implements HeardHost, SubscriberHost {
  readonly publishers = new Map<string, Publisher>();
  readonly subscribers = new Set<Subscriber>();
  readonly members: TopicMembership;
  private readonly rows: TopicRows;
  joins = 0;
  delivered = 0;
  unwanted = 0;
  /** Messages of topics that this thread was never told of: they were meant for the thread before it. */
  unknown = 0;
  /** By publisher and number. */
  private readonly heard: HeardTopic[][] = [];
  /** How many subscribers have each pattern. */
  private readonly patterns = new Map<string, number>();
  private made = 0;

  /** Throws ERR_PERCORE_CLOSED. */
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

  /** Throws ERR_PERCORE_NAME_TAKEN. */
  addPublisher(settings: TopicSettings): Publisher {
    const { name, retain } = settings;
    if (this.publishers.has(name)) {
      throw new PercoreError(
        'ERR_PERCORE_NAME_TAKEN', `topic "${name}" is already published here: use what createTopic returned for it`,
        { argument: 'name', value: name },
      );
    }
    const row = this.rows.begin(PUBLISHES, name, settings.band, 0);
    const publisher = new Publisher(this.party, this.members, settings, this.made++, row);
    this.publishers.set(name, publisher);
    if (retain) this.members.retain(1);
    return publisher;
  }

  removePublisher(publisher: Publisher): void {
    if (publisher.isClosed) return;
    publisher.end();
    this.publishers.delete(publisher.settings.name);
    if (publisher.settings.retain) this.members.retain(-1);
  }

  /**
   * The last values of its topics that match, after a number; without those that the asking subscriber gets in its
   * lane.
   */
  private answer({ pattern, behind, joinedAs }: RetainedQuestion): RetainedAnswer {
    const values: RetainedValue[] = [];
    let bytes = 0;
    // In the order of their numbers, which is the order in which they were made.
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

  /** Where the figures of a subscriber are counted. */
  rowFor(pattern: string, band: number | undefined, capacity: number): TopicRow {
    return this.rows.begin(SUBSCRIBES, pattern, band ?? -1, capacity);
  }

  /** Nothing that is published from now on is missed. Throws ERR_PERCORE_NO_PLACE. */
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

  /** The party has left: nothing comes any more. */
  leave(): void {
    for (const subscriber of this.subscribers) subscriber.leave();
  }

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

  /** What this thread knows of a publisher's topic, if it has ever sent anything here. */
  heardOf(from: number, number: number): HeardTopic | undefined {
    return this.heard[from]?.[number];
  }

 // ---- What comes through lanes --------------------------------------------------------------------------------------

  private take(record: ByteRecord): number {
    const { words, offset, length, from } = record;
    const head = words[offset >> 2]!;
    const at = offset + BUS_HEAD_BYTES;
    if ((head & 1) !== 0) {
      this.hear(record, head >>> 1);
      return OK;
    }
    const topic = this.heard[from]?.[head >>> 1];
    if (topic === undefined) {
      this.unknown++;
      return OK;
    }
    return topic.deliver(at, length - BUS_HEAD_BYTES, words[(offset >> 2) + 1]!, record.priority);
  }

  /** A TOPIC record: from now on that number of that publisher stands for this topic. */
  private hear(record: ByteRecord, number: number): void {
    const { buffer, offset, length, from } = record;
    const text = buffer.toString('utf8', offset + BUS_HEAD_BYTES, offset + length);
    const description = JSON.parse(text) as TopicDescription;
    // The number may have been another topic's, of a thread before this one in its place.
    (this.heard[from] ??= [])[number] = new HeardTopic(this, description, record);
  }
}

const buses = new WeakMap<Party, Bus>();

/** The bus of a party; made if there is none. Throws ERR_PERCORE_CLOSED. */
export function busOf(party: Party): Bus {
  let bus = buses.get(party);
  if (bus === undefined) buses.set(party, bus = new Bus(party));
  return bus;
}

/** The bus of a party that has one. */
export const knownBusOf = (party: Party): Bus | undefined => buses.get(party);
