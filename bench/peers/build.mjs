// Compiles the programs of the peers to bench/peers/build/. Each is compiled if one of its sources, or this file, is
// newer than the result. A peer whose tools or packages are not installed is reported as missing, with the reason; that
// is never an error.
import { execFile } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const output = join(here, 'build');
const run = promisify(execFile);
const registry = '/usr/share/cargo/registry';
const jars = '/usr/share/java';

/**
 * How a program is built, the command that starts it, and the Debian packages that it needs. `needs` are files.
 * @typedef {{ packages: string[], needs: string[], folder: string, sources?: string[], start: string[],
 *   compiler?: string[], build: () => Promise<unknown> }} Program
 */

/** @param {string} name @param {string} header @param {string[]} packages @param {string[]} libraries */
function cpp(name, header, packages, libraries, config = '') {
  return {
    packages: ['g++', ...packages],
    needs: ['/usr/bin/g++', header],
    folder: 'cpp',
    sources: ['peer.h', `${name}.cc`],
    start: [join(output, name)],
    build: async () => {
      const flags = config === '' ? [] : (await run('pkg-config', ['--cflags', config])).stdout.trim().split(/\s+/);
      const source = join(here, 'cpp', `${name}.cc`);
      // For this processor, as V8 and the JVM compile.
      const optimised = ['-O3', '-march=native', '-std=c++20', '-pthread'];
      await run('g++', [...optimised, ...flags, '-o', join(output, name), source, ...libraries]);
    },
  };
}

/** @param {string} main @param {string[]} jarNames @param {string} of @param {string[]} options */
function java(main, jarNames, of, options = ['-Xms256m']) {
  const classes = join(output, 'java', main);
  const paths = jarNames.map((name) => join(jars, `${name}.jar`));
  return {
    packages: ['default-jdk-headless', of],
    needs: ['/usr/bin/javac', ...paths],
    folder: 'java',
    sources: ['Peer.java', `${main}.java`],
    // The throughput collector has the cheapest write barriers, and nothing is allocated in steady state.
    start: ['java', '-XX:+UseParallelGC', ...options, '-cp', [classes, ...paths].join(':'), main],
    build: async () => {
      const sources = ['Peer.java', `${main}.java`].map((file) => join(here, 'java', file));
      await run('javac', ['-d', classes, '-cp', paths.join(':'), ...sources]);
      await writeFile(join(classes, 'built'), '');
    },
    stamp: join(classes, 'built'),
  };
}

const netty = (...parts) => parts.map((part) => `netty-${part}`);
/** Debian's package has no native library. bench/peers/install compiles it from Debian's source package. */
export const nettyLibrary = join(output, 'netty', 'libnetty_transport_native_epoll_x86_64.so');

function nettyEcho() {
  const parts = netty('common', 'buffer', 'codec', 'resolver', 'transport', 'transport-native-unix-common',
    'transport-native-epoll');
  // Direct memory without cleaners, for which Netty needs these options with present versions of Java.
  const program = java('NettyEcho', parts, 'libnetty-java', [
    `-Djava.library.path=${dirname(nettyLibrary)}`, '-Dio.netty.tryReflectionSetAccessible=true',
    '--add-opens=java.base/java.nio=ALL-UNNAMED', '--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED',
  ]);
  const needs = [...program.needs, nettyLibrary];
  return { ...program, needs, missingSays: { [nettyLibrary]: 'bench/peers/install' } };
}

/** @type {Record<string, Program & { stamp?: string, missingSays?: Record<string, string> }>} */
export const programs = {
  boost: cpp('boost', '/usr/include/boost/lockfree/spsc_queue.hpp', ['libboost-dev'], []),
  rte_ring: cpp('rte_ring', '/usr/include/dpdk/rte_ring_elem.h', ['dpdk-dev', 'pkg-config'],
    ['-lrte_ring', '-lrte_eal'], 'libdpdk'),
  zeromq: cpp('zeromq', '/usr/include/zmq.h', ['libzmq3-dev'], ['-lzmq']),
  nng: cpp('nng', '/usr/include/nng/nng.h', ['libnng-dev'], ['-lnng']),
  rust: {
    // Use the newest compiler that is installed, since std's channel comes with it: sync_channel was replaced in 1.67.
    compiler: ['rustc', '--version'],
    packages: ['cargo', 'librust-crossbeam-channel-dev', 'librust-tokio-dev'],
    needs: [join(registry, 'crossbeam-channel-0.5.6'), join(registry, 'tokio-1.24.2')],
    folder: 'rust',
    sources: ['Cargo.toml', ...['main', 'servers', 'tasks', 'timers', 'trips'].map((name) => `src/${name}.rs`)],
    start: [join(output, 'rust', 'release', 'peers')],
    build: () =>
      run('cargo', [
        'build', '--release', '--offline', '--manifest-path', join(here, 'rust', 'Cargo.toml'),
        '--config', 'source.crates-io.replace-with="debian"', '--config', `source.debian.directory="${registry}"`,
      ], {
        env: {
          ...process.env, CARGO_HOME: join(output, 'cargo-home'), CARGO_TARGET_DIR: join(output, 'rust'),
          RUSTFLAGS: '-C target-cpu=native',
        },
      }),
  },
  go: {
    packages: ['golang-go'],
    needs: ['/usr/bin/go'],
    folder: 'go',
    start: [join(output, 'go-peers')],
    build: () =>
      run('/usr/bin/go', ['build', '-o', join(output, 'go-peers'), '.'], {
        cwd: join(here, 'go'),
        env: { ...process.env, GO111MODULE: 'off', GOCACHE: join(output, 'go-cache') },
      }),
  },
  disruptor: java('Disruptors', ['disruptor'], 'libdisruptor-java'),
  jctools: java('JcTools', ['jctools-core'], 'libjctools-java'),
  netty: nettyEcho(),
  // Room for a million timers with their handles.
  nettyTimers: java('NettyTimers', netty('common'), 'libnetty-java', ['-Xms2g', '-Xmn1g']),
};

/**
 * Brings one program up to date. `start` is the command that runs it; `missing` says why there is none.
 * @param {string} name @returns {Promise<{ start?: string[], missing?: string, version: string }>}
 */
export async function buildPeer(name) {
  const program = programs[name];
  for (const file of program.needs) {
    if ((await modifiedMs(file)) > 0) continue;
    const remedy = program.missingSays?.[file] ?? `apt-get install ${program.packages.join(' ')}`;
    return { missing: `${file} is not there; ${remedy}`, version: '' };
  }
  const sources = program.sources ?? (await readdir(join(here, program.folder)));
  const inputs = [fileURLToPath(import.meta.url), ...sources.map((file) => join(here, program.folder, file))];
  const newest = Math.max(...(await Promise.all(inputs.map(modifiedMs))));
  await mkdir(output, { recursive: true });
  try {
    if ((await modifiedMs(program.stamp ?? program.start.at(-1))) <= newest) await program.build();
  } catch (error) {
    return { missing: `it does not compile: ${(error.stderr || error.message).slice(0, 400)}`, version: '' };
  }
  return { start: program.start, version: await versionOf(program) };
}

/**
 * The versions of a program's Debian packages, including compilers, on which a figure depends as much as on the
 * library.
 */
async function versionOf({ packages, compiler }) {
  const first = compiler === undefined ? '' : `${(await run(compiler[0], compiler.slice(1))).stdout.trim()}, `;
  const asked = ['-W', '-f', '${Package} ${Version}, ', ...packages];
  const { stdout } = await run('dpkg-query', asked).catch((error) => ({ stdout: error.stdout ?? '' }));
  return `${first}${stdout.replace(/, $/, '')}`;
}

/** @param {string} path @returns {Promise<number>} 0 if there is no such file */
async function modifiedMs(path) {
  return stat(path).then(({ mtimeMs }) => mtimeMs, () => 0);
}
