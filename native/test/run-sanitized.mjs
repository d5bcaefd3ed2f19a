// Builds and runs the tests of the plain C++ cores under the address and undefined-behaviour sanitizers, without Node
// in the process: a sanitizer inside Node would report Node's own business too.
//
//   node native/test/run-sanitized.mjs [seeds]
//
// What is given as [seeds] is passed on to each test program; without it, each uses its own default.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Each test and the cores, in native/, it is linked with.
const CORES = {
  'timer_wheel_test.cc': ['timer_wheel.cc'],
  'alarm_test.cc': ['timerfd_alarm.cc', 'uring_alarm.cc'],
  'io_source_test.cc': ['io_source.cc', 'epoll_io.cc', 'uring_io.cc', 'thread_epoll.cc'],
};
const FLAGS = [
  '-std=gnu++20', '-O1', '-g', '-Wall', '-Wextra', '-Werror',
  '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer',
];

const tests = dirname(fileURLToPath(import.meta.url));
const native = dirname(tests);
const sources = readdirSync(tests).filter((name) => name.endsWith('_test.cc')).sort();
const directory = mkdtempSync(join(tmpdir(), 'percore-sanitized-'));
let failures = 0;

try {
  for (const name of new Set([...sources, ...Object.keys(CORES)])) {
    if (!runTest(name)) failures += 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

function runTest(name) {
  if (!sources.includes(name)) return fail(name, 'is in the table but not in the folder');
  if (CORES[name] === undefined) return fail(name, 'is not in the table of run-sanitized.mjs');
  const program = join(directory, name.slice(0, -'.cc'.length));
  const files = [join(tests, name), ...CORES[name].map((core) => join(native, core))];
  return run(name, 'g++', [...FLAGS, '-o', program, ...files]) && run(name, program, process.argv.slice(2));
}

function run(name, command, args) {
  const result = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status === 0) return true;
  return fail(name, `${command} ended with ${result.error?.message ?? result.signal ?? `status ${result.status}`}`);
}

function fail(name, reason) {
  process.stderr.write(`${name}: ${reason}\n`);
  return false;
}
