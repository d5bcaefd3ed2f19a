// Builds a small checkout of the same form: the build must be done if a source or a result has changed, and not
// otherwise.
import { spawnSync } from 'node:child_process';
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEFERRED } from './bundle/deferred.mjs';
import { atFirstUse } from './bundle/later.mjs';

const project = join(dirname(fileURLToPath(import.meta.url)), '..');
let folder;
const at = (...path) => join(folder, ...path);
const write = (path, text) => {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
};
const build = (args = ['--ts'], env = process.env) =>
  spawnSync(process.execPath, [at('scripts', 'build.mjs'), ...args], { encoding: 'utf8', env });
/** Builds; true if something was done. */
const hasBuilt = () => {
  const made = at('dist', 'percore', 'index.js');
  const before = existsSync(made) ? statSync(made, { bigint: true }).mtimeNs : -1n;
  const { status, stderr } = build();
  expect([status, stderr]).toEqual([0, '']);
  return statSync(made, { bigint: true }).mtimeNs !== before;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'percore-build-'));
  symlinkSync(join(project, 'node_modules'), at('node_modules'));
  const scripts = ['build.mjs', 'bundle', 'notices.mjs', 'pack'].map((name) => `scripts/${name}`);
  for (const name of [
    'package.json', 'package-lock.json', 'tsconfig.json', 'src/monitor/web-page.html', ...scripts,
  ]) cpSync(join(project, name), at(name), { recursive: true });
  // The files that the build bundles, as it says itself.
  const entries = readFileSync(at('scripts/build.mjs'), 'utf8').matchAll(/join\(compiled, ([^)]*)\.js'\)/g);
  const names = [...entries].map(([, path]) => path.replaceAll(/'|\s/g, '').replaceAll(',', '/'));
  for (const name of new Set([...names, ...DEFERRED.map((file) => file.replace(/\.js$/, ''))])) {
    write(`src/${name}.ts`, `export const name = '${name}';\n`);
  }
  write('src/extra.ts', 'export const extra = 1;\n');
  // What is in the core is what this program imports.
  write('src/kept.ts', 'export const kept = 1;\n');
  write('src/reactor/worker-main.ts', "import { kept } from '../kept.js';\nexport const name = kept;\n");
  write('src/layout-hash.ts', "export const layoutHash = (): string => 'hash';\n");
  mkdirSync(at('bench'));
  mkdirSync(at('examples'));
  write(
    'native/generate-layout.mjs',
    "import { writeFileSync } from 'node:fs';\nwriteFileSync(new URL('layout.h', import.meta.url), '// generated');\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('builds once, and again if a source was changed, added or removed, or a result is missing or was changed', () => {
  expect(hasBuilt()).toBe(true);
  expect(hasBuilt()).toBe(false);

  write('src/index.ts', "export const name = 'another';\n");
  expect(hasBuilt()).toBe(true);
  expect(readFileSync(at('dist/percore/percore-rest.cjs'), 'utf8')).toContain('another');

  rmSync(at('src/extra.ts'));
  expect(hasBuilt()).toBe(true);
  expect(existsSync(at('dist/src/extra.js'))).toBe(false);

  rmSync(at('dist/percore/io.js'));
  expect(hasBuilt()).toBe(true);
  expect(existsSync(at('dist/percore/io.js'))).toBe(true);

  rmSync(at('native/layout.h'));
  expect(hasBuilt()).toBe(true);
  expect(existsSync(at('native/layout.h'))).toBe(true);
  expect(hasBuilt()).toBe(false);
});

it('tries a build again that has failed', () => {
  write('src/index.ts', 'export const name: number = "text";\n');
  const failed = build();
  expect([failed.status, failed.stderr]).toEqual([1, expect.stringContaining('TypeScript build failed')]);
  write('src/index.ts', "export const name = 'index';\n");
  expect(hasBuilt()).toBe(true);
});

it.each([
  [
    'without a compiler', ['make', 'python3'],
    /^The addon cannot be built: a C\+\+ compiler is not installed\.\nOn Debian and Ubuntu: apt-get install g\+\+\n/,
  ],
  [
    'without Python and make',
    ['g++'],
    /^The addon cannot be built: make and Python 3 are not installed\.\n.*: apt-get install make python3\n/,
  ],
])('%s it says what to install', (_, tools, message) => {
  hasBuilt();
  const path = mkdtempSync(join(tmpdir(), 'percore-path-'));
  for (const tool of tools) symlinkSync('/bin/true', join(path, tool));
  const { PYTHON: _python, npm_config_python: _npmPython, CXX: _cxx, MAKE: _make, ...env } = process.env;
  const { status, stderr } = build([], { ...env, PATH: path });
  rmSync(path, { recursive: true });
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr.split('\n')).toHaveLength(4);
});

it('makes an object of a class that is in another script, and not of what loads that script', () => {
  const text = 'var import_part = require("percore-later:/part.js");\nconst part = new import_part.Part(1);\n';
  const made = atFirstUse(text, new Map([['/part.js', [{ name: 'Part', inScript: 'Part' }]]]));
  class Part {
    constructor(size) {
      this.size = size;
    }
  }
  expect(new Function('percoreLater', `${made}return part;`)(() => ({ Part }))).toEqual(new Part(1));
});
