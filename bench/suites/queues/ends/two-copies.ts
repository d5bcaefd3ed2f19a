/**
 * `two SPSC copies`: what one would do without SPMC. There is a ring for each of two readers, and the producer writes
 * every record into both.
 */
import { pub, sub, type FixedProducer, type FixedQueue } from 'percore/queues';
import { SALT } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';
import { readBoth } from './two-readers.js';

export interface CopiesSetup {
  readonly queues: readonly [FixedQueue, FixedQueue];
  readonly publishEvery: number;
  readonly pauses: number;
}

export function openProducer({ queues, publishEvery, pauses }: CopiesSetup): Span {
  const one = pub(queues[0], { publishEvery: { records: publishEvery } });
  const other = pub(queues[1], { publishEvery: { records: publishEvery } });
  const claim = (producer: FixedProducer): number => {
    let at = producer.tryClaim(1);
    while (at < 0) {
      pause(pauses);
      at = producer.tryClaim(1);
    }
    return at;
  };
  const words = one.words;
  const otherWords = other.words;
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end; sequence++) {
      const word = one.wordOf(claim(one));
      words[word] = sequence;
      words[word + 1] = sequence ^ SALT;
      one.commit(1);
      const otherWord = other.wordOf(claim(other));
      otherWords[otherWord] = sequence;
      otherWords[otherWord + 1] = sequence ^ SALT;
      other.commit(1);
    }
    one.flush();
    other.flush();
  };
}

export const openConsumer = ({ queues, pauses }: CopiesSetup): ConsumingEnd =>
  readBoth(sub(queues[0]), sub(queues[1]), pauses);
