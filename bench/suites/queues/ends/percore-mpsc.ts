/**
 * percore, many producers of 8-byte records. Each has a lane of its own, and publishes at once or by 64, as
 * `publishEvery` says. A message has the producer's own sequence and its number; the order of each producer is checked.
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
   * How many milliseconds a producer sleeps when its ring is full, if it shares its CPU with others; 0 if it does not.
   */
  readonly sleepMs: number;
}

/** The most records that are taken from one lane before the next one has its turn. */
const QUANTUM = 256;
/** If a lane gave fewer than this, it has no more at the moment. */
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
        // It has caught up with this lane; see percore-each.ts.
        if (ready < CAUGHT_UP) pause(pauses);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
