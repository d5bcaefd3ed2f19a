/**
 * Stages: the strategy may read a quote only when the journal has read it, so nothing is traded on that is not written
 * down. The ring itself keeps the order: a consumer that names another one in `after` never overtakes it.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as queues from 'percore/queues';

const COUNT = 50_000;
const makeQueue = () => queues.create({
  kind: 'spmc', capacity: 1024, consumers: { journal: {}, strategy: { after: ['journal'] } },
  codec: queues.struct({ number: 'u32' }),
});
/** `written` is shared: the number of the last quote in the journal. */
type Task = { queue: ReturnType<typeof makeQueue>; name: 'journal' | 'strategy'; written: Int32Array };

if (isMainThread) {
  const queue = makeQueue();
  const written = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
  const [, strategy] = (['journal', 'strategy'] as const).map(
    (name) => new Worker(new URL(import.meta.url), { workerData: { queue, name, written } satisfies Task }),
  );
  const report = once(strategy!, 'message');

  const producer = queues.pub(queue, { publishEvery: { records: 16 } });
  for (let number = 0; number < COUNT; number++) {
    while (producer.offer({ number }) === queues.BACK_PRESSURED) await producer.room();
  }
  producer.close();
  console.log(...((await report) as [string]));
} else {
  const { queue, name, written } = workerData as Task;
  const consumer = queues.sub(queue, { name });
  let count = 0;
  const read = ({ number }: { number: number }): void => {
    if (name === 'journal') Atomics.store(written, 0, number);
    else if (Atomics.load(written, 0) < number) throw new Error(`Quote ${number} is not in the journal yet.`);
    count++;
  };
  // A drained record counts as read when its handler has returned. In `for await` it does before the body of the loop
  // runs, which would be too early for a journal.
  while ((await consumer.ready()) === queues.OK) consumer.drain(read);
  parentPort!.postMessage(`${count} quotes read by the strategy, each after the journal`);
}
