/** A mixer: each 500 µs a real-time thread mixes a block of two voices, while the main thread fades one of them in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { createExecutor, fifo, type Tick } from 'percore/realtime';

const FRAMES = 24;
const BLOCKS = 200;

/** What the threads share: `data` of the executor. */
interface Desk { readonly gains: Float32Array; readonly block: Float32Array; readonly mixed: Int32Array }

export function mix(_argument: unknown, tick: Tick | undefined, { gains, block, mixed }: Desk): void {
  // The number of a tick counts those that were missed, so that the sound stays in time.
  const first = (tick?.sequence ?? 0) * FRAMES;
  for (let i = 0; i < FRAMES; i++) {
    block[i] = gains[0]! * Math.sin((first + i) / 17) + gains[1]! * Math.sin((first + i) / 11);
  }
  Atomics.add(mixed, 0, 1);
}

export function fade({ voice, to }: { voice: number; to: number }, _tick: undefined, { gains }: Desk): number {
  const from = gains[voice]!;
  gains[voice] = to;
  return from;
}

if (isMainThread) {
  const desk: Desk = {
    gains: new Float32Array(new SharedArrayBuffer(8)), block: new Float32Array(new SharedArrayBuffer(FRAMES * 4)),
    mixed: new Int32Array(new SharedArrayBuffer(4)),
  };
  const executor = await createExecutor({ policy: fifo(50), workerThreads: 2, data: desk });
  const stop = await executor.every({ module: import.meta.url, export: 'mix' }, { intervalNs: 500_000 });
  // This thread stands still until the other one has done it.
  const from = executor.blockOn<number>({ module: import.meta.url, export: 'fade' }, { voice: 1, to: 0.5 });
  console.log(`voice 1 from ${from} to ${desk.gains[1]}`);
  while (Atomics.load(desk.mixed, 0) < BLOCKS) await sleep(10);
  await stop();
  const { ticks, missedTicks, worstTickLatenessNs } = executor.metrics();
  console.log(`${ticks === desk.mixed[0] ? 'all' : 'not all'} blocks counted, ${missedTicks} missed, `
    + `at worst ${Math.round(worstTickLatenessNs / 1e3)} µs late`);
  const [thread] = executor.runtime.status().reactors;
  console.log(thread?.policy.granted?.kind === 'fifo' ? 'at SCHED_FIFO 50' : `more slowly: ${thread?.refusals[0]}`);
  await executor.close();
}
