/**
 * One fuzzer in a process of its own: `child.js <area> <seed> <seconds> <log>`. The log is a file of a fixed size that
 * is written round and round, a line before each call, so that the last ones are there whatever becomes of the process.
 */
import { openSync, writeSync } from 'node:fs';
import { Fuzzer, type World } from './fuzzer.js';
import { Chance } from './hostile.js';

const [area, seed, seconds, path] = process.argv.slice(2) as [string, string, string, string];
const LOG_BYTES = 256 * 1024;
const log = openSync(path, 'w');
let at = 0;

function note(line: string): void {
  const written = Buffer.from(`${line.replace(/\n/g, ' ').slice(0, 400)}\n`);
  if (at + written.length > LOG_BYTES) at = 0;
  at += writeSync(log, written, 0, written.length, at);
}

const { world } = (await import(`./worlds/${area}.js`)) as { world: World };
const fuzzer = new Fuzzer(new Chance(Number(seed)), world, note);
// Promises that nobody will settle must not end the process before they are found.
const alive = setInterval(() => undefined, 1000);
const end = Date.now() + Number(seconds) * 1000;
let rounds = 0;
try {
  do {
    await fuzzer.round();
    rounds++;
  } while (Date.now() < end);
} catch (error) {
  // Of the fuzzer itself. Its handlers of what nobody caught would take this for a finding, and the process would wait
  // for nothing.
  process.stderr.write(`the fuzzer failed: ${(error as Error).stack}\n`);
  process.exit(2);
}
clearInterval(alive);
process.stdout.write(`${JSON.stringify({ calls: fuzzer.calls, rounds, failures: [...fuzzer.failures.values()] })}\n`);
process.exit(0);
