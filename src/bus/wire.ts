/**
 * What the bus sends in lanes, as bytes for the task BUS_TASK, which every party that uses the bus has:
 *
 *    MESSAGE   topic's number << 2     | changes | payload, as the topic's codec writes it
 *    TOPIC     topic's number << 2 | 1 | 0       | name and codec of that number, as JSON
 *    BATCH     topic's number << 2 | 2 | changes | several payloads: see batch.ts
 *
 * The number belongs to the publisher, which gives each topic another number; a thread that comes in its place begins
 * anew. A lane keeps its order, so a TOPIC record goes before the first message of that topic, once in each lane, and
 * counts as no message; what the number means holds in that lane alone. `changes` is the count of
 * joins and leaves that the publisher had in view; a subscriber that joined later does not get the message.
 */
import { copyBytes } from '../queues/internal.js';
import type { CodecDescription, RecordMemory } from '../queues/index.js';

/** The task that receives what others publish, and the service that others ask for last values. */
export const BUS_TASK = 'percore.topics';
export const RETAINED_SERVICE = 'percore.topics.retained';

/** What the two lowest bits of a record's first word say that it is. */
export const MESSAGE = 0;
export const TOPIC = 1;
export const MESSAGES_IN_BATCH = 2;
export const KIND_BITS = 2;

/** How many bytes come before a payload, after the head that every message to a task has. */
export const BUS_HEAD_BYTES = 8;

/** What a receiver has to know about a topic. */
export interface TopicDescription {
  readonly name: string;
  readonly codec: CodecDescription;
}

/**
 * What a subscriber asks a publisher for: the last values of topics that match, after the topic with the number
 * `behind`.
 */
export interface RetainedQuestion {
  readonly pattern: string;
  readonly behind: number;
  /** The count of changes when it joined. It gets as a message whatever was published with that in view. */
  readonly joinedAs: number;
}

/** The last value of one topic. */
export interface RetainedValue extends TopicDescription {
  readonly number: number;
  /** The band of its messages, and so their lane. */
  readonly band: number;
  readonly bytes: Uint8Array;
}

/** The answer to a RetainedQuestion. */
export interface RetainedAnswer {
  readonly values: readonly RetainedValue[];
  /** True if there are more values, after the last of these. */
  readonly hasMore: boolean;
}

/** Payloads of up to this many bytes are copied word by word, which spares two views. */
const FEW_BYTES = 256;

/**
 * Copies bytes from one memory to another. Both positions are multiples of 8, with room after the bytes up to the next
 * one.
 */
export function copyPayload(
  from: RecordMemory, at: number, length: number, to: RecordMemory, toAt: number,
): void {
  if (length > FEW_BYTES) {
    copyBytes(from.bytes.subarray(at, at + length), length, to.bytes, toAt);
    return;
  }
  const source = from.words;
  const target = to.words;
  const end = (at + length + 3) >> 2;
  for (let i = at >> 2, j = toAt >> 2; i < end; i++, j++) target[j] = source[i]!;
}
