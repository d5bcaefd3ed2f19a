/** Where and on what a figure was measured. Without this, figures cannot be compared. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { cpuBudget } from 'percore';

export interface Context {
  /** The commit of the checkout, with a `+` if files differed from it. */
  readonly commit: string;
  readonly cpu: string;
  /** The CPUs of the machine, and those that this process may use. */
  readonly cpus: number;
  readonly allowed: readonly number[];
  /** The topology: sockets, cores, threads of a core. */
  readonly topology: string;
  readonly governor: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  /** The load average of the last minute at the start, which tells what else was running. */
  readonly loadBefore: number;
  readonly startedAt: string;
}

/** The checkout: this file runs as dist/bench/context.js. */
export const rootUrl = new URL('../../', import.meta.url);

export function readContext(): Context {
  return {
    commit: commit(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    allowed: cpuBudget().allowed,
    topology: topology(),
    governor: read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? 'none (a virtual machine, or not told)',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    v8: process.versions.v8,
    loadBefore: Number(read('/proc/loadavg')?.split(' ')[0] ?? NaN),
    startedAt: new Date().toISOString(),
  };
}

export function contextLine(context: Context): string {
  const { commit, cpu, cpus, allowed, topology, governor, node, kernel, loadBefore } = context;
  const machine = `${cpu}, ${cpus} CPUs (${topology}), may use ${allowed.join(',')}, governor ${governor}`;
  return `commit ${commit}, ${machine}, Linux ${kernel}, Node ${node}, load ${loadBefore}`;
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, {
        cwd: fileURLToPath(rootUrl),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    // This is not a checkout, or there is no git. The figures are good nevertheless.
    return 'unknown';
  }
}

function topology(): string {
  const info = read('/proc/cpuinfo') ?? '';
  const distinct = (field: string): number => new Set(info.match(new RegExp(`^${field}\\s*:.*$`, 'gm'))).size;
  const siblings = read('/sys/devices/system/cpu/cpu0/topology/thread_siblings_list') ?? 'unknown';
  const online = read('/sys/devices/system/cpu/online') ?? 'unknown';
  return `${distinct('physical id') || 1} sockets, ${online} online, CPU 0 shares its core with ${siblings}`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Virtual machines and containers lack some of these files.
    return undefined;
  }
}
