/** The scripts that hold most of the package: one of each in a thread, and compiled code for reactors' threads. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { root } from '../house/sources.mjs';
import { run, scratchFolder, writeFiles } from './packages.mjs';

// Each starts a process, and machines of CI are slow.
vi.setConfig({ testTimeout: 120_000 });
const { folder, remove } = scratchFolder();
const built = join(root, 'dist', 'percore');
const urlOf = (name) => JSON.stringify(pathToFileURL(join(built, name)).href);
const node = (...args) => run(process.execPath, args, { cwd: folder });
const printed = (stdout) => ({ status: 0, stdout, stderr: '' });

/** Says where the code of this thread's first script came from. */
const CODE = `import { createRequire } from 'node:module';
  const { percoreModule } = createRequire(import.meta.url)(${JSON.stringify(join(built, 'load.cjs'))});\n`;
/** The same of the second one, which this loads. */
const REST = `const { percoreModule: rest } = createRequire(import.meta.url)(
  ${JSON.stringify(join(built, 'load-rest.cjs'))});\n`;

beforeAll(() => writeFiles(folder, {
  'entry.mjs': `${CODE}${REST}import { workerData } from 'node:worker_threads';
    import { PercoreError } from ${urlOf('index.js')};
    import { create } from ${urlOf('queues.js')};
    export default function start(reactor) {
      reactor.handle('code', () => [percoreModule.code, rest.code, 'code' in workerData]);
      // Thrown by one face's class, known by another's.
      reactor.handle('is one', () => {
        try { create({ kind: 'none' }); } catch (error) { return error instanceof PercoreError; }
      });
      reactor.handle('imports', async () => typeof (await import('./imported.mjs')).default);
      reactor.handle('die', () => setImmediate(() => { throw new Error('by intent'); }));
    }\n`,
  'imported.mjs': 'export default () => undefined;\n',
  'main.mjs': `${CODE}${REST}import { createRuntime } from ${urlOf('index.js')};
    const runtime = await createRuntime({
      entry: new URL('./entry.mjs', import.meta.url), reactors: 2, restart: { most: 3, withinMs: 60_000 },
    });
    const ask = (name) => Promise.all([0, 1].map((reactor) => runtime.call(name, undefined, { reactor })));
    const again = new Promise((resolve) => runtime.on('reactorRestarted', resolve));
    runtime.on('reactorDied', () => undefined);
    const said = [percoreModule.code, rest.code, ...await ask('code'), ...await ask('is one'), ...await ask('imports')];
    await runtime.call('die', undefined, { reactor: 1 }).catch(() => undefined);
    await again;
    said.push(await runtime.call('code', undefined, { reactor: 1 }));
    await runtime.close();
    console.log(JSON.stringify(said));\n`,
}));
afterAll(remove);

it('is compiled once for all threads, also for one that is started again; each has one of each', async () => {
  expect(await node('main.mjs')).toEqual(printed(`${JSON.stringify([
    'compiled', 'compiled', ['given', 'given', false], ['given', 'given', false], true, true, 'function', 'function',
    ['given', 'given', false],
  ])}\n`));
});

it('takes no code of another build, and none that V8 refuses', async () => {
  writeFiles(folder, {
    'thread.mjs': `${CODE}import { parentPort } from 'node:worker_threads';
      parentPort.postMessage(percoreModule.code);\n`,
    'given.mjs': `${CODE}import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const data = new SharedArrayBuffer(4096);
      const stateOf = (...words) => {
        const state = new SharedArrayBuffer(8);
        new Int32Array(state).set(words);
        return state;
      };
      const { build } = percoreModule;
      const said = [];
      for (const workerData of [
        undefined, null, 'text', { code: null }, { code: { build, state: stateOf(1, 4096), data } },
        { code: ['text', null] }, { code: [{ build: 'another', state: stateOf(1, 4096), data }] },
        { code: [{ build, data }] },
        // Being made for ever, never made, and no code.
        { code: [{ build, state: stateOf(0, 0), data }] }, { code: [{ build, state: stateOf(2, 0), data }] },
        { code: [{ build, state: stateOf(1, 4096), data }] },
      ]) {
        const worker = new Worker(new URL('./thread.mjs', import.meta.url), { workerData });
        said.push((await once(worker, 'message'))[0]);
      }
      console.log(said.join());\n`,
  });
  expect(await node('given.mjs')).toEqual(printed(`${'compiled,'.repeat(10)}refused\n`));
});

it('loads the second script into a reactor whose entry imports it, and into no other one', async () => {
  writeFiles(folder, {
    'lean-entry.mjs': `${CODE}import { create } from ${urlOf('queues.js')};
      export default (reactor) => {
        reactor.handle('scripts', async (wanted) => {
          if (wanted) await import(${urlOf('index.js')});
          return [percoreModule.scripts.length, typeof create];
        });
      };\n`,
    'lean.mjs': `import { createRuntime, flightsOf } from ${urlOf('index.js')};
      const runtime = await createRuntime({ entry: new URL('./lean-entry.mjs', import.meta.url), reactors: 1 });
      const said = [await runtime.call('scripts', false)];
      // What the main thread asks of a reactor is answered without the second script.
      said.push((await flightsOf(runtime)).map(({ events }) => typeof events));
      said.push(await runtime.call('scripts', false), await runtime.call('scripts', true));
      await runtime.close();
      console.log(JSON.stringify(said));\n`,
  });
  expect(await node('lean.mjs')).toEqual(printed(`${JSON.stringify([
    [1, 'function'], ['object', 'object'], [1, 'function'], [2, 'function'],
  ])}\n`));
});

it('is compiled anew where the thread that starts another one is busy with something else', async () => {
  writeFiles(folder, {
    'busy-entry.mjs': `${CODE}export default (reactor) => reactor.handle('code', () => percoreModule.code);\n`,
    'busy.mjs': `import { createRuntime } from ${urlOf('index.js')};
      const entry = new URL('./busy-entry.mjs', import.meta.url);
      const starting = createRuntime({ entry, reactors: 1, pin: false });
      for (const endMs = performance.now() + 3000; performance.now() < endMs;);
      const runtime = await starting;
      console.log(await runtime.call('code', null));
      await runtime.close();\n`,
  });
  expect(await node('busy.mjs')).toEqual(printed('compiled\n'));
});
