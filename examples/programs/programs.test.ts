/** Every program runs as its reader would run it, and does what it promises. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));
const sources = fileURLToPath(new URL('../../../examples/programs/', import.meta.url));
const start = (name: string, ...args: string[]): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, [join(folder, `${name}.js`), ...args]);

/** Gives it the text to read; promises what it has printed, when it has ended. */
async function run(name: string, args: string[] = [], input = '') {
  const child = start(name, ...args);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => void (stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => void (stderr += bytes.toString()));
  child.stdin.end(input);
  const [status] = await once(child, 'close') as [number];
  return { status, stdout, stderr };
}

it.each([
  ['market-data', 'the strategy has seen all 50000 quotes\nthe display has shown some and left out others\n'],
  ['job-queue', 'urgent done\nimpatient too late\nurgent has overtaken bulk, of 11 that were done\n'
    + 'impatient was never begun\n'],
  ['rate-limiter', 'ada: the burst allowed, the rest refused\ngrace: the burst allowed, the rest refused\n'
    + '2 customers over 2 reactors\n'],
])('%s', async (name, stdout) => {
  expect(await run(name)).toEqual({ status: 0, stdout, stderr: '' });
});

it('log-pipeline', async () => {
  const logs = mkdtempSync(join(tmpdir(), 'percore-logs-'));
  try {
    const levels = ['info', 'error', 'strange'];
    const input = Array.from({ length: 30_000 }, (_, i) => `${levels[i % 3]} line ${i}\n`).join('');
    expect(await run('log-pipeline', [logs], input)).toEqual({
      status: 0, stdout: '30000 {"info":10000,"error":10000,"other":10000}\n', stderr: '',
    });
    expect(readFileSync(join(logs, 'error.log'), 'utf8'))
      .toBe(Array.from({ length: 10_000 }, (_, i) => `line ${i * 3 + 1}\n`).join(''));
  } finally {
    rmSync(logs, { recursive: true });
  }
});

it('chat', async () => {
  const child = start('chat', '0');
  try {
    const [ready] = await once(child.stdout, 'data') as [Buffer];
    const ports = /^listening (\d+) (\d+)\n$/.exec(ready.toString())!.slice(1).map(Number);
    const [ada, grace] = await Promise.all(ports.map(enter)) as [Socket, Socket];
    ada.write('hello from reactor 0\n');
    expect(await once(grace.setEncoding('utf8'), 'data')).toEqual(['hello from reactor 0\n']);
    grace.write('and from reactor 1\n');
    let heard = '';
    for await (const text of ada.setEncoding('utf8')) if ((heard += text).endsWith('1\n')) break;
    expect(heard).toBe('hello from reactor 0\nand from reactor 1\n');
    grace.destroy();
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});

/** Upgrades a connection to that port. */
async function enter(port: number): Promise<Socket> {
  const asked = request({ port, host: '127.0.0.1', headers: { connection: 'Upgrade', upgrade: 'lines' } });
  asked.end();
  const [, socket] = await once(asked, 'upgrade') as [unknown, Socket];
  return socket;
}

it('each has less than 120 lines, and all are tested here', () => {
  const names = readdirSync(sources).filter((name) => name !== 'programs.test.ts');
  expect(names).toEqual(['chat.ts', 'job-queue.ts', 'log-pipeline.ts', 'market-data.ts', 'rate-limiter.ts']);
  for (const name of names) expect(readFileSync(join(sources, name), 'utf8').split('\n').length).toBeLessThan(120);
});
