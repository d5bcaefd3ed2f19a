// Makes docs/peers.md from the newest results of the suite `peers` in bench/results/.
//
//   node scripts/peers.mjs
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digits, readResults } from './figures.mjs';

const root = join(fileURLToPath(import.meta.url), '..', '..');

/** One bench with one set of parameters: ours, then each peer, the fastest first. */
function tableOf(rows) {
  const { name, metric, unit, better, params } = rows[0];
  const where = Object.entries(params).map(([key, value]) => `${key} ${value}`).join(', ');
  const factor = (value) => (better === 'higher' ? -value : value);
  const lines = rows.toSorted((a, b) => factor(a.baseline.value) - factor(b.baseline.value)).map((row) => {
    const { ratio, spread, target } = row;
    const aim = target === null ? '' : `${digits(target.atLeast)}${target.isMet ? '' : ', **missed**'}`;
    const range = `${digits(spread.min)}–${digits(spread.max)}`;
    const figures = [row.baseline.value, row.value, ratio].map(digits);
    return `| ${[row.baseline.name, ...figures, range, aim].join(' | ')} |`;
  });
  return `### ${name}${where === '' ? '' : `, ${where}`}${metric === 'rate' ? '' : `, ${metric}`}

| peer | theirs, ${unit} | ours in the same run | ratio | spread | aim |
|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

const { file, rows } = readResults(join(root, 'bench', 'results'), 'peers');
const measured = rows.filter(({ verified }) => verified);
const refused = rows.filter(({ verified }) => !verified);
const keyOf = ({ name, metric, params }) => JSON.stringify([name, metric, params]);
const groups = [...new Set(measured.map(keyOf))].map((key) => measured.filter((row) => keyOf(row) === key));
const { context, runs } = measured[0];
const notes = [...new Set(measured.map(({ note }) => note))];

const page = `# Peers

<!-- Made by scripts/peers.mjs from bench/results/. -->

Our queues beside what people would leave Node for, on the same two CPUs, interleaved, each message checked.
[bench/peers/README.md](../bench/peers/README.md) has the rules of fair play. The ratio is ours divided by theirs, the
median of ${runs} pairs; where higher is better, more than 1 means that ours is ahead.

From [bench/results/${file}](../bench/results/${file}):
commit ${context.commit}, ${context.cpu}, ${context.cpus} CPUs,
Linux ${context.kernel}, Node ${context.node}, load average ${context.loadBefore} at the start. **This was one short run
on a machine that others used at the same time**: it shows that all of it works, and only roughly who is ahead.
Rows and capacities that are not here were not measured in it. Go may run both sides of a round trip on one CPU.

${groups.map(tableOf).join('\n')}${refused.map(({ name, note }) => `\nNo figure of ${name}: ${note}\n`).join('')}
## Versions

${notes.at(-1).split(', ').map((version) => `- ${version}`).join('\n')}
`;
writeFileSync(join(root, 'docs', 'peers.md'), page);
