/**
 * `idle-process.js reactors|workers IDLE_MS`: two threads are idle for IDLE_MS. Prints as JSON what the kernel counted
 * meanwhile.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createRuntime, type Runtime } from 'percore';
import { sleep } from '../../harness.js';
import type { IdleServices } from './idle-reactor.js';

export interface IdleReport {
  readonly elapsedMs: number;
  /** How many percent of one core the whole process used. */
  readonly cpuPercent: number;
  readonly threads: number;
  /** The context switches of the thread that had more of them. */
  readonly mostSwitches: number;
  /** The turns of the reactor that had more of them; 0 for workers. */
  readonly mostTurns: number;
  /** How many threads answered at the end. */
  readonly answers: number;
}

interface Idlers {
  /** The kernel's numbers of both threads. */
  readonly threads: readonly number[];
  /** The turns so far, one number for each reactor. */
  turns(): readonly number[];
  /** Asks both, and returns how many answered. */
  answers(): Promise<number>;
  close(): Promise<unknown>;
}

/** During this time the helper threads of compiler and collector finish the work that starting has caused. */
const SETTLE_MS = 1500;

async function reactors(): Promise<Idlers> {
  const runtime: Runtime<{ calls: IdleServices }> = await createRuntime<{ calls: IdleServices }>({
    entry: new URL('./idle-reactor.js', import.meta.url),
    reactors: 2,
  });
  const ask = async (reactor: number): Promise<number> =>
    (await runtime.call('echo', reactor, { reactor })) === reactor ? 1 : 0;
  return {
    threads: runtime.status().reactors.map(({ tid }) => tid ?? 0),
    turns: () => runtime.status().reactors.map(({ turns }) => turns),
    answers: async () => (await ask(0)) + (await ask(1)),
    close: () => runtime.close(),
  };
}

async function workers(): Promise<Idlers> {
  const before = new Set(threadsOfProcess());
  const both = [0, 1].map(
    () =>
      new Worker(
        "const { parentPort } = require('node:worker_threads');" +
          "parentPort.on('message', (word) => parentPort.postMessage(word));",
        { eval: true },
      ),
  );
  const answers = async (): Promise<number> => (await Promise.all(both.map(async (worker, at): Promise<number> => {
    worker.postMessage(at);
    return (await once(worker, 'message'))[0] === at ? 1 : 0;
  }))).reduce((sum, answered) => sum + answered, 0);
  await answers();
  return {
    threads: threadsOfProcess().filter((thread) => !before.has(thread)),
    turns: () => [0, 0],
    answers,
    close: () => Promise.all(both.map((worker) => worker.terminate())),
  };
}

const threadsOfProcess = (): number[] => readdirSync('/proc/self/task').map(Number);

/** Voluntary and involuntary switches. In each, a thread went to sleep or was preempted, so it had been running. */
function switchesOf(thread: number): number {
  const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
  return [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

const [what, idleMs] = process.argv.slice(2);
const idlers = await (what === 'reactors' ? reactors() : workers());
await idlers.answers();
await sleep(SETTLE_MS);
const before = {
  switches: idlers.threads.map(switchesOf),
  turns: idlers.turns(),
  // Last, since the readings before take some milliseconds for files.
  cpu: process.cpuUsage(),
  ms: performance.now(),
};
await sleep(Number(idleMs));
const elapsedMs = performance.now() - before.ms;
const used = process.cpuUsage(before.cpu);
const switches = idlers.threads.map((thread, at) => switchesOf(thread) - before.switches[at]);
const turns = idlers.turns().map((count, at) => count - before.turns[at]);
const report: IdleReport = {
  elapsedMs,
  cpuPercent: (used.user + used.system) / 1000 / elapsedMs * 100,
  threads: idlers.threads.length,
  mostSwitches: Math.max(...switches),
  mostTurns: Math.max(...turns),
  answers: await idlers.answers(),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
await idlers.close();
