/**
 * percore, 8-byte records, with one claim and one commit for each record. They are published one by one, or lazily by
 * 64, as `publishEvery` says, and read and released as many as there are, up to 64.
 */
import { pub, sub, type FixedQueue } from 'percore/queues';
import { SALT } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';

const BATCH = 64;

export interface WordsSetup {
  readonly queue: FixedQueue;
  readonly publishEvery: number;
  readonly pauses: number;
}

export function openProducer({ queue, publishEvery, pauses }: WordsSetup): Span {
  const producer = pub(queue, { publishEvery: { records: publishEvery } });
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
      words[word + 1] = sequence ^ SALT;
      producer.commit(1);
      sequence++;
    }
    // A full ring makes it publish early, so something may be left to publish.
    producer.flush();
  };
}

export function openConsumer({ queue, pauses }: WordsSetup): ConsumingEnd {
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
          differences |= (words[word] ^ sequence) | (words[word + 1] ^ sequence ^ SALT);
        }
        consumer.release(ready);
        // It has caught up. Looking again at once would take the cursor's line from the producer and gain little.
        if (ready < BATCH && sequence < end) pause(pauses);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
