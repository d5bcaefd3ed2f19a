import { describe, expect, it } from 'vitest';
import {
  checkPolicy, deadline, fifo, other, readPolicy, roundRobin, showPolicy, writePolicy, type Policy,
} from './policies.js';
import { explainRefusal } from './policy-refusals.js';
import { formatList, parseList } from './system-files.js';

describe('a deadline policy', () => {
  it('keeps runtime ≤ deadline ≤ period, or says which of them is wrong', () => {
    // The first seed's own example: a millisecond of work, due within half of one.
    expect(() => deadline({ runtimeNs: 1e6, deadlineNs: 5e5, periodNs: 5e8 })).toThrow(
      'runtimeNs must be at most deadlineNs, which is 500000, not 1000000',
    );
    expect(() => deadline({ runtimeNs: 1e5, deadlineNs: 5e8 + 1, periodNs: 5e8 })).toThrow(
      'deadlineNs must be at most periodNs, which is 500000000, not 500000001',
    );
    expect(deadline({ runtimeNs: 5e8, deadlineNs: 5e8, periodNs: 5e8 })).toMatchObject({ kind: 'deadline' });
  });

  it('refuses what is no time', () => {
    for (const runtimeNs of [0, -1, 1023, 1.5, NaN, Infinity, '1000000', undefined]) {
      expect(() => deadline({ runtimeNs: runtimeNs as number, deadlineNs: 1e7, periodNs: 1e7 })).toThrow(
        /^runtimeNs must be a whole number from 1024 to /,
      );
    }
    expect(() => deadline(undefined as never)).toThrow(/^times must be an object with/);
    const misspelt = { runtimeNs: 1e6, deadlineNs: 1e6, period: 1e6 } as never;
    expect(() => deadline(misspelt)).toThrow(/did you mean "periodNs"/);
  });
});

describe('a policy', () => {
  it('of a fixed priority has one from 1 to 99', () => {
    for (const make of [fifo, roundRobin]) {
      expect([make(1).priority, make(99).priority]).toEqual([1, 99]);
      for (const priority of [0, 100, -1, 1.5, NaN, '5']) {
        expect(() => make(priority as number)).toThrow(/^priority must be a whole number from 1 to 99, not /);
      }
    }
    expect(() => other({ nice: -21 })).toThrow(/^nice must be a whole number from -20 to 19/);
  });

  it('is itself after it was checked, and after the kernel\'s numbers', () => {
    const all: Policy[] = [
      other(), other({ nice: -20 }), fifo(1), roundRobin(99),
      deadline({ runtimeNs: 1024, deadlineNs: 2 ** 40, periodNs: 2 ** 50 }),
    ];
    for (const policy of all) {
      expect(checkPolicy('policy', policy)).toEqual(policy);
      expect(readPolicy(writePolicy(policy))).toEqual(policy);
    }
    expect(all.map(showPolicy)).toEqual([
      'other', 'other, nice -20', 'fifo(1)', 'roundRobin(99)',
      'deadline(1024 of 1099511627776 in 1125899906842624 ns)',
    ]);
  });
});

describe('why a policy was refused', () => {
  const files = (content: Record<string, string>) => (path: string) => content[path];
  const allCaps = { '/proc/self/status': 'CapEff:\t000001ffffffffff\n' };
  const code = (policy: Policy, errno: string, content: Record<string, string>) => {
    const { code: found, cause, fix } = explainRefusal(policy, errno, files(content));
    return [found, cause, fix];
  };

  it('is the capability, where CAP_SYS_NICE is not in force', () => {
    const [found, , fix] = code(fifo(7), 'EPERM', { '/proc/self/status': 'CapEff:\t000001ffff7fffff\n' });
    expect([found, fix]).toEqual(['ERR_PERCORE_NO_CAPABILITY', expect.stringMatching(/setcap .*; |ulimit -r 7$/)]);
    expect(code(fifo(7), 'EPERM', {})[0]).toBe('ERR_PERCORE_NO_CAPABILITY');
  });

  it('is the budget of a cgroup of version 1, whose fix begins above it', () => {
    const v1 = {
      ...allCaps, '/proc/self/cgroup': '4:cpu,cpuacct:/a/b\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.rt_runtime_us': '0\n',
    };
    expect(code(roundRobin(1), 'EPERM', v1)).toEqual([
      'ERR_PERCORE_NO_REALTIME_BUDGET', 'cgroup real-time budget: /sys/fs/cgroup/cpu,cpuacct/a/b has none',
      expect.stringContaining('/sys/fs/cgroup/cpu,cpuacct/a/cpu.rt_runtime_us /sys/fs/cgroup/cpu,cpuacct/a/b/cpu.rt_r'),
    ]);
    // It has nothing to do with DEADLINE.
    expect(code(deadline({ runtimeNs: 2e3, deadlineNs: 2e3, periodNs: 2e3 }), 'EPERM', v1)[0]).toBe(
      'ERR_PERCORE_DEADLINE_AFFINITY',
    );
    const some = { ...v1, '/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.rt_runtime_us': '100000\n' };
    expect(code(roundRobin(1), 'EPERM', some)[1]).toMatch(/^capability: something besides/);
  });

  it('is the budget of a cgroup of version 2, which has no file for it, when all else is there', () => {
    const v2 = { ...allCaps, '/proc/self/cgroup': '0::/app.slice\n' };
    expect(code(fifo(1), 'EPERM', v2)).toEqual([
      'ERR_PERCORE_NO_REALTIME_BUDGET', 'cgroup real-time budget: /sys/fs/cgroup/app.slice has none',
      expect.stringMatching(/tee \/sys\/fs\/cgroup\/cgroup\.procs, or boot with rt_group_sched=0$/),
    ]);
    expect(code(fifo(1), 'EPERM', { ...v2, '/proc/self/uid_map': '0 1000 1\n' })[1]).toMatch(/of a user namespace/);
    expect(code(fifo(1), 'EPERM', { ...allCaps, '/proc/self/cgroup': '0::/\n' })[0]).toBe('ERR_PERCORE_NO_CAPABILITY');
  });

  it('is admission, a bound, a dead thread or a missing call', () => {
    const policy = deadline({ runtimeNs: 2e3, deadlineNs: 2e3, periodNs: 2e3 });
    const bounds = {
      '/proc/sys/kernel/sched_deadline_period_min_us': '100\n',
      '/proc/sys/kernel/sched_deadline_period_max_us': '4194304\n',
    };
    expect(code(policy, 'EBUSY', {})[1]).toMatch(/^admission: /);
    const tooLong = deadline({ runtimeNs: 1e6, deadlineNs: 1e10, periodNs: 1e10 });
    for (const [asked, end] of [[policy, 'min'], [tooLong, 'max']] as const) {
      expect(code(asked, 'EINVAL', bounds)).toEqual([
        'ERR_PERCORE_NOT_ADMITTED', 'the system takes periods from 100 to 4194304 µs',
        `choose periodNs within, or: sudo sysctl -w kernel.sched_deadline_period_${end}_us=…`,
      ]);
    }
    expect(code(policy, 'ESRCH', {})[0]).toBe('ERR_PERCORE_REACTOR_DIED');
    expect(code(policy, 'ENOSYS', {})[0]).toBe('ERR_PERCORE_SYSTEM');
  });
});

describe('lists of CPUs', () => {
  it('are read and written as the kernel does', () => {
    expect(parseList('0-2,5,8-9\n')).toEqual([0, 1, 2, 5, 8, 9]);
    expect(parseList('0-31:2/16')).toEqual([0, 1, 16, 17]);
    for (const text of [undefined, '', '\n', 'x', '3-', '-1']) expect(parseList(text)).toEqual([]);
    expect(formatList([0, 1, 2, 5, 8, 9])).toBe('0-2,5,8-9');
    expect(formatList([])).toBe('');
    expect(parseList('0-99999999999')).toHaveLength(65_537);
  });
});
