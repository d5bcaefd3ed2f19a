/**
 * percore, 64-byte records, with one claim and one commit for each record, published by 64, and read and released by up
 * to 64. All sixteen words are written and read.
 */
import { pub, sub, type FixedQueue } from 'percore/queues';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';

const BATCH = 64;
/** The sum of the words of a record is sixteen times its sequence plus this. */
const SUM_OF_PLACES = 120;

export interface RecordsSetup {
  readonly queue: FixedQueue;
  readonly pauses: number;
}

export function openProducer({ queue, pauses }: RecordsSetup): Span {
  const producer = pub(queue, { publishEvery: { records: BATCH } });
  const { words } = producer;
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const at = producer.tryClaim(1);
      if (at < 0) {
        pause(pauses);
        continue;
      }
      const word = producer.wordOf(at);
      words[word] = sequence;
      words[word + 1] = sequence + 1;
      words[word + 2] = sequence + 2;
      words[word + 3] = sequence + 3;
      words[word + 4] = sequence + 4;
      words[word + 5] = sequence + 5;
      words[word + 6] = sequence + 6;
      words[word + 7] = sequence + 7;
      words[word + 8] = sequence + 8;
      words[word + 9] = sequence + 9;
      words[word + 10] = sequence + 10;
      words[word + 11] = sequence + 11;
      words[word + 12] = sequence + 12;
      words[word + 13] = sequence + 13;
      words[word + 14] = sequence + 14;
      words[word + 15] = sequence + 15;
      producer.commit(1);
      sequence++;
    }
    producer.flush();
  };
}

export function openConsumer({ queue, pauses }: RecordsSetup): ConsumingEnd {
  const consumer = sub(queue);
  const { words } = consumer;
  let wrong = 0;
  return {
    consume(first, count) {
      let differences = 0;
      for (let sequence = first, end = first + count; sequence < end;) {
        const ready = consumer.available(Math.min(BATCH, end - sequence));
        if (ready < 0) {
          pause(pauses);
          continue;
        }
        // A full ring publishes what it has, so the wrap may split a batch.
        for (let i = 0; i < ready; i++, sequence++) {
          const word = consumer.wordOf(i);
          const sum = (words[word] + words[word + 1] + words[word + 2] + words[word + 3] | 0)
            + (words[word + 4] + words[word + 5] + words[word + 6] + words[word + 7] | 0)
            + (words[word + 8] + words[word + 9] + words[word + 10] + words[word + 11] | 0)
            + (words[word + 12] + words[word + 13] + words[word + 14] + words[word + 15] | 0) | 0;
          differences |= (words[word] ^ sequence) | (sum ^ ((sequence << 4) + SUM_OF_PLACES));
        }
        consumer.release(ready);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
