// Every test that belongs in CI, then one line "N passed, N failed". `--stress` runs the long forms instead; other
// arguments are parts of file names, and only such tests run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const isStress = process.argv.includes('--stress');
const env = { ...process.env, ...(isStress ? { PERCORE_STRESS: '1' } : {}) };
const folder = mkdtempSync(join(tmpdir(), 'percore-test-'));
const json = join(folder, 'vitest.json');
let passed = 0;
let failed = 0;

const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
const names = process.argv.slice(2).filter((argument) => argument !== '--stress');
const filters = isStress ? ['stress', 'terminate', 'explorer.test', 'weather'] : names;
const run = spawnSync(
  process.execPath, [vitest, 'run', ...filters, '--reporter=default', '--reporter=json', `--outputFile=${json}`],
  { cwd: root, stdio: 'inherit', env },
);
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
if (run.status !== 0 && failed === 0) failed++;
rmSync(folder, { recursive: true, force: true });

// The plain C++ cores under AddressSanitizer and UndefinedBehaviorSanitizer, without Node.
const sanitized =
  names.length > 0
    ? undefined
    : spawnSync(
        process.execPath,
        [join(root, 'native', 'test', 'run-sanitized.mjs'), ...(isStress ? ['100000'] : [])],
        { cwd: root, stdio: 'inherit', env },
      );
if (sanitized?.status === 0) passed++;
else if (sanitized !== undefined) failed++;

process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
