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
    if (at === queues.BACK_PRESSURED) {
      await producer.space(16); // The consumer is behind: sleep until there is room.
      continue;
    }
    if (at < 0) throw new Error('the consumer has gone');
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
  for (let count = 0; count !== queues.CLOSED; count = consumer.drain(add, 256)) {
    if (count === 0) await consumer.ready(); // Nothing there: sleep until something is, or the queue has ended.
  }
  parentPort!.postMessage(sum);
}
