/**
 * Policies of reactors' threads: what is granted is read back from the kernel; what is refused is told with its cause,
 * and worked without. Programs that are refused something run as children. None of them spins.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { can, canDrop, isRoot, where } from '../realtime/fixtures/privileges.js';
import { cpuTopology, deadline, fifo, other, roundRobin, type Policy } from '../realtime/index.js';
import { errorOf, fixture, inside, withRuntime } from './fixtures/inside.js';
import { setPolicy } from './set-policy.js';

interface Told {
  readonly reactors: { cpuGranted: number[]; policy: { asked?: Policy; granted?: Policy }; refusals: string[] }[];
  readonly answers: string[];
  readonly warnings: string[];
  readonly error?: { code: string; errno: string; message: string };
}
const program = fileURLToPath(fixture('granted'));
/** Whether this process may have SCHED_FIFO at all. */
const mayFifo = can('chrt', '-f', '1', 'true');

/** Runs the program by a command that takes rights away, and reads what it has printed. */
function granted(prefix: string[], reactors: number, options: object, live?: Policy): Told {
  const [command, ...rest] = [...prefix, process.execPath, program, JSON.stringify({ reactors, options, live })];
  return JSON.parse(execFileSync(command!, rest, { encoding: 'utf8', timeout: 60_000 })) as Told;
}
/** On all CPUs that there are, if this process was started under a mask. */
const everywhere = ['taskset', '-c', cpuTopology().cpus.map(({ cpu }) => cpu).join()];
const without = ['setpriv', '--bounding-set=-sys_nice'];

describe('the policy of createRuntime', () => {
  it('is checked before anything is asked', async () => {
    const refused = async (policy: unknown): Promise<string> =>
      (await errorOf(() => withRuntime(1, { policy: policy as Policy }, async () => undefined))).message;
    expect(await refused('fifo')).toMatch(/^policy must be other\(\), fifo\(1 to 99\)/);
    expect(await refused({ kind: 'fiffo', priority: 1 })).toMatch(/did you mean 'fifo'\?$/);
    expect(await refused({ kind: 'fifo', priority: 100 })).toMatch(/^policy\.priority must be .* to 99, not 100/);
    expect(await refused([other(), other()])).toMatch(/^policy must be a policy, or a list of 1, one a reactor/);
    expect(await refused({ kind: 'deadline', runtimeNs: 1e6, deadlineNs: 5e5, periodNs: 5e8 })).toBe(
      'policy.runtimeNs must be at most deadlineNs, which is 500000, not 1000000',
    );
  });

  it('without one is the main thread\'s, and nothing is refused', async () => {
    await withRuntime(1, { idle: { strategy: 'park' } }, async (runtime) => {
      const [{ policy, refusals }] = runtime.status().reactors as [ReturnType<typeof runtime.status>['reactors'][0]];
      expect([policy.asked, policy.granted?.kind, refusals]).toEqual([undefined, 'other', []]);
    });
  });

  it('takes a nice value that anybody may have, as /proc says too', async () => {
    await withRuntime(2, { policy: [other({ nice: 7 }), undefined] }, async (runtime) => {
      expect(runtime.status().reactors.map(({ policy }) => policy)).toEqual([
        { asked: { kind: 'other', nice: 7 }, granted: { kind: 'other', nice: 7 } },
        { asked: undefined, granted: { kind: 'other', nice: 0 } },
      ]);
      const { tid } = runtime.status().reactors[0]!;
      const stat = await inside(runtime, 1, (_reactor, of: number, { require }) =>
        (require('node:fs') as typeof import('node:fs')).readFileSync(`/proc/self/task/${of}/stat`, 'utf8'), tid!);
      expect(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]).toBe('7');
    });
  });

  where(mayFifo)('is granted to reactors, several on one CPU too, and not to what they start', async () => {
    await withRuntime(3, { pin: [0, 0, 0], policy: [fifo(2), fifo(1), roundRobin(1)] }, async (runtime) => {
      expect(runtime.status().reactors.map(({ policy, cpuGranted }) => [policy.granted, cpuGranted])).toEqual([
        [fifo(2), [0]], [fifo(1), [0]], [roundRobin(1), [0]],
      ]);
      const child = await inside(runtime, 0, (_reactor, _argument, { require }) =>
        (require('node:child_process') as typeof import('node:child_process'))
          .execFileSync('chrt', ['-p', '0'], { encoding: 'utf8' }));
      expect(child).toMatch(/SCHED_OTHER/);
    });
  });

  where(canDrop('sys_nice'))('that needs a capability is refused without it, by name and with the command', () => {
    const { reactors, answers, warnings, error } = granted(without, 1, { policy: fifo(30) }, roundRobin(3));
    expect(reactors[0]!.policy.granted).toEqual({ kind: 'other', nice: 0 });
    expect(reactors[0]!.refusals[0]).toMatch(/^policy .*: EPERM, capability: .* not have CAP_SYS_NICE; .*setcap /);
    expect([answers, warnings]).toEqual([['runs'], ['PERCORE_POLICY_REFUSED']]);
    expect([error?.code, error?.errno]).toEqual(['ERR_PERCORE_NO_CAPABILITY', 'EPERM']);
  });

  where(isRoot && mayFifo)('for DEADLINE leaves the thread unpinned, and with a mask is refused for that', () => {
    const policy = deadline({ runtimeNs: 1e6, deadlineNs: 5e6, periodNs: 1e7 });
    const [free] = granted(everywhere, 1, { policy }).reactors;
    expect([free!.policy.granted, free!.refusals.filter((text) => text.startsWith('policy'))]).toEqual([policy, []]);
    const { reactors, answers, error } = granted(['taskset', '-c', '0'], 1, { policy }, policy);
    if (reactors[0]!.policy.granted?.kind === 'deadline') return; // One CPU in all: then the mask is no mask.
    expect(reactors[0]!.refusals[0]).toMatch(/^policy deadline.*: EPERM, affinity against DEADLINE: /);
    expect([answers, error?.code]).toEqual([['runs'], 'ERR_PERCORE_DEADLINE_AFFINITY']);
  });

  where(isRoot && mayFifo)('for DEADLINE that the CPUs have no time for is not admitted', () => {
    const nearlyAll = deadline({ runtimeNs: 99e5, deadlineNs: 1e7, periodNs: 1e7 });
    const greedy = granted(everywhere, 1, { pin: false }, nearlyAll);
    // Several CPUs have room for one that takes nearly all of one: the other is beyond any.
    const long = granted(everywhere, 1, { pin: false }, deadline({ runtimeNs: 1e9, deadlineNs: 1e12, periodNs: 1e12 }));
    expect([undefined, 'ERR_PERCORE_NOT_ADMITTED']).toContain(greedy.error?.code);
    expect([long.error?.code, long.error?.errno]).toEqual(['ERR_PERCORE_NOT_ADMITTED', 'EINVAL']);
    expect(long.error?.message).toMatch(/the system takes periods from \d+ to \d+ µs/);
  });

  const cgroup = `/sys/fs/cgroup/cpu/percore-test-${process.pid}`;
  const hasBudgets = isRoot && existsSync('/sys/fs/cgroup/cpu/cpu.rt_runtime_us');
  where(hasBudgets && mayFifo)('in a cgroup without real-time budget is refused to root too, for that', () => {
    mkdirSync(cgroup);
    try {
      const enter = ['sh', '-c', `echo $$ > ${cgroup}/cgroup.procs; exec "$@"`, 'sh'];
      const { reactors, answers, error } = granted(enter, 1, { policy: fifo(3) }, fifo(3));
      expect(reactors[0]!.policy.granted?.kind).toBe('other');
      expect(reactors[0]!.refusals[0]).toContain(`EPERM, cgroup real-time budget: ${cgroup} has none; to have it: `);
      expect([answers, error?.code]).toEqual([['runs'], 'ERR_PERCORE_NO_REALTIME_BUDGET']);
    } finally {
      rmdirSync(cgroup);
    }
  });
});

describe('setPolicy', () => {
  it('changes one reactor or all from the main thread, and itself from within', async () => {
    await withRuntime(2, {}, async (runtime) => {
      await setPolicy(runtime, other({ nice: 3 }), { reactor: 1 });
      const nice = () => runtime.status().reactors.map(({ policy }) => (policy.granted as { nice: number }).nice);
      expect(nice()).toEqual([0, 3]);
      await setPolicy(runtime, other({ nice: 4 }));
      expect(nice()).toEqual([4, 4]);
      await inside(runtime, 0, (reactor, _argument, { setPolicy: set }) => set(reactor, { kind: 'other', nice: 5 }));
      expect(nice()).toEqual([5, 4]);
      expect(runtime.status().reactors[0]!.policy.asked).toEqual({ kind: 'other', nice: 5 });
    });
  });

  it('refuses a reactor that is not there, one that has ended, and what is no reactor', async () => {
    await withRuntime(1, {}, async (runtime) => {
      expect((await errorOf(() => setPolicy(runtime, other(), { reactor: 1 }))).message).toMatch(/^reactor must be/);
      expect((await errorOf(() => setPolicy({} as never, other()))).message).toMatch(/^reactor must be a reactor, or/);
      const died = new Promise((resolve) => runtime.once('reactorDied', resolve));
      void inside(runtime, 0, () => process.exit(3)).catch(() => undefined);
      await died;
      expect((await errorOf(() => setPolicy(runtime, other(), { reactor: 0 }))).code).toBe('ERR_PERCORE_REACTOR_DIED');
    });
  });

  it('holds for the thread that is started after a death', async () => {
    await withRuntime(1, { restart: { most: 1, withinMs: 60_000 } }, async (runtime) => {
      await setPolicy(runtime, other({ nice: 6 }), { reactor: 0 });
      const back = new Promise((resolve) => runtime.once('reactorRestarted', resolve));
      void inside(runtime, 0, () => process.exit(3)).catch(() => undefined);
      await back;
      expect(runtime.status().reactors[0]!.policy.granted).toEqual({ kind: 'other', nice: 6 });
    });
  });
});
