/** Topology and placement of machines that were recorded, and of this one. */
import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { cgroupQuota } from './cpus.js';
import { bare, cgroupV1, cgroupV2, filesOf, isolated, twoPackages, type Tree } from './fixtures/machines.js';
import { interruptsOn, showInterrupt } from './interrupts.js';
import { placeReactors, type Placement } from './placement.js';
import { cpuTopology } from './topology.js';

const topology = (tree: Tree) => cpuTopology(filesOf(tree));
const place = (tree: Tree, placement: Placement, count: number) => placeReactors(placement, topology(tree), count).cpus;

describe('the topology', () => {
  it('of two packages has nodes, cores, siblings and caches', () => {
    const { cpus, allowed, cpuset } = topology(twoPackages);
    expect(cpus.map((each) => [each.package, each.node, each.core, each.siblings])).toEqual([
      [0, 0, 0, [0, 4]], [0, 0, 1, [1, 5]], [1, 1, 0, [2, 6]], [1, 1, 1, [3, 7]],
      [0, 0, 0, [0, 4]], [0, 0, 1, [1, 5]], [1, 1, 0, [2, 6]], [1, 1, 1, [3, 7]],
    ]);
    expect(cpus[6]!.caches).toEqual([
      { level: 1, type: 'data', sizeBytes: 32_768, sharedBy: [2, 6] },
      { level: 1, type: 'instruction', sizeBytes: 32_768, sharedBy: [2, 6] },
      { level: 2, type: 'unified', sizeBytes: 2 ** 20, sharedBy: [2, 6] },
      { level: 3, type: 'unified', sizeBytes: 2 ** 25, sharedBy: [2, 3, 6, 7] },
    ]);
    expect([allowed, cpuset]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7]]);
  });

  it('says what is isolated and what goes without a tick, and whom interrupts meet', () => {
    const { cpus, interrupts } = topology(isolated);
    expect(cpus.map((each) => [each.isIsolated, each.isNohzFull, each.governor])).toEqual([
      [false, false, undefined], [false, false, undefined], [true, true, 'powersave'], [true, true, undefined],
    ]);
    // The one of CPU 2 has never come; the timer's is no device's.
    expect([0, 1, 2, 3].map((cpu) => interruptsOn(cpu, interrupts).map(showInterrupt))).toEqual([
      ['IRQ 9 (IO-APIC 9-fasteoi acpi)'], [], [], ['IRQ 24 (PCI-MSIX-0000:01:00.0 0-edge eth0-rx-0)'],
    ]);
  });

  it('takes those that have taken an interrupt where the files of its affinity cannot be read', () => {
    const hidden = Object.fromEntries(Object.entries(isolated).filter(([path]) => !path.startsWith('/proc/irq/')));
    expect(topology(hidden).interrupts.map(({ irq, effective }) => [irq, effective])).toEqual([
      [9, [0]], [24, [0, 3]], [25, []],
    ]);
  });

  it('knows the cpuset and the quota of a container of either version', () => {
    expect([topology(cgroupV1).cpuset, topology(cgroupV1).allowed, cgroupQuota(filesOf(cgroupV1))]).toEqual([
      [1], [1], 1.5,
    ]);
    expect([topology(cgroupV2).cpuset, topology(cgroupV2).allowed, cgroupQuota(filesOf(cgroupV2))]).toEqual([
      [0, 1, 2, 3], [0, 1, 2, 3], 2,
    ]);
  });

  it('of a machine that says nothing is the mask', () => {
    const { cpus, allowed, cpuset, interrupts } = topology(bare);
    expect(cpus.map(({ cpu, siblings, node, caches }) => [cpu, siblings, node, caches])).toEqual([
      [0, [0], 0, []], [1, [1], 0, []],
    ]);
    expect([allowed, cpuset, interrupts]).toEqual([[0, 1], [0, 1], []]);
    expect(cpuTopology(() => undefined).cpus).toEqual([]);
    expect(() => cpuTopology('/' as never)).toThrow(/^files must be a function/);
  });

  it('of this machine holds the CPUs of the mask', () => {
    const { cpus, allowed } = cpuTopology();
    expect(allowed).toEqual(native().threads.getAffinity());
    expect(cpus.map(({ cpu }) => cpu)).toEqual(expect.arrayContaining([...allowed]));
    for (const { cpu, siblings } of cpus) expect(siblings).toContain(cpu);
  });
});

describe('a placement', () => {
  it('packs siblings, then cores, then packages', () => {
    expect(place(twoPackages, 'pack', 8)).toEqual([0, 4, 1, 5, 2, 6, 3, 7]);
  });

  it('spreads over packages, then cores, and takes second siblings last', () => {
    expect(place(twoPackages, 'spread', 8)).toEqual([1, 2, 4, 3, 5, 6, 0, 7]);
    const { cpus } = topology(twoPackages);
    const of = (cpu: number) => cpus.find((each) => each.cpu === cpu)!;
    const four = place(twoPackages, 'spread', 4).map(of);
    expect(new Set(four.map(({ siblings }) => siblings[0])).size, 'a core each').toBe(4);
    expect(four.slice(0, 2).map(({ package: socket }) => socket).sort(), 'both packages first').toEqual([0, 1]);
  });

  it('begins anew when there are more reactors than CPUs, and keeps to the mask', () => {
    expect(place(cgroupV1, 'spread', 3)).toEqual([1, 1, 1]);
    expect(place(bare, 'pack', 3)).toEqual([0, 1, 0]);
    expect(place(cgroupV2, 'pack', 4)).toEqual([0, 1, 2, 3]);
  });

  it('keeps isolated CPUs for those who ask, one reactor each, and says who has none', () => {
    expect(place(isolated, 'spread', 3)).toEqual([1, 0, 1]);
    expect(place(isolated, 'pack', 2)).toEqual([0, 1]);
    const { cpus, refusals } = placeReactors('isolated', topology(isolated), 4);
    expect(cpus).toEqual([2, 3, 1, 0]);
    expect(refusals).toEqual([
      undefined, undefined, expect.stringMatching(/^pin 'isolated': 2 CPUs are isolated, so it runs on CPU 1; /),
      expect.stringMatching(/runs on CPU 0/),
    ]);
    expect(placeReactors('isolated', topology(twoPackages), 1).refusals[0]).toMatch(/: no CPU is isolated/);
  });
});
