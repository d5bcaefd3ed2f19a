/**
 * A market data fan-out: one feed, and subscribers that differ in what happens when they are slow. The strategy loses
 * nothing, the display wants the latest alone, and the gateway is put out when it takes nothing for half a second.
 *
 *     node dist/examples/programs/market-data.js
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, createTopic, subscribe, type Reactor } from 'percore';
import { struct } from 'percore/queues';

const QUOTES = 50_000;
const EACH_MS = 20;

interface Market {
  calls: { feed(): Promise<void>; traded(): Promise<number>; shown(): { shown: number; dropped: number } };
  tasks: { next: null };
  topics: { 'quotes.percore': { price: number; size: number } };
}

const quote = struct({ price: 'f64', size: 'u32' });

/** Reactor 0: publishes quotes as fast as those allow who must not lose any. */
function feed(reactor: Reactor<Market>): void {
  const quotes = createTopic(reactor, { name: 'quotes.percore', codec: quote });
  let [sent, tell] = [0, (): void => undefined];
  const all = new Promise<void>((resolve) => void (tell = resolve));
  const next = reactor.spawn({ name: 'next' }, (): number => {
    // A step that answers BACK_PRESSURED is run again when what refused it has room.
    const code = quotes.publish({ price: 100 + (sent % 7), size: 1 + (sent % 3) });
    if (code !== 0) return code;
    if (++sent === QUOTES) tell();
    return sent < QUOTES ? next.send(null) : 0;
  });
  reactor.handle('feed', async () => {
    next.send(null);
    await all;
  });
}

/** Reactor 1: the strategy, in a high band, and beside it a display that takes long for each quote. */
function consume(reactor: Reactor<Market>): void {
  let traded = 0;
  let tell = (_traded: number): void => undefined;
  const all = new Promise<number>((resolve) => void (tell = resolve));
  subscribe(reactor, 'quotes.*', { whenSlow: 'wait', priority: 6 }, () => {
    if (++traded === QUOTES) tell(traded);
  });
  reactor.handle('traded', () => all);

  let shown = 0;
  const display = subscribe(reactor, 'quotes.*', { whenSlow: 'drop-oldest', capacity: 16, priority: 1 }, async () => {
    shown++;
    await new Promise((resolve) => setTimeout(resolve, EACH_MS));
  });
  reactor.handle('shown', () => ({ shown, dropped: display.status().dropped }));
}

export default function start(reactor: Reactor<Market>): void {
  if (reactor.id === 0) feed(reactor);
  else consume(reactor);
}

if (isMainThread) {
  await using runtime = await createRuntime<Market>({ entry: new URL(import.meta.url), reactors: 2, pin: false });
  await runtime.call('feed', undefined, { reactor: 0 });
  console.log(`the strategy has seen all ${await runtime.call('traded', undefined, { reactor: 1 })} quotes`);
  const { shown, dropped } = await runtime.call('shown', undefined, { reactor: 1 });
  console.log(`the display has shown ${shown > 0 ? 'some' : 'none'} and left out ${dropped > 0 ? 'others' : 'none'}`);
}
