/**
 * Publisher (SPMC): one producer, one ring, and every consumer reads every record where it lies. The journal must have each quote before
 * the strategy reads it (a stage behind a stage); the display may be lapped and is told what it missed.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 200_000;
type Task = { queue: queues.FixedQueue<'spmc'>; name: 'journal' | 'strategy' | 'display' };

if (isMainThread) {
  const queue = queues.create({
    kind: 'spmc', capacity: 1024, recordBytes: 16,
    consumers: { journal: {}, strategy: { after: ['journal'] }, display: { whenSlow: 'drop-oldest' } },
  });
  const workers = (['journal', 'strategy', 'display'] as const).map((name) => new Worker(new URL(import.meta.url), { workerData: { queue, name } satisfies Task }));
  const reports = Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as string));
  const producer = queues.pub(queue, { publishEvery: 16 });
  for (let i = 0; i < COUNT;) {
    const at = producer.tryClaim();
    if (at < 0) {
      await producer.space(); // The slower of journal and strategy is behind; the display never holds us back.
      continue;
    }
    producer.words[producer.wordOf(at)] = i++;
    producer.view.setFloat64(producer.offsetOf(at) + 8, 100 + (i % 50), true);
    producer.commit();
  }
  producer.close();
  console.log((await reports).join('\n'));
} else {
  const { queue, name } = workerData as Task;
  const consumer = queues.sub(queue, { name });
  let count = 0;
  let isInOrder = true;
  let last = -1;
  const read = (view: DataView, offset: number): void => {
    const quote = view.getInt32(offset, true);
    isInOrder &&= quote > last;
    last = quote;
    count++;
  };
  while (consumer.drain(read, 256) !== queues.CLOSED) if (consumer.look() === queues.EMPTY) await consumer.ready();
  parentPort!.postMessage(`${name}: ${consumer.lost > 0 ? `${count + consumer.lost} read or lost` : `${count} read`}${isInOrder ? ', in order' : ', OUT OF ORDER'}`);
}
