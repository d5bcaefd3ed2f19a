/**
 * Percore where people work: each in a project with the package installed, in processes of its own. What needs packages
 * that this checkout has not is in places.stress.test.mjs.
 */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeProject, PLATFORM, run, scratchFolder, stagePackages, writeFiles } from './packages.mjs';

// Each starts several processes, and machines of CI are slow.
vi.setConfig({ testTimeout: 180_000 });
const { folder, remove } = scratchFolder();
const project = join(folder, 'project');
const [NODE_MAJOR, NODE_MINOR] = process.versions.node.split('.').map(Number);
const node = (args, options) => run(process.execPath, args, { cwd: project, ...options });
const printed = (stdout) => ({ status: 0, stdout, stderr: '' });
let staged;

const ENTRY = `export default function start(reactor) {
  reactor.handle('sum', ([a, b]) => a + b);
  reactor.handle('pid', () => process.pid);
}\n`;
const mainOf = (entry, print = '') => `import { createRuntime } from 'percore';
const runtime = await createRuntime({ entry: new URL('${entry}', import.meta.url), reactors: 1 });
console.log('sum', await runtime.call('sum', [1, 2]));
${print}
await runtime.close();\n`;

beforeAll(() => {
  staged = stagePackages(folder);
  makeProject(project, staged, { 'reactor.mjs': ENTRY, 'main.mjs': mainOf('./reactor.mjs') }, {
    links: ['tsx', 'esbuild', 'vite', 'vitest'],
  });
}, 120_000);
afterAll(remove);

it('by require, from CommonJS, with an entry in CommonJS', async () => {
  writeFiles(project, {
    'common/reactor.cjs': "module.exports = (reactor) => { reactor.handle('sum', ([a, b]) => a + b); };\n",
    'common/main.cjs': `const { createRuntime } = require('percore');
      const queues = require('percore/queues');
      const { join } = require('node:path');
      (async () => {
        const runtime = await createRuntime({ entry: join(__dirname, 'reactor.cjs'), reactors: 1 });
        console.log('sum', await runtime.call('sum', [1, 2]), typeof queues.create);
        await runtime.close();
      })();\n`,
  });
  // Node 20 and 22 say once that loading a module by require is an experiment.
  expect(await node(['--disable-warning=ExperimentalWarning', 'common/main.cjs'])).toEqual(printed('sum 3 function\n'));
});

it('beside another version of itself in one process, and beside a worker that is not its own', async () => {
  makeProject(join(project, 'other'), staged, { 'reactor.mjs': ENTRY });
  const manifest = join(project, 'other/node_modules/percore/package.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
  writeFiles(project, {
    'other/use.mjs': "export * from 'percore';\n",
    'two.mjs': `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      import * as one from 'percore';
      import * as other from './other/use.mjs';
      if (one.createRuntime === other.createRuntime) throw new Error('the same module');
      const worker = new Worker('require("node:worker_threads").parentPort.once("message", (n) => '
        + 'require("node:worker_threads").parentPort.postMessage(n + 1))', { eval: true });
      const runtimes = await Promise.all([one, other].map(({ createRuntime }) =>
        createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 1 })));
      const answered = once(worker, 'message');
      worker.postMessage(1);
      console.log(...await Promise.all(runtimes.map((runtime) => runtime.call('sum', [1, 2]))), ...await answered);
      await Promise.all(runtimes.map((runtime) => runtime.close()));\n`,
  });
  expect(await node(['two.mjs'])).toEqual(printed('3 3 2\n'));
});

it('in each process of a cluster', async () => {
  writeFiles(project, {
    'cluster.mjs': `import cluster from 'node:cluster';
      import { once } from 'node:events';
      if (cluster.isPrimary) {
        const workers = [cluster.fork(), cluster.fork()];
        console.log((await Promise.all(workers.map(async (worker) => (await once(worker, 'exit'))[0]))).join());
      } else {
        const { createRuntime } = await import('percore');
        const runtime = await createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 1 });
        const isRight = await runtime.call('pid') === process.pid && await runtime.call('sum', [1, 2]) === 3;
        await runtime.close();
        process.exit(isRight ? 7 : 1);
      }\n`,
  });
  expect(await node(['cluster.mjs'])).toEqual(printed('7,7\n'));
});

describe('in TypeScript', () => {
  const typed = {
    'typed/reactor.ts': `import type { Reactor } from 'percore';
      export default function start(reactor: Reactor): void {
        reactor.handle('sum', ([a, b]: [number, number]) => a + b);
      }\n`,
    'typed/main.ts': mainOf('./reactor.ts', 'export const typed: number = 1;'),
  };

  it('by --import tsx', async () => {
    writeFiles(project, typed);
    expect(await node(['--import', 'tsx', 'typed/main.ts'])).toEqual(printed('sum 3\n'));
  });

  it('by --import tsx, in a thread of the offload pool too', async () => {
    writeFiles(project, {
      ...typed,
      'typed/work.ts': 'export default (n: number): number => n + 1;\n',
      'typed/offloads.ts': `import { createRuntime, offload } from 'percore';
        const runtime = await createRuntime({ entry: new URL('./reactor.ts', import.meta.url), reactors: 1 });
        console.log(await offload(runtime, new URL('./work.ts', import.meta.url), 41));
        await runtime.close();\n`,
    });
    expect(await node(['--import', 'tsx', 'typed/offloads.ts'])).toEqual(printed('42\n'));
  });

  it('by Node itself where it strips types; elsewhere the error names both ways out', async () => {
    const strips = NODE_MAJOR > 22 || (NODE_MAJOR === 22 && NODE_MINOR >= 18);
    writeFiles(project, { ...typed, 'named.mjs': mainOf('./typed/reactor.ts') });
    const { status, stdout, stderr } = await node(['--disable-warning=ExperimentalWarning', 'named.mjs']);
    if (strips) expect([status, stdout, stderr]).toEqual([0, 'sum 3\n', '']);
    else expect(stderr).toMatch(/is TypeScript, which Node v\S+ does not load: compile it .* start node with --import/);
  });
});

describe('bundled', () => {
  it('by esbuild: the program and its entry, percore left out', async () => {
    const cli = join(project, 'node_modules', 'esbuild', 'bin', 'esbuild');
    const options = ['--bundle', '--platform=node', '--format=esm', '--external:percore', '--outdir=out-esbuild'];
    const built = await run(cli, ['main.mjs', 'reactor.mjs', ...options, '--out-extension:.js=.mjs'], { cwd: project });
    expect(built.status, built.stderr).toBe(0);
    expect(await node(['out-esbuild/main.mjs'])).toEqual(printed('sum 3\n'));
  });

  it('by Vite, as for a server: the program and its entry, percore left out', async () => {
    writeFiles(project, {
      'vite.config.mjs': `export default { build: {
        ssr: true, outDir: 'out-vite', minify: false,
        rollupOptions: {
          input: { main: 'main.mjs', reactor: 'reactor.mjs' }, output: { entryFileNames: '[name].mjs' },
        } } };\n`,
    });
    const cli = join(project, 'node_modules', 'vite', 'bin', 'vite.js');
    const built = await node([cli, 'build', '--logLevel', 'error']);
    expect(built.status, built.stderr).toBe(0);
    expect(await node(['out-vite/main.mjs'])).toEqual(printed('sum 3\n'));
  });
});

it('in tests by Vitest: several files side by side, each with runtimes one after the other', async () => {
  const test = `import { createRuntime } from 'percore';
    import { expect, it } from 'vitest';
    it.each([1, 2, 3])('runtime %i', async () => {
      const runtime = await createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 2 });
      expect(await runtime.call('sum', [1, 2], { reactor: 1 })).toBe(3);
      await runtime.close();
    });\n`;
  writeFiles(join(project, 'tested'), {
    'reactor.mjs': ENTRY, 'one.test.mjs': test, 'two.test.mjs': test, 'vitest.config.mjs': 'export default {};\n',
  });
  const cli = join(project, 'node_modules', 'vitest', 'vitest.mjs');
  for (const pool of ['forks', 'threads']) {
    const { status, stdout, stderr } = await node([cli, 'run', '--pool', pool], {
      cwd: join(project, 'tested'), env: { CI: 'true' },
    });
    expect([status, stderr], stdout).toEqual([0, '']);
    expect(stdout).toMatch(/Tests .*6 passed/);
  }
});

it('under the permission model, which names what it must be allowed', async () => {
  const permission = NODE_MAJOR < 23 ? '--experimental-permission' : '--permission';
  const quiet = '--disable-warning=ExperimentalWarning';
  const silent = '--disable-warning=SecurityWarning';
  const read = [permission, quiet, silent, '--allow-fs-read=*'];
  expect(await node([...read, '--allow-worker', '--allow-addons', 'main.mjs'])).toEqual(printed('sum 3\n'));
  const withoutWorkers = await node([...read, '--allow-addons', 'main.mjs']);
  expect(withoutWorkers.stderr).toContain('--allow-worker');
  const withoutAddons = await node([...read, '--allow-worker', 'main.mjs'], { env: { PERCORE_BACKEND: 'native' } });
  expect(withoutAddons.stderr).toContain('--allow-addons');
});

it('where nothing can be written, by a user who is not root', async () => {
  chmodSync(folder, 0o755);
  const isRoot = process.getuid() === 0;
  const identity = isRoot ? { uid: 65534, gid: 65534 } : {};
  const env = { HOME: '/nonexistent', TMPDIR: '/nonexistent' };
  // A Node that lies in somebody's home is nobody else's to run.
  const { status } = await run('test', ['-x', process.execPath], identity);
  const binary = status === 0 ? process.execPath : join(folder, 'node');
  if (status !== 0) copyFileSync(process.execPath, binary);
  expect(await run(binary, ['main.mjs'], { cwd: project, ...identity, env })).toEqual(printed('sum 3\n'));
});

it('without the package of its platform: by the portable backend, with one warning; or a clear error', async () => {
  const bare = join(folder, 'bare');
  makeProject(bare, staged, { 'reactor.mjs': ENTRY, 'main.mjs': mainOf('./reactor.mjs') }, { isWithAddon: false });
  const portable = await node(['main.mjs'], { cwd: bare });
  expect([portable.status, portable.stdout]).toEqual([0, 'sum 3\n']);
  expect(portable.stderr.match(/Warning: /g)).toHaveLength(1);
  const { status, stderr } = await node(['main.mjs'], { cwd: bare, env: { PERCORE_BACKEND: 'native' } });
  expect(status).toBe(1);
  expect(stderr).toContain('ERR_PERCORE_NATIVE_UNAVAILABLE');
  expect(stderr).toContain(`npm install ${PLATFORM}`);
});

it('under node --watch: a change starts it again', async () => {
  writeFiles(project, { 'watched/reactor.mjs': ENTRY, 'watched/main.mjs': mainOf('../reactor.mjs') });
  const child = spawn(process.execPath, ['--watch', 'main.mjs'], { cwd: join(project, 'watched') });
  let said = '';
  try {
    await new Promise((resolve, reject) => {
      let changes = 0;
      child.once('error', reject).once('exit', () => reject(new Error(`it has ended: ${said}`)));
      child.stdout.on('data', (bytes) => {
        said += bytes;
        const runs = said.split('sum 3').length - 1;
        if (runs > changes && changes < 1 && said.includes('Completed running')) {
          changes++;
          writeFiles(project, { 'watched/main.mjs': mainOf('../reactor.mjs', "console.log('changed');") });
        }
        if (said.includes('changed')) resolve();
      });
    });
  } finally {
    child.kill('SIGKILL');
  }
});

it('a breakpoint in a reactor is hit, over the inspector protocol', async () => {
  const line = ENTRY.split('\n').findIndex((text) => text.includes("'sum'"));
  writeFiles(project, {
    'inspected.mjs': `import { Session } from 'node:inspector/promises';
      import { createRuntime } from 'percore';
      const session = new Session();
      session.connect();
      let id = 0;
      const ask = (sessionId, method, params = {}) => session.post('NodeWorker.sendMessageToWorker', {
        sessionId, message: JSON.stringify({ id: ++id, method, params }),
      });
      session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
        console.log('attached', workerInfo.title);
        void ask(sessionId, 'Debugger.enable');
        void ask(sessionId, 'Debugger.setBreakpointByUrl', { lineNumber: ${line}, columnNumber: 35,
          urlRegex: 'reactor\\\\.mjs$' });
      });
      session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
        const { method, params } = JSON.parse(message);
        if (method !== 'Debugger.paused' || params.hitBreakpoints.length === 0) return;
        console.log('paused at line', params.callFrames[0].location.lineNumber);
        void ask(sessionId, 'Debugger.resume');
      });
      const runtime = await createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 1 });
      await session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
      await new Promise((resolve) => setTimeout(resolve, 500));
      console.log('sum', await runtime.call('sum', [1, 2]));
      await runtime.close();
      session.disconnect();\n`,
  });
  const { status, stdout } = await node(['--inspect=127.0.0.1:0', '--disable-warning=ExperimentalWarning',
    'inspected.mjs']);
  expect(stdout).toMatch(new RegExp(`^attached .*\npaused at line ${line}\nsum 3\n$`));
  expect(status).toBe(0);
});
