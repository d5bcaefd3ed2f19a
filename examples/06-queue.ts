/** Queues alone: a ring in shared memory between two ordinary worker threads, sixteen records a claim, no runtime. */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 160_000;

if (isMainThread) {
  const queue = queues.create({ kind: 'spsc', capacity: 4096, recordBytes: 8 });
  const worker = new Worker(new URL(import.meta.url), { workerData: queue });
  const producer = queues.pub(queue);
  for (let sent = 0; sent < COUNT;) {
    const at = producer.tryClaim(16);
    if (at < 0) continue; // BACK_PRESSURED: the consumer is behind, try again.
    for (let i = 0; i < 16; i++) producer.words[producer.wordOf(at, i)] = sent++;
    producer.commit(16);
  }
  producer.close();
  const [sum] = (await once(worker, 'message')) as [number];
  console.log(`${COUNT} records, sum ${sum}`);
} else {
  const consumer = queues.sub(workerData as queues.FixedQueue);
  let sum = 0;
  const add = (view: DataView, offset: number): void => void (sum += view.getInt32(offset, true));
  while (consumer.drain(add, 256) !== queues.CLOSED);
  parentPort!.postMessage(sum);
}
