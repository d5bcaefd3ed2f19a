/**
 * Subscriber (MPSC): a lane for each producer, a consumer with a cursor in each. While they run, half of the lanes are handed to a second
 * consumer, in another thread, with their cursors: nothing is lost and nothing is read twice.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const PRODUCERS = 4;
const COUNT = 50_000;
type Task = { queue: queues.FixedQueue<'mpsc'>; producer?: number };

/** Reads until the queue ends; `sums[p]` adds up the numbers of producer p, which must come in order. */
async function consume(consumer: queues.MpscConsumer<queues.FixedConsumer>, sums: number[], afterEach?: (count: number) => void): Promise<void> {
  const add = (view: DataView, offset: number): void => void (sums[view.getInt32(offset, true)]! += view.getInt32(offset + 4, true));
  for (;;) {
    const count = consumer.drain(add, 1024);
    if (count === queues.CLOSED) return;
    if (count === 0) await consumer.ready();
    afterEach?.(count);
  }
}

if (isMainThread) {
  const queue = queues.create({ kind: 'mpsc', capacity: 256, recordBytes: 8, maxProducers: PRODUCERS, maxConsumers: 2 });
  const consumer = queues.sub(queue);
  const second = new Worker(new URL(import.meta.url), { workerData: { queue } satisfies Task });
  const [place] = (await once(second, 'message')) as [number];
  const report = once(second, 'message') as Promise<[number[]]>;
  const producers = Array.from({ length: PRODUCERS }, (_, producer) => new Worker(new URL(import.meta.url), { workerData: { queue, producer } satisfies Task }));
  void Promise.all(producers.map((worker) => once(worker, 'exit'))).then(() => queues.close(queue));

  await Promise.all(producers.map((worker) => once(worker, 'message')));
  for (const worker of producers) worker.postMessage('go');

  const sums = Array.from({ length: PRODUCERS }, () => 0);
  const lanes = consumer.lanes.slice(0, PRODUCERS / 2);
  let records = 0;
  await consume(consumer, sums, (count) => {
    records += count;
    if (records < COUNT / 10) return;
    records = -Infinity;
    for (const lane of lanes) consumer.handOver(lane, place);
  });
  const [others] = await report;
  const isRight = sums.every((sum, producer) => sum + others[producer]! === (COUNT * (COUNT - 1)) / 2);
  console.log(`${PRODUCERS} producers, ${lanes.length} of ${PRODUCERS} lanes handed over, ${isRight ? 'every record read once' : 'SUMS DIFFER'}`);
} else {
  const { queue, producer: number } = workerData as Task;
  if (number === undefined) {
    const consumer = queues.sub(queue);
    parentPort!.postMessage(consumer.place);
    const sums = Array.from({ length: PRODUCERS }, () => 0);
    await consume(consumer, sums);
    parentPort!.postMessage(sums);
  } else {
    const producer = queues.pub(queue, { publishEvery: 8 });
    parentPort!.postMessage('joined');
    await once(parentPort!, 'message');
    for (let i = 0; i < COUNT;) {
      const at = producer.tryClaim();
      if (at < 0) {
        await producer.space();
        continue;
      }
      producer.words[producer.wordOf(at)] = number;
      producer.words[producer.wordOf(at) + 1] = i++;
      producer.commit();
    }
    producer.close();
  }
}
