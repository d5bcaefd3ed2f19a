/** 64 real reactors: what they take of the address space and of memory. docs/scale.md has the figures. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createRuntime } from './index.js';

const REACTORS = 64;
const MIB_PER_GIB = 1024;
/** What a worker of Node takes by itself is about 620 MiB of address space and 8 MiB of memory. */
const RESIDENT_MIB = 40;
const LANES_MIB = 16;

function memory(): { sizeMiB: number; residentMiB: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1024;
  return { sizeMiB: field('VmSize'), residentMiB: field('VmRSS') };
}

it('64 reactors start with under 1 GiB of address space each, and lanes that nobody uses take no memory', async () => {
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
    expect(sizeMiB, 'address space of each').toBeLessThan(MIB_PER_GIB);
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
