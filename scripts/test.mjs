// Every test that belongs in CI, then one line "N passed, N failed". `--stress` runs the long forms instead: the tests
// that look at PERCORE_STRESS. `--portable` runs those of portable-tests.mjs without the addon. Other arguments are parts
// of file names, and only such tests run.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { portableTests } from './portable-tests.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const isStress = process.argv.includes('--stress');
const isPortable = process.argv.includes('--portable');
const env = {
  ...process.env, ...(isStress ? { PERCORE_STRESS: '1' } : {}), ...(isPortable ? { PERCORE_BACKEND: 'portable' } : {}),
};
const folder = mkdtempSync(join(tmpdir(), 'percore-test-'));
const json = join(folder, 'vitest.json');
let passed = 0;
let failed = 0;

const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const names = isPortable && named.length === 0 ? portableTests : named;
/** `--project=together` or `--project=alone` (vitest.config.mjs): those alone. */
const projects = process.argv.filter((argument) => argument.startsWith('--project='));
const files = [...testsBelow('dist'), ...testsBelow('scripts'), ...testsBelow('test')];
const filters = isStress && names.length === 0 ? files.filter(hasLongForm) : names;
for (const name of names) {
  if (files.some((file) => file.includes(name))) continue;
  // A test that was renamed, and would be left out without a word.
  process.stdout.write(`FAILED: no test file is called ${name}\n`);
  failed++;
}

// The plain C++ cores under AddressSanitizer and UndefinedBehaviorSanitizer, without Node: beside the first of the
// others.
const sanitizing =
  names.length > 0 ? undefined : run([join(root, 'native/test/run-sanitized.mjs'), ...(isStress ? ['100000'] : [])]);
const status = await run([
  vitest, 'run', ...filters, ...projects, '--reporter=default', '--reporter=json', `--outputFile=${json}`,
]);
try {
  const report = JSON.parse(readFileSync(json, 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests + report.numPendingTests;
  // A file that could not be loaded has no tests to fail.
  failed += report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length;
  // Once more in a line each, where whoever reads the end of a long log finds them.
  for (const { name, status, assertionResults, message } of report.testResults) {
    if (status === 'failed' && assertionResults.length === 0)
      process.stdout.write(`FAILED: ${relative(root, name)}: ${message.split('\n')[0]}\n`);
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status !== 'passed')
        process.stdout.write(
          `FAILED: ${relative(root, name)}: ${fullName}: ${failureMessages?.[0]?.split('\n')[0] ?? status}\n`,
        );
    }
  }
} catch (error) {
  process.stderr.write(`no report of the tests: ${error.message}\n`);
  failed++;
}
if (status !== 0 && failed === 0) failed++;
rmSync(folder, { recursive: true, force: true });

const sanitized = await sanitizing;
if (sanitized === 0) passed++;
else if (sanitized !== undefined) {
  failed++;
  process.stdout.write('FAILED: native/test/run-sanitized.mjs\n');
}

process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** Runs a program of Node; its exit code, 1 for one that a signal ended. */
function run(args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env });
  return new Promise((resolve, reject) => child.once('error', reject).once('close', (code) => resolve(code ?? 1)));
}

function testsBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.test\.m?js$/.test(name)).map((name) => `${folder}/${name}`);
}

function hasLongForm(file) {
  if (/\.stress\.|weather/.test(file)) return true;
  if (!file.startsWith('dist/')) return false;
  return /PERCORE_STRESS|fixtures\/stress\.js|run-scenarios\.js/.test(readFileSync(join(root, file), 'utf8'));
}
