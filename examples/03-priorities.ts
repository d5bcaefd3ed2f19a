/** Bands: a thousand messages wait in band 1 when one is sent in band 6; it runs next, not last. */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';

type Services = { flood(argument: null): Promise<number> };

export default function start(reactor: Reactor<Services>): void {
  let bulkSteps = 0;
  let tell: (bulkBefore: number) => void;
  const bulk = reactor.spawn<number>({ name: 'bulk', priority: 1 }, () => {
    bulkSteps++;
    if (bulkSteps === 100) urgent.send('now');
  });
  const urgent = reactor.spawn<string>({ name: 'urgent', priority: 6 }, () => tell(bulkSteps));
  reactor.handle('flood', () => new Promise((resolve) => {
    tell = resolve;
    for (let i = 0; i < 1000; i++) bulk.send(i);
  }));
}

if (isMainThread) {
  const runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 1 });
  console.log(`the urgent message ran after ${await runtime.call('flood', null)} of 1000 bulk messages`);
  await runtime.close();
}
