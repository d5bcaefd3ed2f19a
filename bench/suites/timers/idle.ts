/**
 * Row `idle`: how often a reactor wakes that has only a million timers which are due in an hour. The figure is the
 * kernel's count of its context switches, or its own count of turns if that is larger. The baseline is a worker that
 * does nothing.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createRuntime } from 'percore';
import { check, compare, sleep, type Bench, type Contender } from '../../harness.js';
import type { IdleTimersServices } from './idle-reactor.js';

const RUNS = 3;
const IDLE_MS = 5000;
/** During this time the helper threads of compiler and collector finish the work that arming has caused. */
const SETTLE_MS = 1500;
const TIMERS = 1_000_000;

type Figures = 'wakeupsPerSecond';

export const idle: Bench = {
  name: 'idle',
  run: () =>
    compare({
      runs: RUNS,
      ours,
      baselines: [emptyWorker],
      figures: [
        {
          of: 'wakeupsPerSecond',
          metric: 'rate',
          unit: '1/s',
          better: 'lower',
          params: { timers: TIMERS, seconds: IDLE_MS / 1000 },
          targets: { 'empty worker': { of: 'value', atMost: 1 } },
        },
      ],
    }),
};

const ours: Contender<Figures> = {
  name: 'percore',
  async run() {
    await using runtime = await createRuntime<{ calls: IdleTimersServices }>({
      entry: new URL('./idle-reactor.js', import.meta.url),
      reactors: 1,
    });
    check(await runtime.call('arm', TIMERS, { reactor: 0, timeoutMs: 60_000 }) === TIMERS, 'not all timers were armed');
    await sleep(SETTLE_MS);
    const before = runtime.status().reactors[0];
    const switches = switchesOf(before.tid!);
    await sleep(IDLE_MS);
    const turns = runtime.status().reactors[0].turns - before.turns;
    const woken = Math.max(turns, switchesOf(before.tid!) - switches);
    check(await runtime.call('count', null, { reactor: 0 }) === TIMERS, 'timers were lost');
    return { wakeupsPerSecond: woken / (IDLE_MS / 1000) };
  },
};

const emptyWorker: Contender<Figures> = {
  name: 'empty worker',
  async run() {
    const before = new Set(threads());
    const worker = new Worker(
      "const { parentPort } = require('node:worker_threads');" +
        "parentPort.on('message', (word) => parentPort.postMessage(word));",
      { eval: true },
    );
    worker.postMessage('ready');
    await once(worker, 'message');
    const thread = threads().find((id) => !before.has(id))!;
    await sleep(SETTLE_MS);
    const switches = switchesOf(thread);
    await sleep(IDLE_MS);
    const woken = switchesOf(thread) - switches;
    await worker.terminate();
    return { wakeupsPerSecond: woken / (IDLE_MS / 1000) };
  },
};

const threads = (): number[] => readdirSync('/proc/self/task').map(Number);

/** Voluntary and involuntary switches. In each, a thread went to sleep or was preempted, so it had been running. */
function switchesOf(thread: number): number {
  const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
  return [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}
