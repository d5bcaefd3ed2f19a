/**
 * A streaming answer: a generator in a reactor yields prices, the main thread reads them in a loop. At most 16 values
 * are under way, so the generator waits for its reader; and when the reader leaves the loop, its `finally` runs. The
 * handler asks another reactor in what is left of the caller's time.
 */
import { isMainThread } from 'node:worker_threads';
import { callStream, createRuntime, type Reactor } from 'percore';

interface Market {
  calls: {
    prices(symbol: string): AsyncIterable<number>;
    opening(symbol: string): number;
    ended(): number;
  };
}

export default function start(reactor: Reactor<Market>): void {
  let ended = 0;
  reactor.handle('opening', (symbol) => symbol.length * 10);
  reactor.handle('prices', async function* (symbol, context) {
    try {
      const opening = await context.call('opening', symbol, { reactor: 1 });
      for (let change = 0; ; change++) yield opening + change;
    } finally {
      ended++;
    }
  });
  reactor.handle('ended', () => ended);
}

if (isMainThread) {
  await using runtime = await createRuntime<Market>({ entry: new URL(import.meta.url), reactors: 2, pin: false });
  let last = 0;
  for await (const price of callStream(runtime, 'prices', 'ABCD', { reactor: 0, credits: 16, timeoutMs: 10_000 })) {
    last = price;
    if (price === 1000) break;
  }
  const ended = await runtime.call('ended', undefined, { reactor: 0 });
  console.log(`the last price is ${last}; ${ended} generator has ended`);
}
