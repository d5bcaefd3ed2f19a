/**
 * percore, records of 16 to 256 bytes, with one claim and one commit for each record, published by 64, read in place
 * and released by up to 64. All words are written and read, several in each step of the loop, since a step costs V8 as
 * much as a word. A record is checked by its first word and its sum, as in C++.
 */
import { pub, sub, type VariableQueue } from 'percore/queues';
import { LENGTHS, lengths } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';

const BATCH = 64;

export interface VariableSetup {
  readonly queue: VariableQueue;
  readonly pauses: number;
}

export function openProducer({ queue, pauses }: VariableSetup): Span {
  const producer = pub(queue, { publishEvery: { records: BATCH } });
  const { words } = producer;
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const length = lengths[sequence & (LENGTHS - 1)];
      const offset = producer.tryClaim(length);
      if (offset < 0) {
        pause(pauses);
        continue;
      }
      let word = offset >> 2;
      let value = sequence;
      const payloadEnd = word + (length >> 2);
      for (const eightsEnd = payloadEnd - 7; word < eightsEnd; word += 8, value += 8) {
        words[word] = value;
        words[word + 1] = value + 1;
        words[word + 2] = value + 2;
        words[word + 3] = value + 3;
        words[word + 4] = value + 4;
        words[word + 5] = value + 5;
        words[word + 6] = value + 6;
        words[word + 7] = value + 7;
      }
      for (; word < payloadEnd; word++, value++) words[word] = value;
      producer.commit(length);
      sequence++;
    }
    producer.flush();
  };
}

export function openConsumer({ queue, pauses }: VariableSetup): ConsumingEnd {
  const consumer = sub(queue);
  const { words } = consumer;
  let wrong = 0;
  return {
    consume(start, messages) {
      let differences = 0;
      let unreleased = 0;
      for (let sequence = start, end = start + messages; sequence < end;) {
        const offset = consumer.peek();
        if (offset < 0) {
          pause(pauses);
          continue;
        }
        const { length } = consumer;
        let word = offset >> 2;
        const count = length >> 2;
        const payloadEnd = word + count;
        const first = words[word];
        let sum = 0;
        for (const foursEnd = payloadEnd - 3; word < foursEnd; word += 4) {
          sum = (sum + words[word] + words[word + 1] + words[word + 2] + words[word + 3]) | 0;
        }
        for (; word < payloadEnd; word++) sum = (sum + words[word]) | 0;
        const sumOf = (Math.imul(count, sequence) + ((count * (count - 1)) >> 1)) | 0;
        differences |= (first ^ sequence) | (sum ^ sumOf) | (length ^ lengths[sequence & (LENGTHS - 1)]);
        consumer.advance();
        sequence++;
        if (++unreleased < BATCH) continue;
        unreleased = 0;
        consumer.publishRelease();
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
