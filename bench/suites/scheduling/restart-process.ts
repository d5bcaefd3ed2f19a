/** `restart-process.js reactor|spare|worker TIMES`: the median of the milliseconds until the first message, as JSON. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createRuntime } from 'percore';
import type { Tasks } from './restart-reactor.js';

const [what, timesText] = process.argv.slice(2);
const times = Number(timesText);
const SPARE_MS = 300;
/** Word 0 counts messages. From word 2 on is the time of the last one, in nanoseconds of the machine's clock. */
const memory = new SharedArrayBuffer(16);
const count = new Int32Array(memory, 0, 1);
const cameNs = new BigInt64Array(memory, 8, 1);

async function reactor(): Promise<number[]> {
  const runtime = await createRuntime<{ tasks: Tasks }>({
    entry: new URL('./restart-reactor.js', import.meta.url), reactors: 1, data: memory,
    restart: { most: times + 1, withinMs: 1e6, backoffMs: 0, spare: what === 'spare' },
  });
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    // Wait until the next spare thread is ready.
    if (what === 'spare') await new Promise((resolve) => setTimeout(resolve, SPARE_MS));
    let diedNs = 0n;
    runtime.once('reactorDied', () => {
      diedNs = process.hrtime.bigint();
    });
    const restarted = once(runtime, 'reactorRestarted');
    runtime.send('die', 0, { reactor: 0 });
    runtime.send('note', 0, { reactor: 0 });
    runtime.flush();
    await restarted;
    await until(i + 1);
    taken.push(Number(Atomics.load(cameNs, 0) - diedNs) / 1e6);
  }
  await runtime.close();
  return taken;
}

async function worker(): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const beganNs = process.hrtime.bigint();
    const bare = new Worker(new URL('./restart-worker.js', import.meta.url), { workerData: memory });
    bare.postMessage(0);
    await until(i + 1);
    taken.push(Number(Atomics.load(cameNs, 0) - beganNs) / 1e6);
    await bare.terminate();
  }
  return taken;
}

async function until(messages: number): Promise<void> {
  while (Atomics.load(count, 0) < messages) await new Promise((resolve) => setTimeout(resolve, 1));
}

const taken = await (what === 'worker' ? worker() : reactor());
const medianMs = [...taken].sort((a, b) => a - b)[taken.length >> 1];
process.stdout.write(`${JSON.stringify({ medianMs, count: taken.length })}\n`);
