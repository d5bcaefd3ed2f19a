/** A process that starts two bare workers and asks both. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const startMs = performance.now();
const workers = [1, 2].map((word) => {
  const worker = new Worker(new URL('./boot-worker.js', import.meta.url));
  worker.postMessage(word);
  return worker;
});
const answers = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
const elapsedMs = performance.now() - startMs;
process.stdout.write(`${JSON.stringify({ elapsedMs, answers: answers[0] === ~1 && answers[1] === ~2 })}\n`);
await Promise.all(workers.map((worker) => worker.terminate()));
