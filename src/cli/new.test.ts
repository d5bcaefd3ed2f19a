/** The project that `percore new` makes is compiled, runs and passes its test, as a user would do it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'percore-new-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (command: string, args: string[], cwd = folder) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { status, stdout, stderr };
};
const percore = (...args: string[]) => run(process.execPath, [join(root, 'dist/percore/cli.js'), 'new', ...args]);

it('starts and passes its test', () => {
  const made = percore('My Project');
  expect([made.status, made.stderr]).toEqual([0, '']);
  const project = join(folder, 'My Project');
  const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { name: string };
  expect(manifest.name).toBe('my-project');
  // What `npm install` would bring.
  mkdirSync(join(project, 'node_modules', '.bin'), { recursive: true });
  mkdirSync(join(project, 'node_modules', '@types'));
  symlinkSync(root, join(project, 'node_modules', 'percore'));
  for (const name of ['typescript', '@types/node', 'undici-types'])
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  symlinkSync('../typescript/bin/tsc', join(project, 'node_modules', '.bin', 'tsc'));
  const started = run('npm', ['--silent', 'start'], project);
  expect(started).toEqual({
    status: 0, stdout: expect.stringMatching(/^\d+ reactors; 1 \+ 2 \+ 3 = 6\n$/) as string, stderr: '',
  });
  const tested = run('npm', ['--silent', 'test'], project);
  expect(tested.status, tested.stdout).toBe(0);
  expect(tested.stdout).toMatch(/pass 1\b/);
});

it('writes nothing into a folder that holds something, and wants exactly one', () => {
  const full = join(folder, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'mine'), '');
  expect(percore('full')).toEqual({ status: 1, stdout: '', stderr: expect.stringContaining('is not empty') as string });
  expect(readdirSync(full)).toEqual(['mine']);
  expect([percore().status, percore('one', 'two').status, percore('--force', 'one').status]).toEqual([2, 2, 2]);
  // The value of a variable that is not set is no folder, least of all this one.
  expect(percore('')).toMatchObject({ status: 2, stdout: '' });
});

it('prints what a shell takes, also where the name has a space', () => {
  expect(percore("a b's").stdout).toContain("  cd 'a b'\\''s'\n");
});
