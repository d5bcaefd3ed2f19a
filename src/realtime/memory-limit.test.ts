import { describe, expect, it } from 'vitest';
import { memoryLeft } from './memory-limit.js';

const files = (content: Record<string, string>) => (path: string): string | undefined => content[path];

describe('what a cgroup leaves of memory', () => {
  it('of version 2 is the tightest up to the root, with pages of files that nobody uses', () => {
    const v2 = {
      '/proc/self/cgroup': '0::/a/b\n', '/sys/fs/cgroup/a/b/memory.max': 'max\n',
      '/sys/fs/cgroup/a/b/memory.current': '5000\n', '/sys/fs/cgroup/a/memory.max': '10000\n',
      '/sys/fs/cgroup/a/memory.current': '7000\n',
    };
    expect(memoryLeft(files(v2))).toBe(3000);
    const stat = 'anon 10\nactive_file 7\ninactive_file 500\n';
    expect(memoryLeft(files({ ...v2, '/sys/fs/cgroup/a/memory.stat': stat }))).toBe(3500);
    expect(memoryLeft(files({ ...v2, '/sys/fs/cgroup/a/memory.current': '10001' }))).toBe(0);
    expect(memoryLeft(files({ ...v2, '/sys/fs/cgroup/a/memory.max': 'max' }))).toBe(Infinity);
  });

  it('of version 1 as well, where 2^63 says none', () => {
    const folder = '/sys/fs/cgroup/memory/app';
    const v1 = (limit: string) => files({
      '/proc/self/cgroup': '4:memory:/app\n0::/\n', [`${folder}/memory.limit_in_bytes`]: limit,
      [`${folder}/memory.usage_in_bytes`]: '1000',
      [`${folder}/memory.stat`]: 'inactive_file 1\ntotal_inactive_file 50\n',
    });
    expect([memoryLeft(v1('4000')), memoryLeft(v1('9223372036854771712'))]).toEqual([3050, Infinity]);
  });

  it('is unlimited where nothing is told', () => {
    expect(memoryLeft(files({}))).toBe(Infinity);
    expect(memoryLeft(files({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '5' }))).toBe(Infinity);
  });
});
