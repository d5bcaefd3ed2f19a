/** Code that is kept in the folder PERCORE_CODE_CACHE: which files, who reads them, and what is not believed. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { root } from '../house/sources.mjs';
import { run, scratchFolder, writeFiles } from './packages.mjs';

// Each starts a process, and machines of CI are slow.
vi.setConfig({ testTimeout: 120_000 });
const { folder, remove } = scratchFolder();
const cache = join(folder, 'deep', 'cache');
const built = join(root, 'dist', 'percore');
const urlOf = (name) => JSON.stringify(pathToFileURL(join(built, name)).href);
const node = (env = { PERCORE_CODE_CACHE: cache }, ...flags) =>
  run(process.execPath, [...flags, 'main.mjs'], { cwd: folder, env: { ...process.env, ...env } });
const files = () => (existsSync(cache) ? readdirSync(cache).sort() : []);

/** Says where the code of this thread's first script came from. */
const CODE = `import { createRequire } from 'node:module';
  const { percoreModule } = createRequire(import.meta.url)(${JSON.stringify(join(built, 'load.cjs'))});\n`;

beforeAll(() => writeFiles(folder, {
  'entry.mjs': `${CODE}export default (reactor) => reactor.handle('code', () => percoreModule.code);\n`,
  'main.mjs': `import { createRuntime } from ${urlOf('index.js')};
    ${CODE}const runtime = await createRuntime({ entry: new URL('./entry.mjs', import.meta.url), reactors: 2 });
    const ask = (reactor) => runtime.call('code', null, { reactor });
    console.log(JSON.stringify([percoreModule.code, await ask(0), await ask(1)]));
    await runtime.close();\n`,
}));
beforeEach(() => rmSync(join(folder, 'deep'), { recursive: true, force: true }));
afterAll(remove);

const COMPILED = ['compiled', 'given', 'given'];
const KEPT = ['kept', 'given', 'given'];
const said = async (...options) => {
  const { status, stdout, stderr } = await node(...options);
  return { status, said: JSON.parse(stdout), stderr };
};
const without = (words) => ({ status: 0, said: COMPILED, stderr: expect.stringContaining(words) });

it('is written once, for its owner alone, and handed to the threads of later processes', async () => {
  expect(await said()).toEqual({ status: 0, said: COMPILED, stderr: '' });
  expect(files().map((name) => statSync(join(cache, name)).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
  expect(statSync(cache).mode & 0o777).toBe(0o700);
  const before = files().map((name) => statSync(join(cache, name)).ino);
  expect(await said()).toEqual({ status: 0, said: KEPT, stderr: '' });
  expect(files().map((name) => statSync(join(cache, name)).ino)).toEqual(before);
});

it('is neither written nor read without a folder', async () => {
  expect(await said({ PERCORE_CODE_CACHE: '' })).toEqual({ status: 0, said: COMPILED, stderr: '' });
  expect(files()).toEqual([]);
});

it('is not believed where it is damaged or cut short, and made anew', async () => {
  await said();
  const damage = [
    (bytes) => {
      bytes[bytes.length >> 1] ^= 0x10;
      return bytes;
    },
    (bytes) => bytes.subarray(0, 1000), () => '',
  ];
  files().forEach((name, i) => writeFileSync(join(cache, name), damage[i](readFileSync(join(cache, name)))));
  const { status, stderr, said: [main] } = await said();
  expect([status, stderr.match(/is damaged; it is made anew/g)?.length]).toEqual([0, 3]);
  expect(main).toBe('compiled');
  expect(await said()).toEqual({ status: 0, said: KEPT, stderr: '' });
});

it('is other code where V8 has other flags', async () => {
  await said();
  expect((await said({ PERCORE_CODE_CACHE: cache }, '--no-opt')).said).toEqual(COMPILED);
  expect((await said()).said).toEqual(KEPT);
});

it('is not looked for where others may write, nor where no folder can be', async () => {
  mkdirSync(cache, { recursive: true });
  chmodSync(cache, 0o777);
  expect(await said()).toEqual(without('is not used: others may write to it'));
  expect(files()).toEqual([]);
  writeFileSync(join(folder, 'deep', 'file'), '');
  expect(await said({ PERCORE_CODE_CACHE: join(folder, 'deep', 'file') })).toEqual(without('is not used: EEXIST'));
});
