/** The runtime in the ways that Node programs are started, written and packed. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { errorOf, fixture, withRuntime } from './fixtures/inside.js';
import { places } from './fixtures/places.js';
import { createRuntime } from './runtime.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const library = join(root, 'dist', 'percore', 'index.js');
const addon = join(root, 'native', 'build', 'Release', 'percore.node');
const folder = mkdtempSync(join(tmpdir(), 'percore-around-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const entry = write('entry.mjs', "export default (reactor) => reactor.handle('double', (number) => 2 * number);");
const PROGRAM = `import { createRuntime } from ${JSON.stringify(pathToFileURL(library).href)};
  const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1, pin: false });
  console.log(await runtime.call('double', 21));
  await runtime.close();`;
const ran = { status: 0, stdout: '42\n', stderr: '' };
const node = (args: string[], options: object = {}) =>
  spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000, ...options });

describe('a program', () => {
  it('may be given by --eval, with --input-type as argument or by NODE_OPTIONS', () => {
    expect(node(['--input-type=module', '-e', PROGRAM])).toMatchObject(ran);
    expect(node(['-e', PROGRAM], { env: { ...process.env, NODE_OPTIONS: '--input-type=module' } })).toMatchObject(ran);
    const script = `import(${JSON.stringify(pathToFileURL(library).href)}).then(async ({ createRuntime }) => {
      const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1, pin: false });
      console.log(await runtime.call('double', 21));
      await runtime.close();
    })`;
    expect(node(['-e', script])).toMatchObject(ran);
  });

  it('may come by standard input, and may have modules imported before it', () => {
    const before = write('before.mjs', 'globalThis.before = 1;');
    expect(node(['--input-type=module', '-'], { input: PROGRAM })).toMatchObject(ran);
    expect(node(['--import', before, '--input-type=module', '-'], { input: PROGRAM })).toMatchObject(ran);
  });
});

describe('an entry', () => {
  it('may be CommonJS: module.exports, or exports.default as compilers write it', async () => {
    const forms = {
      'function.cjs': "module.exports = (reactor) => reactor.handle('one', () => 1);",
      'default.cjs': "exports.default = function start(reactor) { reactor.handle('one', () => 1); };",
      'compiled.cjs':
        "'use strict'; Object.defineProperty(exports, '__esModule', { value: true }); exports.default = start; "
          + "function start(reactor) { reactor.handle('one', () => 1); }",
      'object.cjs': "module.exports = { default: (reactor) => reactor.handle('one', () => 1) };",
    };
    for (const [name, text] of Object.entries(forms)) {
      const runtime = await createRuntime({ entry: write(name, text), reactors: 1, pin: false });
      expect(await runtime.call('one', undefined), name).toBe(1);
      await runtime.close();
    }
    const error = await errorOf(() =>
      createRuntime({ entry: write('other.cjs', 'module.exports = { start() {} };'), reactors: 1, pin: false }),
    );
    expect(error.message).toMatch(/has no default export that is a function/);
  });

  it('that cannot be parsed says what shows the line, which Node keeps for itself', async () => {
    const path = write('syntax.mjs', 'export default (reactor) => { reactor.handle( ; };');
    const error = await errorOf(() => createRuntime({ entry: path, reactors: 1, pin: false }));
    expect(error.message).toContain(`syntax.mjs failed: Unexpected token ';' (\`node ${path}\` shows where)`);
  });

  it('a listener for an event that a runtime does not have is refused', async () => {
    const runtime = await createRuntime({ entry, reactors: 1, pin: false });
    const listen = (): unknown => runtime.on('reactorDead' as 'reactorDied', () => {});
    expect(listen).toThrow(/^event must be 'reactorDied', .* or 'stalled', not "reactorDead"; did you mean /);
    expect(runtime.once('stalled', () => {}).listenerCount('stalled')).toBe(1);
    await runtime.close();
  });

  it('may be a path, a URL, its text, or a URL of another realm; anything else is refused', async () => {
    const odd = write('with space # and ü?.mjs', "export default (reactor) => reactor.handle('one', () => 1);");
    const foreign = { href: pathToFileURL(odd).href };
    for (const form of [odd, pathToFileURL(odd), pathToFileURL(odd).href, foreign as URL]) {
      const runtime = await createRuntime({ entry: form, reactors: 1, pin: false });
      expect(await runtime.call('one', undefined)).toBe(1);
      await runtime.close();
    }
    for (const wrong of ['entry.mjs', 'file:', 'file://elsewhere/entry.mjs', 'file:///a%2Fb.mjs', 5, {}]) {
      expect((await errorOf(() => createRuntime({ entry: wrong as string }))).code, String(wrong)).toMatch(
        /^ERR_PERCORE_(INVALID_ARGUMENT|ENTRY)$/,
      );
    }
  });
});

describe('a program that is its own entry', () => {
  const program = (name: string, body: string) => write(name, `import { isMainThread } from 'node:worker_threads';
    import { createRuntime } from ${JSON.stringify(pathToFileURL(library).href)};
    export default (reactor) => reactor.handle('double', (number) => 2 * number);
    async function main() {
      const runtime = await createRuntime({ entry: new URL(import.meta.url), reactors: 2, pin: false });
      console.log(await runtime.call('double', 21));
      await runtime.close();
    }
    ${body}`);

  it('runs behind isMainThread', () => {
    expect(node([program('guarded.mjs', 'if (isMainThread) await main();')])).toMatchObject(ran);
  });

  it('and starts a runtime in its reactors as well is refused, and not begun over and over', () => {
    for (const [name, body] of [['awaited.mjs', 'await main();'], ['later.mjs', 'void main();']]) {
      const { status, stderr, stdout } = node([program(name!, body!)]);
      expect({ status, stdout }, name).toEqual({ status: 1, stdout: '' });
      expect(stderr, name).toMatch(
        /createRuntime was called in a reactor .*, .*mjs: .*"if \(isMainThread\)" of node:worker_threads/,
      );
    }
  });

  it('may start one of another entry in a reactor', () => {
    const nested = write('nested.mjs', `import { createRuntime } from ${JSON.stringify(pathToFileURL(library).href)};
      export default (reactor) => reactor.handle('double', async (number) => {
        const inner = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1, pin: false });
        const answer = await inner.call('double', number);
        await inner.close();
        return answer;
      });`,
    );
    expect(
      node(['--input-type=module', '-e', PROGRAM.replace(JSON.stringify(entry), JSON.stringify(nested))]),
    ).toMatchObject(ran);
  });
});

describe('what a reactor starts', () => {
  it(
    'runs where the process may run, with its timer slack, and the reactor stays where it is',
    async () => {
      const usual = await places();
      const runtime = await createRuntime({ entry: fixture('places'), reactors: 1 });
      const { cpuGranted } = runtime.status().reactors[0]!;
      expect(await runtime.call('places', undefined)).toEqual({ places: usual, own: String(cpuGranted[0]) });
      await runtime.close();
    },
  );
});

describe('options', () => {
  it('that do not exist, or are of another kind, are refused with what was meant', async () => {
    const cases: [object, RegExp][] = [
      [{ reactor: 2 }, /^options has no option "reactor"; did you mean "reactors"\?/],
      [{ idle: 'park' }, /^idle must be an object such as \{ strategy: 'park' \}, not "park"$/],
      [{ idle: 'doze' }, /^idle must be an object such as \{ strategy: 'park' \}, not "doze"$/],
      [{ idle: { stratgy: 'park' } }, /^idle has no option "stratgy"; did you mean "strategy"\?/],
      [{ budget: 5 }, /^budget must be an object with quanta, timeNs, or left out, not 5$/],
      [{ budget: { ms: 5 } }, /^budget has no option "ms"/],
      [{ publishEvery: { record: 1 } }, /^publishEvery has no option "record"; did you mean "records"\?/],
      [{ io: 'io_uring' }, /^io must be an object with source, or left out, not "io_uring"$/],
      [{ io: { source: 'kqueue' } }, /^io\.source must be 'auto', 'epoll' or 'io_uring', not "kqueue"$/],
      [{ resourceLimits: { maxHeap: 5 } }, /^resourceLimits has no option "maxHeap"/],
      [
        { resourceLimits: { maxOldGenerationSizeMb: '64' } },
        /^resourceLimits\.maxOldGenerationSizeMb must be a number above 0, not "64"$/,
      ],
      [{ resourceLimits: { stackSizeMb: NaN } }, /^resourceLimits\.stackSizeMb must be a number above 0, not NaN$/],
      [{ main: 5 }, /^main must be a function, not 5$/],
    ];
    for (const [options, message] of cases) {
      const error = await errorOf(() => createRuntime({ entry, ...options } as never));
      expect(error.code).toBe('ERR_PERCORE_INVALID_ARGUMENT');
      expect(error.message).toMatch(message);
    }
    await withRuntime(1, {}, async (runtime) => {
      const wrong = [
        ['spin', /^options must be an object such as \{ strategy: 'spin' \}, not "spin"$/],
        [undefined, /^options must be an object such as/], [{ spin: 5 }, /^options has no option "spin"/],
      ] as const;
      for (const [options, message] of wrong)
        expect((await errorOf(() => runtime.setIdleStrategy(options as never))).message).toMatch(message);
    });
  });
});

describe('a bundled application', () => {
  const application = PROGRAM.replace(pathToFileURL(library).href, library)
    .replace(
      'await runtime.close();', 'await runtime.close();\n} catch (error) { console.log(error.code, error.message); }',
    )
    .replace('const runtime', 'try { const runtime');
  const bundle = async (name: string, format: 'esm' | 'cjs', from: string): Promise<string> => {
    const outfile = join(folder, name);
    mkdirSync(join(outfile, '..'), { recursive: true });
    await build({
      entryPoints: [from], outfile, bundle: true, platform: 'node', format, logLevel: 'error',
      logOverride: { 'empty-import-meta': 'silent' },
    });
    return outfile;
  };
  const start = (path: string, env: object = {}, cwd = root) =>
    node([path], { cwd, env: { ...process.env, PERCORE_NATIVE_PATH: addon, ...env } });

  it('says how to place worker-main.js, and finds it beside itself or where PERCORE_WORKER_PATH says', async () => {
    const source = write('application.mjs', application);
    const alone = await bundle('alone/application.mjs', 'esm', source);
    const { stdout } = start(alone);
    expect(stdout).toMatch(
      /^ERR_PERCORE_WORKER_UNAVAILABLE .* worker-main\.js, .*alone\/worker-main\.js\. .* \(esbuild: --external:percore\)/,
    );
    expect(start(alone, { PERCORE_WORKER_PATH: join(root, 'dist/percore/worker-main.js') })).toMatchObject(ran);
    expect(
      start(alone, { PERCORE_WORKER_PATH: 'dist/percore/worker-main.js' }), 'from the current folder',
    ).toMatchObject(ran);
    await bundle('alone/worker-main.js', 'esm', join(root, 'dist/percore/worker-main.js'));
    writeFileSync(join(folder, 'alone', 'package.json'), '{ "type": "module" }');
    expect(start(alone)).toMatchObject(ran);
    cpSync(addon, join(folder, 'alone', 'percore.node'));
    expect(
      start(alone, { PERCORE_NATIVE_PATH: './percore.node' }, tmpdir()), 'from where the bundle lies',
    ).toMatchObject(ran);
  });

  it('may be CommonJS', async () => {
    const source = write(
      'wrapped.mjs', application.replace('try {', 'export const done = (async () => { try {').concat('\n})();'),
    );
    const common = await bundle('common/application.cjs', 'cjs', source);
    expect(start(common, { PERCORE_WORKER_PATH: join(root, 'dist/percore/worker-main.js') })).toMatchObject(ran);
    expect(start(common, { PERCORE_NATIVE_PATH: '', PERCORE_BACKEND: 'native' }).stdout).toMatch(
      /^ERR_PERCORE_NATIVE_UNAVAILABLE .*This code is part of a bundle, into which no addon goes/,
    );
  });
});
