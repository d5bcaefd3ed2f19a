/** Baseline `postMessage`: numbers over a MessageChannel from worker to worker, as fast as they are received. */
import { once } from 'node:events';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { twoCpus } from '../../cpus.js';
import type { Contender } from '../../harness.js';
import { rateOf, type RaceResult } from './race.js';

export interface PostMessageWorkerData {
  readonly port: MessagePort;
  readonly cpu: number;
  readonly isProducing: boolean;
  /** Two words: the number of messages received, and 1 when there are enough. */
  readonly shared: SharedArrayBuffer;
}

export function postMessage(): Contender<'rate'> {
  return {
    name: 'postMessage',
    async run() {
      const { port1, port2 } = new MessageChannel();
      const shared = new SharedArrayBuffer(8);
      const workers = [port1, port2].map((port, side) => {
        const workerData: PostMessageWorkerData = { port, cpu: twoCpus()[side], isProducing: side === 0, shared };
        return new Worker(new URL('./post-message-worker.js', import.meta.url), { workerData, transferList: [port] });
      });
      const [result] = (await once(workers[1], 'message')) as [RaceResult];
      await Promise.all(workers.map((worker) => worker.terminate()));
      return rateOf(result);
    },
  };
}
