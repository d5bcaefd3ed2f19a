/** Two cores that change one resource at the same time: each holds its core while it has it, and nothing is lost. */
import { isMainThread } from 'node:worker_threads';
import { defineApp, implementApp, startApp, takes } from 'percore/realtime';

const ROUNDS = 1000;

const app = defineApp({
  cores: [{}, {}],
  resources: { ledger: { entries: 'u32', sum: 'f64', last: 'u8', changes: 'u32' } },
  tasks: {
    left: { core: 0, priority: 1, uses: ['ledger'], spawns: ['left'], takes: takes<number>() },
    right: { core: 1, priority: 1, uses: ['ledger'], spawns: ['right'], takes: takes<number>() },
  },
  main: { spawns: ['left', 'right'] },
});

interface Ledger { entries: number; sum: number; last: number; changes: number }
function enter(ledger: Ledger, who: number, amount: number): void {
  ledger.sum += amount;
  if (ledger.last !== who) ledger.changes++;
  ledger.last = who;
  ledger.entries++;
}

export default implementApp(app, {
  tasks: {
    left({ lock, spawn, reactor }, round) {
      lock('ledger', (ledger) => enter(ledger, 1, round));
      if (round < ROUNDS) spawn('left', round + 1);
      else lock('ledger', ({ sum, entries }) => reactor.send('end', { sum, entries }, { reactor: 'main' }));
    },
    right({ lock, spawn, reactor }, round) {
      lock('ledger', (ledger) => enter(ledger, 2, -round));
      if (round < ROUNDS) spawn('right', round + 1);
      else lock('ledger', ({ sum, entries }) => reactor.send('end', { sum, entries }, { reactor: 'main' }));
    },
  },
});

if (isMainThread) {
  const results: { readonly sum: number; readonly entries: number }[] = [];
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => { end = resolve; });
  const running = await startApp(app, {
    entry: new URL(import.meta.url),
    main: (runtime) => void runtime.spawn<typeof results[0]>({ name: 'end' }, (result) => {
      if (results.push(result) === 2) end();
    }),
  });
  running.spawn('left', 1);
  running.spawn('right', 1);
  await ended;
  const { sum, entries } = results.find((result) => result.entries === 2 * ROUNDS)!;
  console.log(`${entries} entries of two cores, the sum is ${sum}`);
  const { levels } = running.status();
  const isFifo = levels.every(({ fifoGranted }) => fifoGranted === 1);
  console.log(isFifo ? 'at SCHED_FIFO 1' : 'more slowly: SCHED_FIFO was not granted');
  await running.close();
}
