/**
 * Lanes change hands: a consumer gives a producer's lane, with its cursor, to a consumer in another thread while
 * records flow. The producer notices nothing, no record is lost, and none is read twice.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 50_000;
const makeQueue = () => queues.create({
  kind: 'mpsc', capacity: 256, maxProducers: 1, maxConsumers: 2, recordBytes: 8,
});
type Queue = ReturnType<typeof makeQueue>;
type Task = { queue: Queue; role: 'produce' | 'consume' };

if (isMainThread) {
  const queue = makeQueue();
  const first = queues.sub(queue);
  const start = (role: Task['role']): Worker => new Worker(new URL(import.meta.url), { workerData: { queue, role } });
  const second = start('consume');
  const [place] = (await once(second, 'message')) as [number];
  const report = once(second, 'message');
  void once(start('produce'), 'exit').then(() => queues.close(queue));

  let own = 0;
  while ((await first.ready()) === queues.OK) {
    first.drain(() => void own++, 100);
    // A tenth is read here, the rest in the other thread.
    if (own >= COUNT / 10) for (const lane of first.lanes) first.handOver(lane, place);
  }
  const [others] = (await report) as [number];
  console.log(`${own > 0 && others > 0 ? 'both consumers' : 'ONE CONSUMER'} read, ${own + others} records in all`);
} else if (workerData.role === 'consume') {
  const consumer = queues.sub(workerData.queue as Queue);
  parentPort!.postMessage(consumer.place);
  let count = 0;
  while ((await consumer.ready()) === queues.OK) consumer.drain(() => void count++);
  parentPort!.postMessage(count);
} else {
  const producer = queues.pub(workerData.queue as Queue);
  for (let number = 0; number < COUNT; number++) {
    while (producer.offer(new Uint8Array(8)) === queues.BACK_PRESSURED) await producer.room();
  }
  producer.close();
}
