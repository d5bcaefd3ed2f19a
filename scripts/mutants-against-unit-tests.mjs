// Which of the seeded bugs of src/testing/fixtures/mutants.ts do ordinary tests find? The explorer finds all of them; a bug that
// unit tests find as well proves little about it.
//
//   node scripts/mutants-against-unit-tests.mjs [--alone] [--only units|models] [--from N] [--count N]       after a build; minutes to an hour
//
// With `--alone` only those are planted that are marked to be found by the explorer alone, and it fails when a unit test finds one.
//
// Each bug is put into a copy of dist/, and there the tests beside the queues run (for parking.js those of parking): first unit tests, then,
// if these find nothing, model tests. Tests on several threads, with processes or for hours (*.process, *.stress) are left out: they
// find such bugs by luck, or not at all. A run that hangs has found the bug. Seeds that change the order of calls in the explorer's own
// scenario have no text for a unit test to meet; they are counted by themselves.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUN_MS = 240_000;
const TEST_MS = 10_000;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { mutants } = await import('../dist/src/testing/fixtures/mutants.js');
const { sow } = await import('../dist/src/testing/world.js');
const argument = (name, otherwise) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise);
const isAlone = process.argv.includes('--alone');
const only = argument('--only', 'units and models');
const from = Number(argument('--from', 0));
const chosen = mutants.filter(({ alone }) => !isAlone || alone === true).slice(from, from + Number(argument('--count', mutants.length)));

const scratch = mkdtempSync(join(tmpdir(), 'percore-mutants-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
cpSync(join(root, 'dist'), join(scratch, 'dist'), { recursive: true });
// The addon too is a copy: a build meanwhile may give it another layout.
cpSync(join(root, 'native', 'build', 'Release', 'percore.node'), join(scratch, 'native', 'build', 'Release', 'percore.node'));
for (const shared of ['node_modules', 'package.json', 'vitest.config.mjs', 'src']) symlinkSync(join(root, shared), join(scratch, shared));
mkdirSync(join(scratch, 'reports'));

const folders = { queues: join(scratch, 'dist', 'src', 'queues'), reactor: join(scratch, 'dist', 'src', 'reactor') };
// What has no ring between threads in it cannot meet these bugs.
const without = /^(pipe|struct|codec|msgpack|deque|window|in-thread|value-codec)|\.(stress|process)\.test\.js$/;
const tests = readdirSync(folders.queues).filter((name) => name.endsWith('.test.js') && !without.test(name));
const models = tests.filter((name) => name.endsWith('.model.test.js')).map((name) => join(folders.queues, name));
const units = tests.filter((name) => !name.endsWith('.model.test.js')).map((name) => join(folders.queues, name));
const parking = [join(folders.reactor, 'parking.test.js')];

const runUnits = (files, name) => (only.includes('units') ? run(files, name) : undefined);
const runModels = (name) => (only.includes('models') ? run(models, name) : undefined);
const clean = (await runUnits([...units, ...parking], 'unchanged')) ?? (await runModels('unchanged'));
if (clean !== undefined) throw new Error(`the tests fail without any bug: ${clean}`);

const UNFOUND = only === 'units and models' ? 'the explorer alone' : `none of the ${only}`;
const score = { 'unit tests': 0, 'model tests': 0, [UNFOUND]: 0, 'no text to change': 0 };
for (const [at, { kind, bug, run: { seeds } }] of chosen.entries()) {
  let found = 'no text to change';
  let how;
  if (seeds.length > 0) {
    const isParking = seeds.some(({ file }) => file === 'parking.js');
    const restore = plant(seeds);
    const name = `bug ${from + at}`;
    how = await runUnits(isParking ? parking : units, name);
    found = how !== undefined ? 'unit tests' : UNFOUND;
    if (how === undefined && !isParking) {
      how = await runModels(name);
      if (how !== undefined) found = 'model tests';
    }
    restore();
  }
  score[found]++;
  console.log(`${from + at}. ${kind}: ${bug}\n    ${found}${how === undefined ? '' : `: ${how}`}`);
}
console.log(`${chosen.length} seeded bugs, found by: ${Object.entries(score).map(([who, count]) => `${who} ${count}`).join(', ')}`);
if (isAlone && score['unit tests'] > 0) {
  console.log('a bug that is marked as found by the explorer alone is found by a unit test: take the mark away, or write the bug more narrowly');
  process.exitCode = 1;
}

/** Changes the text of the copy; returns what puts it right again. */
function plant(seeds) {
  const files = new Set(seeds.map(({ file }) => file));
  const kept = [...files].map((file) => {
    const path = join(file === 'parking.js' ? folders.reactor : folders.queues, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, sow(text, path, seeds).text);
    return [path, text];
  });
  return () => kept.forEach(([path, text]) => writeFileSync(path, text));
}

/** Runs test files up to the first failure: its name, or undefined when all have passed. */
async function run(files, name) {
  const report = join(scratch, 'reports', `${name}-${Date.now()}.json`);
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = ['--bail=1', `--testTimeout=${TEST_MS}`, '--no-isolate', '--reporter=json', `--outputFile=${report}`];
  // A group of its own: a test that spins for ever is in a child of the child.
  const child = spawn(process.execPath, [vitest, 'run', ...files.map((file) => relative(scratch, file)), ...options], { cwd: scratch, stdio: 'ignore', detached: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    process.kill(-child.pid, 'SIGKILL');
  }, RUN_MS);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  if (isLate) return `it hangs for more than ${RUN_MS / 1000} s`;
  if (code === 0) return undefined;
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    for (const { name: file, status, assertionResults, message } of testResults) {
      const failed = assertionResults.find((one) => one.status === 'failed');
      if (failed !== undefined) return `${file.split('/').at(-1)}, "${failed.title}": ${failed.failureMessages[0]?.split('\n')[0]}`;
      if (status === 'failed') return `${file.split('/').at(-1)}: ${message.split('\n')[0]}`;
    }
  } catch {
    // The test process ended without a report: it crashed, which is a finding too.
  }
  return `exit code ${code}`;
}
