/** docs/peers.md and its plot are made of the newest results, and say who is ahead and who was left out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { pageOf, pagesOf } from './peers.mjs';

const root = join(fileURLToPath(import.meta.url), '..', '..');
const context = { commit: 'abc', cpu: 'a CPU', cpus: 2, kernel: '6.1', node: 'v20', loadBefore: 0.3 };
const row = (name, baseline, better, ours, theirs, note) => ({
  name, metric: 'rate', params: {}, unit: 'M/s', better, runs: 1, target: null, verified: true, context, note,
  value: ours, baseline: { name: baseline, value: theirs }, ratio: ours / theirs,
  spread: { of: 'ratio', min: ours / theirs, max: ours / theirs },
});
const DOT = /<text x="\d+" y="\d+" text-anchor="end">(.*?)<\/text>.*?<circle cx="([\d.]+)".*?fill="(.*?)"/g;
const dots = (plot) => [...plot.matchAll(DOT)].map(([, peer, x, color]) => ({ peer, x: Number(x), color }));

describe('docs/peers.md', () => {
  it('is made of the newest results, as is its plot; if not, run node scripts/peers.mjs', () => {
    for (const [path, text] of pagesOf(root)) expect(readFileSync(path, 'utf8') === text, path).toBe(true);
  });

  it('draws who is ahead to the right of "equal", also where less is better', () => {
    const { plot } = pageOf({
      file: 'x.json',
      rows: [
        row('more', 'slower', 'higher', 20, 2, 'versions: a 1'),
        row('more', 'faster', 'higher', 2, 20, 'versions: a 1'),
        row('less', 'later', 'lower', 2, 20, 'versions: b 2'),
        row('less', 'sooner', 'lower', 20, 2, 'versions: b 2'),
      ],
    });
    const equal = Number(/<line x1="([\d.]+)"[^>]*class="equal"/.exec(plot)[1]);
    const all = dots(plot);
    expect(all.map(({ peer, x }) => [peer, Math.sign(x - equal)])).toEqual([
      ['faster', -1], ['slower', 1], ['sooner', -1], ['later', 1],
    ]);
    expect(new Set(all.map(({ x, color }) => `${x > equal} ${color}`)).size).toBe(2);
  });

  it('says how many times ours is ahead, whichever is better, and where it is behind', () => {
    const p99 = { ...row('trip', 'later', 'lower', 20, 10, 'versions: a 1'), metric: 'p99' };
    const { page } = pageOf({
      file: 'x.json',
      rows: [
        row('rate', 'slower', 'higher', 20, 2, 'versions: a 1'),
        row('rate', 'faster', 'higher', 2, 20, 'versions: a 1'),
        row('time', 'later', 'lower', 2, 20, 'versions: a 1'), row('time', 'sooner', 'lower', 20, 5, 'versions: a 1'),
        { ...row('rate', 'small', 'higher', 1, 2, 'versions: a 1'), params: { capacity: 2048 } }, p99,
      ],
    });
    expect(page).toContain('| later | 20 | 2 | 10 | 10–10 |  |');
    expect(page).toContain('| sooner | 5 | 20 | 0.25 | 0.25–0.25 |  |');
    expect(page.replaceAll('\n', ' ')).toContain(
      'ahead in 2 of 5 comparisons, and of 99th percentiles in 0 of 1. Behind, with the times ahead of each:  '
      + '- rate: faster 0.1 - time: sooner 0.25 - rate, capacity 2048: small 0.5',
    );
  });

  it('draws each capacity, also where ours is behind', () => {
    const { plot } = pageOf({
      file: 'x.json', rows: [{ ...row('rate', 'small', 'higher', 1, 2, 'versions: a 1'), params: { capacity: 2048 } }],
    });
    expect(dots(plot).map(({ peer }) => peer)).toEqual(['small']);
  });

  it('names each version once, what was left out, and rows without a figure', () => {
    const { page } = pageOf({
      file: 'x.json',
      rows: [
        row('a', 'b', 'higher', 2, 1, 'versions: b 1, c 2; left out, since it is not there: nng, jctools'),
        row('d', 'e', 'higher', 2, 1, 'versions: c 2; the client\'s own CPU: 7'),
        { ...row('tcp', 'node:net', 'higher', 1, 1, 'not measured: io_uring was refused'), ratio: null, spread: null },
      ],
    });
    expect(page).toContain('Left out, since they were not installed: jctools, nng.');
    expect(page).toMatch(/## Versions\n\n- b 1\n- c 2\n$/);
    expect(page).toContain('No figure of tcp: not measured: io_uring was refused');
    expect(page).not.toContain('Others used the');
  });
});
