/** Priorities: of a thousand messages in band 1 a hundred have run when one comes in band 6. It runs next, not last. */
import { isMainThread } from 'node:worker_threads';
import { OK, createRuntime, type Reactor } from 'percore';

type Services = { flood(messages: number): Promise<number> };

export default function start(reactor: Reactor<{ calls: Services }>): void {
  let bulkSteps = 0;
  let tell: (bulkSteps: number) => void;

  const urgent = reactor.spawn<string>({ name: 'urgent', priority: 6 }, () => tell(bulkSteps));
  const bulk = reactor.spawn<number>({ name: 'bulk', priority: 1, capacity: 1024 }, (number) => {
    bulkSteps = number;
    // The step answers what the mailbox answered: a full one would make it wait for room and run again.
    return number === 100 ? urgent.send('now') : OK;
  });

  reactor.handle('flood', (messages) => new Promise((resolve) => {
    tell = resolve;
    for (let number = 1; number <= messages; number++) {
      if (bulk.send(number) !== OK) throw new Error('The mailbox is smaller than the flood.');
    }
  }));
}

if (isMainThread) {
  const runtime = await createRuntime<{ calls: Services }>({ entry: new URL(import.meta.url), reactors: 1 });
  console.log(`the urgent message ran after ${await runtime.call('flood', 1000)} of 1000 bulk messages`);
  await runtime.close();
}
