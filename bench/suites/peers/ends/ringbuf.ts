/**
 * ringbuf.js, the SPSC ring of web audio, with `batch` messages of two or sixteen words for each push and pop. It
 * copies in and out.
 */
import { RingBuffer } from 'ringbuf.js';
import { pause } from '../../queues/pause.js';
import type { ConsumingEnd, Span } from '../../queues/race.js';
import { differences, write, type WordsOf } from './words.js';

export interface RingbufSetup {
  readonly buffer: SharedArrayBuffer;
  readonly perMessage: WordsOf;
  readonly batch: number;
  readonly pauses: number;
}

export function openProducer({ buffer, perMessage, batch, pauses }: RingbufSetup): Span {
  const ring = new RingBuffer(buffer, Int32Array);
  const messages = new Int32Array(batch * perMessage);
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end; sequence += batch) {
      write(messages, perMessage, sequence, batch);
      // It takes all or nothing: the capacity is a multiple of the batch, and both sides move only whole batches.
      while (ring.push(messages) === 0) pause(pauses);
    }
  };
}

export function openConsumer({ buffer, perMessage, batch, pauses }: RingbufSetup): ConsumingEnd {
  const ring = new RingBuffer(buffer, Int32Array);
  const messages = new Int32Array(batch * perMessage);
  let wrong = 0;
  return {
    consume(first, count) {
      for (let sequence = first, end = first + count; sequence < end; sequence += batch) {
        while (ring.pop(messages) === 0) pause(pauses);
        wrong |= differences(messages, perMessage, sequence, batch);
      }
    },
    wrong: () => wrong,
  };
}
