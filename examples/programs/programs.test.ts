/** Every program runs as its reader would run it, and does what it promises. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync,
} from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

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

describe('log-pipeline, whatever happens to it', () => {
  let logs: string;
  beforeEach(() => void (logs = mkdtempSync(join(tmpdir(), 'percore-logs-'))));
  afterEach(() => rmSync(logs, { recursive: true }));
  const lined = (text: string, times: number): string => `${text}\n`.repeat(times);

  it('a full disk ends it with a word, though its input never ends', async () => {
    symlinkSync('/dev/full', join(logs, 'error.log'));
    const child = start('log-pipeline', logs);
    const ended = once(child, 'close') as Promise<[number]>;
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => void (stderr += bytes.toString()));
    child.stdin.on('error', () => undefined);
    const feed = setInterval(() => child.stdin.write(lined('error no room', 2000)), 5);
    const [status] = await ended;
    clearInterval(feed);
    expect(status).toBe(1);
    expect(stderr).toMatch(/ENOSPC.*lines are lost/);
  });

  it('lines that are too long for it are counted, and the others written', async () => {
    const input = `info ä${'x'.repeat(60_000)}\n${lined('info short', 3)}info ${'ä'.repeat(15_000)}\n`;
    const { status, stdout, stderr } = await run('log-pipeline', [logs], input);
    expect([status, stdout]).toEqual([0, '4 {"info":4}\n']);
    expect(stderr).toBe('1 lines of more than 32768 bytes were left out\n');
  });

  it('a signal ends the reading, and what was read is written', async () => {
    const child = start('log-pipeline', logs);
    let stdout = '';
    child.stdout.on('data', (bytes: Buffer) => void (stdout += bytes.toString()));
    child.stdin.write(lined('info here', 5000));
    const path = join(logs, 'info.log');
    while (!existsSync(path) || statSync(path).size < 25_000) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(stdout).toBe('5000 {"info":5000}\n');
    expect(readFileSync(path, 'utf8')).toBe(lined('here', 5000));
  });

  it('an input that cannot be read ends it, and so does nobody who reads what it prints', async () => {
    const directory = openSync('/', 'r');
    const program = join(folder, 'log-pipeline.js');
    const refused = spawn(process.execPath, [program, logs], { stdio: [directory, 'pipe', 'pipe'] });
    let stderr = '';
    refused.stderr!.on('data', (bytes: Buffer) => void (stderr += bytes.toString()));
    expect(await once(refused, 'close')).toEqual([1, null]);
    closeSync(directory);
    expect(stderr).toContain('the input could not be read on');
    const unheard = start('log-pipeline', logs);
    unheard.stdout.destroy();
    unheard.stdin.end(lined('info here', 10));
    expect(await once(unheard, 'close')).toEqual([1, null]);
    expect(readFileSync(join(logs, 'info.log'), 'utf8')).toBe(lined('here', 10));
  });
});

it('chat hears what came in one piece with the upgrade, and puts out who floods it and does not read', async () => {
  const child = start('chat', '0');
  const sockets: Socket[] = [];
  try {
    const [ready] = await once(child.stdout, 'data') as [Buffer];
    const port = Number(/^listening (\d+)/.exec(ready.toString())![1]);
    const listener = await enter(port);
    sockets.push(listener);
    let heard = '';
    listener.setEncoding('utf8').on('data', (text: string) => void (heard += text));
    const eager = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
    sockets.push(eager);
    eager.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nat once\n');
    while (!heard.includes('at once\n')) await new Promise((resolve) => setTimeout(resolve, 5));
    const flood = await enter(port);
    sockets.push(flood);
    flood.on('error', () => undefined).pause();
    // More than any buffer of the kernel takes.
    const line = `${'f'.repeat(999)}\n`.repeat(1000);
    const closed = new Promise<void>((resolve) => void flood.on('close', resolve));
    const fill = setInterval(() => void (flood.writableLength < 2 ** 20 && flood.write(line)), 5);
    await closed;
    clearInterval(fill);
    listener.write('still here\n');
    while (!heard.includes('still here\n')) await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
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
