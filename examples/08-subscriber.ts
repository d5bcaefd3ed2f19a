/**
 * Subscriber (MPSC): a lane for each producer, a consumer with a cursor in each. While they run, half of the lanes are
 * handed to a second consumer, in another thread, with their cursors: nothing is lost and nothing is read twice.
 *
 *     producer 0, 1 --lanes--> first consumer --hands over--> second consumer
 *     producer 2, 3 --lanes--> first consumer
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const PRODUCERS = 4;
const COUNT = 50_000;
const makeQueue = () =>
  queues.create({ kind: 'mpsc', capacity: 256, recordBytes: 8, maxProducers: PRODUCERS, maxConsumers: 2 });
type Queue = ReturnType<typeof makeQueue>;

if (isMainThread) await main();
else if (workerData.role === 'producer') await produce(workerData.queue, workerData.producer);
else await consumeSecond(workerData.queue);

async function main(): Promise<void> {
  const queue = makeQueue();
  const start = (role: string, producer?: number): Worker =>
    new Worker(new URL(import.meta.url), { workerData: { queue, role, producer } });
  const first = queues.sub(queue);
  const second = start('consumer');
  const [place] = (await once(second, 'message')) as [number];
  const producers = Array.from({ length: PRODUCERS }, (_, producer) => start('producer', producer));
  await Promise.all(producers.map((worker) => once(worker, 'message'))); // All have their lanes.
  for (const worker of producers) worker.postMessage('go');
  void Promise.all(producers.map((worker) => once(worker, 'exit'))).then(() => queues.close(queue));
  const report = once(second, 'message') as Promise<[number[]]>;

  const lanes = first.lanes.slice(0, PRODUCERS / 2);
  const sums = await sumUp(first, () => {
    for (const lane of lanes.splice(0)) first.handOver(lane, place);
  });
  const [others] = await report;
  const isRight = sums.every((sum, producer) => sum + others[producer]! === (COUNT * (COUNT - 1)) / 2);
  console.log(
    `${PRODUCERS} producers, ${PRODUCERS / 2} of ${PRODUCERS} lanes handed over, ${isRight ? 'every record read once' : 'SUMS DIFFER'}`,
  );
}

async function consumeSecond(queue: Queue): Promise<void> {
  const consumer = queues.sub(queue);
  parentPort!.postMessage(consumer.place);
  parentPort!.postMessage(await sumUp(consumer));
}

/**
 * Reads until the queue ends and adds up the numbers of each producer; `after` is called once, after a tenth of them.
 */
async function sumUp(consumer: queues.MpscConsumer<queues.FixedConsumer>, after?: () => void): Promise<number[]> {
  const sums = new Array<number>(PRODUCERS).fill(0);
  let records = 0;
  const add = (view: DataView, offset: number): void => {
    sums[view.getInt32(offset, true)]! += view.getInt32(offset + 4, true);
    records++;
  };
  for (let count = 0; count !== queues.CLOSED; count = consumer.drain(add, 1024)) {
    if (records > COUNT / 10) after?.();
    if (count === 0) await consumer.ready();
  }
  return sums;
}

async function produce(queue: Queue, number: number): Promise<void> {
  const producer = queues.pub(queue, { publishEvery: 8 });
  parentPort!.postMessage('joined');
  await once(parentPort!, 'message');
  const record = Buffer.alloc(8);
  record.writeInt32LE(number, 0);
  for (let i = 0; i < COUNT; i++) {
    record.writeInt32LE(i, 4);
    while (producer.offer(record) === queues.BACK_PRESSURED) await producer.space();
  }
  producer.close();
}
