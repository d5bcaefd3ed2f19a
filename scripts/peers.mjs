// Makes docs/peers.md and its plot, docs/peers.svg, from the newest results of the suite `peers` in bench/results/.
//
//   node scripts/peers.mjs
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aheadOf, standingOf } from './ahead.mjs';
import { digits, readResults, wrap } from './figures.mjs';
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
    const { target } = row;
    const { factor: ahead, least, most } = aheadOf(row);
    const aim = target === null ? '' : `${digits(target.atLeast)}${target.isMet ? '' : ', **missed**'}`;
    const range = `${digits(least)}–${digits(most)}`;
    const figures = [row.baseline.value, row.value, ahead].map(digits);
    return `| ${[row.baseline.name, ...figures, range, aim].join(' | ')} |`;
  });
  return `### ${titleOf(rows)}

| peer | theirs, ${unit} | ours in the same run | times ahead | spread | aim |
|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

/** In how many comparisons ours is ahead, and all in which it is not. */
function behindText(typical, late) {
  const counts = `Of rates and medians ours is ahead in ${typical.ahead} of ${typical.all} comparisons, and of 99th `
    + `percentiles in ${late.ahead} of ${late.all}.`;
  if (typical.behind.length === 0) return wrap(counts);
  const titles = [...new Set(typical.behind.map(({ row }) => titleOf([row])))];
  const lines = titles.map((title) => {
    const here = typical.behind.filter(({ row }) => titleOf([row]) === title);
    const peers = here.map(({ row, factor }) => `${row.baseline.name} ${digits(factor)}`).join(', ');
    return wrap(`- ${title}: ${peers}`, '  ');
  });
  return `${wrap(`${counts} Behind, with the times ahead of each:`)}\n\n${lines.join('\n')}`;
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
  /** Medians and rates. Whoever is slow at its 99th percentile is so in the tables. */
  const isTypical = ({ metric }) => metric !== 'p99';
  const drawn = groups.filter(([row]) => isTypical(row));
  const typical = standingOf(measured.filter(isTypical));
  const late = standingOf(measured.filter((row) => !isTypical(row)));

  /** True if there was more other work at the start than one core can do. */
  const busy = context.loadBefore < 1 ? '' : ` **Others used the
machine at the same time**: it shows that all of it works, and only roughly who is ahead.`;

  const page = `# Peers

<!-- Made by scripts/peers.mjs from bench/results/. -->

Ours beside what people would leave Node for, on the same two CPUs, interleaved, each message checked.
[bench/peers/README.md](../bench/peers/README.md) has the rules of fair play, how old the peers' versions are, and which
peers no row has. "Times ahead" is ours divided by theirs where higher is better, and theirs by ours where lower is, the
median of ${runs} ${runs === 1 ? 'pair' : 'pairs'}: above 1 ours is ahead, and below 1 it is behind.

From [bench/results/${file}](../bench/results/${file}):
commit ${context.commit}, ${context.cpu}, ${context.cpus} CPUs,
Linux ${context.kernel}, Node ${context.node}, load average ${context.loadBefore} at the start.${busy}
Rows and capacities that are not here were not measured in it. Go may run both sides of a round trip on one CPU.
${missing.length === 0 ? '' : `Left out, since they were not installed: ${missing.join(', ')}.\n`}
${behindText(typical, late)}

How many times ours is ahead of each peer, on a logarithmic axis, with the least and the most of all pairs; left of
"equal" it is behind. 99th percentiles are in the tables alone.

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
