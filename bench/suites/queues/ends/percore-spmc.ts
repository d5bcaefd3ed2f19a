/** percore, one producer of 8-byte records and two readers that get every record and hold the producer back. */
import { pub, sub, type FixedQueue } from 'percore/queues';
import { SALT } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';
import { readBoth } from './two-readers.js';

export interface ReadersSetup {
  readonly queue: FixedQueue<'spmc'>;
  readonly publishEvery: number;
  readonly pauses: number;
}

export function openProducer({ queue, publishEvery, pauses }: ReadersSetup): Span {
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
    producer.flush();
  };
}

export const openConsumer = ({ queue, pauses }: ReadersSetup): ConsumingEnd => readBoth(sub(queue), sub(queue), pauses);
