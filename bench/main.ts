/**
 * `npm run bench -- [suite | suite/bench ...] [--json [FILE]] [--alone] [--backend native|portable]`
 *
 * Runs the suites in suites/ (all of them if none is named), each against its baselines, and prints a table on stdout.
 * `--json` prints the rows instead, as one JSON array. `--json FILE` writes them to FILE and prints the table as well;
 * results are kept in bench/results/. `--alone` leaves the baselines out, for scripts/compare-benches.mjs. `--backend`
 * chooses the backend of Percore, as PERCORE_BACKEND does. Each row has the context in which it was measured.
 *
 * Exit code: 0; 1 if a check failed, and then that bench gives no number; 2 for wrong arguments.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { contextLine, readContext } from './context.js';
import { leaveBaselinesOut, noteDistances, progress, refusal, type Bench, type Row, type Suite } from './harness.js';
import { measureDistance } from './measure-distance.js';
import { table } from './table.js';

interface Wish {
  readonly selectors: readonly string[];
  /** The path of the file; true for stdout; undefined for no JSON at all. */
  readonly json: string | true | undefined;
}

/** The command line is wrong: one line on stderr, exit code 2. */
class UsageError extends Error {}

const suitesUrl = new URL('./suites/', import.meta.url);

async function main(): Promise<void> {
  const { selectors, json } = parseWish(process.argv.slice(2));
  const chosen = await chooseBenches(selectors);
  if (process.platform !== 'linux') {
    throw new UsageError(`the benches read /proc and pin by taskset, so they need Linux; this is ${process.platform}`);
  }
  const context = readContext();
  noteDistances(measureDistance);
  process.stderr.write(`${contextLine(context)}\n`);
  const rows: Row[] = [];
  for (const { suite, bench } of chosen) {
    const startedMs = performance.now();
    const findings = await bench.run().catch((error: Error) => [refusal(error.message)]);
    progress('');
    const failed = findings.find(({ verified }) => !verified);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const end = failed === undefined ? '' : `, CHECK FAILED: ${failed.note}`;
    process.stderr.write(`${suite.name}/${bench.name}: ${seconds} s${end}\n`);
    rows.push(...findings.map((finding): Row => ({ suite: suite.name, name: bench.name, ...finding, context })));
  }
  if (typeof json === 'string') {
    mkdirSync(dirname(json), { recursive: true });
    writeFileSync(json, `${JSON.stringify(rows, undefined, 1)}\n`);
    process.stderr.write(`written to ${json}\n`);
  }
  await new Promise((resolve) =>
    process.stdout.write(json === true ? `${JSON.stringify(rows, undefined, 1)}\n` : table(rows), resolve),
  );
  // A contender that hangs may have left threads behind, which would keep this process alive.
  process.exit(rows.every(({ verified }) => verified) ? 0 : 1);
}

/** Parses the arguments by hand, since `--json` takes an optional value, which strict parsing does not support. */
function parseWish(args: string[]): Wish {
  const { tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: { json: { type: 'string' }, backend: { type: 'string' } },
  });
  const selectors: string[] = [];
  let json: Wish['json'];
  for (const token of tokens) {
    if (token.kind === 'positional') selectors.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.name === 'alone') {
      leaveBaselinesOut();
      continue;
    }
    if (token.name === 'backend') {
      // Every process and thread that a bench starts inherits this.
      process.env['PERCORE_BACKEND'] = token.value;
      continue;
    }
    if (token.name !== 'json') {
      throw new UsageError(
        `unknown option ${token.rawName}; allowed are suites, --json [FILE], --alone and --backend NAME`,
      );
    }
    if (token.value?.startsWith('-')) {
      throw new UsageError(
        `--json is followed by "${token.value}", which looks like an option; give a file, or put --json last`,
      );
    }
    json = token.value ?? true;
  }
  if (typeof json === 'string' && suiteNames().includes(json.split('/')[0])) {
    throw new UsageError(
      `--json is followed by "${json}", which is a suite; put --json last to print on stdout, or name a file`,
    );
  }
  return { selectors, json };
}

const suiteNames = (): string[] =>
  readdirSync(suitesUrl)
    .filter((file) => file.endsWith('.js') && !file.endsWith('.test.js'))
    .map((file) => file.slice(0, -3))
    .sort();

async function chooseBenches(selectors: readonly string[]): Promise<{ suite: Suite; bench: Bench }[]> {
  const names = suiteNames();
  const chosen: { suite: Suite; bench: Bench }[] = [];
  for (const selector of selectors.length === 0 ? names : selectors) {
    const [suiteName, benchName] = selector.split('/');
    if (!names.includes(suiteName)) {
      throw new UsageError(`unknown suite "${suiteName}"; there are: ${names.join(', ')}`);
    }
    const { default: suite } = (await import(new URL(`${suiteName}.js`, suitesUrl).href)) as { default: Suite };
    const benches = suite.benches.filter(({ name }) => benchName === undefined || name === benchName);
    if (benches.length === 0) {
      throw new UsageError(
        `suite ${suiteName} has no bench "${benchName}"; it has: ${suite.benches.map(({ name }) => name).join(', ')}`,
      );
    }
    chosen.push(...benches.map((bench) => ({ suite, bench })));
  }
  return chosen;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}
