/**
 * Baseline `thread-stream`, which pino uses for logging: buffers that one worker writes arrive in another one as text.
 * It starts that worker itself, from the producing one. It keeps no boundaries between messages, so the destination
 * finds them by their known lengths.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { twoCpus } from '../../cpus.js';
import { check, type Contender } from '../../harness.js';
import { rateOf } from './race.js';

export interface ThreadStreamWorkerData {
  readonly producer: number;
  readonly consumer: number;
  /** The length in bytes of message `i % lengths.length`. */
  readonly lengths: Int32Array;
  /** Shared numbers, whose indexes are below. */
  readonly shared: SharedArrayBuffer;
}

/** The indexes of numbers in `shared`. */
export const figures = { isEnough: 0, received: 1, messages: 2, seconds: 3, wrong: 4, bytes: 40 } as const;
/** How many digits each message begins with. They are its number modulo the number of lengths. */
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
