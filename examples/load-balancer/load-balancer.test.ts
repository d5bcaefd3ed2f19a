/**
 * The program as a user meets it: a process of its own, real sockets, bad input, resets, slow readers, deaths, signals.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Job, MAIN, Peer, endAll, endLater, isWhole, reader, until } from './fixtures/job.js';
import type { JobReport } from './report.js';

const hex = (text: string | Buffer): string => crc32(text).toString(16).padStart(8, '0');
afterEach(endAll);

const of = (peer: Peer, key: string): string[] => peer.lines.filter((line) => line.split(' ')[3] === key);
const expectWhole = (report: JobReport): void => expect(isWhole(report), JSON.stringify(report)).toBe(true);

describe('load balancer', () => {
  it('answers each line with its seq, owner, band, key, count and CRC-32', async () => {
    const job = await Job.start();
    const output = await reader(job);
    const input = new Peer(job.input);
    input.socket.write('6 apple hello\n1 apple world \r\n3 pear\n3 pear \n0 pear ä ö\n');
    await until(() => of(output, 'apple').length === 2 && of(output, 'pear').length === 3, () => output.text);
    const fields = [...of(output, 'apple'), ...of(output, 'pear')].map((line) => line.split(' '));
    const owners = new Map<string, Set<string>>();
    for (const [, owner, , key] of fields) owners.set(key!, (owners.get(key!) ?? new Set<string>()).add(owner!));
    expect([...owners.values()].map((set) => set.size)).toEqual([1, 1]);
    const seen = fields.map(([seq, , band, key, , crc]) => `${seq} ${band} ${key} ${crc}`).toSorted();
    expect(seen).toEqual([
      `0 6 apple ${hex('hello')}`, `1 1 apple ${hex('world ')}`, `2 3 pear ${hex('')}`, `3 3 pear ${hex('')}`,
      `4 0 pear ${hex('ä ö')}`,
    ]);
    expect(of(output, 'pear').map((line) => Number(line.split(' ')[4])).toSorted()).toEqual([1, 2, 3]);
    const { code, report } = await job.stop();
    expect(code).toBe(0);
    expectWhole(report);
    expect(report.dropped).toBe(0);
  });

  it('rejects bad lines by reason and seq, keeps the connection, and leaves others alone', async () => {
    const job = await Job.start();
    const output = await reader(job);
    const bad = new Peer(job.input);
    const good = new Peer(job.input);
    good.socket.write('4 good 1\n');
    bad.socket.write(
      Buffer.concat([
        Buffer.from('8 key x\n'), Buffer.from('key\n'), Buffer.from('3\n'), Buffer.from('3  x\n'), Buffer.from('\n'),
        Buffer.from('\r\n'), Buffer.from('3 k a\0b\n'), Buffer.from([0x33, 0x20, 0x6b, 0x20, 0xff, 0x0a]),
        Buffer.from(`3 k ${'x'.repeat(70_000)}\n`), Buffer.from('3 after fine\n'), Buffer.from('3 half'),
      ]),
    );
    await until(() => bad.lines.length === 9 && of(output, 'after').length === 1, () => bad.text);
    bad.socket.end();
    await until(() => bad.lines.length === 10, () => bad.text);
    expect(bad.lines).toEqual([
      'ERR 0 bad-band', 'ERR 1 bad-band', 'ERR 2 missing-key', 'ERR 3 missing-key', 'ERR 4 empty-line',
      'ERR 5 empty-line', 'ERR 6 nul-byte', 'ERR 7 not-utf8', 'ERR 8 too-long', 'ERR 10 half-line',
    ]);
    expect(of(output, 'after')[0]!.split(' ')[0]).toBe('9');
    good.socket.write('4 good 2\n');
    await until(() => of(output, 'good').length === 2, () => output.text);
    expect(good.text).toBe('');
    const { code, report } = await job.stop();
    expect(code).toBe(0);
    expect(report.rejected).toEqual({
      'bad-band': 2, 'missing-key': 2, 'empty-line': 2, 'nul-byte': 1, 'not-utf8': 1, 'too-long': 1, 'half-line': 1,
    });
    expectWhole(report);
  });

  it('takes a line of 64 KiB whole', async () => {
    const job = await Job.start();
    const output = await reader(job);
    const payload = 'y'.repeat(65_536 - '3 long '.length);
    new Peer(job.input).socket.write(`3 long ${payload}\n`);
    await until(() => of(output, 'long').length === 1, () => `${output.text} ${job.stderr}`);
    expect(of(output, 'long')[0]!.split(' ')[5]).toBe(hex(payload));
    expectWhole((await job.stop()).report);
  });

  it('counts half a line of a connection that is reset as rejected', async () => {
    const job = await Job.start();
    const output = await reader(job);
    const peer = new Peer(job.input);
    peer.socket.write('5 reset 1\n5 reset 2\n5 res');
    await until(() => of(output, 'reset').length === 2, () => output.text);
    peer.socket.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { code, report } = await job.stop();
    expect(code).toBe(0);
    expect(report.rejected).toEqual({ 'half-line': 1 });
    expectWhole(report);
  });

  it('keeps the order of each connection, key and band, and loses nothing under load', async () => {
    const job = await Job.start();
    const output = await reader(job);
    const connections = 4;
    const lines = 5000;
    const peers = Array.from({ length: connections }, () => new Peer(job.input));
    for (const [id, peer] of peers.entries()) {
      let text = '';
      for (let i = 0; i < lines; i++) text += `${i % 8} c${id}k${i % 10} payload ${i}\n`;
      peer.socket.write(text);
    }
    await until(() => output.lines.length >= connections * lines, () => `${output.lines.length} results`);
    const last = new Map<string, number>();
    const counts = new Map<string, number>();
    for (const line of output.lines) {
      const [seq, , band, key, count, crc] = line.split(' ') as [string, string, string, string, string, string];
      if (key === 'feeler') continue;
      const stream = `${band} ${key}`;
      expect(Number(seq)).toBeGreaterThan(last.get(stream) ?? -1);
      last.set(stream, Number(seq));
      counts.set(key, Math.max(counts.get(key) ?? 0, Number(count)));
      expect(crc).toBe(hex(`payload ${seq}`));
    }
    expect([...counts.values()]).toEqual(new Array(connections * 10).fill(lines / 10));
    const { report } = await job.stop();
    expectWhole(report);
    expect(report.results).toBeGreaterThanOrEqual(connections * lines);
    expect(report.outputs.resultsUnsent).toBe(0);
  });

  it('works urgent lines of another connection before a flood is through', async () => {
    const job = await Job.start('--work-us', '100');
    const output = await reader(job);
    const flood = new Peer(job.input);
    const urgent = new Peer(job.input);
    const lines = 20_000;
    flood.socket.write(Array.from({ length: lines }, (_, i) => `1 flood${i % 50} x\n`).join(''));
    await until(() => output.lines.length > 50, () => output.text);
    urgent.socket.write('6 urgent now\n');
    await until(() => of(output, 'urgent').length === 1, () => `${output.lines.length} results and no urgent one`);
    const before = output.lines.findIndex((line) => line.includes(' urgent '));
    // At 100 µs a line on two reactors the flood takes a second; the urgent line passes what waits of it.
    expect(before).toBeLessThan(lines / 2);
    const { report } = await job.stop('SIGINT');
    expectWhole(report);
  });

  it('drops a slow output after its backlog, counts it, and serves the others', async () => {
    const job = await Job.start('--output-backlog-bytes', '65536');
    const output = await reader(job);
    const slow = new Peer(job.output);
    await once(slow.socket, 'connect');
    slow.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const input = new Peer(job.input);
    const lines = 200_000;
    let closed = false;
    for (const event of ['end', 'error'] as const) slow.socket.once(event, () => (closed = true));
    // As fast as the reader reads, so that its own backlog stays small.
    for (let from = 0; from < lines; from += 500) {
      input.socket.write(Array.from({ length: 500 }, (_, i) => `2 k${i % 9} some payload ${from + i}\n`).join(''));
      const goal = from;
      await until(() => output.lineCount >= goal, () => `${output.lineCount} results`);
    }
    const served = (): number => output.lines.filter((line) => !line.includes('feeler')).length;
    await until(() => served() >= lines, () => `${served()} results`);
    const { report } = await job.stop();
    slow.socket.resume();
    await until(() => closed, () => 'the slow output was not closed');
    expect(report.outputs.evicted).toBe(1);
    expect(report.outputs.resultsUnsent).toBeGreaterThan(0);
    expect(served()).toBe(lines);
    expectWhole(report);
  });

  it('drains what it has read at SIGTERM, also when a second signal comes, if it can be done soon', async () => {
    const job = await Job.start('--work-us', '50');
    const output = await reader(job);
    const input = new Peer(job.input);
    input.socket.write(Array.from({ length: 10_000 }, (_, i) => `1 k${i % 20} x\n`).join(''));
    await until(() => output.lines.length > 100, () => output.text);
    job.child.kill('SIGTERM');
    const { code, report } = await job.stop('SIGTERM');
    expect(code).toBe(0);
    expectWhole(report);
    expect(report.dropped).toBe(0);
    // Not the feelers, of another band: results from before the output was accepted go to nobody.
    const read = (): number => output.lines.filter((line) => !line.includes('feeler')).length;
    const { results } = report.bands['1']!;
    await until(() => read() === results, () => `${read()} lines read of ${results} results`);
  });

  it('goes on without a reactor that dies, counts its lines as dropped, and exits with 1', async () => {
    const job = await Job.start('--reactors', '2', '--die', '1:300', '--work-us', '20');
    const inputs = Array.from({ length: 8 }, () => new Peer(job.input));
    for (const input of inputs) input.socket.write(Array.from({ length: 2000 }, (_, i) => `1 k${i % 50} x\n`).join(''));
    await until(() => job.stderr.includes('reactor 1 died'), () => job.stderr);
    // New connections go to the one that lives; the port is not a black hole.
    for (let i = 0; i < 8; i++) {
      const late = new Peer(job.input);
      await once(late.socket, 'connect');
      late.socket.end('9 bad\n');
      await until(() => late.lines.length === 1, () => 'a connection after the death was not served');
    }
    const { code, report } = await job.stop();
    expect(code).toBe(1);
    expect(report.dropped).toBeGreaterThan(0);
    expect(report.reactors.map(({ state }) => state)).toEqual(['ready', 'dead']);
    expect(report.reactors[0]!.results).toBeGreaterThan(0);
    expectWhole(report);
  });

  it('reads standard input and files to their end, raw logs too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percore-'));
    const file = join(folder, 'log');
    const lines = Array.from(
      { length: 3000 },
      (_, i) => `2026-01-0${1 + (i % 9)} 10:00:00 ${i % 10 === 0 ? 'install' : 'status'} package${i % 7} 1.0-${i}`,
    );
    writeFileSync(file, `${lines.join('\n')}\n`);
    const run = promisify(execFile);
    const raw = ['--output-port', '0', '--json', '--raw', '--key-field', '4', '--urgent', ' install '];
    const reports = [
      await run(process.execPath, [MAIN, '--file', file, ...raw]),
      await new Promise<{ stdout: string }>((resolve, reject) => {
        const child = execFile(process.execPath, [MAIN, '--stdin', ...raw], (error, stdout) =>
          error === null ? resolve({ stdout }) : reject(error as Error),
        );
        child.stdin!.end(`${lines.join('\n')}\n`);
      }),
    ].map(({ stdout }) => JSON.parse(stdout.trim().split('\n').at(-1)!) as JobReport);
    rmSync(folder, { recursive: true });
    for (const report of reports) {
      expect(report.linesIn).toBe(3000);
      expect(report.results).toBe(3000);
      expect(report.bands['6']!.results).toBe(300);
      expect(report.bands['1']!.results).toBe(2700);
      expect(report.bytesIn).toBe(lines.join('\n').length + 1);
    }
  });

  it('says in one line what is wrong with its use, and exits with 2', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const taken = String((server.address() as AddressInfo).port);
    for (const [args, words] of [
      [['--nope'], 'nope'], [['--file', '/no/such/file'], 'no such file'], [['--file', '/tmp'], 'directory'],
      [['--port', taken, '--output-port', '0'], 'in use'], [['--port', '0', '--output-port', taken], 'in use'],
    ] as const) {
      const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
        execFile(process.execPath, [MAIN, ...args], (error, _stdout, text) =>
          resolve({ code: error?.code, stderr: text }),
        );
      });
      expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
      expect(stderr).toContain(words);
    }
    server.close();
  });

  it('shows a stranger how to read it, and how to feed it a flood and urgent lines side by side', async () => {
    const child = endLater(spawn(process.execPath, [MAIN, '--port', '0', '--output-port', '0']));
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
    await until(() => stderr.split('\n').length >= 5, () => stderr);
    const commands = stderr
      .split('\n')
      .filter((line) => line.startsWith('  '))
      .map((line) => line.slice(line.indexOf(':') + 1).trim()) as [string, string, string];
    // Each with all that it starts in a group of its own.
    const [read, ...feeders] = commands.map((command) =>
      spawn('bash', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    try {
      const counts = { flood: 0, urgent: 0 };
      let rest = '';
      read!.stdout!.on('data', (chunk: Buffer) => {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop()!;
        for (const line of lines) counts[/ 6 alarm /.test(line) ? 'urgent' : 'flood']++;
      });
      await until(() => counts.flood > 10_000 && counts.urgent > 1, () => JSON.stringify(counts));
    } finally {
      for (const { pid } of feeders) process.kill(-pid!, 'SIGKILL');
      child.kill('SIGINT');
    }
    const ends = Promise.all([once(child, 'exit'), once(read!, 'exit')]);
    // The reader ends by itself, with what it reads.
    expect(await ends).toEqual([[0, null], [0, null]]);
  });

  it('shows itself a flood and an urgent stream side by side, and says what their latency is', async () => {
    const options = ['--port', '0', '--output-port', '0', '--demo', '--drain-ms', '60000'];
    const child = endLater(spawn(process.execPath, [MAIN, ...options]));
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
    const table = /^band +lines\/s +waiting +p50 µs +p99 µs\n6 {2}urgent( +[\d,.]+){4}\n1 {2}flood( +[\d,.]+){4}\n/gm;
    const tables = (): RegExpMatchArray | null => stderr.match(table);
    await until(
      () => (tables()?.length ?? 0) >= 2,
      () => stderr,
    );
    const figures = tables()!
      .at(-1)!
      .split('\n')
      .slice(1, 3)
      .map((line) =>
        line
          .split(/ {2,}/)
          .slice(2)
          .map((figure) => Number(figure.replaceAll(',', ''))),
      );
    const [[urgentRate, , urgentP50], [floodRate, , floodP50]] = figures as [number[], number[]];
    expect(urgentRate).toBeGreaterThan(1);
    expect(floodRate).toBeGreaterThan(10 * urgentRate!);
    expect(urgentP50).toBeLessThan(floodP50! / 2);
    expect(stderr).toContain('lines of a flood wait behind each other, and an urgent line passes them all.');
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
    expect(stderr).toMatch(/\d+ lines in, \d+ results, \d+ rejected, 0 dropped in \d+ ms\n$/);
  });
});
