/**
 * Publisher and subscribers on topics: one reactor publishes prices, another and the main thread subscribe, each with
 * its own policy for when it is slow. Who comes late is given the last price at once.
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, createTopic, subscribe, type Reactor } from 'percore';
import { struct } from 'percore/queues';

const COUNT = 100_000;

interface Market {
  calls: { publish(): void; sum(): Promise<number> };
  tasks: { tick: null };
  topics: { 'prices.eur': { bid: number }; 'prices.usd': { bid: number } };
}

export default function start(reactor: Reactor<Market>): void {
  if (reactor.id === 1) {
    // It loses nothing: publishers are refused while it is full.
    let sum = 0;
    let count = 0;
    const all = new Promise<number>((resolve) => {
      subscribe(reactor, 'prices.*', { whenSlow: 'wait' }, ({ bid }) => {
        sum += bid;
        if (++count === COUNT + 1) resolve(sum);
      });
    });
    reactor.handle('sum', () => all);
    return;
  }
  const eur = createTopic(reactor, { name: 'prices.eur', codec: struct({ bid: 'f64' }) });
  const usd = createTopic(reactor, { name: 'prices.usd', codec: struct({ bid: 'f64' }), retain: true });
  let bid = 0;
  const tick = reactor.spawn({ name: 'tick' }, (): number => {
    // A step that answers BACK_PRESSURED is run again when what refused it has room.
    const code = eur.publish({ bid });
    if (code !== 0) return code;
    return ++bid < COUNT ? tick.send(null) : usd.publish({ bid: 7 });
  });
  reactor.handle('publish', () => void tick.send(null));
}

if (isMainThread) {
  await using runtime = await createRuntime<Market>({ entry: new URL(import.meta.url), reactors: 2 });
  const display = subscribe(runtime, 'prices.eur', { whenSlow: 'drop-oldest', capacity: 64 }, () => undefined);
  await runtime.call('publish', undefined, { reactor: 0 });
  console.log(`the sum of all is ${await runtime.call('sum', undefined, { reactor: 1 })}`);
  const late = subscribe(runtime, 'prices.usd', {}, ({ bid }, { isRetained }) => {
    console.log(`the last price was ${bid}, retained: ${isRetained}`);
  });
  await late.ready;
  // Of what waits on the main thread's lane a little may still come.
  const had = (): number => display.status().received + display.status().dropped;
  while (had() < COUNT) await new Promise((resolve) => setImmediate(resolve));
  console.log(`the display has had or dropped all ${had()}`);
}
