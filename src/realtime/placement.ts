/**
 * Which CPUs the reactors of a runtime are pinned to.
 *
 *      pack      one core after the other, and its siblings: few caches, one node; what talks much lies close
 *      spread    packages and nodes in turn, and a second sibling of a core last: each as much as there is to itself
 *      isolated  each isolated CPU to one reactor, one of each core before its siblings; the others follow by `spread`
 *
 * Only CPUs that the process may use are taken, and isolated ones only if asked for; with more reactors than CPUs it
 * begins anew. Among equals CPU 0 comes last, because most systems put their interrupts there. Source: hwloc's
 * distances.
 */
import type { Cpu, CpuTopology } from './topology.js';

export type Placement = 'pack' | 'spread' | 'isolated';
export const PLACEMENTS: readonly Placement[] = ['pack', 'spread', 'isolated'];

/** Where reactors go, and why a reactor is not where the placement would put it. */
export interface Placed {
  readonly cpus: readonly number[];
  readonly refusals: readonly (string | undefined)[];
}

/** The CPU of each of `count` reactors. */
export function placeReactors(placement: Placement, topology: CpuTopology, count: number): Placed {
  const { cpus, allowed, cpuset } = topology;
  const usable = cpus.filter(({ cpu }) => allowed.includes(cpu));
  // CPUs of the boot option are in nobody's mask until somebody asks for them, so the cpuset decides.
  const isolated = cpus.filter(({ cpu, isIsolated }) => isIsolated && cpuset.includes(cpu));
  const ordinary = usable.filter(({ isIsolated }) => !isIsolated);
  // Isolated CPUs are kept for those who ask for them, unless there are no others.
  const shared = ordinary.length > 0 ? ordinary : usable;
  const order = placement === 'pack' ? pack(shared) : spread(shared);
  const first = placement === 'isolated' ? spread(isolated) : [];
  // One reactor alone on an isolated CPU: if there were two, the scheduler would move neither away.
  const at = (id: number): number => first[id] ?? (order[(id - first.length) % order.length] ?? allowed[0] ?? 0);
  const refused = (id: number): string | undefined => (placement !== 'isolated' || id < first.length ? undefined
    : `pin 'isolated': ${first.length === 0 ? 'no CPU is isolated' : `${first.length} CPUs are isolated`}, so it runs `
      + `on CPU ${at(id)}; boot with isolcpus=, or make an isolated cpuset partition`);
  return {
    cpus: Array.from({ length: count }, (_, id) => at(id)),
    refusals: Array.from({ length: count }, (_, id) => refused(id)),
  };
}

const zeroLast = (cpu: number): number => (cpu === 0 ? Infinity : cpu);

/** By node, then package, then last cache, then core. */
function pack(cpus: readonly Cpu[]): number[] {
  const key = (each: Cpu): number[] => [each.node, each.package, lastCache(each), each.core, each.cpu];
  return cpus.toSorted((a, b) => compare(key(a), key(b))).map(({ cpu }) => cpu);
}

/**
 * Turn by turn: a CPU of each package, node and last cache before a second one, and a core of its own before a sibling.
 */
function spread(cpus: readonly Cpu[]): number[] {
  const groups = groupBy(cpus, ({ package: socket, node }) => `${socket} ${node}`)
    .map((ofNode) => interleave(groupBy(ofNode, (each) => String(lastCache(each)))
      .map((ofCache) => interleave(groupBy(ofCache, ({ siblings }) => String(siblings[0]))))));
  // A second sibling waits until every core has one.
  const order = interleave(groups);
  const taken = new Map<string, number>();
  return order.map((each, i) => {
    const core = `${each.package} ${each.core}`;
    const turn = taken.get(core) ?? 0;
    taken.set(core, turn + 1);
    return { cpu: each.cpu, turn, i };
  }).sort((a, b) => a.turn - b.turn || a.i - b.i).map(({ cpu }) => cpu);
}

/** The first CPU of the largest cache that it shares. */
function lastCache({ caches, cpu }: Cpu): number {
  return caches.at(-1)?.sharedBy[0] ?? cpu;
}

/** Groups in the order of their CPUs; within each, CPU 0 last. */
function groupBy(cpus: readonly Cpu[], key: (cpu: Cpu) => string): Cpu[][] {
  const groups = new Map<string, Cpu[]>();
  for (const cpu of cpus.toSorted((a, b) => zeroLast(a.cpu) - zeroLast(b.cpu))) {
    const group = groups.get(key(cpu));
    if (group === undefined) groups.set(key(cpu), [cpu]);
    else group.push(cpu);
  }
  return [...groups.values()];
}

/** The first of each, then the second of each, and so on. */
function interleave(groups: readonly (readonly Cpu[])[]): Cpu[] {
  const longest = Math.max(0, ...groups.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => groups.flatMap((group) => group.slice(i, i + 1))).flat();
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, x] of a.entries()) if (x !== b[i]) return x - b[i]!;
  return 0;
}
