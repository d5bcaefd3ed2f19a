// Finds out which of the seeded bugs in test/explorer/mutants.ts ordinary tests find. The explorer finds all of them,
// but a bug that unit tests find as well proves little about it.
//
//   node scripts/mutants-against-unit-tests.mjs [--alone] [--together] [--only units|models] [--from N] [--count N]
//   [--unchecked]
//
// To be run after a build; it takes from minutes to an hour. It fails if a unit test finds a bug that is marked as
// found by the explorer alone; with `--alone` only such bugs are planted. With `--together` as many bugs are planted at
// once as do not touch the same text, and one by one only if a test then fails. That is quicker and nearly as good; a
// bug may hide another one. `--unchecked` leaves out the run without any bug, for the later parts of a run in parts.
//
// Each bug is put into a copy of dist/, where the tests beside the queues run (for parking.js those of parking): first
// unit tests and then, if these find nothing, model tests. Tests with processes or that run for hours (*.process,
// *.stress) are left out, since they find such bugs by luck or not at all. A run that hangs has found the bug. Seeds
// that change the order of calls in the explorer's own scenario change no text that a unit test runs; they are counted
// separately.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUN_MS = 240_000;
const TEST_MS = 10_000;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { mutants } = await import('../dist/test/explorer/mutants.js');
const { sow } = await import('../dist/test/explorer/world.js');
const argument = (name, otherwise) =>
  process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise;
const isAlone = process.argv.includes('--alone');
const only = argument('--only', 'units and models');
const from = Number(argument('--from', 0));
const chosen = mutants
  .filter(({ alone }) => !isAlone || alone === true)
  .slice(from, from + Number(argument('--count', mutants.length)));

const scratch = mkdtempSync(join(tmpdir(), 'percore-mutants-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
cpSync(join(root, 'dist'), join(scratch, 'dist'), { recursive: true });
// Each module in its place again, where tests import the packed ones (scripts/pack/).
cpSync(join(scratch, 'dist', 'modules'), join(scratch, 'dist', 'src'), { recursive: true });
// The addon is a copy too, since a build meanwhile may give it another layout.
cpSync(
  join(root, 'native', 'build', 'Release', 'percore.node'), join(scratch, 'native', 'build', 'Release', 'percore.node'),
);
for (const shared of ['node_modules', 'package.json', 'vitest.config.mjs', 'scripts', 'src'])
  symlinkSync(join(root, shared), join(scratch, shared));
mkdirSync(join(scratch, 'reports'));

const folders = { queues: join(scratch, 'dist', 'src', 'queues'), reactor: join(scratch, 'dist', 'src', 'reactor') };
// Tests without a ring between threads cannot meet these bugs.
const without = /^(pipe|struct|codec|msgpack|deque|window|in-thread|value-codec)|\.(stress|process)\.test\.js$/;
const tests = readdirSync(folders.queues).filter((name) => name.endsWith('.test.js') && !without.test(name));
const models = tests.filter((name) => name.endsWith('.model.test.js')).map((name) => join(folders.queues, name));
const units = tests.filter((name) => !name.endsWith('.model.test.js')).map((name) => join(folders.queues, name));
const isOfParking = ({ run: { seeds } }) => seeds.some(({ file }) => file === 'parking.js');
const parking = [join(folders.reactor, 'parking.test.js')];

const runUnits = (files, name) => (only.includes('units') ? run(files, name) : undefined);
const runModels = (name) => (only.includes('models') ? run(models, name) : undefined);
const clean = process.argv.includes('--unchecked')
  ? undefined
  : ((await runUnits([...units, ...parking], 'unchanged')) ?? (await runModels('unchanged')));
if (clean !== undefined) throw new Error(`the tests fail without any bug: ${clean}`);

const UNFOUND = only === 'units and models' ? 'the explorer alone' : `none of the ${only}`;
const score = { 'unit tests': 0, 'model tests': 0, [UNFOUND]: 0, 'no text to change': 0 };
let isMarkedWrongly = false;
for (const batch of process.argv.includes('--together') ? batches(chosen) : chosen.map((mutant) => [mutant])) {
  const isFree = batch.length > 1 && (await look(batch)).how === undefined;
  for (const mutant of batch) {
    const { found, how } = isFree
      ? { found: UNFOUND, how: `planted together with ${batch.length - 1} others` }
      : await look([mutant]);
    score[found]++;
    if (mutant.alone === true && found === 'unit tests') isMarkedWrongly = true;
    console.log(
      `${from + chosen.indexOf(mutant)}. ${mutant.kind}: ${mutant.bug}\n    `
        + `${found}${how === undefined ? '' : `: ${how}`}`,
    );
  }
}
console.log(
  `${chosen.length} seeded bugs, found by: ${Object.entries(score)
    .map(([who, count]) => `${who} ${count}`)
    .join(', ')}`,
);
if (isMarkedWrongly) {
  console.log(
    'a bug that is marked as found by the explorer alone is found by a unit test: take the mark away, or write the '
      + 'bug more narrowly',
  );
  process.exitCode = 1;
}

/** Which tests find these bugs when they are planted at once, and how. */
async function look(batch) {
  const seeds = batch.flatMap(({ run: { seeds } }) => seeds);
  if (seeds.length === 0) return { found: 'no text to change' };
  const isParking = isOfParking(batch[0]);
  const restore = plant(seeds);
  try {
    const name = `bug ${from + chosen.indexOf(batch[0])}`;
    let how = await runUnits(isParking ? parking : units, name);
    if (how !== undefined) return { found: 'unit tests', how };
    if (!isParking) how = await runModels(name);
    return how === undefined ? { found: UNFOUND } : { found: 'model tests', how };
  } finally {
    restore();
  }
}

/** Sorts bugs into batches that can be planted at once, since none changes the text of another. */
function batches(all) {
  const made = [];
  for (const mutant of all) {
    const hosts = made.filter(
      (batch) =>
        isOfParking(batch[0]) === isOfParking(mutant) && batch[0].run.seeds.length > 0 && mutant.run.seeds.length > 0,
    );
    const host = hosts.find((batch) => canPlant([...batch, mutant].flatMap(({ run: { seeds } }) => seeds)));
    if (host === undefined) made.push([mutant]);
    else host.push(mutant);
  }
  return made;
}

function canPlant(seeds) {
  try {
    plant(seeds)();
    return true;
  } catch {
    return false;
  }
}

/** Changes the text of the copy; returns a function that restores it. */
function plant(seeds) {
  const paths = [...new Set(seeds.map(({ file }) => file))].map((file) =>
    join(file === 'parking.js' ? folders.reactor : folders.queues, file),
  );
  const kept = paths.map((path) => [path, readFileSync(path, 'utf8')]);
  const sown = kept.map(([path, text]) => sow(text, path, seeds).text);
  paths.forEach((path, i) => writeFileSync(path, sown[i]));
  return () => kept.forEach(([path, text]) => writeFileSync(path, text));
}

/** Runs test files up to the first failure. Returns its name, or undefined if all have passed. */
async function run(files, name) {
  const report = join(scratch, 'reports', `${name}-${Date.now()}.json`);
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = ['--bail=1', `--testTimeout=${TEST_MS}`, '--no-isolate', '--reporter=json', `--outputFile=${report}`];
  // It needs a process group of its own, since a test that spins for ever is in a child of the child.
  const child = spawn(process.execPath, [vitest, 'run', ...files.map((file) => relative(scratch, file)), ...options], {
    cwd: scratch, stdio: 'ignore', detached: true,
  });
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
      if (failed !== undefined)
        return `${file.split('/').at(-1)}, "${failed.title}": ${failed.failureMessages[0]?.split('\n')[0]}`;
      if (status === 'failed') return `${file.split('/').at(-1)}: ${message.split('\n')[0]}`;
    }
  } catch {
    // If the test process has ended without a report, it has crashed, which is a finding too.
  }
  return `exit code ${code}`;
}
