/**
 * Baseline `thread-stream`, which pino logs through: buffers written in one worker reach a destination in another as
 * text. It makes its own worker, from the producing one. It keeps no borders between messages, so the destination finds
 * them by the lengths it knows.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { twoCpus } from '../../cpus.js';
import { check, type Contender } from '../../harness.js';
import { rateOf } from './race.js';

export interface ThreadStreamWorkerData {
  readonly producer: number;
  readonly consumer: number;
  /** Bytes of message `i % lengths.length`. */
  readonly lengths: Int32Array;
  /** See the names below. */
  readonly shared: SharedArrayBuffer;
}

/** Numbers in `shared`. */
export const figures = { isEnough: 0, received: 1, messages: 2, seconds: 3, wrong: 4, bytes: 40 } as const;
/** Digits at the start of each message: its number modulo the number of lengths. */
export const DIGITS = 4;

export function threadStream(lengths: Int32Array): Contender<'rate'> {
  return {
    name: 'thread-stream',
    async run() {
      const [producer, consumer] = twoCpus();
      const shared = new SharedArrayBuffer(figures.bytes);
      const workerData: ThreadStreamWorkerData = { producer, consumer, lengths, shared };
      const worker = new Worker(new URL('./thread-stream-producer.js', import.meta.url), { workerData });
      const [sent] = (await once(worker, 'message')) as [number];
      await worker.terminate();
      const result = new Float64Array(shared);
      check(result[figures.received] === sent, `${sent} messages were sent, ${result[figures.received]} received`);
      return rateOf({
        messages: result[figures.messages],
        seconds: result[figures.seconds],
        wrong: result[figures.wrong],
      });
    },
  };
}
