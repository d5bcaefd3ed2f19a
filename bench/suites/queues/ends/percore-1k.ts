/**
 * percore, records of 1 KiB, with one claim, one commit and one release for 16. The producer copies records from other
 * memory into the ring, as one does with bytes from a socket. The consumer reads one word of each cache line in place.
 */
import { pub, sub } from 'percore/queues';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';
import type { RecordsSetup } from './percore-64.js';

const BATCH = 16;
const BYTES = 1024;
const WORDS = BYTES >> 2;
const LINE_WORDS = 16;

export function openProducer({ queue, pauses }: RecordsSetup): Span {
  const producer = pub(queue);
  const { bytes } = producer;
  const source = new Uint8Array(BYTES);
  const sourceWords = new Int32Array(source.buffer);
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const at = producer.tryClaim(BATCH);
      if (at < 0) {
        pause(pauses);
        continue;
      }
      let offset = producer.offsetOf(at);
      for (const batchEnd = sequence + BATCH; sequence < batchEnd; sequence++, offset += BYTES) {
        for (let word = 0; word < WORDS; word += LINE_WORDS) sourceWords[word] = sequence + word;
        bytes.set(source, offset);
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
        const ready = consumer.available(BATCH);
        if (ready < 0) {
          pause(pauses);
          continue;
        }
        let word = consumer.wordOf();
        for (const batchEnd = sequence + ready; sequence < batchEnd; sequence++) {
          for (let i = 0; i < WORDS; i += LINE_WORDS) differences |= words[word + i] ^ (sequence + i);
          word += WORDS;
        }
        consumer.release(ready);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
