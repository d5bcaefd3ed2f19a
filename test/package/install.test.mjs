/** The tarballs in an empty project: installed without a network, in a path with spaces, as the README says. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pack } from '../../scripts/package/stage.mjs';
import { TARGETS } from '../../scripts/package/targets.mjs';
import { root } from '../house/sources.mjs';
import { PLATFORM, run, scratchFolder, stagePackages, writeFiles } from './packages.mjs';

// Each starts several processes, and machines of CI are slow.
vi.setConfig({ testTimeout: 180_000 });
const { folder, remove } = scratchFolder();
const project = join(folder, 'an empty project');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
let tarballs;
let installed;

beforeAll(async () => {
  const staged = stagePackages(folder);
  tarballs = { main: pack(staged.main, folder).path, platform: pack(staged.platform, folder).path };
  // The two dependencies come from this checkout, so that nothing is asked of a registry.
  const dependencies = ['piscina', 'ringbufferjs'].map((name) => pack(join(root, 'node_modules', name), folder).path);
  writeFiles(project, { 'package.json': '{ "name": "project", "private": true, "type": "module" }\n' });
  installed = await run(
    'npm', ['install', '--offline', '--no-audit', '--no-fund', ...dependencies, ...Object.values(tarballs)],
    { cwd: project, timeoutMs: 170_000 },
  );
}, 180_000);
afterAll(remove);

it('is installed offline, without a word of warning and without a script', () => {
  expect(installed.stderr).toBe('');
  expect(installed.status).toBe(0);
  for (const name of ['percore', PLATFORM]) {
    const manifest = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'));
    expect(manifest.scripts).toBeUndefined();
    expect(manifest.devDependencies).toBeUndefined();
    expect(manifest.private).toBeUndefined();
  }
  // npm builds by itself what has a binding.gyp in its root.
  expect(existsSync(join(project, 'node_modules', 'percore', 'binding.gyp'))).toBe(false);
});

it('names one optional package a platform, each of its own version, and packs each into less than 1 MB', () => {
  const { version, optionalDependencies } = JSON.parse(
    readFileSync(join(project, 'node_modules', 'percore', 'package.json'), 'utf8'),
  );
  expect(optionalDependencies).toEqual(
    Object.fromEntries(TARGETS.map(({ name }) => [`@percore/${name}`, version])),
  );
  for (const path of Object.values(tarballs)) expect(statSync(path).size, path).toBeLessThan(1e6);
});

it('runs the quick start of the README, as it is printed', async () => {
  const [, section] = /^## Quick start$([\s\S]*?)^## /m.exec(readme);
  const [, name, source] = /```js\n\/\/ (\S+\.mjs).*\n([\s\S]*?)```/.exec(section);
  const [, printed] = /```text\n([\s\S]*?)```/.exec(section);
  expect(source.trim().split('\n').length).toBeLessThanOrEqual(15);
  expect(section).toContain('npm install percore\n');
  expect(section).toContain(`node ${name}\n`);
  writeFiles(project, { [name]: source });
  expect(await run(process.execPath, [name], { cwd: project })).toEqual({ status: 0, stdout: printed, stderr: '' });
});

it('has the command where npm puts commands', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(await run(join(project, 'node_modules', '.bin', 'percore'), ['--version'], { cwd: project }))
    .toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
});

describe('types', () => {
  const program = `
    import { createRuntime, type Reactor } from 'percore';
    import * as queues from 'percore/queues';
    import { create as createTimers } from 'percore/timers';
    import { create as createIo } from 'percore/io';
    type Services = { calls: { sum(pair: [number, number]): number } };
    export default function start(reactor: Reactor<Services>): void { reactor.handle('sum', ([a, b]) => a + b); }
    export async function main(): Promise<number> {
      const runtime = await createRuntime<Services>({ entry: new URL('file:///entry.js') });
      const orders = queues.create({ kind: 'spsc', capacity: 16, codec: queues.struct({ price: 'f64' }) });
      queues.pub(orders).offer({ price: 1 });
      // @ts-expect-error the argument is a pair of numbers
      void runtime.call('sum', ['1', 2]);
      void [createTimers, createIo];
      return runtime.call('sum', [1, 2]);
    }`;
  const options = {
    node16: { module: 'node16', moduleResolution: 'node16' },
    nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
    bundler: { module: 'esnext', moduleResolution: 'bundler' },
  };

  it.each(Object.keys(options))('are found and right with moduleResolution %s', async (name) => {
    const types = join(root, 'node_modules', '@types');
    writeFiles(join(project, name), {
      'program.ts': program,
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          ...options[name], target: 'es2022', lib: ['es2023', 'esnext.disposable'], strict: true, noEmit: true,
          // What is wrong in our own declarations is wrong for our users.
          skipLibCheck: false, typeRoots: [types], types: ['node'],
        },
        files: ['program.ts'],
      }),
    });
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    expect(await run(process.execPath, [compiler, '-p', join(project, name)]))
      .toEqual({ status: 0, stdout: '', stderr: '' });
  });
});

it('publint finds nothing', async () => {
  for (const path of Object.values(tarballs)) {
    const cli = join(root, 'node_modules', 'publint', 'src', 'cli.js');
    const { status, stdout, stderr } = await run(process.execPath, [cli, 'run', path, '--strict']);
    expect([status, stderr], stdout).toEqual([0, '']);
    expect(stdout).toContain('All good!');
  }
});

it('are the types wrong? They are not: every entry is found, in each way of looking', async () => {
  const cli = join(root, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
  // `percore/worker` is the path of a program, which nobody imports.
  const options = ['--profile', 'esm-only', '--format', 'json', '--exclude-entrypoints', './worker'];
  const said = await run(process.execPath, [cli, tarballs.main, ...options]);
  expect(said.stderr).toBe('');
  expect(said.status, said.stdout.slice(-2000)).toBe(0);
});
