/** A queue that main makes and a reactor reads: `data` carries it to the entry, as its second argument. */
import { isMainThread } from 'node:worker_threads';
import { BACK_PRESSURED, createRuntime, type Reactor } from 'percore';
import * as queues from 'percore/queues';

const COUNT = 100_000;
const makeQueue = () => queues.create({
  kind: 'spsc', capacity: 1024, codec: queues.struct({ price: 'f64', size: 'u32' }),
});
interface Services { calls: { total(): Promise<number> } }

export default function start(reactor: Reactor<Services>, orders: ReturnType<typeof makeQueue>): void {
  let [count, total] = [0, 0];
  let tell: (total: number) => void;
  const all = new Promise<number>((resolve) => void (tell = resolve));
  reactor.sub(orders, { priority: 5 }, ({ price, size }) => {
    total += price * size;
    if (++count === COUNT) tell(total);
  });
  reactor.handle('total', () => all);
}

if (isMainThread) {
  const orders = makeQueue();
  const runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 1, data: orders });
  const producer = queues.pub(orders);
  for (let size = 1; size <= COUNT; size++) {
    while (producer.offer({ price: 0.5, size }) === BACK_PRESSURED) await producer.room();
  }
  producer.close();
  console.log(`${COUNT} orders, ${await runtime.call('total')} in all`);
  await runtime.close();
}
