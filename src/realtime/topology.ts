/**
 * The CPUs of this machine, their relation to each other, and which of them this process may use. Everything is read
 * from small text files, so a tree recorded on another machine can take their place. Sources: the kernel's
 * admin-guide/cputopology, ABI/testing/sysfs-devices-system-cpu, core-api/irq/irq-affinity, cpuset(7).
 *
 *      package 0 ── node 0 ── core 0 ── CPU 0, CPU 4       SMT siblings share a core and its first caches
 *                         └── core 1 ── CPU 1, CPU 5       CPUs of a last cache share data at the least cost
 *      package 1 ── node 1 ── …                            memory of another node is further away
 */
import { join } from 'node:path';
import { cgroupsOf } from './cgroups.js';
import { interruptsOf, type Interrupt } from './interrupts.js';
import { checkFiles, parseList, readSystemFile, type SystemFiles } from './system-files.js';

/** One CPU as the scheduler knows it: a hardware thread. */
export interface Cpu {
  /** The kernel's number of it. */
  readonly cpu: number;
  /** The socket. */
  readonly package: number;
  /** Of its package. */
  readonly core: number;
  /** CPUs of the same core, itself included, ascending. */
  readonly siblings: readonly number[];
  /** NUMA node of the memory that is nearest to it. */
  readonly node: number;
  /** Nearest first. */
  readonly caches: readonly CpuCache[];
  /** The scheduler puts nothing on it by itself (boot option isolcpus, or an isolated cpuset partition). */
  readonly isIsolated: boolean;
  /** It has no periodic tick while only one thread runs there (boot option nohz_full). */
  readonly isNohzFull: boolean;
  /** Its frequency governor; undefined if it has none. */
  readonly governor: string | undefined;
}

export interface CpuCache {
  /** 1 is nearest to the core. */
  readonly level: number;
  /** What it holds. */
  readonly type: 'data' | 'instruction' | 'unified';
  /** Its size in bytes. */
  readonly sizeBytes: number;
  /** CPUs that share it, ascending. */
  readonly sharedBy: readonly number[];
}

export interface CpuTopology {
  /** Those that are online, ascending. */
  readonly cpus: readonly Cpu[];
  /** The CPUs of the process's affinity mask. */
  readonly allowed: readonly number[];
  /** Those of its cpuset, of cgroup version 1 or 2; all that are online where there is none. */
  readonly cpuset: readonly number[];
  /** Device interrupts, with the CPUs that take them. */
  readonly interrupts: readonly Interrupt[];
}

const CPUS = '/sys/devices/system/cpu';
const NODES = '/sys/devices/system/node';

/**
 * The CPUs of this machine. Reads some files of /sys and /proc for each, and blocks for these; any thread may call it;
 * allocates. What cannot be read is assumed to be the simplest: one package, no sibling, node 0. Tests pass `files`
 * instead. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const { cpus } = cpuTopology();
 *     console.log(cpus.filter(({ isIsolated }) => isIsolated).map(({ cpu }) => cpu));
 */
export function cpuTopology(files: SystemFiles = readSystemFile): CpuTopology {
  const text = checkFiles(files);
  const allowed = parseList(/^Cpus_allowed_list:\s*(.*)$/m.exec(text('/proc/self/status') ?? '')?.[1]);
  const online = parseList(text(join(CPUS, 'online')));
  const numbers = online.length > 0 ? online : allowed;
  const nodeOf = nodesOf(text);
  const isolated = new Set(parseList(text(join(CPUS, 'isolated'))));
  const nohzFull = new Set(parseList(text(join(CPUS, 'nohz_full'))));
  const cpus = numbers.map((cpu): Cpu => {
    const read = (name: string) => text(join(CPUS, `cpu${cpu}`, name));
    const siblings = parseList(read('topology/core_cpus_list') ?? read('topology/thread_siblings_list'));
    return {
      cpu, package: whole(read('topology/physical_package_id'), 0), core: whole(read('topology/core_id'), cpu),
      siblings: siblings.length > 0 ? siblings : [cpu],
      node: nodeOf.get(cpu) ?? 0, caches: cachesOf(read),
      isIsolated: isolated.has(cpu), isNohzFull: nohzFull.has(cpu),
      governor: read('cpufreq/scaling_governor')?.trim(),
    };
  });
  const cpuset = cpusetOf(text);
  return {
    cpus, allowed: allowed.length > 0 ? allowed : numbers, cpuset: cpuset.length > 0 ? cpuset : numbers,
    interrupts: interruptsOf(text),
  };
}

function nodesOf(files: SystemFiles): Map<number, number> {
  const nodes = new Map<number, number>();
  for (const node of parseList(files(join(NODES, 'online')))) {
    for (const cpu of parseList(files(join(NODES, `node${node}`, 'cpulist')))) nodes.set(cpu, node);
  }
  return nodes;
}

/** No CPU has more: three levels, the first of them twice. */
const MOST_CACHES = 16;

function cachesOf(read: (name: string) => string | undefined): CpuCache[] {
  const caches: CpuCache[] = [];
  for (let index = 0; index < MOST_CACHES; index++) {
    const level = read(`cache/index${index}/level`);
    if (level === undefined) break;
    const type = (read(`cache/index${index}/type`) ?? 'Unified').trim().toLowerCase() as CpuCache['type'];
    caches.push({
      level: whole(level, 0), type, sizeBytes: sizeOf(read(`cache/index${index}/size`)),
      sharedBy: parseList(read(`cache/index${index}/shared_cpu_list`)),
    });
  }
  return caches.sort((a, b) => a.level - b.level);
}

/** The CPUs of this process's cpuset; empty if no cpuset says any. */
function cpusetOf(files: SystemFiles): number[] {
  for (const { isV2, folders } of cgroupsOf(files, 'cpuset')) {
    for (const folder of folders) {
      const names = isV2 ? ['cpuset.cpus.effective'] : ['cpuset.effective_cpus', 'cpuset.cpus'];
      for (const name of names) {
        const cpus = parseList(files(join(folder, name)));
        if (cpus.length > 0) return cpus;
      }
    }
  }
  return [];
}

/** "32K" -> 32768. */
function sizeOf(text: string | undefined): number {
  const [, number, unit] = /^(\d+)([KMG]?)/.exec(text?.trim() ?? '') ?? [];
  return number === undefined ? 0 : Number(number) * 2 ** (10 * ' KMG'.indexOf(unit === '' ? ' ' : unit!));
}

/** A whole number from a file; `otherwise` for "-1", by which the kernel says that it does not know. */
function whole(text: string | undefined, otherwise: number): number {
  const number = Number.parseInt(text ?? '', 10);
  return number >= 0 ? number : otherwise;
}
