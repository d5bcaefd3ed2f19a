/**
 * percore, many producers of 8-byte records, each on a lane of its own, publishing at once or by 64 as `publishEvery`
 * says. A message is the producer's own sequence and its number; the order of each is checked.
 */
import { pub, sub, type FixedQueue } from 'percore/queues';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';

export interface ManySetup {
  readonly queue: FixedQueue<'mpsc'>;
  readonly producers: number;
  readonly publishEvery: number;
  readonly pauses: number;
  /**
   * What a producer sleeps that finds its ring full, milliseconds, where it shares its CPU with others; 0 where it does
   * not.
   */
  readonly sleepMs: number;
}

/** Records taken from one lane before the next has its turn. */
const QUANTUM = 256;
/** A lane that gave fewer has no more for the moment. */
const CAUGHT_UP = 64;

export function openProducer({ queue, publishEvery, pauses, sleepMs }: ManySetup, part: number): Span {
  const producer = pub(queue, { publishEvery: { records: publishEvery } });
  const { words } = producer;
  const bed = new Int32Array(new SharedArrayBuffer(4));
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const at = producer.tryClaim(1);
      if (at < 0) {
        if (sleepMs > 0) Atomics.wait(bed, 0, 0, sleepMs);
        else pause(pauses);
        continue;
      }
      const word = producer.wordOf(at);
      words[word] = sequence;
      words[word + 1] = part;
      producer.commit(1);
      sequence++;
    }
    producer.flush();
  };
}

export function openConsumer({ queue, producers, pauses }: ManySetup): ConsumingEnd {
  const consumer = sub(queue);
  const due = new Int32Array(producers);
  let wrong = 0;
  return {
    consume(_first, count) {
      let differences = 0;
      for (let left = count; left > 0;) {
        const lane = consumer.select();
        if (lane === null) {
          pause(pauses);
          continue;
        }
        const { words } = lane;
        const ready = lane.available(Math.min(QUANTUM, left));
        for (let i = 0; i < ready; i++) {
          const word = lane.wordOf(i);
          differences |= words[word] ^ due[words[word + 1]]++;
        }
        lane.release(ready);
        left -= ready;
        // As in percore-each.ts: it has caught up with this lane.
        if (ready < CAUGHT_UP) pause(pauses);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
