import { describe, expect, it } from 'vitest';
import { cpuBudget } from 'percore';
import { CheckFailed, check, compare, finding, noteDistances, percentile, type Figure } from './harness.js';
import { measureDistance } from './measure-distance.js';
import { table } from './table.js';

const figure: Figure = {
  of: 'rate',
  metric: 'rate',
  unit: '1/s',
  better: 'higher',
  targets: { theirs: { of: 'ratio', atLeast: 3 } },
};

describe('finding', () => {
  it('has the pair of runs with the median ratio, so that value divided by baseline is the ratio', () => {
    const row = finding(figure, [10, 40, 90], 'theirs', [10, 10, 10]);
    expect(row).toMatchObject({
      value: 40,
      baseline: { name: 'theirs', value: 10 },
      ratio: 4,
      runs: 3,
      spread: { of: 'ratio', min: 1, max: 9 },
    });
  });

  it('compares runs that follow each other, so that a slow machine does not change the ratio', () => {
    const row = finding(figure, [30, 10, 33], 'theirs', [10, 3, 10]);
    expect(row.ratio).toBeCloseTo(3.3);
    expect(row.target).toMatchObject({ isMet: true });
  });

  it('judges the target for this baseline and for no other', () => {
    expect(finding(figure, [20], 'theirs', [10]).target).toMatchObject({ atLeast: 3, isMet: false });
    expect(finding(figure, [20], 'others', [10]).target).toBeNull();
  });

  it('has no ratio to a baseline of 0, and has the spread of the value instead', () => {
    const row = finding(
      { ...figure, better: 'lower', targets: { theirs: { of: 'value', atMost: 1 } } }, [0, 2, 1], 'theirs', [0, 0, 0],
    );
    expect(row).toMatchObject({
      value: 1,
      ratio: null,
      spread: { of: 'value', min: 0, max: 2 },
      target: { isMet: true },
    });
  });
});

describe('compare', () => {
  it('runs ours and the baselines in turn', async () => {
    const order: string[] = [];
    const contender = (name: string) => ({ name, run: async () => ({ rate: order.push(name) }) });
    const rows = await compare({
      runs: 3,
      ours: contender('A'),
      baselines: [contender('B1'), contender('B2')],
      figures: [figure],
    });
    expect(order.join(' ')).toBe('A B1 B2 A B1 B2 A B1 B2');
    expect(rows.map(({ baseline }) => baseline.name)).toEqual(['B1', 'B2']);
  });

  it('gives no figure if one run fails its check', async () => {
    const failing = { name: 'A', run: async () => check(false, 'an answer was wrong') as never };
    await expect(compare({ runs: 1, ours: failing, baselines: [], figures: [figure] })).rejects.toThrow(CheckFailed);
  });

  it('refuses an even number of runs, which has no median run', async () => {
    const contender = { name: 'A', run: async () => ({ rate: 1 }) };
    await expect(compare({ runs: 2, ours: contender, baselines: [], figures: [figure] })).rejects.toThrow('odd');
  });
});

describe('percentile', () => {
  it('is by nearest rank', () => {
    const hundred = Float64Array.from({ length: 100 }, (_, at) => at + 1);
    expect([percentile(hundred, 50), percentile(hundred, 99), percentile(hundred, 100)]).toEqual([50, 99, 100]);
    expect(percentile([7], 50)).toBe(7);
  });
});

describe('distance', () => {
  it('tells ratios between near CPUs from those between far ones, and leaves out what changed', async () => {
    const distances = [120, 120, 118, 119, 520, 130, 510, 530, 505, 600];
    const rates = [9, 2, 4];
    noteDistances(async () => distances.shift()!);
    const [row] = await compare({
      runs: 3,
      ours: { name: 'A', run: async () => ({ rate: rates.shift()! }) },
      baselines: [{ name: 'B', run: async () => ({ rate: 1 }) }],
      figures: [figure],
    });
    noteDistances(undefined);
    expect(row.samples.distances).toEqual([[120, 120, 118], [119, 520, 130], [510, 530, 505]]);
    expect(row.distance).toEqual({ near: { value: 9, runs: 1 }, far: { value: 4, runs: 1 } });
    const whole = { ...row, suite: 's', name: 'n' };
    expect(table([whole])).toContain('9.00 (1) / 4.00 (1)');
    const { distance: _, ...without } = whole;
    expect(table([without])).not.toContain('9.00 (1)');
  });

  it('is not told where it was not measured', () => {
    expect(finding(figure, [1], 'theirs', [1], undefined, [[NaN, NaN]])).not.toHaveProperty('distance');
    expect(finding(figure, [1], 'theirs', [1])).not.toHaveProperty('distance');
  });

  it('is measured between the CPUs of this machine', async () => {
    const ns = await measureDistance();
    if (cpuBudget().allowed.length === 1) expect(ns).toBeNaN();
    else expect(ns).toBeGreaterThan(10);
  });
});
