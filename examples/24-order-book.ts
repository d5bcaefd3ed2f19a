/** An order book a symbol, sequential and parallel: the same trades, though the books move between two threads. */
import { isMainThread } from 'node:worker_threads';
import * as percore from 'percore';

interface Order { symbol: string; isBuy: boolean; price: number; size: number }
interface Book { buys: Order[]; sells: Order[]; trades: number }
type Books = Map<string, Book>;
interface Services { calls: { trades(): number } }

/** Trades with the best of the other side while the prices meet; what is left waits, first by price, then by time. */
function match(books: Books, order: Order): void {
  const book = books.get(order.symbol) ?? { buys: [], sells: [], trades: 0 };
  books.set(order.symbol, book);
  const [own, others] = order.isBuy ? [book.buys, book.sells] : [book.sells, book.buys];
  const isBetter = (a: Order, b: Order): boolean => (order.isBuy ? a.price > b.price : a.price < b.price);
  for (let best = others[0]; order.size > 0 && best !== undefined && !isBetter(best, order); best = others[0]) {
    const size = Math.min(order.size, best.size);
    book.trades++;
    order.size -= size;
    best.size -= size;
    if (best.size === 0) others.shift();
  }
  const at = own.findIndex((each) => isBetter(order, each));
  if (order.size > 0) own.splice(at < 0 ? own.length : at, 0, order);
}

const countTrades = (all: Books[]): number =>
  all.flatMap((books) => [...books.values()]).reduce((sum, { trades }) => sum + trades, 0);
const orders = Array.from({ length: 60_000 }, (_, i): Order => {
  const random = Math.imul(i + 1, 0x9e3779b1) >>> 8;
  return { symbol: `S${random % 50}`, isBuy: i % 2 === 0, price: 100 + ((random >> 6) % 9), size: 1 + (i % 5) };
});

export default function start(reactor: percore.Reactor<Services>): void {
  const buckets = Array.from({ length: 1024 }, (): Books => new Map());
  percore.createKeyed<Order, Books>(reactor, {
    name: 'orders',
    onBucketLeaves: (bucket) => buckets.splice(bucket, 1, new Map())[0]!,
    onBucketArrives: (bucket, books) => void (buckets[bucket] = books ?? new Map()),
  }, (order, { bucket }) => match(buckets[bucket]!, order));
  reactor.handle('trades', () => countTrades(buckets));
}

if (isMainThread) {
  const runtime = await percore.createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 2 });
  const [balancer, address] = [percore.createBalancer(runtime), percore.keyedAddress<Order>(runtime, 'orders')];
  const moves: Promise<boolean>[] = [];
  for (const [i, order] of orders.entries()) {
    const bucket = percore.bucketOf(percore.hashKey(Buffer.from(order.symbol)));
    if (i % 100 === 0) moves.push(balancer.move(bucket, moves.length % 2));
    while (address.sendToBucket(bucket, order) < 0) await new Promise<void>((go) => address.whenRoom(go));
  }
  while ((await Promise.all(moves)) && address.held > 0) await new Promise(setImmediate);
  const [a, b] = await Promise.all([0, 1].map((reactor) => runtime.call('trades', undefined, { reactor })));
  const sequential: Books = new Map();
  for (const order of orders) match(sequential, order);
  console.log(`${a! + b!} trades in parallel, ${countTrades([sequential])} in sequence`);
  await runtime.close();
}
