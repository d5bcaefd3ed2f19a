/** `percore doctor` as a program, with and without privileges, and what it says of machines that were recorded. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cgroupV1, filesOf, isolated, twoPackages, type Tree } from '../realtime/fixtures/machines.js';
import { canDrop, where } from '../realtime/fixtures/privileges.js';
import { CHECK_NAMES, inspectMachine, type Check } from '../realtime/index.js';

const main = fileURLToPath(new URL('./main.js', import.meta.url));
function doctor(args: string[], prefix: string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const [command, ...rest] = [...prefix, process.execPath, main, 'doctor', ...args];
  const { stdout, stderr, status } = spawnSync(command!, rest, {
    encoding: 'utf8', timeout: 60_000, env: { ...process.env, ...environment },
  });
  return { stdout, stderr, status };
}
type Report = { checks: Check[]; missing: string[]; topology: { cpus: unknown[]; interrupts: { irq: number }[] } };

describe('percore doctor', () => {
  it('says in text what is granted, and for what is not, the command that grants it', () => {
    const { stdout, stderr, status } = doctor([]);
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(/^Linux .*: \d+ CPUs?, \d+ cores?, \d+ packages?, \d+ NUMA nodes?\n/);
    for (const name of [...CHECK_NAMES, 'io_uring']) expect(stdout).toMatch(new RegExp(`^(yes|no )  ${name} `, 'm'));
    expect(stdout.match(/^no /gm)?.length ?? 0).toBe(stdout.match(/^ +-> /gm)?.length ?? 0);
  });

  it('says the same as JSON, and its exit code says whether what is required is met', () => {
    const { stdout, status } = doctor(['--json', '--require', 'native,cores']);
    const report = JSON.parse(stdout) as Report;
    const isMet = (name: string) => report.checks.find((each) => each.name === name)!.isMet;
    expect(isMet('native')).toBe(true);
    expect([report.missing, status]).toEqual(isMet('cores') ? [[], 0] : [['cores'], 1]);
    expect(report.topology.cpus.length).toBeGreaterThan(0);
  });

  it('refuses to require nothing, as a variable that is not set would have it', () => {
    const { stderr, status } = doctor(['--require', '']);
    expect([status, stderr]).toEqual([2, expect.stringContaining('--require needs names')]);
  });

  it('refuses a requirement that it does not know, and says which it knows', () => {
    const { stderr, status } = doctor(['--require', 'fifo,isolatd']);
    expect([stderr, status]).toEqual([expect.stringMatching(/does not know "isolatd". It knows native, /), 2]);
  });

  it('without the addon says so, and looks at all the rest', () => {
    const { stdout, status } = doctor(['--json', '--require', 'native'], [], { NODE_OPTIONS: '--no-addons' });
    const { checks } = JSON.parse(stdout) as Report;
    const found = checks.find(({ name }) => name === 'native')!;
    if (found.isMet) return; // The portable backend stands in, and has what this asks for.
    expect([status, found.fix]).toEqual([1, 'build the addon: npm run build']);
    expect(checks).toHaveLength(CHECK_NAMES.length + 1);
  });

  where(canDrop('sys_nice'))('without privileges names the capability that is missing', () => {
    const { stdout, status } = doctor(['--require', 'fifo'], ['setpriv', '--bounding-set=-sys_nice,-ipc_lock']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^no {3}fifo +EPERM, capability: .* CAP_SYS_NICE\n +-> sudo setcap cap_sys_nice/m);
    expect(stdout).toMatch(/^no {3}lock_memory .*\n +-> ulimit -l unlimited/m);
    expect(stdout).toMatch(/\nNot granted: fifo\n$/);
  });
});

describe('what is found on another machine', () => {
  const check = (tree: Tree, name: string) => inspectMachine({ files: filesOf(tree) }).checks.find(
    (each) => each.name === name,
  )!;

  it('with isolated CPUs: those, and the interrupt that sits on one, with the way to move it', () => {
    expect(check(isolated, 'isolated')).toEqual({ name: 'isolated', isMet: true, found: 'CPUs 2-3', fix: undefined });
    expect(check(isolated, 'interrupts')).toEqual({
      name: 'interrupts', isMet: false, found: 'CPU 3: IRQ 24 (PCI-MSIX-0000:01:00.0 0-edge eth0-rx-0)',
      fix: 'echo 0 | sudo tee /proc/irq/24/smp_affinity_list (and stop irqbalance)',
    });
    expect(check(isolated, 'nohz_full').found).toBe('CPUs 2-3 run without a tick');
    expect(check(isolated, 'fifo').isMet).toBe(true);
    expect(check(isolated, 'deadline')).toMatchObject({ isMet: false, found: expect.stringMatching(/^affinity/) });
  });

  it('in a container: one CPU, a quota, and neither the capability nor a budget', () => {
    expect(check(cgroupV1, 'cores').found).toBe('CPU 1 of the cpuset 1');
    expect(check(cgroupV1, 'quota').found).toMatch(/^the cgroup allows 1.5 CPUs/);
    expect(check(cgroupV1, 'fifo').found).toMatch(/^capability: /);
    const root = { ...cgroupV1, '/proc/self/status': 'CapEff:\t000001ffffffffff\n' };
    expect(check(root, 'fifo')).toMatchObject({
      isMet: false, found: 'cgroup real-time budget: /sys/fs/cgroup/cpu,cpuacct has none',
    });
  });

  it('as an ordinary user with a limit for real-time priorities: that is enough for fifo', () => {
    const limits = 'Limit   Soft Limit  Hard Limit  Units\nMax realtime priority     10                   20   \n'
      + 'Max locked memory         unlimited            unlimited            bytes     \n';
    const user = { ...twoPackages, '/proc/self/limits': limits };
    expect([check(user, 'fifo').isMet, check(user, 'deadline').isMet, check(user, 'lock_memory').isMet]).toEqual([
      true, false, true,
    ]);
    expect(check(twoPackages, 'lock_memory').isMet).toBe(false);
  });

  it('tells how real-time threads are throttled, or that they are not', () => {
    const throttled = (runtime: string) => ({
      ...twoPackages,
      '/proc/sys/kernel/sched_rt_runtime_us': runtime, '/proc/sys/kernel/sched_rt_period_us': '1000000\n',
    });
    expect(inspectMachine({ files: filesOf(throttled('950000\n')) }).throttling).toEqual({
      runtimeUs: 950_000, periodUs: 1_000_000,
    });
    expect(check(throttled('950000\n'), 'throttling').found).toMatch(/have 950000 of each 1000000 µs, then others run/);
    expect(check(throttled('-1\n'), 'throttling').isMet).toBe(true);
    expect(check(twoPackages, 'throttling')).toMatchObject({ isMet: false, found: 'not told' });
  });

  it('tells what the fair server of Linux 6.12 and later leaves to ordinary threads', () => {
    const on = (kernel: string, runtime?: string) => check({
      ...twoPackages, '/proc/sys/kernel/osrelease': `${kernel}\n`,
      ...(runtime === undefined ? {} : { '/sys/kernel/debug/sched/fair_server/cpu7/runtime': runtime }),
    }, 'fair_server');
    expect(on('6.1.0-18-amd64')).toMatchObject({ isMet: true, found: expect.stringContaining('has none') });
    expect(on('6.12.1', '50000000\n')).toMatchObject({
      isMet: false, found: expect.stringContaining('have 50 ms of each period of CPU 7'),
      fix: expect.stringContaining('echo 0 | sudo tee /sys/kernel/debug/sched/fair_server/cpu7/runtime'),
    });
    expect(on('6.12.1', '0\n')).toMatchObject({ isMet: true, found: 'off on CPU 7', fix: undefined });
    expect(on('7.0.0')).toMatchObject({ isMet: false, found: expect.stringContaining('could not be read') });
  });
});
