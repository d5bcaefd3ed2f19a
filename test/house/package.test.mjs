/** What `npm pack` would ship: all that users need, and nothing of ours. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { importsOf, resolveImport, root } from './sources.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const OURS =
  /\.test\.|(?:^|[/-])(?:tests?|fixtures?|scenarios?|worlds?|mutants?|seeding|suites?|bench|examples)(?:[/.-]|$)/;
/** The command `percore bench`, which is for users. */
const IS_COMMAND = /^dist\/percore\/bench-/;
let packed;

beforeAll(() => {
  const said = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
  });
  packed = JSON.parse(said)[0].files.map(({ path }) => path);
});

it('ships no test, fixture, scenario, suite or bench', () => {
  for (const ours of [
    'dist/src/io/io-suite.d.ts', 'dist/test/explorer/world.js', 'dist/src/reactor/fixtures/inside.d.ts',
    'dist/src/errors.test.js',
  ])
    expect(ours).toMatch(OURS);
  expect(packed.filter((path) => OURS.test(path) && !IS_COMMAND.test(path))).toEqual([]);
});

it('ships the code once, as modules that find each other', () => {
  const code = packed.filter((path) => path.startsWith('dist/') && path.endsWith('.js'));
  expect(code.filter((path) => !path.startsWith('dist/percore/'))).toEqual([]);
  for (const path of code) {
    for (const specifier of importsOf(path)) {
      if (specifier.startsWith('.'))
        expect(packed, `imported by ${path}`).toContain(resolveImport(path, specifier, '.js'));
    }
  }
});

it('ships what each entry of package.json leads to, with every type that can be reached from it', () => {
  const entries = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  );
  const pending = [manifest.main, manifest.types, ...entries].map((path) => normalize(path));
  const reached = new Set(pending);
  for (const path of pending) {
    expect(packed).toContain(path);
    if (!path.endsWith('.d.ts')) continue;
    for (const specifier of importsOf(path)) {
      if (!specifier.startsWith('.')) continue;
      const declared = resolveImport(path, specifier, '.d.ts');
      if (!reached.has(declared)) pending.push(declared);
      reached.add(declared);
    }
  }
  expect(reached.size).toBeGreaterThan(50);
});

it('ships the licence of every library whose code is in it', () => {
  expect(packed).toEqual(expect.arrayContaining(['LICENSE', 'THIRD-PARTY-NOTICES.txt']));
  const notices = readFileSync(join(root, 'THIRD-PARTY-NOTICES.txt'), 'utf8');
  // esbuild writes where a module comes from above its code.
  const bundled = packed.filter((path) => path.startsWith('dist/percore/') && /\.c?js$/.test(path)).flatMap((path) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/^ *\/\/ (node_modules\/.*)$/gm)]
      .map(([, from]) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(from)[0]));
  const folders = new Set([...bundled, 'node_modules/uplot', 'node_modules/node-addon-api']);
  expect(folders.size).toBeGreaterThan(3);
  for (const folder of folders) {
    const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const [, text = ''] = notices.split(`\n${name} ${version} (`);
    expect(text.split(/^-{80}$/m)[1], name).toMatch(/copyright/i);
  }
});

it('declares nothing by packages that its users may not have', () => {
  const known = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)]);
  const unknown = packed
    .filter((path) => /\.(?:d\.ts|js)$/.test(path))
    .flatMap((path) =>
      importsOf(path)
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:') && !known.has(specifier))
        .map((specifier) => `${path}: ${specifier}`),
    );
  expect(unknown).toEqual([]);
});

it('leaves the text of the addon out, which comes compiled in packages of its own', () => {
  expect(packed.filter((path) => path.startsWith('native/'))).toEqual([]);
});
