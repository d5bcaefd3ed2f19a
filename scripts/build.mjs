// Builds everything that a checkout needs: TypeScript to dist/, the few files of the package from that, native/layout.h
// from the compiled layout table, and the addon. `--ts` leaves the addon out.
// Each of the two steps leaves a fingerprint of everything from which it was built and of everything that it has made.
// If the fingerprint is still right, the step is skipped, so `npm start` in a checkout that was built starts at once.
// What is compared are contents and not times. So checking out another branch and going back, deleting a source or a
// result, and using another Node are all noticed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DEFERRED } from './bundle/deferred.mjs';
import { bundle } from './bundle/main.mjs';
import { withoutProse } from './bundle/prose.mjs';
import { noticesOf, packagesOf } from './notices.mjs';
import { pack } from './pack/main.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const at = (...path) => join(root, ...path);
const common = [
  at('package.json'), at('package-lock.json'),
  ...['build.mjs', 'bundle', 'notices.mjs', 'pack'].map((name) => at('scripts', name)),
];

await step({
  from: [
    ...common, at('src'), at('bench'), at('examples'), at('test'), at('tsconfig.json'),
    at('native', 'generate-layout.mjs'),
  ],
  makes: [at('dist'), at('native', 'layout.h'), at('THIRD-PARTY-NOTICES.txt')],
  stamp: at('dist', '.built-from'),
  build: buildTypeScript,
});
if (!process.argv.includes('--ts')) {
  await step({
    from: [
      ...common,
      ...readdirSync(at('native'))
        .filter((name) => name !== 'build')
        .map((name) => at('native', name)),
    ],
    makes: [at('native', 'build', 'Release', 'percore.node')],
    stamp: at('native', 'build', '.built-from'),
    build: buildAddon,
  });
  run('compiled code for tests', process.execPath, [at('scripts', 'pack', 'keep-code.mjs')]);
}

/** Builds, unless the fingerprint says that neither sources nor results have changed since the last time. */
async function step({ from, makes, stamp, build }) {
  const now = () => fingerprint([...from, ...makes], stamp);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now()) return;
  rmSync(stamp, { force: true });
  await build();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, now());
}

/** The fingerprint of these files and folders (names and contents), without those in `except`, and of this Node. */
function fingerprint(paths, except) {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}\n`);
  const add = (path) => {
    if (path === except || !existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      // Nothing here is built from what benches have compiled for themselves, in a folder build/.
      for (const name of readdirSync(path).toSorted()) if (name !== 'build') add(join(path, name));
      return;
    }
    const content = readFileSync(path);
    hash.update(`${relative(root, path)} ${content.length}\n`).update(content);
  };
  for (const path of paths) add(path);
  return hash.digest('hex');
}

async function buildTypeScript() {
  if (!existsSync(at('node_modules', 'typescript'))) {
    process.stderr.write('The packages that build it are not installed: npm install\n');
    process.exit(1);
  }
  rmSync(at('dist'), { recursive: true, force: true });
  run('TypeScript build', process.execPath, [join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')]);
  // What users import: a few files in place of hundreds, since each module costs a worker 0.7 ms before its first call
  // (docs/decisions/2026-11-21-few-files.md).
  const compiled = at('dist', 'src');
  const { build } = await import('esbuild');
  const { layoutHash } = await import(pathToFileURL(join(compiled, 'layout-hash.js')).href);
  const options = {
    bundle: true,
    // The first one starts threads from its own file, and only the first task loads it. Users install the others.
    external: ['piscina', '@nats-io/*'],
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    define: {
      PERCORE_LAYOUT_HASH: JSON.stringify(layoutHash()),
      PERCORE_VERSION: JSON.stringify(JSON.parse(readFileSync(at('package.json'), 'utf8')).version),
    },
    sourcemap: true,
    // Source maps are for a checkout, where the sources are beside them. The package has neither; its code is not
    // minified.
    sourcesContent: false,
    logLevel: 'warning',
  };
  const libraries = {
    index: join(compiled, 'index.js'),
    queues: join(compiled, 'queues', 'index.js'),
    timers: join(compiled, 'timers', 'index.js'),
    io: join(compiled, 'io', 'index.js'),
    realtime: join(compiled, 'levels', 'index.js'),
    nats: join(compiled, 'nats', 'index.js'),
  };
  const programs = {
    'worker-main': join(compiled, 'reactor', 'worker-main.js'),
    'offload-thread': join(compiled, 'offload', 'offload-thread.js'),
    'page-thread': join(compiled, 'monitor', 'page-thread.js'),
    'control-entry': join(compiled, 'topology', 'control-entry.js'),
    'executor-entry': join(compiled, 'levels', 'executor-entry.js'),
  };
  const { index, queues, timers, io, ...seldom } = libraries;
  const { 'worker-main': workerMain, ...otherPrograms } = programs;
  const { metafiles } = await bundle({
    build, compiled, options, outdir: at('dist', 'percore'),
    core: [workerMain], later: [queues, timers, io], deferred: DEFERRED.map((name) => join(compiled, name)),
    rest: [index],
    programs: [workerMain], edit: withoutProse,
    faces: { index, queues, timers, io, 'worker-main': workerMain }, common: ['worker-main'],
    others: {
      ...seldom, ...otherPrograms,
      testing: join(compiled, 'testing', 'index.js'),
      cli: join(compiled, 'cli', 'main.js'),
      'bench-thread': join(compiled, 'cli', 'bench-thread.js'),
    },
  });
  // The page of `percore web` contains its library, so it loads nothing from anywhere.
  const library = (name) => readFileSync(at('node_modules', 'uplot', 'dist', name), 'utf8');
  const html = readFileSync(at('src', 'monitor', 'web-page.html'), 'utf8')
    .replace('/*UPLOT_CSS*/', () => library('uPlot.min.css'))
    .replace('/*UPLOT_JS*/', () => library('uPlot.iife.min.js'));
  for (const folder of ['percore', 'packed']) {
    mkdirSync(at('dist', folder), { recursive: true });
    writeFileSync(at('dist', folder, 'inspection.html'), html);
  }
  // The page contains uPlot, and the compiled addon the headers of node-addon-api.
  const shipped = [...new Set(metafiles.flatMap(packagesOf)), 'node_modules/uplot', 'node_modules/node-addon-api'];
  writeFileSync(at('THIRD-PARTY-NOTICES.txt'), noticesOf(root, shipped));
  await pack({
    build, dist: at('dist'), libraries: Object.values(libraries), programs: Object.values(programs), options,
  });
  run('layout header', process.execPath, [at('native', 'generate-layout.mjs')]);
}

function buildAddon() {
  checkTools();
  const gyp = [require.resolve('node-gyp/bin/node-gyp.js'), '--jobs=max', ...headersHere()];
  const isFirst = !existsSync(at('native', 'build', 'Makefile'));
  if (isFirst) process.stderr.write('building the addon: up to a minute, this once\n');
  else if (runs(process.execPath, [...gyp, 'build'], at('native')).status === 0) return;
  // If this was configured for a Node or a folder that no longer exists, it cannot be built, but it can be configured
  // again.
  run('addon build', process.execPath, [...gyp, 'rebuild'], at('native'));
}

/** Names the tools that are missing, and says how to get them, before node-gyp fails with messages of its own. */
function checkTools() {
  const { CXX, PYTHON, npm_config_python: npmPython } = process.env;
  const tools = [
    { name: 'a C++ compiler', debian: 'g++', commands: CXX === undefined ? ['g++', 'c++'] : [CXX.split(' ')[0]] },
    { name: 'make', debian: 'make', commands: [process.env.MAKE ?? 'make'] },
    {
      name: 'Python 3',
      debian: 'python3',
      commands: [npmPython, PYTHON, 'python3', 'python'].filter((command) => command !== undefined),
    },
  ];
  const missing = tools.filter(({ commands }) =>
    commands.every((command) => runs(command, ['--version']).status !== 0),
  );
  if (missing.length === 0) return;
  process.stderr.write(
    `The addon cannot be built: ${missing.map(({ name }) => name).join(' and ')} `
      + `${missing.length === 1 ? 'is' : 'are'} not installed.\n`
      + `On Debian and Ubuntu: apt-get install ${missing.map(({ debian }) => debian).join(' ')}\n`
      + `On Fedora and RHEL:   dnf install `
      + `${missing.map(({ debian }) => debian.replace('g++', 'gcc-c++')).join(' ')}\n`,
  );
  process.exit(1);
}

/** The folder with Node's headers beside Node itself, if they have this version: then nothing has to be downloaded. */
function headersHere() {
  if (process.env.npm_config_nodedir !== undefined) return [];
  const nodedir = join(dirname(process.execPath), '..');
  const header = join(nodedir, 'include', 'node', 'node_version.h');
  if (!existsSync(header)) return [];
  const text = readFileSync(header, 'utf8');
  const version = ['MAJOR', 'MINOR', 'PATCH']
    .map((part) => new RegExp(`NODE_${part}_VERSION (\\d+)`).exec(text)?.[1])
    .join('.');
  return version === process.versions.node ? [`--nodedir=${nodedir}`] : [];
}

function runs(command, args, cwd = root) {
  return spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 28 });
}

function run(title, command, args, cwd) {
  const result = runs(command, args, cwd);
  if (result.status === 0) return;
  process.stderr.write(`${title} failed\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`);
  process.exit(1);
}
