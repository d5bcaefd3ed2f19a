/**
 * percore, 64-byte records, with one claim, one commit and one release for 64. All sixteen words are written and read.
 */
import { pub, sub } from 'percore/queues';
import type { RecordsSetup } from '../../queues/ends/percore-64.js';
import { pause } from '../../queues/pause.js';
import type { ConsumingEnd, Span } from '../../queues/race.js';

const BATCH = 64;
const WORDS = 16;

export function openProducer({ queue, pauses }: RecordsSetup): Span {
  const producer = pub(queue);
  const { words } = producer;
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const at = producer.tryClaim(BATCH);
      if (at < 0) {
        pause(pauses);
        continue;
      }
      let word = producer.wordOf(at);
      for (const batchEnd = sequence + BATCH; sequence < batchEnd; sequence++, word += WORDS) {
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
      }
      producer.commit(BATCH);
    }
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
        // The producer publishes whole batches, so there are 64 or none.
        const ready = consumer.available(BATCH);
        if (ready < 0) {
          pause(pauses);
          continue;
        }
        let word = consumer.wordOf();
        for (const batchEnd = sequence + ready; sequence < batchEnd; sequence++, word += WORDS) {
          differences |= (words[word] ^ sequence) | (words[word + 1] ^ sequence + 1) | (words[word + 2] ^ sequence + 2)
            | (words[word + 3] ^ sequence + 3) | (words[word + 4] ^ sequence + 4) | (words[word + 5] ^ sequence + 5)
            | (words[word + 6] ^ sequence + 6) | (words[word + 7] ^ sequence + 7) | (words[word + 8] ^ sequence + 8)
            | (words[word + 9] ^ sequence + 9) | (words[word + 10] ^ sequence + 10)
            | (words[word + 11] ^ sequence + 11) | (words[word + 12] ^ sequence + 12)
            | (words[word + 13] ^ sequence + 13) | (words[word + 14] ^ sequence + 14)
            | (words[word + 15] ^ sequence + 15);
        }
        consumer.release(ready);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
