/**
 * Row `node-beside-spin`: what Node's own API costs in a reactor that spins, against a worker that does nothing else.
 * The same code runs in both, in a thread that is pinned to the same CPU. The HTTP server runs in the main thread on
 * the other CPU.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, stat, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createRuntime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender, type Figure } from '../../harness.js';
import type { NodeWork, NodeWorkResult, What } from './node-work.js';
import type { NodeWorkServices } from './node-work-reactor.js';
import type { NodeWorkerData } from './node-work-worker.js';

const RUNS = 5;
const FILE_BYTES = 4096;
const ROUNDS: Record<What, number> = { 'setImmediate': 20_000, 'fs.readFile': 2000, 'fetch': 600 };
const WHATS = Object.keys(ROUNDS) as What[];

export const nodeBesideSpin: Bench = {
  name: 'node-beside-spin',
  async run() {
    // libuv's pool inherits the CPUs of the thread that first uses it, which is the main thread for both contenders.
    stat('/', () => undefined);
    const folder = mkdtempSync(join(tmpdir(), 'percore-bench-'));
    const file = join(folder, 'four-kib');
    writeFileSync(file, Buffer.alloc(FILE_BYTES, 'percore '));
    const server = createServer((_, response) => response.end('percore')).listen(0, '127.0.0.1');
    server.keepAliveTimeout = 60_000;
    await once(server, 'listening');
    const work: NodeWork = {
      file,
      fileBytes: FILE_BYTES,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      body: 'percore',
      rounds: ROUNDS,
    };
    try {
      return await compare({
        runs: RUNS, ours: spinningReactor(work), baselines: [emptyWorker(work)], figures: WHATS.map(figureOf),
      });
    } finally {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true });
    }
  },
};

const figureOf = (what: What): Figure<What> => ({
  of: what,
  metric: 'p50',
  unit: 'us',
  better: 'lower',
  params: { what },
  targets: { 'empty worker': { of: 'ratio', atMost: 1.6 } },
});

function spinningReactor(work: NodeWork): Contender<What> {
  return {
    name: 'percore, spin',
    async run() {
      await using runtime = await createRuntime<{ calls: NodeWorkServices }>({
        entry: new URL('./node-work-reactor.js', import.meta.url),
        reactors: 1,
        pin: [twoCpus()[1]],
        idle: { strategy: 'spin' },
      });
      const result = await runtime.call('work', work);
      check(runtime.status().reactors[0].parks === 0, 'the reactor parked, so it did not spin');
      return checked(result);
    },
  };
}

function emptyWorker(work: NodeWork): Contender<What> {
  return {
    name: 'empty worker',
    async run() {
      const workerData: NodeWorkerData = { cpu: twoCpus()[1], work };
      const worker = new Worker(new URL('./node-work-worker.js', import.meta.url), { workerData });
      const [result] = (await once(worker, 'message')) as [NodeWorkResult];
      await worker.terminate();
      return checked(result);
    },
  };
}

function checked({ wrong, p50Us }: NodeWorkResult): Record<What, number> {
  check(wrong === 0, `${wrong} results were wrong`);
  return p50Us;
}
