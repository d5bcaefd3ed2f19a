// Makes docs/peers.md and its plot, docs/peers.svg, from the newest results of the suite `peers` in bench/results/.
//
//   node scripts/peers.mjs
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digits, readResults } from './figures.mjs';
import { plotOf } from './peers-plot.mjs';

/** One bench with one set of parameters. */
function titleOf([{ name, metric, params }]) {
  const where = Object.entries(params).map(([key, value]) => `, ${key} ${value}`).join('');
  return `${name}${where}${metric === 'rate' || metric === 'time' ? '' : `, ${metric}`}`;
}

/** Ours, and then each peer, the fastest first. */
function tableOf(rows) {
  const { unit, better } = rows[0];
  const factor = (value) => (better === 'higher' ? -value : value);
  const lines = rows.toSorted((a, b) => factor(a.baseline.value) - factor(b.baseline.value)).map((row) => {
    const { ratio, spread, target } = row;
    const aim = target === null ? '' : `${digits(target.atLeast)}${target.isMet ? '' : ', **missed**'}`;
    const range = `${digits(spread.min)}–${digits(spread.max)}`;
    const figures = [row.baseline.value, row.value, ratio].map(digits);
    return `| ${[row.baseline.name, ...figures, range, aim].join(' | ')} |`;
  });
  return `### ${titleOf(rows)}

| peer | theirs, ${unit} | ours in the same run | ratio | spread | aim |
|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

/** The page and its plot, made of the rows in a file of results. */
export function pageOf({ file, rows }) {
  const measured = rows.filter(({ ratio }) => ratio !== null);
  const refused = rows.filter(({ ratio }) => ratio === null);
  const keyOf = ({ name, metric, params }) => JSON.stringify([name, metric, params]);
  const groups = [...new Set(measured.map(keyOf))].map((key) => measured.filter((row) => keyOf(row) === key));
  const { context, runs } = measured[0];
  /** What the notes of the rows say after a given word, each text once. */
  const said = (pattern) => [
    ...new Set(measured.flatMap(({ note }) => pattern.exec(note ?? '')?.[1].split(', ') ?? [])),
  ].filter((each) => each !== '').toSorted();
  const versions = said(/^(?:versions: )?([^;]*)/);
  const missing = said(/left out, [^:]*: ([^;]*)/);
  /** For each bench the rows with the usual capacity, and those of medians. */
  const drawn = groups.filter(([{ metric, params }]) => metric !== 'p99' && params.capacity !== 2048);

  /** True if there was more other work at the start than one core can do. */
  const busy = context.loadBefore < 1 ? '' : ` **Others used the
machine at the same time**: it shows that all of it works, and only roughly who is ahead.`;

  const page = `# Peers

<!-- Made by scripts/peers.mjs from bench/results/. -->

Ours beside what people would leave Node for, on the same two CPUs, interleaved, each message checked.
[bench/peers/README.md](../bench/peers/README.md) has the rules of fair play. The ratio is ours divided by theirs, the
median of ${runs} ${runs === 1 ? 'pair' : 'pairs'}; where higher is better, more than 1 means that ours is ahead.

From [bench/results/${file}](../bench/results/${file}):
commit ${context.commit}, ${context.cpu}, ${context.cpus} CPUs,
Linux ${context.kernel}, Node ${context.node}, load average ${context.loadBefore} at the start.${busy}
Rows and capacities that are not here were not measured in it. Go may run both sides of a round trip on one CPU.
${missing.length === 0 ? '' : `Left out, since they were not installed: ${missing.join(', ')}.\n`}
How many times ours is ahead of each peer, on a logarithmic axis, with the least and the most of all pairs; left of
"equal" it is behind. 99th percentiles and the smaller capacity are in the tables alone.

![How many times Percore is ahead of each peer](peers.svg)

${groups.map(tableOf).join('\n')}${refused.map(({ name, note }) => `\nNo figure of ${name}: ${note}\n`).join('')}
## Versions

${versions.map((version) => `- ${version}`).join('\n')}
`;
  return { page, plot: plotOf(drawn.map((group) => ({ title: titleOf(group), rows: group }))) };
}

/** What both files should be, by path. */
export function pagesOf(root) {
  const { page, plot } = pageOf(readResults(join(root, 'bench', 'results'), 'peers'));
  return new Map([[join(root, 'docs', 'peers.md'), page], [join(root, 'docs', 'peers.svg'), plot]]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(fileURLToPath(import.meta.url), '..', '..');
  for (const [path, text] of pagesOf(root)) writeFileSync(path, text);
}
