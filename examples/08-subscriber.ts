/**
 * Many producers, one consumer (MPSC): each producer writes into a lane of its own, so producers never wait for each
 * other. The consumer reads all lanes; the records of one producer stay in their order.
 */
import { once } from 'node:events';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const PRODUCERS = 4;
const COUNT = 50_000;

const makeQueue = () => queues.create({
  kind: 'mpsc', capacity: 256, maxProducers: PRODUCERS, codec: queues.struct({ producer: 'u32', number: 'u32' }),
});
type Task = { queue: ReturnType<typeof makeQueue>; id: number };

if (isMainThread) {
  const queue = makeQueue();
  const consumer = queues.sub(queue);
  const workers = Array.from(
    { length: PRODUCERS },
    (_, id) => new Worker(new URL(import.meta.url), { workerData: { queue, id } }),
  );
  // More producers could come, so the queue ends when somebody says so.
  void Promise.all(workers.map((worker) => once(worker, 'exit'))).then(() => queues.close(queue));

  const next = new Array<number>(PRODUCERS).fill(0);
  for await (const { producer, number } of consumer) {
    if (number !== next[producer]!++) throw new Error(`Producer ${producer}: record ${number} is out of order.`);
  }
  console.log(`${next.join(' + ')} records of ${PRODUCERS} producers, each in its order`);
} else {
  const { queue, id } = workerData as Task;
  const producer = queues.pub(queue, { publishEvery: { records: 8 } });
  for (let number = 0; number < COUNT; number++) {
    while (producer.offer({ producer: id, number }) === queues.BACK_PRESSURED) await producer.room();
  }
  producer.close();
}
