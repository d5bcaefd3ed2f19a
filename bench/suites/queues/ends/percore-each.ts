/**
 * percore, 8-byte records, one claim and one commit a record: published one by one, or lazily by 64, as `publishEvery` says. Read one by
 * one, or in batches, as `readAtMost` says.
 */
import { pub, sub, type FixedQueue } from 'percore/queues';
import { SALT } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';

export interface EachSetup {
  readonly queue: FixedQueue;
  readonly publishEvery: number;
  readonly readAtMost: number;
  readonly pauses: number;
}

export function openProducer({ queue, publishEvery, pauses }: EachSetup): Span {
  const producer = pub(queue, { publishEvery });
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
    producer.flush();
  };
}

export function openConsumer({ queue, readAtMost, pauses }: EachSetup): ConsumingEnd {
  const consumer = sub(queue);
  const { words } = consumer;
  let wrong = 0;
  return {
    consume(first, count) {
      let differences = 0;
      for (let sequence = first, end = first + count; sequence < end;) {
        const ready = consumer.peek(Math.min(readAtMost, end - sequence));
        if (ready < 0) {
          pause(pauses);
          continue;
        }
        for (let i = 0; i < ready; i++, sequence++) {
          const word = consumer.wordOf(i);
          differences |= (words[word] ^ sequence) | (words[word + 1] ^ sequence ^ SALT);
        }
        consumer.release(ready);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
