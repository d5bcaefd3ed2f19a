/**
 * Publisher (SPMC): one producer, one ring, and every consumer reads every record. The journal must have each quote
 * before the strategy reads it (a stage behind a stage); the display may be lapped and is told what it missed.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 200_000;
const CONSUMERS = { journal: {}, strategy: { after: ['journal'] }, display: { whenSlow: 'drop-oldest' } } as const;
const makeQueue = () =>
  queues.create({
    kind: 'spmc',
    capacity: 1024,
    codec: queues.struct({ number: 'u32', price: 'f64' }),
    consumers: CONSUMERS,
  });
type Task = { queue: ReturnType<typeof makeQueue>; name: keyof typeof CONSUMERS };

if (isMainThread) {
  const queue = makeQueue();
  const reports = Object.keys(CONSUMERS).map(async (name) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { queue, name } });
    return ((await once(worker, 'message')) as [string])[0];
  });

  const producer = queues.pub(queue, { publishEvery: 16 });
  for (let number = 0; number < COUNT; number++) {
    const quote = { number, price: 100 + (number % 50) };
    // The slower of journal and strategy is behind; the display never holds us back.
    while (producer.offer(quote) === queues.BACK_PRESSURED) await producer.space();
  }
  producer.close();
  console.log((await Promise.all(reports)).join('\n'));
} else {
  const { queue, name } = workerData as Task;
  const consumer = queues.sub(queue, { name });
  let count = 0;
  let last = -1;
  let isInOrder = true;
  for await (const quote of consumer) {
    isInOrder &&= quote.number > last;
    last = quote.number;
    count++;
  }
  const read = consumer.lost > 0 ? `${count + consumer.lost} read or lost` : `${count} read`;
  parentPort!.postMessage(`${name}: ${read}${isInOrder ? ', in order' : ', OUT OF ORDER'}`);
}
