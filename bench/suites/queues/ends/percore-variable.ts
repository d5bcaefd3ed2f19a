/** percore, records of 16 to 256 bytes, one claim and one commit a record, published by 64; read in place and released by up to 64. All words are written and read. */
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
  const producer = pub(queue, { publishEvery: BATCH });
  const { words } = producer;
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const length = lengths[sequence & (LENGTHS - 1)];
      const offset = producer.tryClaim(length);
      if (offset < 0) {
        pause(pauses);
        continue;
      }
      const word = offset >> 2;
      for (let i = 0, payloadWords = length >> 2; i < payloadWords; i++) words[word + i] = sequence + i;
      producer.commit(length);
      sequence++;
    }
  };
}

export function openConsumer({ queue, pauses }: VariableSetup): ConsumingEnd {
  const consumer = sub(queue);
  const { words } = consumer;
  let wrong = 0;
  return {
    consume(first, count) {
      let differences = 0;
      let unreleased = 0;
      for (let sequence = first, end = first + count; sequence < end;) {
        const offset = consumer.peek();
        if (offset < 0) {
          pause(pauses);
          continue;
        }
        const { length } = consumer;
        const word = offset >> 2;
        for (let i = 0, payloadWords = length >> 2; i < payloadWords; i++) differences |= words[word + i] ^ (sequence + i);
        differences |= length ^ lengths[sequence & (LENGTHS - 1)];
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
