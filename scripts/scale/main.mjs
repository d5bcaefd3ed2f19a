// Makes the four plots and the tables of docs/scale.md, from simulated runs and from real processes on this machine. To
// be run after a build. `node scripts/scale/main.mjs` takes some minutes; `--only=simulated` or `--only=real` does one
// half, and `--only=pages` draws what docs/scale/figures.json has.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plot } from './plot.mjs';
import { runQueues } from './simulated.mjs';

const REACTORS = [8, 16, 32, 64];
const here = dirname(fileURLToPath(import.meta.url));
const docs = join(here, '..', '..', 'docs');
const folder = join(docs, 'scale');
const figuresPath = join(folder, 'figures.json');
const only = /--only=(\w+)/.exec(process.argv.slice(2).join(' '))?.[1];

mkdirSync(folder, { recursive: true });
const figures = existsSync(figuresPath) ? JSON.parse(readFileSync(figuresPath, 'utf8')) : { simulated: [], real: [] };
if (only === undefined || only === 'simulated') {
  figures.simulated = [];
  for (const reactors of REACTORS) {
    for (const isBalanced of [false, true]) {
      figures.simulated.push(await runQueues({ reactors, load: 0.5, isBalanced }));
    }
  }
}
if (only === undefined || only === 'real') {
  figures.real = REACTORS.map((reactors) => (
    JSON.parse(execFileSync(process.execPath, [join(here, 'real.mjs'), String(reactors)], { encoding: 'utf8' }))
  ));
}
writeFileSync(figuresPath, `${JSON.stringify(figures, null, 1)}\n`);

const x = REACTORS;
const xName = 'reactors';
const rows = (isBalanced) => figures.simulated.filter((row) => row.isBalanced === isBalanced);
const series = (name, from, value) => ({ name, values: from.map(value) });
const plots = {
  queueing: {
    title: 'Waiting for a keyed task, half loaded (simulated)', y: 'µs from arrival to its step', isLog: true,
    series: [
      series('p99, balanced', rows(true), (row) => row.p99Us), series('p99', rows(false), (row) => row.p99Us),
      series('p50, balanced', rows(true), (row) => row.p50Us), series('p50', rows(false), (row) => row.p50Us),
    ],
  },
  balance: {
    title: 'How busy the reactors are (simulated)', y: 'part of the time',
    series: [
      series('busiest, balanced', rows(true), (row) => row.busiest),
      series('busiest', rows(false), (row) => row.busiest),
      series('idlest, balanced', rows(true), (row) => row.idlest), series('idlest', rows(false), (row) => row.idlest),
    ],
  },
  memory: {
    title: 'What a reactor takes of the address space', y: 'MiB',
    series: [
      series('address space', figures.real, (row) => row.sizeMiB),
      series('memory', figures.real, (row) => row.residentMiB),
    ],
  },
  looking: {
    title: 'A pass of the main thread, by lanes made to it', y: 'µs a pass',
    series: [0, 1, 2].map((at) => series(
      ['no lanes', '2 a reactor', '9 a reactor'][at], figures.real, (row) => row.passes[at].ns / 1000,
    )),
  },
};
for (const [name, given] of Object.entries(plots)) {
  writeFileSync(join(folder, `${name}.svg`), plot({ x, xName, ...given }));
}

const table = (head, body) => [
  `| ${head.join(' | ')} |`, `|${head.map((_, i) => (i === 0 ? '---' : '---:')).join('|')}|`,
  ...body.map((cells) => `| ${cells.join(' | ')} |`),
].join('\n');
const percent = (part) => `${(100 * part).toFixed(0)} %`;
const simulated = table(
  ['reactors', 'balancer', 'messages', 'p50', 'p99', 'mean', 'busiest', 'idlest'],
  figures.simulated.map((row) => [
    row.reactors, row.isBalanced ? 'on' : 'off', row.messages,
    `${row.p50Us.toFixed(1)} µs`, `${row.p99Us.toFixed(0)} µs`,
    percent(row.meanBusy), percent(row.busiest), percent(row.idlest),
  ]),
);
const real = table(
  [
    'reactors', 'address space of each', 'memory of each', 'start of all', 'a lane, used once', 'a pass: no lanes',
    '2 a reactor', '9 a reactor',
  ],
  figures.real.map((row) => [
    row.reactors, `${row.sizeMiB.toFixed(0)} MiB`, `${row.residentMiB.toFixed(1)} MiB`,
    `${(row.startMs / 1000).toFixed(1)} s`, `${row.laneKiB.toFixed(1)} KiB`,
    ...row.passes.map(({ ns }) => `${(ns / 1000).toFixed(2)} µs`),
  ]),
);
const pagePath = join(docs, 'scale.md');
let page = readFileSync(pagePath, 'utf8');
for (const [name, text] of Object.entries({ simulated, real })) {
  page = page.replace(
    new RegExp(`(<!-- ${name} -->\n)[^]*?(\n<!-- end -->)`), (_, begin, end) => `${begin}${text}${end}`,
  );
}
writeFileSync(pagePath, page);
console.log(simulated, '\n', real);
