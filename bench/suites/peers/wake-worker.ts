/** Both sides of `await-wake` and of its baseline `postMessage`. In every wait the event loop of the thread sleeps. */
import { parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';
import { percentile } from '../../harness.js';
import { openWordEnds, type WordEndsSetup } from '../queues/word-ends.js';

export interface WakeWorkerData extends WordEndsSetup {
  readonly cpu: number;
  readonly measureMs: number;
}
export interface WakeResult {
  /** The nanoseconds from a question to its answer. */
  readonly p50: number;
  readonly p99: number;
  readonly wrong: number;
}

const ASLEEP_MS = 0.2;
const WARMUP_MS = 300;
/** A run lasts until it has at least so many rounds. */
const LEAST_ROUNDS = 100;

const { isAsking, cpu, measureMs } = workerData as WakeWorkerData;
pinThisThread(cpu);
const [say, hear] = openWordEnds(workerData as WordEndsSetup);
if (isAsking) parentPort!.postMessage(await ask());
else for (;;) say(~(await hear()));

async function ask(): Promise<WakeResult> {
  const took: number[] = [];
  const rest = new Int32Array(new SharedArrayBuffer(4));
  let wrong = 0;
  const warmMs = performance.now() + WARMUP_MS;
  for (let round = 1, startMs = 0; startMs < warmMs + measureMs || took.length < LEAST_ROUNDS; round++) {
    // This blocks the thread, and its CPU rests. The other side falls asleep meanwhile.
    Atomics.wait(rest, 0, 0, ASLEEP_MS);
    startMs = performance.now();
    say(round);
    if ((await hear()) !== ~round) wrong++;
    if (startMs > warmMs) took.push((performance.now() - startMs) * 1e6);
  }
  took.sort((a, b) => a - b);
  return { p50: percentile(took, 50), p99: percentile(took, 99), wrong };
}
