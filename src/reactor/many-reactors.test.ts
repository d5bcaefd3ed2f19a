/** 64 real reactors: what they take of the address space and of memory. docs/scale.md has the figures. */
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createRuntime } from './index.js';

const REACTORS = 64;
const MIB_PER_GIB = 1024;
const BARE_WORKERS = 8;
/**
 * A worker of Node takes 540 to 620 MiB of address space by itself, 790 in Node 26, and 8 MiB of memory. So much more
 * is ours, which is under 1 GiB together but in Node 26.
 */
const OURS_MIB = 400;
const RESIDENT_MIB = 40;
/**
 * With what the first call compiles in each reactor, 0.1 to 0.35 MiB, and 0.6 on Node 26, where a start takes so much
 * less since it compiles less: 1,200 MiB in all instead of 1,280. One page of each lane would be 260 MiB.
 */
const LANES_MIB = 64;

function memory(): { sizeMiB: number; residentMiB: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1024;
  return { sizeMiB: field('VmSize'), residentMiB: field('VmRSS') };
}

/** Address space of a worker that does nothing. */
async function bareWorkerMiB(): Promise<number> {
  const before = memory().sizeMiB;
  const workers = Array.from({ length: BARE_WORKERS }, () =>
    new Worker("require('node:worker_threads').parentPort.on('message', () => undefined);", { eval: true }));
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  const sizeMiB = (memory().sizeMiB - before) / BARE_WORKERS;
  await Promise.all(workers.map((worker) => worker.terminate()));
  return sizeMiB;
}

it('64 reactors start with under 1 GiB of address space each, and lanes that nobody uses take no memory', async () => {
  const bareMiB = await bareWorkerMiB();
  const before = memory();
  const runtime = await createRuntime({
    entry: new URL('./fixtures/many.js', import.meta.url), reactors: REACTORS, pin: false, idle: { strategy: 'park' },
    startTimeoutMs: 300_000,
  });
  try {
    const after = memory();
    const { sharedBytes } = runtime.status();
    expect(sharedBytes / 2 ** 30, 'GiB of lanes').toBeGreaterThan(16);
    const sizeMiB = (after.sizeMiB - before.sizeMiB) / REACTORS;
    expect(sizeMiB - bareMiB, 'address space of each, beside a bare worker').toBeLessThan(OURS_MIB);
    if (bareMiB + OURS_MIB <= MIB_PER_GIB) expect(sizeMiB, 'address space of each').toBeLessThan(MIB_PER_GIB);
    const residentMiB = (after.residentMiB - before.residentMiB) / REACTORS;
    expect(residentMiB, 'memory of each').toBeLessThan(RESIDENT_MIB);
    // The lanes of one band to all, and back: 64 of 66,560.
    const ids = await Promise.all(Array.from({ length: REACTORS }, (_, reactor) => (
      runtime.call('id', undefined, { reactor })
    )));
    expect(ids).toEqual(Array.from({ length: REACTORS }, (_, id) => id));
    expect(memory().residentMiB - after.residentMiB, 'memory of the lanes that were used').toBeLessThan(LANES_MIB);
  } finally {
    await runtime.close();
  }
}, 400_000);
