/**
 * What this machine grants to real-time work, what it refuses, why, and the command that would grant it. Nothing here
 * needs a privilege. It only reads files of the system, or, if the caller's thread may be used for that, tries.
 */
import { release, version } from 'node:os';
import { checkBoolean, checkOptions } from '../errors.js';
import { native } from '../native.js';
import { realtimeBudget } from './budget.js';
import { CAP_SYS_NICE, hasCapability, isInUserNamespace } from './capabilities.js';
import { cgroupQuota } from './cpus.js';
import { interruptsOn, showInterrupt } from './interrupts.js';
import { limitOf } from './limits.js';
import { whyNotLocked } from './memory.js';
import type { Policy } from './policies.js';
import { explainRefusal } from './policy-refusals.js';
import { checkFiles, formatList, readSystemFile, type SystemFiles } from './system-files.js';
import { policyOfThread, requestPolicy } from './thread-policy.js';
import { cpuTopology, type CpuTopology } from './topology.js';

/** One thing that a machine may grant. */
export interface Check {
  /** What `--require` of `percore doctor` takes. */
  readonly name: string;
  /** The machine grants it. */
  readonly isMet: boolean;
  /** What was found. */
  readonly found: string;
  /** The command, or the setting, that would grant it; undefined if it is granted. */
  readonly fix: string | undefined;
}

/** How much of each period real-time threads may take; the rest is left to all others. */
export interface Throttling {
  /** -1: all of it. */
  readonly runtimeUs: number;
  /** The period in which real-time threads have `runtimeUs`, in microseconds. */
  readonly periodUs: number;
}

export interface MachineReport {
  /** As `uname -r` has it. */
  readonly kernel: string;
  /** The kernel has PREEMPT_RT. */
  readonly isRealtimeKernel: boolean;
  /** Undefined if the kernel does not say. */
  readonly throttling: Throttling | undefined;
  /** CPUs, caches and nodes. */
  readonly topology: CpuTopology;
  /** What is granted and what is not, each with the command that grants it. */
  readonly checks: readonly Check[];
}

/** How to look at a machine. */
export interface InspectOptions {
  /**
   * Whether to try policies on the calling thread, for some microseconds each. True is certain; false (default) reports
   * what the files of the system say.
   */
  readonly isTrying?: boolean;
  /** Where the system's files are read, for tests. */
  readonly files?: SystemFiles;
}

type Finding = readonly [isMet: boolean, found: string, fix?: string];

interface Look {
  readonly read: SystemFiles;
  readonly isTrying: boolean;
  readonly topology: CpuTopology;
  readonly throttling: Throttling | undefined;
}

/**
 * What this machine grants. Reads some hundred small files, and blocks for these; any thread may call it; allocates.
 * Never throws because something is refused; ERR_PERCORE_INVALID_ARGUMENT for wrong options.
 *
 *     for (const { name, isMet, fix } of inspectMachine().checks) if (!isMet) console.log(name, fix);
 */
export function inspectMachine(options: InspectOptions = {}): MachineReport {
  const { isTrying = false, files: given = readSystemFile } = checkOptions('options', options, ['isTrying', 'files']);
  checkBoolean('isTrying', isTrying);
  const files = checkFiles(given);
  const throttling = throttlingOf(files);
  const topology = cpuTopology(files);
  const look = { read: files, isTrying, topology, throttling };
  return {
    kernel: release(), isRealtimeKernel: isRealtimeKernel(files), throttling, topology,
    checks: Object.entries(CHECKS).map(([name, check]) => {
      const [isMet, found, fix] = check(look);
      return { name, isMet, found, fix: isMet ? undefined : fix };
    }),
  };
}

const CHECKS: Readonly<Record<string, (look: Look) => Finding>> = {
  native: () => {
    try {
      return native().realtime === undefined
        ? [false, 'the portable backend, which has no policies', 'build the addon: npm run build'] : [true, 'loaded'];
    } catch (error) {
      return [false, (error as Error).message.split('\n')[0]!, 'build the addon: npm run build'];
    }
  },
  cores: ({ topology: { allowed, cpuset } }) => [
    allowed.length > 1,
    `CPU${allowed.length > 1 ? 's' : ''} ${formatList(allowed)} of the cpuset ${formatList(cpuset)}`,
    'start it without taskset, or give its cpuset more CPUs (container: --cpuset-cpus)',
  ],
  quota: ({ read }) => {
    const quota = cgroupQuota(read);
    return [
      quota === Infinity, quota === Infinity ? 'none' : `the cgroup allows ${quota} CPUs, and stops all threads beyond`,
      'take the quota away (container: no --cpus; service: CPUQuota=)',
    ];
  },
  fifo: (look) => policyFinding(look, { kind: 'fifo', priority: 1 }),
  deadline: (look) => policyFinding(look, {
    kind: 'deadline', runtimeNs: 100_000, deadlineNs: 10_000_000, periodNs: 10_000_000,
  }),
  throttling: ({ throttling }) => [
    throttling !== undefined && throttling.runtimeUs < 0,
    throttling === undefined ? 'not told'
      : throttling.runtimeUs < 0 ? 'off: a real-time thread that spins keeps its CPU'
      : `real-time threads have ${throttling.runtimeUs} of each ${throttling.periodUs} µs, then others run`,
    'only with a CPU kept for the rest: sudo sysctl -w kernel.sched_rt_runtime_us=-1',
  ],
  fair_server: ({ read, topology: { allowed } }) => {
    const kernel = read('/proc/sys/kernel/osrelease')?.trim() ?? release();
    const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
    if (major < 6 || (major === 6 && minor < 12)) return [true, `Linux ${kernel} has none; see throttling`];
    const cpu = allowed.at(-1) ?? 0;
    const path = `/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`;
    const runtime = read(path);
    const isOff = runtime !== undefined && Number(runtime) === 0;
    return [
      isOff,
      isOff ? `off on CPU ${cpu}`
        : runtime === undefined
          ? 'ordinary threads have 50 of each 1,000 ms of a CPU that real-time threads keep busy (that it is as the '
            + 'kernel comes is assumed: it could not be read)'
          : `ordinary threads have ${Number(runtime) / 1e6} ms of each period of CPU ${cpu}, also where real-time `
            + 'threads keep it busy',
      `where levels keep a CPU busy, and nothing else must run there: echo 0 | sudo tee ${path}`,
    ];
  },
  realtime_kernel: ({ read }) => [
    isRealtimeKernel(read), isRealtimeKernel(read) ? 'PREEMPT_RT' : `${release()} without PREEMPT_RT`,
    'install a kernel with PREEMPT_RT (Debian: linux-image-rt-amd64), and boot it',
  ],
  isolated: ({ topology: { cpus, cpuset } }) => {
    const isolated = cpus.filter(({ cpu, isIsolated }) => isIsolated && cpuset.includes(cpu)).map(({ cpu }) => cpu);
    return [
      isolated.length > 0, isolated.length > 0 ? `CPUs ${formatList(isolated)}` : 'no CPU is isolated',
      `boot with isolcpus=${lastOf(cpus)}, or: echo isolated | sudo tee /sys/fs/cgroup/…/cpuset.cpus.partition`,
    ];
  },
  nohz_full: ({ topology: { cpus } }) => {
    const without = cpus.filter(({ isNohzFull }) => isNohzFull).map(({ cpu }) => cpu);
    return [
      without.length > 0,
      without.length > 0 ? `CPUs ${formatList(without)} run without a tick` : 'every CPU has a tick',
      `boot with nohz_full=${lastOf(cpus)} (kernels with CONFIG_NO_HZ_FULL)`,
    ];
  },
  interrupts: ({ topology: { cpus, allowed, interrupts } }) => {
    const isolated = cpus.filter(({ isIsolated }) => isIsolated).map(({ cpu }) => cpu);
    const quiet = isolated.length > 0 ? isolated : allowed;
    const met = quiet.map((cpu) => [cpu, interruptsOn(cpu, interrupts)] as const).filter(([, on]) => on.length > 0);
    const [, first] = met[0] ?? [];
    const other = allowed.find((cpu) => met.every(([busy]) => busy !== cpu)) ?? 0;
    return [
      isolated.length > 0 ? met.length === 0 : met.length < allowed.length,
      met.length === 0 ? `none on CPUs ${formatList(quiet)}`
        : met.map(([cpu, on]) => `CPU ${cpu}: ${on.map(showInterrupt).join(', ')}`).join('; '),
      `echo ${other} | sudo tee /proc/irq/${first?.[0]?.irq ?? 'N'}/smp_affinity_list (and stop irqbalance)`,
    ];
  },
  governor: ({ topology: { cpus, allowed } }) => {
    const saves = (governor: string | undefined): boolean => governor !== undefined && governor !== 'performance';
    const slow = cpus.filter(({ cpu, governor }) => allowed.includes(cpu) && saves(governor));
    return [
      slow.length === 0, slow.length === 0 ? 'none that saves power' : `${slow[0]!.governor} on CPU ${slow[0]!.cpu}`,
      'sudo cpupower frequency-set -g performance',
    ];
  },
  lock_memory: ({ read }) => {
    const refusal = whyNotLocked(read);
    const [found, fix] = refusal?.split('. To have it: ') ?? [];
    return [refusal === undefined, found ?? 'all memory may be locked', fix];
  },
  huge_pages: ({ read }) => {
    const choice = /\[(\w+)\]/.exec(read('/sys/kernel/mm/transparent_hugepage/enabled') ?? '')?.[1];
    return [
      choice === 'madvise' || choice === 'always', choice ?? 'not there',
      'echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled',
    ];
  },
};

/** Names of the checks of `inspectMachine`. */
export const CHECK_NAMES: readonly string[] = Object.keys(CHECKS);

function policyFinding({ read, isTrying, topology }: Look, policy: Policy): Finding {
  if (isTrying) {
    const before = tryNative(() => policyOfThread(0));
    if (before !== undefined) {
      const refusal = requestPolicy(policy, 0);
      if (refusal !== undefined) return [false, `${refusal.errno}, ${refusal.cause}`, refusal.fix];
      requestPolicy(before, 0);
      return [true, 'granted'];
    }
  }
  const isDeadline = policy.kind === 'deadline';
  const isAllowed = hasCapability(CAP_SYS_NICE, read) ? !isInUserNamespace(read)
    : !isDeadline && limitOf('Max realtime priority', read) > 0;
  const hasBudget = isDeadline || realtimeBudget(read)?.runtimeUs !== 0;
  const isMasked = isDeadline && topology.allowed.length < topology.cpus.length;
  if (isAllowed && hasBudget && !isMasked) return [true, 'nothing forbids it'];
  const { cause, fix } = explainRefusal(policy, 'EPERM', read);
  return [false, cause, fix];
}

function tryNative<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    // Without an addon nothing can be tried; the check of that name says why.
    return undefined;
  }
}

function throttlingOf(read: SystemFiles): Throttling | undefined {
  const [runtime, period] = ['runtime', 'period'].map((name) => read(`/proc/sys/kernel/sched_rt_${name}_us`));
  return runtime === undefined || period === undefined ? undefined
    : { runtimeUs: Number(runtime), periodUs: Number(period) };
}

const isRealtimeKernel = (read: SystemFiles): boolean =>
  read('/sys/kernel/realtime')?.trim() === '1' || / PREEMPT_RT /.test(version());

/** The best CPU to keep for one reactor: the last. */
const lastOf = (cpus: CpuTopology['cpus']): number => cpus.at(-1)?.cpu ?? 1;
