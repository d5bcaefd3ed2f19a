/** Both sides of `spsc-ready` and of its baseline. In every wait the event loop of the thread sleeps. */
import { parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';
import { percentile, sleep } from '../../harness.js';
import { openWordEnds, type WordEndsSetup } from './word-ends.js';

export interface ReadyWorkerData extends WordEndsSetup {
  readonly cpu: number;
}

const ROUNDS = 1500;
const WARMUP_ROUNDS = 300;

const { isAsking, cpu } = workerData as ReadyWorkerData;
pinThisThread(cpu);
const [say, hear] = openWordEnds(workerData as WordEndsSetup);
if (isAsking) parentPort!.postMessage(await ask());
else for (;;) say(~(await hear()));

async function ask(): Promise<{ p50: number; p99: number; wrong: number }> {
  const took: number[] = [];
  let wrong = 0;
  for (let round = 1; round <= WARMUP_ROUNDS + ROUNDS; round++) {
    const startMs = performance.now();
    say(round);
    if ((await hear()) !== ~round) wrong++;
    if (round > WARMUP_ROUNDS) took.push((performance.now() - startMs) * 1000);
    // Wait so long that the other side is asleep.
    await sleep(0);
  }
  took.sort((a, b) => a - b);
  return { p50: percentile(took, 50), p99: percentile(took, 99), wrong };
}
