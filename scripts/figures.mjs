// Makes docs/figures.md, and the ten figures and the curve of the load balancer in the README, from the newest results
// of each suite in bench/results/, so that no figure in them can be stale.
//
//   node scripts/figures.mjs            writes all of them
//   node scripts/figures.mjs --check    writes nothing; exit code 1 if one differs from what it would write
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aheadOf, standingOf } from './ahead.mjs';
import { plot } from './scale/plot.mjs';

/** The suites in the order of the page, each with the decision page that says why aims are missed. */
export const SUITES = [
  { name: 'spine', title: 'Reactors, messages and calls', why: '2026-11-21-three-figures.md' },
  { name: 'queues', title: 'Queues', why: '2026-11-21-queue-figures.md' },
  { name: 'timers', title: 'Timers', why: '2026-11-21-timer-figures.md' },
  { name: 'io', title: 'I/O', why: '2026-11-21-io-figures.md' },
  { name: 'scheduling', title: 'Scheduling', why: '2026-11-29-scheduling-figures.md' },
  { name: 'realtime', title: 'Levels and real time', why: '2026-11-29-realtime-figures.md' },
  { name: 'observe', title: 'Observation', why: '2026-11-29-observe-figures.md' },
  { name: 'beyond', title: 'Other processes and machines', why: '2026-11-29-rings-between-processes.md' },
];

/** The figures in the README, including missed ones: each is the row of a suite and bench that has these parameters. */
export const HIGHLIGHTS = [
  figure('round trip between two spinning reactors, median', 'spine/reactor-round-trip', 'p50', 'postMessage'),
  figure('the same, beside two threads in C++', 'spine/reactor-round-trip', 'p50', 'C++ seq_cst'),
  figure('round trip between two parked reactors, median', 'spine/parked-round-trip', 'p50', 'C eventfd'),
  figure('calls, 64 in flight', 'spine/call', 'rate', 'piscina', { from: 'reactor', idle: 'adaptive' }),
  figure('load balancer, lines of 64 bytes', 'spine/load-balancer-throughput', 'rate', 'postMessage a line'),
  figure('urgent lines during a flood, p99', 'spine/urgent-latency', 'p99', 'one band'),
  figure('queue, 8 bytes, both in batches of 64', 'queues/spsc-8B-batch64', 'rate', 'C++ release batch64',
    { capacity: 16384 }),
  figure('creating timers, a million live', 'timers/create', 'rate', 'setTimeout', { call: 'at' }),
  figure('lateness of a rate timer at 1 kHz, p99', 'timers/lateness-park', 'p99', 'cyclictest',
    { policy: 'other', source: 'rate timer' }),
  figure('TCP echo, 64 connections, messages of 64 bytes', 'io/tcp-echo-64', 'rate', 'node:net', { source: 'epoll' }),
];

function figure(says, of, metric, baseline, where = {}) {
  const [suite, name] = of.split('/');
  return { says, suite, name, metric, baseline, where };
}

const COLUMNS = 120;
/** Less than this many times a peer's figure is behind by more than what runs differ by. */
const CLEARLY = 0.9;
const BEGIN = '<!-- Made by scripts/figures.mjs from bench/results/. -->';
const END = '<!-- End of what scripts/figures.mjs has made. -->';

/** The newest results of a suite. The names of files begin with their dates. */
export function readResults(folder, suite) {
  const isResult = new RegExp(`^\\d{4}-\\d\\d-\\d\\d-${suite}\\.json$`);
  const file = readdirSync(folder).filter((name) => isResult.test(name)).toSorted().at(-1);
  if (file === undefined) {
    const command = `npm run bench -- ${suite} --json ${folder}/DATE-${suite}.json`;
    throw new Error(`no results of the suite ${suite} in ${folder}: ${command}`);
  }
  return { file, rows: JSON.parse(readFileSync(join(folder, file), 'utf8')) };
}

/** A value with two significant digits, in a unit that people read. */
export function show(value, unit) {
  if (value === null || value === undefined) return '';
  if (value === 0) return unit.startsWith('1/') ? `0/${unit.slice(2)}` : `0 ${unit}`;
  const scaled = scale(value, unit);
  return `${digits(scaled.value)}${scaled.unit.startsWith('/') ? '' : ' '}${scaled.unit}`;
}

function scale(value, unit) {
  if (unit.endsWith('/s') && unit !== 'GB/s') {
    const [factor, prefix] = value >= 1e6 ? [1e6, 'M'] : value >= 1e4 ? [1e3, 'k'] : [1, ''];
    const what = unit.slice(0, -2).replace(/^1$/, '');
    return { value: value / factor, unit: `${prefix}${prefix === '' || what === '' ? '' : ' '}${what}/s` };
  }
  const ns = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 }[unit];
  if (ns === undefined) return { value, unit: unit.replace(/^us\//, 'µs/') };
  const all = value * ns;
  const [factor, name] = all >= 1e9 ? [1e9, 's'] : all >= 1e6 ? [1e6, 'ms'] : all >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  return { value: all / factor, unit: name };
}

/** Three significant digits from 100 on, and otherwise two: 1234 becomes 1,230 and 0.0567 becomes 0.057. */
export function digits(value) {
  const rounded = Number(value.toPrecision(Math.abs(value) >= 100 ? 3 : 2));
  if (rounded !== 0 && (Math.abs(rounded) < 1e-4 || Math.abs(rounded) >= 1e12)) return rounded.toExponential();
  return rounded.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

/**
 * "0.94 (0.84–1.05; near 0.95, far 0.84)": ours divided by the baseline, the spread over the runs, and what it was
 * between near and far CPUs where runs met both.
 */
function ratioOf({ ratio, spread, unit, distance }) {
  if (ratio === null) return spread === null ? '' : `${show(spread.min, unit)} to ${show(spread.max, unit)}`;
  if (spread === null || spread.of !== 'ratio' || spread.min === spread.max) return digits(ratio);
  const { near, far } = distance ?? {};
  const apart = near && far ? `; near ${digits(near.value)}, far ${digits(far.value)}` : '';
  return `${digits(ratio)} (${digits(spread.min)}–${digits(spread.max)}${apart})`;
}

function aimOf({ target, unit }) {
  if (target === null) return '';
  const bounds = [['at least', target.atLeast], ['at most', target.atMost]].filter(([, bound]) => bound !== undefined)
    .map(([word, bound]) => `${word} ${target.of === 'value' ? show(bound, unit) : digits(bound)}`);
  return `${bounds.join(', ')}${target.isMet ? '' : ', **missed**'}`;
}

/** Breaks a paragraph at 120 columns, as in the other pages. Its second line and those below begin with `indent`. */
export function wrap(text, indent = '') {
  const lines = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length === 0) lines.push(word);
    else if ([...longer].length <= COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(`${indent}${word}`);
  }
  return lines.join('\n');
}

/** Those of these parameters that the row has, as "connections 64, source epoll". */
function paramsOf({ params }, names) {
  const text = (value) => (typeof value === 'number' ? value.toLocaleString('en-US') : value);
  return names.filter((name) => name in params).map((name) => `${name} ${text(params[name])}`).join(', ');
}

/** The names of the parameters of a bench: those that are the same in all rows, and those that differ. */
function paramNames(rows) {
  const names = [...new Set(rows.flatMap(({ params }) => Object.keys(params)))];
  const isFixed = (name) => rows.every(({ params }) => params[name] === rows[0].params[name]);
  return { fixed: names.filter(isFixed), varying: names.filter((name) => !isFixed(name)) };
}

/** The parameters of a row in which it differs from others of its bench. */
export const varyingParams = (row, rows) => paramsOf(row, paramNames(rows).varying);

/** One bench. What is the same in all rows is above its table, and what differs is in the table. */
function benchTable(rows) {
  const names = paramNames(rows);
  const fixed = paramsOf(rows[0], names.fixed);
  const { varying } = names;
  const head = ['figure', ...(varying.length === 0 ? [] : ['where']), 'Percore', 'baseline', 'ratio', 'aim'];
  const lines = rows.map((row) => [
    `${row.metric}, ${row.better} is better`,
    ...(varying.length === 0 ? [] : [paramsOf(row, varying)]),
    row.value === null ? 'not measured' : show(row.value, row.unit),
    `${row.baseline.name}${row.baseline.value === null ? '' : `, ${show(row.baseline.value, row.unit)}`}`,
    ratioOf(row), aimOf(row),
  ]);
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return `### ${rows[0].name}\n\n${fixed === '' ? '' : `With ${fixed}.\n\n`}${table}\n`;
}

/** When, where and of which commit a run was. */
const whereOf = ({ commit, cpu, cpus, kernel, node, startedAt }) =>
  `${startedAt.slice(0, 10)}: ${cpus} CPUs (${cpu}), Linux ${kernel}, Node ${node}, commit ${commit}`;

/** The runs that the rows of a file come from, the largest first: where each was, and its benches. */
export function runsOf(rows) {
  const runs = new Map();
  for (const { name, context } of rows) {
    if (context === undefined) continue;
    const where = whereOf(context);
    runs.set(where, (runs.get(where) ?? new Set()).add(name));
  }
  return [...runs].map(([where, names]) => ({ where, names: [...names] }))
    .toSorted((a, b) => b.names.length - a.names.length);
}

function suiteText({ name, title, why }, { file, rows }) {
  const [run, ...others] = runsOf(rows);
  const missed = rows.filter(({ target }) => target !== null && !target.isMet).length;
  const judged = rows.filter(({ target }) => target !== null).length;
  const benches = [...new Set(rows.map((row) => row.name))];
  return [
    `## ${title}\n`,
    wrap([
      `\`npm run bench -- ${name}\`, [bench/results/${file}](../bench/results/${file}), ${run.where}.`,
      ...(others.length === 0 ? []
        : [`From other runs: ${others.map(({ where, names }) => `${names.join(', ')} (${where})`).join('; ')}.`]),
      missed === 0 ? `All ${judged} aims are met; [how](decisions/${why}).`
        : `${judged - missed} of ${judged} aims are met; [why the others are missed](decisions/${why}).`,
    ].join(' ')),
    '',
    ...benches.map((bench) => benchTable(rows.filter((row) => row.name === bench))),
  ].join('\n');
}

/** The text of docs/figures.md. */
export function figuresPage(results) {
  return `# Figures

${BEGIN}

All figures of \`bench/results/\`, each beside a baseline that was measured in the same run.
[bench/README.md](../bench/README.md) says what each row measures and how a figure comes about.

- **ratio** is Percore divided by the baseline: the median of interleaved pairs, with the smallest and the largest in
  brackets. Where higher is better, more than 1 means that Percore is ahead; where lower is better, less than 1 does.
  Where the host moved the CPUs while a row was measured, the ratios between near and far ones follow.
- **aim** is what the project asks of itself.
- These machines are virtual and shared, and the two CPUs are sometimes near and sometimes far from each other. Read the
  ratios and their spread, not single values.

[Peers](peers.md) has what is measured beside programs in Java, C++, Rust and Go.

${SUITES.map((suite) => suiteText(suite, results[suite.name])).join('\n')}
${END}
`;
}

/** The rows of the README's table. */
export function highlightsTable(results) {
  const lines = HIGHLIGHTS.map(({ says, suite, name, metric, baseline, where }) => {
    const found = results[suite].rows.filter(
      (row) =>
        row.name === name
        && row.metric === metric
        && row.baseline.name === baseline
        && Object.entries(where).every(([param, value]) => row.params[param] === value),
    );
    if (found.length !== 1) throw new Error(`${found.length} rows for "${says}" in ${results[suite].file}`);
    const [{ value, unit, target, baseline: other }] = found;
    const factor = digits(aheadOf(found[0]).factor);
    const aim = target === null || target.isMet ? '' : ', aim missed';
    return `| ${says} | ${show(value, unit)} | ${baseline}: ${show(other.value, unit)} | ${factor}${aim} |`;
  });
  return ['| figure | Percore | baseline | factor |', '|---|---|---|---|', ...lines].join('\n');
}

/** The curve of the load balancer by its work for each line, and the sentence about it. */
export function workCurve({ rows }) {
  const all = rows.filter(({ name }) => name === 'load-balancer-scaling');
  const of = (baseline) => all.filter((row) => row.baseline.name === baseline)
    .toSorted((a, b) => a.params.workUs - b.params.workUs);
  const [single, chunks] = [of('single thread'), of('postMessage a chunk')];
  const ratiosOf = (series) => series.map(({ ratio }) => ratio);
  const ends = (series) => [Math.min, Math.max].map((end) => digits(end(...ratiosOf(series)))).join(' to ');
  const curve = plot({
    title: 'Load balancer, two reactors', x: single.map(({ params }) => params.workUs), xName: 'work for a line, µs',
    y: 'times the lines a second of',
    series: [
      { name: 'a single thread', values: ratiosOf(single) },
      { name: 'two workers, chunks', values: ratiosOf(chunks) },
    ],
  });
  const text = wrap([
    'A second core pays once lines need work. With 0 to 10 µs of it for each line, the load balancer with two reactors',
    `takes ${ends(single)} times as many lines a second as one thread does, and ${ends(chunks)} times as many as a`,
    'program without priorities that hands whole chunks to two workers by `postMessage`',
    '([why](docs/decisions/2026-11-29-load-balancer-with-work.md)).',
  ].join(' '));
  return { curve, text: `${text}\n\n![Lines a second by work for each line](docs/load-balancer.svg)` };
}

/** How Percore stands beside the peers, and for each bench in which it is clearly behind, whom it is furthest from. */
export function peersText({ rows }) {
  const { ahead, all, behind } = standingOf(rows.filter(({ metric }) => metric !== 'p99'));
  const worst = behind.filter(({ factor }) => factor < CLEARLY)
    .filter(({ row }, i, list) => list.findIndex((each) => each.row.name === row.name) === i)
    .map(({ row, factor }) => `\`${row.name}\` ${digits(factor)} (${row.baseline.name})`);
  return wrap([
    'Beside the Disruptor, JCTools, Netty, Boost, DPDK, Rust, tokio, Go, ZeroMQ, nng and packages of npm, each on the',
    `same two CPUs, Percore is ahead in ${ahead} of ${all} comparisons ([all of them, and the rules](docs/peers.md)).`,
    ...(rows[0].context.loadBefore < 1 ? [] : ['Others used the machine at the same time.']),
    ...(worst.length === 0 ? [] : [
      `Where it is behind by more than a tenth, the furthest of each row: ${worst.join(', ')}.`,
    ]),
    ...(worst.some((each) => each.includes('(go channel)')) ? ['Go may run both sides on one CPU.'] : []),
  ].join(' '));
}

/** The README with a new table. Throws if it has no place for the table. */
export function readmeWith(readme, table) {
  const [before, rest] = readme.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`README.md has no "${BEGIN}" and "${END}"`);
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}

/** The newest results of all suites, by name. */
export function allResults(root) {
  return Object.fromEntries(SUITES.map(({ name }) => [name, readResults(join(root, 'bench', 'results'), name)]));
}

/** What the files should be, by path. */
export function pagesOf(root) {
  const results = allResults(root);
  const readme = join(root, 'README.md');
  const { curve, text } = workCurve(results.spine);
  return new Map([
    [join(root, 'docs', 'figures.md'), figuresPage(results)],
    [join(root, 'docs', 'load-balancer.svg'), curve],
    [readme, readmeWith(readFileSync(readme, 'utf8'), [
      highlightsTable(results), peersText(readResults(join(root, 'bench', 'results'), 'peers')), text,
    ].join('\n\n'))],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(fileURLToPath(import.meta.url), '..', '..');
  const isCheck = process.argv.includes('--check');
  for (const [path, text] of pagesOf(root)) {
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    if (!isCheck) writeFileSync(path, text);
    else {
      process.stderr.write(`${path} is stale: node scripts/figures.mjs\n`);
      process.exitCode = 1;
    }
  }
}
