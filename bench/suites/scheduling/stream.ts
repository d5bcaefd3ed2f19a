/**
 * Row `stream`: numbers a second in a streaming answer from one thread to another, read by `for await`. The baseline
 * does the same over `postMessage`: a generator in a worker, whose values are posted one by one and read by `for await`
 * over `events.on(port, 'message')`, with the same number of values under way at most. Both sides check the sum. The
 * form `batches` is a plain generator that is read by `for await (… of callStream(…).batches())`.
 */
import { on, once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createRuntime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { compare, type Bench, type Contender } from '../../harness.js';
import { CREDITS, readAll, readNumbers, type StreamServices } from './stream-reactor.js';

const RUNS = 5;
const VALUES = 1_000_000;
const POSTED_VALUES = 100_000;

export const stream: Bench = {
  name: 'stream',
  async run() {
    const findings = [];
    const sides = ['reactor', 'main'] as const;
    for (const [to, form] of sides.flatMap((side) => [[side, 'one by one'], [side, 'batches']] as const)) {
      findings.push(
        ...(await compare<'rate'>({
          runs: RUNS,
          ours: percore(to, form === 'batches'),
          baselines: [posted()],
          figures: [{
            of: 'rate', metric: 'rate', unit: 'values/s', better: 'higher', params: { to, form, credits: CREDITS },
            targets: { 'async iterator over postMessage': { of: 'ratio', atLeast: 10 } },
          }],
        })),
      );
    }
    return findings;
  },
};

function percore(to: 'main' | 'reactor', areBatches: boolean): Contender<'rate'> {
  return {
    name: `percore to ${to}${areBatches ? ' in batches' : ''}`,
    async run() {
      const [first, second] = twoCpus();
      const pin = to === 'main' ? [second] : [first, second];
      await using runtime = await createRuntime<{ calls: StreamServices }>({
        entry: new URL('./stream-reactor.js', import.meta.url), reactors: pin.length, pin,
        idle: { strategy: to === 'main' ? 'adaptive' : 'spin' },
      });
      const read = (count: number): Promise<number> => (to === 'main'
        ? readNumbers(runtime, count, areBatches)
        : runtime.call('readFromPeer', { count, areBatches }, { reactor: 1 }));
      await read(VALUES / 4);
      return { rate: await read(VALUES) };
    },
  };
}

function posted(): Contender<'rate'> {
  return {
    name: 'async iterator over postMessage',
    async run() {
      const worker = new Worker(new URL('./stream-worker.js', import.meta.url), {
        workerData: { cpu: twoCpus()[1], credits: CREDITS },
      });
      try {
        await once(worker, 'message');
        await readPosted(worker, POSTED_VALUES / 4);
        return { rate: await readPosted(worker, POSTED_VALUES) };
      } finally {
        await worker.terminate();
      }
    },
  };
}

async function readPosted(worker: Worker, count: number): Promise<number> {
  const values = async function* (): AsyncGenerator<number> {
    worker.postMessage({ count });
    let taken = 0;
    for await (const [value] of on(worker, 'message')) {
      yield value as number;
      if (++taken === count) return;
      if (taken % (CREDITS / 2) === 0) worker.postMessage({ credits: CREDITS / 2 });
    }
  };
  return readAll(values(), count);
}
