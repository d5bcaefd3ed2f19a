// What happens to test files that fail once, that always fail, or whose process ends. Vitest runs real files.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runTests } from './test-run.mjs';

/** The texts of test files. `times` is how often the file was loaded. */
const FILES = {
  good: "it('a', () => {}); it('b', () => {});",
  once: "it('a', () => expect(times).not.toBe(1)); it('b', () => {});",
  twice: "it('a', () => expect([1, 3]).not.toContain(times)); it('b', () => {});",
  always: "it('a', () => expect(1).toBe(2));",
  skipped: "it.skip('a', () => {}); it('b', () => {});",
  crashed: "it('a', () => process.kill(process.pid, 'SIGSEGV'));",
  threw: `it('a', async () => {
            setImmediate(() => { throw new Error('x'); });
            await new Promise((resolve) => setTimeout(resolve, 50));
          });`,
  left: "it('a', () => process.exit(0));",
  unloadable: "await import('./nothing.mjs');",
};
let folder;
let outcome;
const lines = [];
const saidOf = (name) => lines.filter((line) => line.includes(` ${name}.test.mjs: `));
const runsOf = (name) => readFileSync(join(folder, name), 'utf8').length;
// The environment of a shell, without anything of the Vitest that runs this test.
const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/VITEST|NODE_OPTIONS/.test(key)));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'percore-runs-'));
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    "export default { test: { include: ['*.test.mjs'], pool: 'forks', globals: true, maxWorkers: 2 } };\n",
  );
  for (const [name, text] of Object.entries(FILES)) {
    const counter = JSON.stringify(join(folder, name));
    writeFileSync(
      join(folder, `${name}.test.mjs`),
      `import { appendFileSync, readFileSync } from 'node:fs';
       appendFileSync(${counter}, '.');
       const times = readFileSync(${counter}, 'utf8').length;
       ${text}`,
    );
  }
  outcome = await runTests({ root: folder, args: [], env, output: 'ignore', say: (line) => lines.push(line) });
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('runs a file that passes only once', () => {
  expect([runsOf('good'), saidOf('good')]).toEqual([1, []]);
});

it('counts a file that fails once and then passes three times as passed, and names it', () => {
  expect(saidOf('once')).toEqual(['UNSTEADY: once.test.mjs: a: expected 1 not to be 1 // Object.is equality']);
  expect(runsOf('once')).toBe(4);
});

it('does not do so if it fails again', () => {
  expect(saidOf('twice')).toEqual(['FAILED: twice.test.mjs: a: expected [ 1, 3 ] to not include 1']);
  expect(runsOf('twice')).toBe(3);
});

it('tries a file that always fails only once more', () => {
  expect(saidOf('always')).toEqual(['FAILED: always.test.mjs: a: expected 1 to be 2 // Object.is equality']);
  expect(runsOf('always')).toBe(2);
});

it.for([
  ['crashed', /its process ended in or before: a$/], ['threw', /uncaught: x$/],
  ['left', /process\.exit unexpectedly called/], ['unloadable', /nothing\.mjs/],
])('does not try again a file that %s', ([name, what]) => {
  expect([saidOf(name).length, runsOf(name)]).toEqual([1, 1]);
  expect(saidOf(name)[0]).toMatch(/^FAILED: /);
  expect(saidOf(name)[0]).toMatch(what);
});

it('counts a skipped test as failed', () => {
  expect([saidOf('skipped'), runsOf('skipped')]).toEqual([['FAILED: skipped.test.mjs: a: skipped'], 1]);
});

it('counts tests, and those of the unsteady file as passed', () => {
  // Passed: two of "good" and of "once", one of "twice" and of "skipped", and one that ended before something was
  // thrown.
  expect(outcome.passed).toBe(7);
  // Failed: one of each of the other seven. Vitest may report the end of a process once more, without its file.
  expect(outcome.failed).toBeGreaterThanOrEqual(7);
});
