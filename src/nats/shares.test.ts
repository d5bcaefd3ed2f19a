import { expect, it } from 'vitest';
import { planShares } from './shares.js';

/** All look in turn, each at the table as it is then, until nothing changes. */
function settle(owners: string[], machines: string[]): { owners: string[]; rounds: number } {
  const table = [...owners];
  for (let rounds = 1; rounds < 100; rounds++) {
    let hasChanged = false;
    for (const own of machines) {
      const { take, give } = planShares({ own, machines: new Set(machines), owners: [...table] });
      for (const range of give) {
        expect(table[range]).toBe(own);
        table[range] = '';
      }
      for (const range of take) {
        expect(machines).not.toContain(table[range]);
        table[range] = own;
      }
      hasChanged ||= take.length + give.length > 0;
    }
    if (!hasChanged) return { owners: table, rounds };
  }
  throw new Error('it does not settle');
}

const countsOf = (owners: string[], machines: string[]): number[] =>
  machines.map((machine) => owners.filter((owner) => owner === machine).length);

it('gives everybody about the same, whoever comes and goes, and moves little', () => {
  for (const ranges of [1, 2, 16, 64]) {
    let owners: string[] = Array.from({ length: ranges }, () => '');
    for (const machines of [['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'c'], ['a', 'c', 'd', 'e', 'f'], ['f'], ['g']]) {
      const before = owners;
      const settled = settle(owners, machines);
      owners = settled.owners;
      const counts = countsOf(owners, machines);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(ranges);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      const kept = owners.filter((owner, range) => owner === before[range]).length;
      const most = Math.ceil(ranges / machines.length);
      const couldKeep = countsOf(before, machines).reduce((sum, count) => sum + Math.min(count, most), 0);
      expect(kept).toBeGreaterThanOrEqual(couldKeep - machines.length);
    }
  }
});

it('lets who has too few go first', () => {
  const owners = ['a', 'a', 'a', 'b', '', ''];
  expect(planShares({ own: 'a', machines: new Set(['a', 'b']), owners }).take).toEqual([]);
  expect(planShares({ own: 'b', machines: new Set(['a', 'b']), owners }).take).toEqual([4, 5]);
});
