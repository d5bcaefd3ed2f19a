/**
 * A topic as a subscribing thread knows it: the topic of one publisher, in one lane. It hands each message to all
 * subscribers of the thread, or to none of them as long as one has no room.
 */
import { BACK_PRESSURED, OK, recordMemory, type Codec } from '../queues/index.js';
import { makeCodec } from '../queues/internal.js';
import type { Party } from '../reactor/internal.js';
import type { ByteRecord } from '../reactor/index.js';
import type { TopicMembership } from '../topic-membership.js';
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
  /** Those subscribers that had not joined yet when the messages that arrive now were published. */
  private fresh: readonly Subscriber[] = [];
  private seenJoins = -1;
  /** True if some subscriber reads values, so that messages are decoded. */
  private isRead = false;
  /** True if all of them get the same object, at once if they are idle. */
  private areAlike = false;
  /** A copy of the present message, once somebody has asked for it. */
  private copied: ByteRecord | undefined;

  /** `record` lies in the lane. */
  constructor(private readonly host: HeardHost, { name, codec }: TopicDescription, record: ByteRecord) {
    this.name = name;
    this.codec = makeCodec(codec);
    this.info = Object.freeze({ topic: name, from: record.from, isRetained: false });
    this.record = { ...record };
  }

  /**
   * Hands a message to all subscribers. Returns OK, or BACK_PRESSURED if one has no room; then none has the message.
   */
  deliver(at: number, length: number, changes: number, band: number): number {
    const { host } = this;
    if (this.seenJoins !== host.joins) this.look(band);
    if (this.fresh.length !== 0) this.greet(changes);
    const { subscribers, fresh } = this;
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
    const { record } = this;
    record.offset = at;
    record.length = length;
    let message: unknown;
    if (this.isRead) {
      try {
        message = this.codec.read(record, at, length);
      } catch (error) {
        host.party.reportError(error, `a message of topic "${this.name}"`);
        return OK;
      }
    }
    if (this.areAlike && fresh.length === 0) {
      this.handEach(this.isRead ? message : record, band);
      return OK;
    }
    for (let i = 0; i < count; i++) {
      const subscriber = subscribers[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      subscriber.take(subscriber.takesBytes ? record : message, this.info, band, this);
    }
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

  /** The usual case: whoever is idle is handed the message without looking for anything else. */
  private handEach(message: unknown, band: number): void {
    const { subscribers, info } = this;
    const { steps } = this.host.party.turn;
    for (let i = 0; (i = steps.handEach(subscribers, i, message, info)) < subscribers.length; i++) {
      const { answer } = steps;
      if (answer === OK) subscribers[i]!.take(message, info, band, this);
      else subscribers[i]!.wantsAgain(answer, message, info, band, this);
    }
  }

  /** Finds the subscribers anew, after some have joined or left. `band` is that of the topic. */
  private look(band: number): void {
    const { subscribers: before, fresh, host } = this;
    this.seenJoins = host.joins;
    this.subscribers = [...host.subscribers].filter(({ pattern }) => matches(pattern, this.name));
    this.fresh = this.subscribers.filter((subscriber) => !before.includes(subscriber) || fresh.includes(subscriber));
    this.isRead = this.subscribers.some(({ takesBytes }) => !takesBytes);
    this.areAlike = this.subscribers.every((each) => each.takesBytes !== this.isRead && each.takesAtOnce(band));
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
