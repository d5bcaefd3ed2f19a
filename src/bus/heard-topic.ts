/**
 * A topic as a subscribing thread knows it: of one publisher, in one lane. It hands each message to all subscribers of
 * the thread, or to none while one of them has no room.
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

/** What it needs of the bus. */
export interface HeardHost {
  readonly party: Party;
  readonly subscribers: ReadonlySet<Subscriber>;
  readonly members: Pick<TopicMembership, 'totalOf'>;
  /** Changes whenever a subscriber joins or leaves. */
  readonly joins: number;
  /** Live messages that this thread was given. */
  delivered: number;
  /** Messages that nobody here was to have, since the last subscriber had left meanwhile. */
  unwanted: number;
}

/** A record in place; the same object moves from message to message. */
export type MovingRecord = { -readonly [Key in keyof ByteRecord]: ByteRecord[Key] };

export class HeardTopic implements Origin {
  readonly name: string;
  readonly info: TopicInfo;
  private readonly codec: Codec<unknown>;
  private readonly record: MovingRecord;
  private subscribers: readonly Subscriber[] = [];
  /** Those of them that had not joined yet when the messages that come now were published. */
  private fresh: readonly Subscriber[] = [];
  private seenJoins = -1;
  /** Some subscriber reads values, so messages are decoded. */
  private isRead = false;
  /** The value of the present message, once somebody has asked for it. */
  private copied: ByteRecord | undefined;

  /** `record` lies in the lane. */
  constructor(private readonly host: HeardHost, { name, codec }: TopicDescription, record: ByteRecord) {
    this.name = name;
    this.codec = makeCodec(codec);
    this.info = Object.freeze({ topic: name, from: record.from, isRetained: false });
    this.record = { ...record };
  }

  /** OK when all subscribers have it; BACK_PRESSURED when one has no room, and then none has it. */
  deliver(at: number, length: number, changes: number, band: number): number {
    const { host } = this;
    if (this.seenJoins !== host.joins) this.look();
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
    for (let i = 0; i < count; i++) {
      const subscriber = subscribers[i]!;
      if (fresh.length !== 0 && fresh.includes(subscriber)) continue;
      subscriber.take(subscriber.takesBytes ? record : message, this.info, band, this);
    }
    return OK;
  }

  copy(): ByteRecord {
    return (this.copied ??= copyOf(this.record));
  }

  /** It has had a message that was published after it joined. */
  hasGiven(subscriber: Subscriber): boolean {
    return this.subscribers.includes(subscriber) && !this.fresh.includes(subscriber);
  }

  private look(): void {
    const { subscribers: before, fresh, host } = this;
    this.seenJoins = host.joins;
    this.subscribers = [...host.subscribers].filter(({ pattern }) => matches(pattern, this.name));
    this.fresh = this.subscribers.filter((subscriber) => !before.includes(subscriber) || fresh.includes(subscriber));
    this.isRead = this.subscribers.some(({ takesBytes }) => !takesBytes);
  }

  /** The subscribers that this message's publisher had in view belong from now on, because a lane keeps its order. */
  private greet(changes: number): void {
    const view = this.host.members.totalOf(changes);
    this.fresh = this.fresh.filter(({ joinedTotal }) => joinedTotal > view);
  }
}

/** The record with memory of its own. */
export function copyOf({ bytes, offset, length, from, priority }: ByteRecord): ByteRecord {
  const memory = recordMemory(new ArrayBuffer((length + 7) & ~7));
  memory.bytes.set(bytes.subarray(offset, offset + length));
  return { ...memory, offset: 0, length, from, priority };
}
