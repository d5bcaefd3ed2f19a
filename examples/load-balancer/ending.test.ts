/**
 * However it reads and whoever reads it: a signal ends the program with its report, and nobody who leaves takes it
 * along.
 */
import { execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Job, MAIN, Peer, endAll, isWhole, until } from './fixtures/job.js';

let folder: string;
let fifos = 0;
const cleanUps: (() => void)[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'percore-ending-'));
});
afterEach(() => {
  endAll();
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});
afterAll(() => rmSync(folder, { recursive: true }));

const OPTIONS = ['--output-port', '0', '--json', '--reactors', '2', '--idle', 'park'];
const start = (stdio: StdioOptions, ...options: string[]): ChildProcess =>
  spawn(process.execPath, [MAIN, ...OPTIONS, ...options], { stdio });
/**
 * By way of a shell, since Node makes the standard input of its children blocking: descriptor 3 becomes standard input
 * as it is.
 */
const startThroughShell = (fd: number): ChildProcess =>
  spawn('sh', ['-c', 'exec "$0" "$@" <&3', process.execPath, MAIN, ...OPTIONS, '--stdin'], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });

function makeFifo(): { path: string; open: (flags: number) => number } {
  const path = join(folder, `fifo${fifos++}`);
  execFileSync('mkfifo', [path]);
  return {
    path,
    open: (flags) => {
      const fd = openSync(path, flags);
      cleanUps.push(() => closeSync(fd));
      return fd;
    },
  };
}

interface Fed {
  readonly child: ChildProcess;
  /** Sends it a line; undefined where nobody has anything to send. */
  readonly feed: ((line: string) => void) | undefined;
}

/** Every kind of input that can keep a reader waiting. */
const KINDS: Record<string, () => Promise<Fed> | Fed> = {
  'a pipe': () => {
    const fifo = makeFifo();
    const reading = fifo.open(constants.O_RDWR);
    return { child: startThroughShell(reading), feed: (line) => void writeSync(reading, line) };
  },
  'a pipe that somebody has made non-blocking': () => {
    const fifo = makeFifo();
    const reading = fifo.open(constants.O_RDONLY | constants.O_NONBLOCK);
    const writing = fifo.open(constants.O_WRONLY);
    return { child: startThroughShell(reading), feed: (line) => void writeSync(writing, line) };
  },
  'a Unix socket': () => {
    const child = start(['pipe', 'pipe', 'pipe'], '--stdin');
    return { child, feed: (line) => void child.stdin!.write(line) };
  },
  'a TCP connection': async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    cleanUps.push(() => {
      for (const one of [client, socket]) one.destroy();
      server.close();
    });
    return { child: start([socket, 'pipe', 'pipe'], '--stdin'), feed: (line) => void client.write(line) };
  },
  'a FIFO by its name': () => {
    const fifo = makeFifo();
    const child = start(['ignore', 'pipe', 'pipe'], '--file', fifo.path);
    let writing: number | undefined;
    return { child, feed: (line) => void writeSync((writing ??= fifo.open(constants.O_WRONLY)), line) };
  },
  'a FIFO that nobody writes': () => ({
    child: start(['ignore', 'pipe', 'pipe'], '--file', makeFifo().path),
    feed: undefined,
  }),
};

describe.each(Object.keys(KINDS))('reading from %s', (kind) => {
  it('it ends at SIGTERM and at SIGINT with exit code 0 and its report', async () => {
    await Promise.all((['SIGTERM', 'SIGINT'] as const).map((signal) => endsBy(signal)));
  });

  async function endsBy(signal: NodeJS.Signals): Promise<void> {
    const { child, feed } = await KINDS[kind]!();
    const job = await Job.of(child);
    const output = new Peer(job.output);
    if (feed !== undefined) {
      // The first lines may be worked before the output is connected.
      const feeding = setInterval(() => feed('3 key a line\n'), 20);
      cleanUps.push(() => clearInterval(feeding));
      await until(() => output.lineCount > 0, () => `no results: ${job.stderr}`);
      clearInterval(feeding);
    }
    const fromMs = performance.now();
    const { code, report } = await job.stop(signal);
    expect([code, report.dropped, isWhole(report), job.stderr]).toEqual([0, 0, true, '']);
    expect(report.linesIn > 0).toBe(feed !== undefined);
    expect(performance.now() - fromMs).toBeLessThan(10_000);
  }
});

it('Ctrl-C in a terminal that it reads ends it with its report, and Ctrl-D is the end of what it reads', async () => {
  const results = await Promise.all(['\x03', '\x04'].map(async (key) => {
    const child = spawn(
      'script', ['-qfec', `exec '${process.execPath}' '${MAIN}' ${OPTIONS.join(' ')} --stdin`, '/dev/null'],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    cleanUps.push(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
    await until(() => text.includes('listening'), () => text);
    child.stdin.write('3 key a line\n');
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.stdin.write(key);
    const [code] = (await once(child, 'exit')) as [number];
    await until(() => text.includes('elapsedMs'), () => text);
    return [code, /"linesIn":\d+,"results":\d+/.exec(text)?.[0]];
  }));
  expect(results).toEqual(Array(2).fill([0, '"linesIn":1,"results":1']));
}, 30_000);

describe('standard input that ends by itself', () => {
  it.each([
    ['/dev/null', () => '/dev/null', 0],
    ['an empty file', () => '', 0],
    ['a file', () => '3 key a line\n'.repeat(5000), 5000],
  ])('%s', async (name, content, lines) => {
    const path = name === '/dev/null' ? name : join(folder, `stdin ${lines}`);
    if (path !== '/dev/null') writeFileSync(path, content());
    const fd = openSync(path, 'r');
    cleanUps.push(() => closeSync(fd));
    const { code, report } = await (await Job.of(start([fd, 'pipe', 'pipe'], '--stdin'))).ended();
    expect([code, report.linesIn, report.results]).toEqual([0, lines, lines]);
  });

  it('a directory is no input: one line, exit code 1, and the report all the same', async () => {
    const fd = openSync(folder, 'r');
    cleanUps.push(() => closeSync(fd));
    const job = await Job.of(start([fd, 'pipe', 'pipe'], '--stdin'));
    const { code, report } = await job.ended();
    expect([code, report.linesIn]).toEqual([1, 0]);
    expect(job.stderr).toMatch(/^cannot read standard input: .*EISDIR.*\n$/);
  });
});

describe('signals', () => {
  it('at any moment end it with its report, or before it has begun', async () => {
    const file = join(folder, 'much');
    writeFileSync(file, '3 key a line\n'.repeat(20_000));
    const runs = Array.from({ length: 10 }, (_, i) => i * 45);
    for (const delayMs of runs) {
      const child = start(['ignore', 'pipe', 'pipe'], '--file', file);
      let stdout = '';
      let stderr = '';
      child.stdout!.on('data', (chunk: Buffer) => (stdout += String(chunk)));
      child.stderr!.on('data', (chunk: Buffer) => (stderr += String(chunk)));
      const closed = once(child, 'close') as Promise<[number | null, string | null]>;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill(delayMs % 90 === 0 ? 'SIGTERM' : 'SIGINT');
      const [code, signal] = await closed;
      // Before its first line has run nobody but the system can answer.
      if (code === null) expect([signal, stdout]).toEqual([signal, '']);
      else expect([code, isWhole(JSON.parse(stdout.trim().split('\n').at(-1)!))]).toEqual([0, true]);
      expect(stderr).toBe('');
    }
  });

  it('leave as long as --drain-ms says; the rest is dropped and counted, and the exit code is 1', async () => {
    const file = join(folder, 'slow');
    writeFileSync(file, '3 key a line\n'.repeat(1000));
    const job = await Job.of(
      start(['ignore', 'pipe', 'pipe'], '--file', file, '--work-us', '1000000', '--drain-ms', '300'),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { code, report } = await job.stop();
    expect([code, isWhole(report)]).toEqual([1, true]);
    expect(report.droppedByReason).toEqual({ stopped: report.dropped });
    expect(report.dropped).toBeGreaterThan(900);
  });

  it('are the reason of what a reader still had in hand at its end, and no death is', async () => {
    const file = join(folder, 'more than the lanes hold');
    writeFileSync(file, '3 key a line\n'.repeat(60_000));
    const job = await Job.of(start(
      ['ignore', 'pipe', 'pipe'], '--file', file, '--reactors', '1', '--work-us', '200', '--drain-ms', '100',
    ));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { code, report } = await job.stop();
    expect([code, isWhole(report)]).toEqual([1, true]);
    expect(report.droppedByReason).toEqual({ stopped: report.dropped });
  });

  it('a second one ends in seconds what would have taken minutes', async () => {
    const file = join(folder, 'slow');
    writeFileSync(file, '3 key a line\n'.repeat(1000));
    const job = await Job.of(
      start(['ignore', 'pipe', 'pipe'], '--file', file, '--work-us', '1000000', '--drain-ms', '600000'),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    job.child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { code, report } = await job.stop('SIGINT');
    expect([code, isWhole(report), report.dropped > 900]).toEqual([1, true, true]);
  });
});

describe('whoever reads what it prints may leave', () => {
  const file = (): string => {
    const path = join(folder, 'lines');
    writeFileSync(path, '3 key a line\n'.repeat(100));
    return path;
  };
  const ended = async (child: ChildProcess): Promise<{ code: number; stderr: string }> => {
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += String(chunk)));
    const [code] = (await once(child, 'close')) as [number];
    return { code, stderr };
  };

  it('with standard output gone the report is one line of standard error, and the exit code says so', async () => {
    const child = start(['ignore', 'pipe', 'pipe'], '--file', file());
    child.stdout!.destroy();
    const { code, stderr } = await ended(child);
    expect(stderr).toMatch(
      /^standard output cannot be written to any more, so the report is here: \{"linesIn":100,"results":100,.*\}\n$/,
    );
    expect(code).toBe(1);
  });

  it('a full disk is the same', async () => {
    const child = spawn(
      'sh', ['-c', 'exec "$0" "$@" > /dev/full', process.execPath, MAIN, ...OPTIONS, '--file', file()],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const { code, stderr } = await ended(child);
    expect(stderr).toMatch(/^standard output cannot be written to any more, so the report is here: \{.*\}\n$/);
    expect(code).toBe(1);
  });

  it('with both gone it does its work all the same', async () => {
    const child = start(['pipe', 'pipe', 'pipe'], '--stdin');
    child.stdout!.destroy();
    child.stderr!.destroy();
    child.stdin!.end('3 key a line\n'.repeat(1000));
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(1);
  });
});
