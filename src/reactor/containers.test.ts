/**
 * Programs in containers that the tests make: the right number of reactors, on CPUs that they may have, without spins
 * that are not paid for, and `status()` says why.
 */
import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  canLimit, canMount, cgroups, Filters, mounted, readOnly, type CgroupLimits, type Command,
} from '../realtime/fixtures/containers.js';
import { where } from '../realtime/fixtures/privileges.js';
import { cpuTopology } from '../realtime/index.js';
import type { Told } from './fixtures/contained.js';
import { fixture } from './fixtures/inside.js';
import type { RuntimeOptions } from './runtime.js';

const { allowed } = cpuTopology();
const last = allowed.at(-1)!;
const execute = promisify(execFile);

/** The program runs in the container, does all that it is for, and ends. */
async function run(container: Command, options: Partial<RuntimeOptions> = {}): Promise<Told> {
  const [command, ...args] = [
    ...container, process.execPath, fileURLToPath(fixture('contained')), JSON.stringify(options),
  ];
  const { stdout, stderr } = await execute(command!, args, { timeout: 50_000 });
  expect(stderr).toBe('');
  const told = JSON.parse(stdout) as Told;
  expect(told.sums).toEqual(told.status.reactors.map(() => 55));
  expect([told.echoed, told.isDrained]).toEqual(['over TCP', true]);
  return told;
}

async function runLimited(limits: CgroupLimits, options?: Partial<RuntimeOptions>): Promise<Told> {
  const { enter, remove } = cgroups.make(limits)!;
  try {
    return await run(enter, options);
  } finally {
    remove();
  }
}
const pinsOf = ({ status }: Told) => status.reactors.map(({ cpuAsked, cpuGranted }) => [cpuAsked, ...cpuGranted]);
const refusalsOf = ({ status }: Told, reactor = 0) => status.reactors[reactor]!.refusals;
const spin = { idle: { strategy: 'spin' } } as const;
/** A spin takes all that it gets of 300 ms; who parks takes some milliseconds. */
const MOST_IDLE_CPU_MS = 100;
const [one] = allowed.map((cpu) => [cpu, cpu]);
const all = allowed.map((cpu) => [cpu, cpu]);

describe('a CPU quota', () => {
  const whereQuota = where(canLimit({ quota: 1 }));

  whereQuota('that is a fraction bounds the reactors by its floor, and they park', async () => {
    const { status, count, idleCpuMs } = await runLimited({ quota: 1.5 });
    expect([status.cpus.quota, status.cpus.count, count, status.reactors.length]).toEqual([1.5, 1, 1, 1]);
    expect(status.reactors[0]!.idle.strategy).toBe('park');
    expect(idleCpuMs).toBeLessThan(MOST_IDLE_CPU_MS);
    const ofMask = allowed.length > 1 ? "for the cgroup's quota of 1.5 CPUs, of the CPUs" : 'one for each of the CPUs';
    expect(status.decisions).toEqual([
      expect.stringMatching(`^reactors 'auto': 1, ${ofMask} [0-9,-]+ of the affinity mask$`),
      "idle 'park': the cgroup's quota of 1.5 CPUs is a fraction, and a spin would be taken from it",
      expect.stringMatching(/^io 'auto': /),
    ]);
  });

  whereQuota('beneath one CPU grants one reactor, and no spin though one is asked for', async () => {
    const told = await runLimited({ quota: 0.5 }, spin);
    expect([told.count, told.status.reactors[0]!.idle.strategy]).toEqual([1, 'park']);
    expect(told.idleCpuMs).toBeLessThan(MOST_IDLE_CPU_MS);
    expect(refusalsOf(told)[0]).toMatch(/^idle 'spin': .*, where a spin would only delay what it waits for; it parks$/);
  });

  where(canLimit({ quota: 1 }) && allowed.length > 1)(
    'that the reactors would spin away is left to the main thread; the reason is told',
    async () => {
      const told = await runLimited({ quota: 1 }, spin);
      expect([told.count, told.status.reactors[0]!.idle.strategy]).toEqual([1, 'park']);
      expect(told.idleCpuMs).toBeLessThan(MOST_IDLE_CPU_MS);
      expect(refusalsOf(told)[0]).toMatch(
        /^idle 'spin': the cgroup's quota is 1 CPUs for 1 reactor and the main thread, where a spin would/,
      );
    },
  );

  where(canMount)('of version 2 is found by its files, as a container shows them', async () => {
    const told = await run(mounted(
      'mount -t tmpfs tmpfs /sys/fs/cgroup', 'mkdir /sys/fs/cgroup/app', 'echo 50000 100000 > /sys/fs/cgroup/cpu.max',
      'echo 0::/app > /sys/fs/cgroup/own', 'mount --bind /sys/fs/cgroup/own /proc/$$/cgroup',
      'echo > /sys/fs/cgroup/none', 'mount --bind /sys/fs/cgroup/none /proc/$$/mountinfo',
    ));
    expect([told.status.cpus.quota, told.count, told.status.reactors[0]!.idle.strategy]).toEqual([0.5, 1, 'park']);
  });
});

describe('a cpuset', () => {
  where(canLimit({ cpus: String(last) }))('that begins beyond 0 has its reactor there, without a spin', async () => {
    const told = await runLimited({ cpus: String(last) }, spin);
    expect([told.status.cpus.allowed, told.count, pinsOf(told)]).toEqual([[last], 1, [[last, last]]]);
    expect(told.status.decisions).toEqual([
      `reactors 'auto': 1, one for each of the CPUs ${last} of the affinity mask`,
      expect.stringMatching(/^io 'auto': /),
    ]);
    expect(told.idleCpuMs).toBeLessThan(MOST_IDLE_CPU_MS);
    expect(refusalsOf(told)[0]).toContain(`idle 'spin': CPU ${last} is also the main thread's, where a spin`);
  });

  it('of one CPU, by an affinity mask', async () => {
    const told = await run(['taskset', '-c', String(allowed[0])]);
    expect([told.count, pinsOf(told), told.status.reactors[0]!.idle.strategy]).toEqual([1, [one], 'park']);
  });
});

describe('file systems', () => {
  where(canMount)('with 64 MiB of /dev/shm: lanes of 72 MiB are no files in it', async () => {
    const told = await run(mounted('mount -t tmpfs -o size=64m tmpfs /dev/shm'), { reactors: 2, laneBytes: 2 ** 19 });
    expect([told.status.sharedBytes > 64 * 2 ** 20, told.warnings]).toEqual([true, []]);
  });

  where(canMount)('without /sys: the mask still says which CPUs there are', async () => {
    const told = await run(mounted('mount -t tmpfs tmpfs /sys'));
    expect([told.count, pinsOf(told), told.status.cpus.quota, told.warnings]).toEqual([allowed.length, all, null, []]);
  });

  where(canMount)('of which nothing can be written', async () => {
    await expect(execute('touch', [fileURLToPath(fixture('none'))], { cwd: '/' }).finally(() => execute('rm', [
      fileURLToPath(fixture('none')),
    ]))).resolves.toBeDefined();
    const [command, ...args] = [...readOnly, 'touch', fileURLToPath(fixture('none'))];
    await expect(execute(command!, args)).rejects.toThrow(/Read-only file system/);
    const told = await run(readOnly);
    expect([told.count, pinsOf(told), told.warnings]).toEqual([allowed.length, all, []]);
  });
});

describe('a filter of system calls', () => {
  let filters: Filters;
  beforeAll(() => {
    filters = new Filters();
  });
  afterAll(() => filters.remove());

  it('that refuses io_uring leaves epoll, and says why', async () => {
    const told = await run(filters.refusing('io_uring'), { io: { source: 'io_uring' }, reactors: 1 });
    expect(told.status.reactors[0]!.io).toMatchObject({ asked: 'io_uring', granted: 'epoll' });
    expect(refusalsOf(told)[0]).toMatch(/^io_uring: EPERM \(forbidden by a seccomp filter.*; epoll stands in$/);
  });

  it.each(['EPERM', 'ENOSYS'] as const)('that refuses io_uring by %s is seen before it is asked for', (errno) => {
    const module = new URL('../native.js', import.meta.url).href;
    const script = `import { native } from '${module}'; console.log(native().sources.probe());`;
    const [command, ...args] = [
      ...filters.refusing('io_uring', errno), process.execPath, '--input-type=module', '-e', script,
    ];
    expect(Number(execFileSync(command!, args, { encoding: 'utf8' }))).toBe(errno === 'EPERM' ? -1 : -38);
  });

  it('that refuses io_uring is no refusal of what was left to auto', async () => {
    const told = await run(filters.refusing('io_uring'), { reactors: 1 });
    expect(told.status.reactors[0]!.io).toMatchObject({ asked: 'auto', granted: 'epoll' });
    expect(told.status.decisions).toContain(told.status.reactors[0]!.io.decision);
    expect(refusalsOf(told).filter((line) => line.includes('io_uring'))).toEqual([]);
  });

  it('that refuses pins leaves the reactors where the mask lets them, and says why', async () => {
    const told = await run(filters.refusing('sched_setaffinity'));
    expect(pinsOf(told)).toEqual(allowed.map((cpu) => [cpu, ...allowed]));
    expect(told.count).toBe(allowed.length);
    if (allowed.length > 1) expect(refusalsOf(told)).toEqual([
      `pin to CPU ${allowed[0]}: EPERM: Operation not permitted, sched_setaffinity (forbidden by a seccomp filter, as `
        + `containers may have it); the cpuset allows ${allowed.join(', ')}`,
    ]);
  });

  it('that refuses timerfd leaves timers of libuv, in reactors and on the main thread, and says so', async () => {
    const told = await run(filters.refusing('timerfd_create'), { reactors: 2 });
    for (const { refusals } of told.status.reactors) expect(refusals).toContain(
      'timerfd_create: EPERM (forbidden by a seccomp filter, as containers may have it); timers of libuv stand in, '
        + 'which are up to 1 ms late',
    );
    const { fired } = told.status.reactors[1]!.timers;
    expect(fired).toBeGreaterThan(0);
    expect(told.idleCpuMs).toBeLessThan(MOST_IDLE_CPU_MS);
  });
});

describe('a memory limit', () => {
  const memoryBytes = 256 * 2 ** 20;
  const whereLimit = where(canLimit({ memoryBytes }));

  whereLimit('of 256 MiB is enough for two reactors', async () => {
    const told = await runLimited({ memoryBytes }, { reactors: 2 });
    expect(told.status.memory.refusals).toEqual([]);
  });

  whereLimit('is not exceeded by lanes that are to be touched beforehand: they are not, and it is told', async () => {
    const told = await runLimited({ memoryBytes }, { reactors: 2, laneBytes: 2 ** 21, memory: { prefault: true } });
    expect(told.status.memory.refusals).toEqual([expect.stringMatching(
      /^memory\.prefault: lanes and stacks take 29\d MiB, and the memory limit of the cgroup leaves \d+ MiB, so the/,
    )]);
  });
});
