/**
 * A topic as a subscribing thread knows it: the topic of one publisher, in one lane. It hands each message to all
 * subscribers of the thread, or to none of them as long as one has no room.
 *
 * Of a batch it hands on as many messages as all have room for. If some subscriber takes messages one by one, it goes
 * on message by message, until the quantum ends; those that take batches then get what the others have had, in one
 * list. What is left stays in the lane, and is gone on with at the next run.
 */
import { BACK_PRESSURED, OK, recordMemory, type Codec } from '../queues/index.js';
import { makeCodec } from '../queues/internal.js';
import { QUANTUM, type LaneRecord, type Party } from '../reactor/internal.js';
import type { ByteRecord } from '../reactor/index.js';
import type { TopicMembership } from '../topic-membership.js';
import { OpenBatch } from './batch.js';
import { matches } from './pattern.js';
import type { Origin, Subscriber } from './subscriber.js';
import type { TopicInfo } from './topic-info.js';
import type { TopicDescription } from './wire.js';

/** What a topic needs of the bus. */
export interface HeardHost {
  readonly party: Party;
  readonly subscribers: ReadonlySet<Subscriber>;
  readonly members: Pick<TopicMembership, 'totalOf'>;
  /** Changes whenever a subscriber joins or leaves. */
  readonly joins: number;
  /** How many live messages this thread was given. */
  delivered: number;
  /** How many of them no subscriber was to get, since the last one had left meanwhile. */
  unwanted: number;
}

/** A record in place; the same object moves from message to message. */
export type MovingRecord = { -readonly [Key in keyof ByteRecord]: ByteRecord[Key] };

/** See the head of this file. */
export class HeardTopic implements Origin {
  readonly name: string;
  readonly info: TopicInfo;
  private readonly codec: Codec<unknown>;
  private readonly record: MovingRecord;
  private subscribers: readonly Subscriber[] = [];
  /** The same, those that take one message at a time, and those that take batches. */
  private ones: readonly Subscriber[] = [];
  private batchers: readonly Subscriber[] = [];
  /** Those subscribers that had not joined yet when the messages that arrive now were published. */
  private fresh: readonly Subscriber[] = [];
  private seenJoins = -1;
  /** True if some subscriber reads values, so that messages are decoded. */
  private isRead = false;
  /** True if all that take one message at a time get the same object, at once if they are idle. */
  private areAlike = false;
  /** A copy of the present message, once somebody has asked for it. */
  private copied: ByteRecord | undefined;
  /** Made with the first batch. */
  private batch: OpenBatch | undefined;
  /** True while `batch` has messages that were not handed on; its record is the first of the lane. */
  private isOpen = false;

  /** `record` lies in the lane. */
  constructor(private readonly host: HeardHost, { name, codec }: TopicDescription, record: ByteRecord) {
    this.name = name;
    this.codec = makeCodec(codec);
    this.info = Object.freeze({ topic: name, from: record.from, isRetained: false });
    const { bytes, view, words, buffer, offset, length, from, priority } = record;
    this.record = { bytes, view, words, buffer, offset, length, from, priority };
  }

  /**
   * Hands a message to all subscribers. Returns OK, or BACK_PRESSURED if one has no room; then none has the message.
   */
  deliver(at: number, length: number, changes: number, band: number): number {
    const { host } = this;
    if (this.seenJoins !== host.joins) this.look(band);
    if (this.fresh.length !== 0) this.greet(changes);
    // As mayAllTake, written out, since every message comes this way.
    const { subscribers, fresh, record } = this;
    const count = subscribers.length;
    for (let i = 0; i < count; i++) {
      const subscriber = subscribers[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      if (!subscriber.mayTake()) return BACK_PRESSURED;
    }
    host.delivered++;
    if (count === fresh.length) {
      host.unwanted++;
      return OK;
    }
    this.copied = undefined;
    record.offset = at;
    record.length = length;
    let message: unknown;
    if (this.isRead) {
      try {
        message = this.codec.read(record, at, length);
      } catch (error) {
        this.report(error);
        return OK;
      }
    }
    if (this.areAlike && fresh.length === 0) this.handEach(this.isRead ? message : record, band);
    else this.handOut(message, band);
    if (this.batchers.length !== 0) this.handBatch([message], band);
    return OK;
  }

  /**
   * Hands on what it can of a batch, whose `messages` lie at `at`. Returns BACK_PRESSURED if somebody has no room for
   * the next one. Otherwise OK; `record` then says whether some are left, and how many steps it took.
   */
  deliverBatch(record: LaneRecord, at: number, length: number, changes: number, band: number): number {
    const { host } = this;
    if (this.seenJoins !== host.joins) this.look(band);
    if (this.fresh.length !== 0) this.greet(changes);
    const batch = (this.batch ??= new OpenBatch(this.codec));
    if (!this.isOpen) {
      try {
        batch.open(record, at, length, record.messages);
      } catch (error) {
        host.delivered += record.messages;
        this.report(error);
        return OK;
      }
      this.isOpen = true;
    }
    if (!this.mayAllTake()) return BACK_PRESSURED;
    if (this.subscribers.length === this.fresh.length) {
      const left = batch.count - batch.next;
      host.delivered += left;
      host.unwanted += left;
      this.isOpen = false;
      return OK;
    }
    if (this.isRead && batch.values === undefined) {
      // Those that cannot be read nobody gets; each is reported, as if it had come by itself.
      host.delivered += batch.read(this.record, (error) => this.report(error));
    }
    const from = batch.next;
    const end = Math.min(batch.count, from + this.roomForBatch());
    const to = this.ones.length === 0 ? end : this.handOneByOne(batch, end, record, band);
    if (this.ones.length === 0) record.steps++;
    batch.next = to;
    host.delivered += to - from;
    if (to > from && this.batchers.length !== 0) {
      const { values } = batch;
      this.handBatch(to - from === values!.length ? values! : values!.slice(from, to), band);
    }
    record.isUnfinished = this.isOpen = to < batch.count;
    return OK;
  }

  /** See `Origin`. */
  copy(): ByteRecord {
    return (this.copied ??= copyOf(this.record));
  }

  /** True if the subscriber was given a message that was published after it had joined. */
  hasGiven(subscriber: Subscriber): boolean {
    return this.subscribers.includes(subscriber) && !this.fresh.includes(subscriber);
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** False if somebody has no room for a message, which is then noted as a refusal of this step. */
  private mayAllTake(): boolean {
    const { subscribers, fresh } = this;
    for (let i = 0; i < subscribers.length; i++) {
      const subscriber = subscribers[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      if (!subscriber.mayTake()) return false;
    }
    return true;
  }

  /** For how many messages all that take batches have room; it is at least one after `mayAllTake`. */
  private roomForBatch(): number {
    const { batchers, fresh } = this;
    let room = Infinity;
    for (let i = 0; i < batchers.length; i++) {
      const subscriber = batchers[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      room = Math.min(room, subscriber.roomForBatch());
    }
    return room;
  }

  /** Hands on messages one by one until `end`, the end of the quantum or one for which somebody has no room. */
  private handOneByOne(batch: OpenBatch, end: number, record: LaneRecord, band: number): number {
    const { host } = this;
    const { turn } = host.party;
    // The usual case: nobody reads in place, so nobody asks where a message lies. `isRead`, since there are values also
    // if those who read them have left since, and the others must not be handed these.
    const values = this.isRead && this.areAlike && this.fresh.length === 0 ? batch.values : undefined;
    let at = batch.next;
    while (at < end) {
      if (values !== undefined) {
        this.handEach(values[at], band);
      } else {
        this.moveTo(batch.offsetOf(at), batch.lengthOf(at));
        this.handOut(batch.values?.[at], band);
      }
      at++;
      record.steps++;
      if (record.steps >= QUANTUM || turn.mustEndQuantum(band, record.steps)) break;
      // Who has no room now is asked again within a step of its own, which notes the refusal.
      if (host.joins !== this.seenJoins || (at < end && !this.mayAllTake())) break;
    }
    return at;
  }

  /** The present message lies here. */
  private moveTo(at: number, length: number): void {
    this.copied = undefined;
    this.record.offset = at;
    this.record.length = length;
  }

  /** Hands the present message to all that take one at a time. `message` is its value, if somebody reads that. */
  private handOut(message: unknown, band: number): void {
    const { ones, fresh, record } = this;
    if (ones.length === 0) return;
    if (this.areAlike && fresh.length === 0) {
      this.handEach(this.isRead ? message : record, band);
      return;
    }
    for (let i = 0; i < ones.length; i++) {
      const subscriber = ones[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      subscriber.take(subscriber.takesBytes ? record : message, this.info, band, this);
    }
  }

  /** The usual case: whoever is idle is handed the message without looking for anything else. */
  private handEach(message: unknown, band: number): void {
    const { ones, info } = this;
    const { steps } = this.host.party.turn;
    for (let i = 0; (i = steps.handEach(ones, i, message, info)) < ones.length; i++) {
      const { answer } = steps;
      if (answer === OK) ones[i]!.take(message, info, band, this);
      else ones[i]!.wantsAgain(answer, message, info, band, this);
    }
  }

  /** Hands messages to all that take batches. */
  private handBatch(messages: readonly unknown[], band: number): void {
    const { batchers, fresh, info } = this;
    for (let i = 0; i < batchers.length; i++) {
      const subscriber = batchers[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      subscriber.takeBatch(messages, info, band);
    }
  }

  private report(error: unknown): void {
    this.host.party.reportError(error, `a message of topic "${this.name}"`);
  }

  /** Finds the subscribers anew, after some have joined or left. `band` is that of the topic. */
  private look(band: number): void {
    const { subscribers: before, fresh, host } = this;
    this.seenJoins = host.joins;
    this.subscribers = [...host.subscribers].filter(({ pattern }) => matches(pattern, this.name));
    this.fresh = this.subscribers.filter((subscriber) => !before.includes(subscriber) || fresh.includes(subscriber));
    this.ones = this.subscribers.filter(({ takesBatches }) => !takesBatches);
    this.batchers = this.subscribers.filter(({ takesBatches }) => takesBatches);
    this.isRead = this.subscribers.some(({ takesBytes }) => !takesBytes);
    this.areAlike = this.ones.every((each) => each.takesBytes !== this.isRead && each.takesAtOnce(band));
  }

  /**
   * The publisher of this message had some of the fresh subscribers in view. They belong from now on, because a lane
   * keeps its order.
   */
  private greet(changes: number): void {
    const view = this.host.members.totalOf(changes);
    this.fresh = this.fresh.filter(({ joinedTotal }) => joinedTotal > view);
  }
}

/** A copy of the record with memory of its own. */
export function copyOf({ bytes, offset, length, from, priority }: ByteRecord): ByteRecord {
  const memory = recordMemory(new ArrayBuffer((length + 7) & ~7));
  memory.bytes.set(bytes.subarray(offset, offset + length));
  return { ...memory, offset: 0, length, from, priority };
}
