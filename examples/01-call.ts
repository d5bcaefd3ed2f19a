/** Calls: the same file is the main program and, in every reactor, the entry. */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';

type Services = { sum(pair: [number, number]): number };

export default function start(reactor: Reactor<{ calls: Services }>): void {
  reactor.handle('sum', ([a, b]) => a + b);
}

if (isMainThread) {
  const runtime = await createRuntime<{ calls: Services }>({ entry: new URL(import.meta.url), reactors: 2 });
  console.log(`1 + 2 = ${await runtime.call('sum', [1, 2])}`);
  await runtime.close();
}
