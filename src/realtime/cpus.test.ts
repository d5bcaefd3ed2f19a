import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { cgroupQuota, cpuBudget } from './cpus.js';
import type { SystemFiles } from './system-files.js';

/** A file system of these files; remembers what was asked for. */
function files(content: Record<string, string>): SystemFiles & { asked: string[] } {
  const asked: string[] = [];
  return Object.assign((path: string) => {
    asked.push(path);
    return content[path];
  }, { asked });
}
const cgroup = '/proc/self/cgroup';

describe('the quota of cgroup version 2', () => {
  it('is quota divided by period', () => {
    expect(cgroupQuota(files({ [cgroup]: '0::/\n', '/sys/fs/cgroup/cpu.max': '400000 100000\n' }))).toBe(4);
  });

  it('may be a fraction', () => {
    expect(cgroupQuota(files({ [cgroup]: '0::/app\n', '/sys/fs/cgroup/app/cpu.max': '150000 100000\n' }))).toBe(1.5);
    expect(cgroupQuota(files({ [cgroup]: '0::/app\n', '/sys/fs/cgroup/app/cpu.max': '10000 50000\n' }))).toBe(0.2);
  });

  it('is unlimited where it says max, or says nothing', () => {
    expect(cgroupQuota(files({ [cgroup]: '0::/app\n', '/sys/fs/cgroup/app/cpu.max': 'max 100000\n' }))).toBe(Infinity);
    expect(cgroupQuota(files({ [cgroup]: '0::/app\n' }))).toBe(Infinity);
  });

  it('is the tightest one from the process up to the root', () => {
    const nested = {
      [cgroup]: '0::/a/b/c\n', '/sys/fs/cgroup/a/b/c/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/a/b/cpu.max': '300000 100000\n', '/sys/fs/cgroup/a/cpu.max': '200000 100000\n',
      '/sys/fs/cgroup/cpu.max': '500000 100000\n',
    };
    expect(cgroupQuota(files(nested))).toBe(2);
    expect(cgroupQuota(files({ ...nested, '/sys/fs/cgroup/a/b/c/cpu.max': '50000 100000\n' }))).toBe(0.5);
    expect(cgroupQuota(files({ ...nested, '/sys/fs/cgroup/cpu.max': '100000 100000\n' }))).toBe(1);
  });

  it('takes 100 ms for a period that is missing', () => {
    expect(cgroupQuota(files({ [cgroup]: '0::/\n', '/sys/fs/cgroup/cpu.max': '250000\n' }))).toBe(2.5);
  });

  it('is unlimited where the file holds no number', () => {
    for (const text of ['', '\n', 'abc 100000', '0 100000', '100000 0', '-1 100000']) {
      expect(cgroupQuota(files({ [cgroup]: '0::/\n', '/sys/fs/cgroup/cpu.max': text })), JSON.stringify(text)).toBe(
        Infinity,
      );
    }
  });
});

describe('the quota of cgroup version 1', () => {
  const folder = '/sys/fs/cgroup/cpu,cpuacct';
  const lines = '12:memory:/user\n5:cpu,cpuacct:/user/app\n1:name=systemd:/user\n';

  it('is cfs_quota_us divided by cfs_period_us, fractions included', () => {
    expect(
      cgroupQuota(
        files({
          [cgroup]: lines, [`${folder}/user/app/cpu.cfs_quota_us`]: '250000\n',
          [`${folder}/user/app/cpu.cfs_period_us`]: '100000\n',
        }),
      ),
    ).toBe(2.5);
    expect(
      cgroupQuota(
        files({
          [cgroup]: lines, [`${folder}/user/app/cpu.cfs_quota_us`]: '20000\n',
          [`${folder}/user/app/cpu.cfs_period_us`]: '40000\n',
        }),
      ),
    ).toBe(0.5);
  });

  it('is unlimited at -1, and where there is no file', () => {
    expect(
      cgroupQuota(
        files({
          [cgroup]: lines, [`${folder}/user/app/cpu.cfs_quota_us`]: '-1\n',
          [`${folder}/user/app/cpu.cfs_period_us`]: '100000\n',
        }),
      ),
    ).toBe(Infinity);
    expect(cgroupQuota(files({ [cgroup]: lines }))).toBe(Infinity);
  });

  it('is the tightest one up to the root', () => {
    expect(cgroupQuota(files({
      [cgroup]: lines,
      [`${folder}/user/app/cpu.cfs_quota_us`]: '-1', [`${folder}/user/app/cpu.cfs_period_us`]: '100000',
      [`${folder}/user/cpu.cfs_quota_us`]: '150000', [`${folder}/user/cpu.cfs_period_us`]: '100000',
      [`${folder}/cpu.cfs_quota_us`]: '800000', [`${folder}/cpu.cfs_period_us`]: '100000',
    }))).toBe(1.5);
  });

  it('looks at the cpu controller alone: cpuset and cpuacct by themselves have no quota', () => {
    const read = files({
      [cgroup]: '4:cpuset:/x\n3:cpuacct:/x\n', '/sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us': '100',
      '/sys/fs/cgroup/cpuacct/x/cpu.cfs_quota_us': '100',
    });
    expect(cgroupQuota(read)).toBe(Infinity);
    expect(read.asked).toEqual([cgroup]);
  });

  it('takes the tighter of both versions where both are mounted', () => {
    expect(cgroupQuota(files({
      [cgroup]: '5:cpu:/a\n0::/a\n',
      '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '300000', '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000',
    }))).toBe(3);
  });
});

describe('where cgroups are mounted', () => {
  const info = (...lines: string[]) => ({
    '/proc/self/mountinfo': `22 1 0:1 / / rw - ext4 /dev/vda rw\n${lines.join('\n')}\n`,
  });

  it('is what mountinfo says, whatever the order of the controllers', () => {
    for (const mount of ['cpu,cpuacct', 'cpuacct,cpu', 'cpu']) {
      for (const named of ['cpu,cpuacct', 'cpuacct,cpu']) {
        expect(
          cgroupQuota(
            files({
              [cgroup]: `4:${named}:/docker/0123\n`,
              ...info(`30 25 0:26 / /sys/fs/cgroup/${mount} rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct`),
              [`/sys/fs/cgroup/${mount}/docker/0123/cpu.cfs_quota_us`]: '200000',
              [`/sys/fs/cgroup/${mount}/docker/0123/cpu.cfs_period_us`]: '100000',
            }),
          ),
          `${named} at ${mount}`,
        ).toBe(2);
      }
    }
  });

  it('without mountinfo is the link of the controller alone, where the folder has another order', () => {
    expect(
      cgroupQuota(
        files({
          [cgroup]: '4:cpuacct,cpu:/a\n', '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '300000',
          '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000',
        }),
      ),
    ).toBe(3);
  });

  it('may show only the container\'s own part, under a path that the kernel does not name, of either version', () => {
    const v1 = info('30 25 0:26 /docker/0123 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu');
    const own = { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '50000', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' };
    expect(cgroupQuota(files({ [cgroup]: '4:cpu:/docker/0123\n', ...v1, ...own }))).toBe(0.5);
    expect(
      cgroupQuota(
        files({
          [cgroup]: '4:cpu:/docker/0123/inner\n', ...v1, ...own, '/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us': '25000',
          '/sys/fs/cgroup/cpu/inner/cpu.cfs_period_us': '100000',
        }),
      ),
    ).toBe(0.25);
    // In a namespace of its own the process sees itself at the root, or a sibling beyond it.
    const v2 = info('30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate');
    for (const path of ['/', '/../other'])
      expect(
        cgroupQuota(files({ [cgroup]: `0::${path}\n`, ...v2, '/sys/fs/cgroup/cpu.max': '150000 100000' })), path,
      ).toBe(1.5);
  });

  it('may be anywhere: a hybrid of both versions, a folder with a blank', () => {
    const both = info(
      '30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
      '31 25 0:27 / /my\\040groups/cpu rw - cgroup cgroup rw,cpu',
    );
    expect(
      cgroupQuota(
        files({ [cgroup]: '4:cpu:/a\n0::/a\n', ...both, '/sys/fs/cgroup/unified/a/cpu.max': '300000 100000' }),
      ),
    ).toBe(3);
    expect(
      cgroupQuota(
        files({
          [cgroup]: '4:cpu:/a\n0::/a\n', ...both, '/my groups/cpu/a/cpu.cfs_quota_us': '100000',
          '/my groups/cpu/a/cpu.cfs_period_us': '50000',
        }),
      ),
    ).toBe(2);
  });
});

describe('the CPUs of this process', () => {
  it('are unlimited by a cgroup that is not there', () => {
    expect(cgroupQuota(files({}))).toBe(Infinity);
    expect(cgroupQuota(files({ [cgroup]: '' }))).toBe(Infinity);
    expect(cgroupQuota(files({ [cgroup]: 'not a line of cgroups\n' }))).toBe(Infinity);
  });

  it('are those of the affinity mask, and their number is bounded by the floor of the quota, at least one', () => {
    const quota = (text: string) => cpuBudget(files({ [cgroup]: '0::/\n', '/sys/fs/cgroup/cpu.max': text }));
    const { allowed } = quota('max 100000');
    expect(allowed.length).toBeGreaterThan(0);
    expect([...allowed].sort((a, b) => a - b)).toEqual(allowed);
    expect(quota('max 100000').count).toBe(allowed.length);
    expect([quota('20000 100000').count, quota('199999 100000').count, quota('100000000 100000').count]).toEqual([
      1, 1, allowed.length,
    ]);
    expect(quota('150000 100000').quota).toBe(1.5);
  });

  it('are what a program started under taskset sees', () => {
    const { allowed } = cpuBudget(files({}));
    const last = allowed.at(-1)!;
    const script = `import(${JSON.stringify(new URL('./cpus.js', import.meta.url).href)}).then(({ cpuBudget }) => `
      + `console.log(JSON.stringify(cpuBudget(() => undefined))))`;
    const seen = JSON.parse(
      execFileSync('taskset', ['-c', String(last), process.execPath, '-e', script], { encoding: 'utf8' }),
    ) as { allowed: number[]; count: number };
    expect([seen.allowed, seen.count]).toEqual([[last], 1]);
  });
});
