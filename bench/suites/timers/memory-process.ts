/**
 * `memory-process.js percore|setTimeout`, with --expose-gc: how many bytes a timer takes, without its callback,
 * measured with a million timers with mixed delays.
 */
import { create } from 'percore/timers';
import { check } from '../../harness.js';
import { mixedDelaysMs } from './delays.js';

export interface MemoryReport {
  /** By how much the process has grown. All timers share one callback, which is not counted. */
  readonly rssBytes: number;
  /** The memory that V8 counts: objects and array buffers. */
  readonly heapBytes: number;
}

const COUNT = 1_000_000;
const collect = (globalThis as { gc?: () => void }).gc!;
let fired = 0;
const callback = (): void => void fired++;

/** Reads the memory after everything that can be collected was collected. */
async function memory(): Promise<{ rss: number; heap: number }> {
  for (let i = 0; i < 5; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

const delaysMs = mixedDelaysMs(COUNT);
const timers = create();
// Compiled code and the first tables do not belong to the timers.
for (let round = 0; round < 3; round++) {
  const ids = Array.from({ length: 1000 }, (_, i) =>
    process.argv[2] === 'percore'
      ? timers.after({ delayNs: delaysMs[i] * 1e6 }, callback)
      : setTimeout(callback, delaysMs[i]),
  );
  for (const id of ids) {
    if (typeof id === 'number') timers.cancel(id);
    else clearTimeout(id);
  }
  timers.poll();
}
// Nor does the space for young objects, which grows with how much is allocated at a time. From here on it is at its
// largest.
let young: { delayNs: number }[] = [];
for (let i = 0; i < 2_000_000; i++) {
  if (i % 200_000 === 0) young = [];
  young.push({ delayNs: i });
}
young = [];
const before = await memory();
if (process.argv[2] === 'percore') {
  for (let i = 0; i < COUNT; i++) timers.after({ delayNs: delaysMs[i] * 1e6 }, callback);
  timers.poll();
} else {
  for (let i = 0; i < COUNT; i++) setTimeout(callback, delaysMs[i]);
}
const after = await memory();
check(process.argv[2] !== 'percore' || timers.count === COUNT, `${timers.count} timers are live`);
check(fired === 0, `${fired} timers fired that were due in a minute`);
const report: MemoryReport = {
  rssBytes: (after.rss - before.rss) / COUNT,
  heapBytes: (after.heap - before.heap) / COUNT,
};
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
