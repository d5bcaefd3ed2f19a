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
/** The same of the others, which this loads. */
const OTHERS = `const [later, rest] = ['later', 'rest'].map((name) =>
  createRequire(import.meta.url)(${JSON.stringify(built)} + '/load-' + name + '.cjs').percoreModule);\n`;

beforeAll(() => writeFiles(folder, {
  'entry.mjs': `${CODE}${OTHERS}import { workerData } from 'node:worker_threads';
    import { PercoreError } from ${urlOf('index.js')};
    import { create } from ${urlOf('queues.js')};
    export default function start(reactor) {
      reactor.handle('code', () => [percoreModule.code, later.code, rest.code, 'code' in workerData]);
      // Thrown by one face's class, known by another's.
      reactor.handle('is one', () => {
        try { create({ kind: 'none' }); } catch (error) { return error instanceof PercoreError; }
      });
      reactor.handle('imports', async () => typeof (await import('./imported.mjs')).default);
      reactor.handle('die', () => setImmediate(() => { throw new Error('by intent'); }));
    }\n`,
  'imported.mjs': 'export default () => undefined;\n',
  'main.mjs': `${CODE}${OTHERS}import { createRuntime } from ${urlOf('index.js')};
    const runtime = await createRuntime({
      entry: new URL('./entry.mjs', import.meta.url), reactors: 2, restart: { most: 3, withinMs: 60_000 },
    });
    const ask = (name) => Promise.all([0, 1].map((reactor) => runtime.call(name, undefined, { reactor })));
    const again = new Promise((resolve) => runtime.on('reactorRestarted', resolve));
    runtime.on('reactorDied', () => undefined);
    const said = [percoreModule.code, later.code, rest.code];
    for (const name of ['code', 'is one', 'imports']) said.push(...await ask(name));
    await runtime.call('die', undefined, { reactor: 1 }).catch(() => undefined);
    await again;
    said.push(await runtime.call('code', undefined, { reactor: 1 }));
    await runtime.close();
    console.log(JSON.stringify(said));\n`,
}));
afterAll(remove);

it('is compiled once for all threads, also for one that is started again; each has one of each', async () => {
  expect(await node('main.mjs')).toEqual(printed(`${JSON.stringify([
    'compiled', 'compiled', 'compiled', ['given', 'given', 'given', false], ['given', 'given', 'given', false],
    true, true, 'function', 'function', ['given', 'given', 'given', false],
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

it('loads the other scripts into a reactor that needs them, and into no other one', async () => {
  writeFiles(folder, {
    'lean-entry.mjs': `${CODE}
      export default (reactor) => {
        const count = () => percoreModule.scripts.length;
        reactor.spawn({ name: 'note' }, () => undefined);
        reactor.timers.after({ delayNs: 1 }, () => undefined);
        reactor.handle('scripts', async (name) => {
          if (name !== null) await import(name);
          return count();
        });
        reactor.handle('listens', () => {
          reactor.io.listen({ port: 0 }, () => undefined).close();
          return count();
        });
        reactor.handle('values', (value) => [count(), value]);
      };\n`,
    'lean.mjs': `import { createRuntime, flightsOf } from ${urlOf('index.js')};
      const said = [];
      for (const way of ['listens', ${urlOf('queues.js')}]) {
        const runtime = await createRuntime({ entry: new URL('./lean-entry.mjs', import.meta.url), reactors: 1 });
        runtime.send('note', { text: 'an object' }, { reactor: 0 });
        said.push(await runtime.call('values', { text: [new Uint8Array(2), new Date(0)] }));
        // What the main thread asks of a reactor is answered without the other scripts.
        said.push((await flightsOf(runtime)).map(({ events }) => typeof events));
        said.push(await runtime.call('scripts', null));
        said.push(await (way === 'listens' ? runtime.call(way, null) : runtime.call('scripts', way)));
        said.push(await runtime.call('scripts', ${urlOf('index.js')}));
        await runtime.close();
      }
      console.log(JSON.stringify(said));\n`,
  });
  const value = { text: [{ 0: 0, 1: 0 }, '1970-01-01T00:00:00.000Z'] };
  expect(await node('lean.mjs')).toEqual(printed(`${JSON.stringify(Array.from({ length: 2 }, () => [
    [1, value], ['object', 'object'], 1, 2, 3,
  ]).flat())}\n`));
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

it.each([
  // What a thread takes out of the core has other names in the core of another build.
  ['of which one part is of another build', `replace('worker-main.cjs')`,
    /of two builds: this one knows the code of build 0{12}, and finds that of \w{12}\. .*start the program again/],
  ['of another build than the main thread', `replace('worker-main.cjs'); replace('load.cjs')`,
    /runs percore [\d.]+ \(build 0{12}\), and the thread that has started it runs percore [\d.]+ \(build \w{12}\)/],
])('a thread of files %s says so, and what to do', async (_name, change, said) => {
  writeFiles(folder, {
    'mixed.mjs': `import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
      process.env.PERCORE_NATIVE_PATH = ${JSON.stringify(join(root, 'native', 'build', 'Release', 'percore.node'))};
      const own = new URL('./mixed/', import.meta.url);
      rmSync(own, { recursive: true, force: true });
      cpSync(${JSON.stringify(built)}, own, { recursive: true });
      const { createRuntime } = await import(new URL('./index.js', own));
      const { percoreModule } = (await import(new URL('./load.cjs', own))).default;
      const replace = (name) => {
        const path = new URL(name, own);
        writeFileSync(path, readFileSync(path, 'utf8').replaceAll(percoreModule.build, '0'.repeat(64)));
      };
      ${change};
      try {
        await createRuntime({ entry: new URL('./asking.mjs', import.meta.url), reactors: 1, pin: false });
      } catch ({ code, cause }) {
        console.log(code, cause.name, cause.code, cause.message);
      }`,
    'asking.mjs': 'export default () => undefined;',
  });
  const { status, stdout, stderr } = await node('mixed.mjs');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^ERR_PERCORE_ENTRY PercoreError ERR_PERCORE_LAYOUT_MISMATCH /);
  expect(stdout).toMatch(said);
});

/** A program that changes the files of its own package before a reactor first needs those of the later script. */
const changing = (change) => `import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
  process.env.PERCORE_NATIVE_PATH = ${JSON.stringify(join(root, 'native', 'build', 'Release', 'percore.node'))};
  const own = new URL('./own/', import.meta.url);
  rmSync(own, { recursive: true, force: true });
  cpSync(${JSON.stringify(built)}, own, { recursive: true });
  writeFileSync(new URL('./asking.mjs', import.meta.url), \`export default (reactor) => reactor.handle('open', () => {
    try { return typeof reactor.io.udp({ port: 0 }).port; } catch ({ name, code, message }) {
      return [name, code, message].join(' ');
    }
  });\`);
  const { createRuntime } = await import(new URL('./index.js', own));
  const runtime = await createRuntime({ entry: new URL('./asking.mjs', import.meta.url), reactors: 1, pin: false });
  const loader = new URL('./load-later.cjs', own);
  const before = readFileSync(loader, 'utf8');
  ${change}
  console.log(await runtime.call('open', undefined));
  cpSync(${JSON.stringify(built)}, own, { recursive: true });
  console.log(await runtime.call('open', undefined));
  await runtime.close();`;

it.each([
  ['removed', 'rmSync(own, { recursive: true });'],
  ['replaced by those of another build', `const { percoreModule } = (await import(new URL('./load.cjs', own))).default;
    writeFileSync(loader, before.replaceAll(percoreModule.build, '0'.repeat(64)));`],
])('says so where the files of the package were %s before they are needed, and needs them later', async (_, change) => {
  writeFiles(folder, { 'changing.mjs': changing(change) });
  const { status, stdout, stderr } = await node('changing.mjs');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^PercoreError ERR_PERCORE_LAYOUT_MISMATCH .*removed or replaced.*: start .* again\n/);
  expect(stdout).toMatch(/\nnumber\n$/);
});
