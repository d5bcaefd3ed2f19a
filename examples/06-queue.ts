/**
 * A queue alone, without a runtime: a ring in shared memory between two ordinary threads. The producer claims sixteen
 * records at a time and writes them in place; neither end ever waits busily.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 160_000;
const BATCH = 16;

if (isMainThread) {
  const queue = queues.create({ kind: 'spsc', capacity: 4096, recordBytes: 8 });
  const worker = new Worker(new URL(import.meta.url), { workerData: queue });
  const producer = queues.pub(queue);
  for (let sent = 0; sent < COUNT;) {
    const at = producer.tryClaim(BATCH);
    if (at === queues.BACK_PRESSURED) {
      // The consumer is behind. This sleeps until there is room for a batch.
      await producer.room(BATCH);
      continue;
    }
    if (at < 0) throw new Error('The consumer has gone.');
    for (let i = 0; i < BATCH; i++) producer.words[producer.wordOf(at, i)] = sent++;
    producer.commit(BATCH);
  }
  producer.close();
  const [sum] = (await once(worker, 'message')) as [number];
  console.log(`${COUNT} records, sum ${sum}`);
} else {
  const consumer = queues.sub(workerData as queues.FixedQueue);
  let sum = 0;
  const add = (view: DataView, offset: number): void => {
    sum += view.getInt32(offset, true);
  };
  // Reads what is there, then sleeps until there is more, or until the queue has ended.
  while ((await consumer.ready()) === queues.OK) consumer.drain(add, 256);
  parentPort!.postMessage(sum);
}
