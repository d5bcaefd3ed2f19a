// Runs the tests of the library, and prints one line "N passed, N failed". `--release` runs those of what is made of it
// instead: samples, packages, the site. `--stress` runs the long forms, which are the tests that look at
// PERCORE_STRESS. `--portable` runs those of portable-tests.mjs without the addon. Other arguments are parts of file
// names, and only such tests run.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { portableTests } from './portable-tests.mjs';
import { runTests } from './test-run.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const isStress = process.argv.includes('--stress');
const isPortable = process.argv.includes('--portable');
const isRelease = process.argv.includes('--release');
const env = {
  ...process.env, ...(isStress ? { PERCORE_STRESS: '1' } : {}), ...(isPortable ? { PERCORE_BACKEND: 'portable' } : {}),
};
const say = (line) => process.stdout.write(`${line}\n`);

const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const names = isPortable && named.length === 0 ? portableTests : named;
/** `--project=together`, `tidy`, `plain`, `alone` or `release` (vitest.config.mjs): only the tests of that project. */
const projects = process.argv.filter((argument) => argument.startsWith('--project='));
if (isRelease) projects.push('--project=release');
else if (!isStress && names.length === 0 && projects.length === 0) projects.push('--project=!release');
const files = [...testsBelow('dist'), ...testsBelow('scripts'), ...testsBelow('test')];
const filters = isStress && names.length === 0 ? files.filter(hasLongForm) : names;
// Without this, a test that was renamed would be left out silently.
const unknown = names.filter((name) => !files.some((file) => file.includes(name)));
for (const name of unknown) say(`FAILED: no test file is called ${name}`);

// A thread needs most of its CPU for compiling when it starts, so that is done once for each version of Node.
const { status: kept } = spawnSync(process.execPath, [join(root, 'scripts/pack/keep-code.mjs')], { stdio: 'inherit' });

// The plain C++ cores run under AddressSanitizer and UndefinedBehaviorSanitizer, without Node, while the first of the
// other tests run.
const sanitizing = names.length > 0 || isRelease ? undefined : sanitize();
let { passed, failed } = await runTests({ root, args: [...filters, ...projects], env, say });
failed += unknown.length;
if (kept !== 0) {
  failed++;
  say('FAILED: scripts/pack/keep-code.mjs');
}
const sanitized = await sanitizing;
if (sanitized === 0) passed++;
else if (sanitized !== undefined) {
  failed++;
  say('FAILED: native/test/run-sanitized.mjs');
}
say(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** The exit code of a process; 1 if a signal has ended it. */
function sanitize() {
  const args = [join(root, 'native/test/run-sanitized.mjs'), ...(isStress ? ['100000'] : [])];
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
