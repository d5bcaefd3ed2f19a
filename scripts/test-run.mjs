// Runs test files, tries those with failed tests again, and decides whether all is well. One slow moment of a shared
// machine may fail one of some thousand tests, and must not fail them all; but what fails twice is wrong. A file whose
// process has crashed is not tried again, since a crash is a fault even if it is rare.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file with failed tests must then pass so many times in a row, alone. */
const ATTEMPTS = 3;
/** If so many files have failed tests, it was more than a slow moment, and none of them is tried again. */
const MOST_RETRIED = 5;
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const reporter = fileURLToPath(new URL('test-reporter.mjs', import.meta.url));

/**
 * Runs Vitest in `root` with these arguments. Calls `say` with a line for each test that failed, for each that was
 * unsteady (it failed, and then passed each time), and for the files that took longest. Returns how many tests passed
 * and failed.
 */
export async function runTests({ root, args, env = process.env, say, output = 'inherit' }) {
  const { report, status } = await runVitest(root, args, env, output);
  if (report === undefined) {
    say(`FAILED: Vitest ended with ${status} and without a report`);
    return { passed: 0, failed: 1 };
  }
  let passed = 0;
  let failed = 0;
  const nameOf = (path) => relative(root, path);
  const fail = (file, what) => {
    failed++;
    say(`FAILED: ${nameOf(file.path)}: ${what}`);
  };
  const isRetried = report.files.filter(mayBeTriedAgain).length <= MOST_RETRIED;
  const passesAlone = async (file) => {
    // Parts of file names would select other files too.
    const options = args.filter((argument) => argument.startsWith('-') && !argument.startsWith('--project='));
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      say(`${nameOf(file.path)} failed: attempt ${attempt} of ${ATTEMPTS}, alone`);
      const again = await runVitest(root, [...options, file.path], env, output);
      const [same] = again.report?.files ?? [];
      if (again.status !== 0 || same === undefined || wrongOf(same).length > 0) return false;
    }
    return true;
  };
  for (const file of report.files) {
    passed += file.tests.filter(({ state }) => state === 'passed').length;
    if (file.broken !== undefined) {
      fail(file, file.broken);
      continue;
    }
    const wrong = wrongOf(file);
    const isSteady = isRetried && mayBeTriedAgain(file) && (await passesAlone(file));
    if (isSteady) passed += file.tests.filter(({ state }) => state !== 'passed').length;
    for (const { name, message, state } of wrong) {
      const what = `${name}: ${message ?? state}`;
      if (isSteady) say(`UNSTEADY: ${nameOf(file.path)}: ${what}`);
      else fail(file, what);
    }
  }
  for (const message of report.unhandled) {
    failed++;
    say(`FAILED: ${message}`);
  }
  // Something else went wrong; for example, no test file was found.
  if (status !== 0 && failed === 0 && !report.files.some(mayBeTriedAgain)) {
    failed++;
    say(`FAILED: Vitest ended with ${status}`);
  }
  const seconds = (file, figure) => `${nameOf(file.path)} ${(file[figure] / 1000).toFixed(0)}`;
  const most = (figure) => report.files.toSorted((a, b) => b[figure] - a[figure]).slice(0, 10)
    .map((file) => seconds(file, figure)).join(', ');
  const cpuMs = report.files.reduce((sum, file) => sum + file.cpuMs, 0);
  // Of all files, for whoever looks where the time goes: CPU and duration in ms, tests, name.
  if (env.PERCORE_TEST_COSTS !== undefined)
    appendFileSync(env.PERCORE_TEST_COSTS, report.files.map(({ path, cpuMs: cpu, durationMs, tests }) =>
      `${cpu.toFixed(0)}\t${durationMs.toFixed(0)}\t${tests.length}\t${nameOf(path)}\n`).join(''));
  say(`longest, in s: ${most('durationMs')}`);
  say(`dearest, in s of CPU, of ${(cpuMs / 1000).toFixed(0)} in all: ${most('cpuMs')}`);
  return { passed, failed };
}

/** The tests that did not pass. A skipped test does not count as passed. */
const wrongOf = (file) => [...file.tests.filter(({ state }) => state !== 'passed'), ...file.hooks];
const mayBeTriedAgain = (file) => file.broken === undefined && wrongOf(file).some(({ state }) => state === 'failed');

async function runVitest(root, args, env, output) {
  const folder = mkdtempSync(join(tmpdir(), 'percore-test-'));
  const path = join(folder, 'report.json');
  try {
    const child = spawn(
      process.execPath, [vitest, 'run', ...args, '--reporter=default', `--reporter=${reporter}`],
      { cwd: root, stdio: ['ignore', output, 'inherit'], env: { ...env, PERCORE_TEST_REPORT: path } },
    );
    const status = await new Promise((resolve, reject) =>
      child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal)),
    );
    return { status, report: reportAt(path) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function reportAt(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // There is no report, which the caller will say.
    return undefined;
  }
}
