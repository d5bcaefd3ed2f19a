// Compiles the baseline programs to bench/baselines/build/. Each is compiled if its source, or this file, is newer than
// the result.
//
// The compilers are `gcc` and `g++`, or those that CC and CXX name. A program is written under another name and then
// renamed, so that two benches that start at the same time never run half a file.
import { execFile } from 'node:child_process';
import { mkdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const outputDirectory = join(here, 'build');
const c = { compiler: process.env.CC || 'gcc', standard: '-std=c11' };
const cpp = { compiler: process.env.CXX || 'g++', standard: '-std=c++17' };
const flags = ['-pthread', '-Wall', '-Wextra'];

/**
 * @typedef {'epoll_server' | 'epoll_datagram_server' | 'tcp_client' | 'stream_client' | 'datagram_client' |
 * 'accept_client' | 'idle_client'} IoProgram
 */
/**
 * @type {Record<'ring_round_trip' | 'eventfd_round_trip' | 'load_client' | 'queue_throughput' | 'spin_deadlines' |
 * 'random_access' | IoProgram, { source: string, compiler: string, standard: string, optimise?: string, headers?:
 * string[] }>}
 */
const programs = {
  ring_round_trip: { source: 'ring_round_trip.cc', ...cpp },
  eventfd_round_trip: { source: 'eventfd_round_trip.c', ...c },
  load_client: {
    source: 'load_client.c',
    ...c,
    headers: [
      'load_client.h', 'load_client_throughput.h', 'load_client_latency.h', 'load_client_results.h',
      'load_client_senders.h',
    ],
  },
  queue_throughput: {
    source: 'queue_throughput.cc',
    ...cpp,
    optimise: '-O3',
    headers: ['queue_throughput_rings.h', 'queue_throughput_sides.h'],
  },
  spin_deadlines: { source: 'spin_deadlines.c', ...c },
  epoll_server: { source: 'epoll_server.c', ...c, headers: ['client.h'] },
  epoll_datagram_server: { source: 'epoll_datagram_server.c', ...c, headers: ['client.h'] },
  tcp_client: { source: 'tcp_client.c', ...c, headers: ['client.h'] },
  stream_client: { source: 'stream_client.c', ...c, headers: ['client.h'] },
  datagram_client: { source: 'datagram_client.c', ...c, headers: ['client.h'] },
  accept_client: { source: 'accept_client.c', ...c, headers: ['client.h'] },
  idle_client: { source: 'idle_client.c', ...c, headers: ['client.h'] },
  random_access: { source: 'random_access.c', ...c },
};

/**
 * Brings all baseline programs up to date.
 * Throws an Error that says what to install if there is no compiler, or that has the compiler's output if it fails.
 * @returns {Promise<Record<'ring_round_trip' | 'eventfd_round_trip' | 'load_client' | 'queue_throughput' |
 *   'spin_deadlines' | 'random_access', string>>} the path of each program
 */
export async function buildBaselines() {
  if (process.platform !== 'linux') throw new Error(`the baseline programs need Linux, this is ${process.platform}`);
  await mkdir(outputDirectory, { recursive: true });
  const paths = await Promise.all(
    Object.entries(programs).map(async ([name, program]) => [name, await buildProgram(name, program)]),
  );
  return Object.fromEntries(paths);
}

/**
 * @param {string} name @param {{ source: string, compiler: string, standard: string, optimise?: string, headers?:
 * string[] }} program
 */
async function buildProgram(name, { source, compiler, standard, optimise = '-O2', headers = [] }) {
  const sourcePath = join(here, source);
  const path = join(outputDirectory, name);
  const inputs = [sourcePath, fileURLToPath(import.meta.url), ...headers.map((header) => join(here, header))];
  const newestInputMs = Math.max(...(await Promise.all(inputs.map(modifiedMs))));
  if ((await modifiedMs(path)) > newestInputMs) return path;

  const unfinished = `${path}.${process.pid}`;
  try {
    await promisify(execFile)(compiler, [standard, optimise, ...flags, '-o', unfinished, sourcePath]);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    if (error.code === 'ENOENT' && error.path === compiler) {
      throw new Error(
        `there is no compiler '${compiler}' for ${source}; on Debian and Ubuntu: apt-get install build-essential`,
        { cause: error },
      );
    }
    throw new Error(`compiling ${source} failed\n${error.stderr || error.message}`, { cause: error });
  }
  return path;
}

/**
 * @param {string} path @returns {Promise<number>} 0 if there is no such file, so that it counts as older than any other
 */
async function modifiedMs(path) {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}

if (process.argv[1] && (await realpath(process.argv[1])) === fileURLToPath(import.meta.url)) {
  try {
    for (const path of Object.values(await buildBaselines())) console.log(path);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
