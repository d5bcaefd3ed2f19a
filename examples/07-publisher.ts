/**
 * One producer, many consumers (SPMC): every consumer reads every record of one ring. Each says for itself what happens
 * when it is slow: the strategy makes the producer wait, the display loses the oldest records and is told how many.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 200_000;
const CONSUMERS = { strategy: { whenSlow: 'wait' }, display: { whenSlow: 'drop-oldest' } } as const;

const makeQueue = () => queues.create({
  kind: 'spmc', capacity: 1024, consumers: CONSUMERS, codec: queues.struct({ number: 'u32', price: 'f64' }),
});
type Task = { queue: ReturnType<typeof makeQueue>; name: keyof typeof CONSUMERS };

if (isMainThread) {
  const queue = makeQueue();
  const workers = Object.keys(CONSUMERS).map(
    (name) => new Worker(new URL(import.meta.url), { workerData: { queue, name } }),
  );
  const reports = Promise.all(workers.map((worker) => once(worker, 'message')));

  const producer = queues.pub(queue, { publishEvery: { records: 16 } });
  for (let number = 0; number < COUNT; number++) {
    const quote = { number, price: 100 + (number % 50) };
    while (producer.offer(quote) === queues.BACK_PRESSURED) await producer.room();
  }
  producer.close();
  console.log((await reports).join('\n'));
} else {
  const { queue, name } = workerData as Task;
  const consumer = queues.sub(queue, { name });
  let count = 0;
  let last = -1;
  for await (const { number } of consumer) {
    if (number <= last) throw new Error(`Quote ${number} came after quote ${last}.`);
    last = number;
    count++;
  }
  parentPort!.postMessage(`${name}: ${count} read, ${consumer.lost} lost, of ${count + consumer.lost}`);
}
