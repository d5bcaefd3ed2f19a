// Checks that the pages which are made from results agree with the results.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SUITES, allResults, digits, figuresPage, pagesOf, peersText, readmeWith, runsOf, show } from './figures.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

describe('the sentence about peers', () => {
  const row = (name, metric, baseline, better, ratio, loadBefore = 0.3) => ({
    name, metric, baseline: { name: baseline }, better, ratio, context: { loadBefore },
  });

  it('counts all, and names whom ours is furthest behind in each row, and that others were at work', () => {
    const rows = [
      row('a', 'rate', 'x', 'higher', 3), row('a', 'rate', 'y', 'higher', 0.5), row('a', 'rate', 'z', 'higher', 0.2),
      row('b', 'p50', 'x', 'lower', 4), row('b', 'p99', 'x', 'lower', 9), row('c', 'rate', 'x', 'higher', 0.95),
    ];
    const text = peersText({ rows }).replaceAll('\n', ' ');
    expect(text).toContain('Percore is ahead in 1 of 5 comparisons');
    expect(text).toMatch(/the furthest of each row: `a` 0\.2 \(z\), `b` 0\.25 \(x\)\.$/);
    expect(text).not.toContain('Others used');
    expect(text).not.toContain('Go may');
    const beside = peersText({ rows: [row('a', 'p50', 'go channel', 'lower', 9)] });
    expect(beside).toMatch(/Go may run both sides on one CPU\.$/);
    const busy = peersText({ rows: [row('a', 'rate', 'x', 'higher', 3, 2)] });
    expect(busy.replaceAll('\n', ' ')).toMatch(/Others used the machine at the same time\.$/);
  });
});

describe('figures', () => {
  it('are those of the newest results, on both pages; if not, run node scripts/figures.mjs', () => {
    for (const [path, text] of pagesOf(root)) expect(readFileSync(path, 'utf8') === text, path).toBe(true);
  });

  it('change on the page when a result changes', () => {
    const results = allResults(root);
    const before = figuresPage(results);
    const row = results.spine.rows.find(({ value }) => value !== null);
    row.value *= 2;
    expect(figuresPage(results)).not.toBe(before);
  });

  it('say what a ratio was between near and far CPUs where runs met both', () => {
    const results = allResults(root);
    const row = results.spine.rows.find(({ spread }) => spread?.of === 'ratio' && spread.min !== spread.max);
    row.distance = { near: { value: 0.123, runs: 3 }, far: null };
    expect(figuresPage(results)).not.toContain('near 0.12');
    row.distance.far = { value: 0.0456, runs: 2 };
    expect(figuresPage(results)).toContain('; near 0.12, far 0.046)');
  });

  it('have a row on the page for each row of the results', () => {
    const results = allResults(root);
    const rows = figuresPage(results).split('\n').filter((line) => /^\| (?!figure |--- )/.test(line));
    expect(rows.length).toBe(SUITES.reduce((sum, { name }) => sum + results[name].rows.length, 0));
  });

  it('name each machine and commit that rows of a file come from, with its benches', () => {
    const context = { commit: 'a', cpu: 'x', cpus: 2, kernel: '6', node: 'v20', startedAt: '2026-11-30T10:00:00Z' };
    const rows = [
      { name: 'old', context: { ...context, commit: 'b', startedAt: '2026-11-29T10:00:00Z' } },
      { name: 'one', context }, { name: 'one', context }, { name: 'two', context },
    ];
    expect(runsOf(rows)).toEqual([
      { where: '2026-11-30: 2 CPUs (x), Linux 6, Node v20, commit a', names: ['one', 'two'] },
      { where: '2026-11-29: 2 CPUs (x), Linux 6, Node v20, commit b', names: ['old'] },
    ]);
  });

  it('are shown with the significant digits, in units that people read', () => {
    expect([0.0567, 1234, 99.6, 4, 2.5e-8].map(digits)).toEqual(['0.057', '1,230', '100', '4', '2.5e-8']);
    const shown = [
      ['541 ns', 541.2, 'ns'], ['48 µs', 48_100, 'ns'], ['900 ns', 0.9, 'us'], ['8.1 ms', 8.1, 'ms'],
      ['2.9 M lines/s', 2_900_000, 'lines/s'], ['139 k requests/s', 138_725, 'requests/s'],
      ['0/s', 0, '1/s'], ['1/s', 1, '1/s'], ['1.8 GB/s', 1.83, 'GB/s'],
    ];
    expect(shown.map(([, value, unit]) => show(value, unit))).toEqual(shown.map(([text]) => text));
  });

  it('leave the rest of the README as it is, and are refused if it has no place for them', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const other = readmeWith(readme, 'TABLE');
    expect(other).toContain('\n\nTABLE\n\n');
    expect(other.split('<!--')[0]).toBe(readme.split('<!--')[0]);
    expect(() => readmeWith('# nothing', 'TABLE')).toThrow('README.md has no');
  });
});
