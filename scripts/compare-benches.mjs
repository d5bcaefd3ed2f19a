// Tells whether a change has made anything slower. It runs rows of the bench in this checkout and in another one (such
// as a git worktree with the commit before), in turn, and prints for each figure ours here divided by ours there: the
// median of the pairs and their spread. A ratio above 1 is better for figures that should be high, and worse for those
// that should be low.
//
//   node scripts/compare-benches.mjs ../before spine/call queues/spsc-8B-lazy io --rounds 3 --json comparison.json
//
// Both checkouts must be built (`npm run build`). Nothing else should run on the machine meanwhile.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' }, json: { type: 'string' } },
});
const [other, ...selectors] = positionals;
const rounds = Number(values.rounds);
if (other === undefined || selectors.length === 0 || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(
    'usage: node scripts/compare-benches.mjs OTHER_CHECKOUT SUITE[/BENCH] ... [--rounds N] [--json FILE]\n',
  );
  process.exit(2);
}
const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'percore-compare-'));

/** Runs the rows in one checkout. Returns figures by a key with suite, row, metric and parameters. */
function measure(checkout, selector) {
  const json = join(folder, 'rows.json');
  const run = spawnSync(process.execPath, ['dist/bench/main.js', selector, '--alone', '--json', json], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (run.status === 2) throw new Error(run.stderr);
  const figures = new Map();
  for (const row of JSON.parse(readFileSync(json, 'utf8'))) {
    const key = [
      `${row.suite}/${row.name}`,
      row.metric,
      ...Object.entries(row.params).map(([name, value]) => `${name}=${value}`),
    ].join(' ');
    if (!row.verified) process.stderr.write(`${checkout}: ${key}: ${row.note}\n`);
    else figures.set(key, { ours: median(row.samples.ours), better: row.better, unit: row.unit });
  }
  return figures;
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

const pairs = new Map();
try {
  for (const selector of selectors) {
    for (let round = 0; round < rounds; round++) {
      // The first one of a pair may meet other conditions than the second, so they take turns in going first.
      const order = round % 2 === 0 ? [resolve(other), here] : [here, resolve(other)];
      const found = new Map(order.map((checkout) => [checkout, measure(checkout, selector)]));
      for (const [key, figure] of found.get(here)) {
        const before = found.get(resolve(other)).get(key);
        if (before === undefined) continue;
        if (!pairs.has(key)) pairs.set(key, { better: figure.better, unit: figure.unit, here: [], there: [] });
        pairs.get(key).here.push(figure.ours);
        pairs.get(key).there.push(before.ours);
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const rows = [...pairs].map(([key, { better, unit, here: ours, there }]) => {
  const ratios = ours.map((value, i) => value / there[i]);
  return {
    key, better, unit, here: median(ours), there: median(there), ratio: median(ratios), min: Math.min(...ratios),
    max: Math.max(...ratios),
  };
});
const number = (value) => Number(value.toPrecision(3)).toLocaleString('en');
for (const row of rows) {
  const isWorse = row.better === 'higher' ? row.max < 1 : row.min > 1;
  process.stdout.write(
    `${row.ratio.toFixed(2)} (${row.min.toFixed(2)} to ${row.max.toFixed(2)}) `
      + `${row.better === 'higher' ? 'more' : 'less'} is better${isWorse ? ', WORSE in every pair' : ''}: ${row.key}: `
      + `${number(row.here)} here, ${number(row.there)} there, ${row.unit}\n`,
  );
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 1)}\n`);
