/**
 * ringbuf.js 0.4, the SPSC ring of web audio, with `batch` messages of two words for each push and pop. It copies in
 * and out.
 */
import { RingBuffer } from 'ringbuf.js';
import { SALT } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';

export interface RingbufSetup {
  readonly buffer: SharedArrayBuffer;
  readonly batch: number;
  readonly pauses: number;
}

export const ringbufSetup = (capacity: number, batch: number, pauses: number): RingbufSetup => ({
  buffer: RingBuffer.getStorageForCapacity(capacity * 2, Int32Array), batch, pauses,
});

export function openProducer({ buffer, batch, pauses }: RingbufSetup): Span {
  const ring = new RingBuffer(buffer, Int32Array);
  const messages = new Int32Array(batch * 2);
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end; sequence += batch) {
      for (let i = 0; i < batch; i++) {
        messages[2 * i] = sequence + i;
        messages[2 * i + 1] = (sequence + i) ^ SALT;
      }
      // It takes all or nothing: the capacity is a multiple of the batch, and both sides move only whole batches.
      while (ring.push(messages) === 0) pause(pauses);
    }
  };
}

export function openConsumer({ buffer, batch, pauses }: RingbufSetup): ConsumingEnd {
  const ring = new RingBuffer(buffer, Int32Array);
  const messages = new Int32Array(batch * 2);
  let wrong = 0;
  return {
    consume(first, count) {
      let differences = 0;
      for (let sequence = first, end = first + count; sequence < end; sequence += batch) {
        while (ring.pop(messages) === 0) pause(pauses);
        for (let i = 0; i < batch; i++) {
          differences |= (messages[2 * i] ^ (sequence + i)) | (messages[2 * i + 1] ^ (sequence + i) ^ SALT);
        }
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
