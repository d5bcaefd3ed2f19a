/**
 * The sample under the real wrk, and under fetch: every reactor serves the one port, and a name has one count wherever
 * it is asked for.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireProgram, run, startProgram, type RunningServer } from '../resp/fixtures/processes.js';

const start = (reactors: number): Promise<RunningServer> =>
  startProgram(
    process.execPath,
    [fileURLToPath(new URL('./main.js', import.meta.url)), '--port', '0', '--reactors', String(reactors)],
    /^listening http:\/\/127\.0\.0\.1:(\d+)\/ /m,
  );
let server: RunningServer;
beforeEach(async () => {
  server = await start(2);
});
afterEach(() => server.stop());

const served = async (): Promise<number[]> =>
  ((await (await fetch(`http://127.0.0.1:${server.port}/stats`)).json()) as { served: number[] }).served;

describe('the HTTP sample', () => {
  it('serves wrk from each reactor without an error', async () => {
    requireProgram('wrk', 'wrk');
    const output = await run('wrk', ['-t', '1', '-c', '32', '-d', '2s', `http://127.0.0.1:${server.port}/`]);
    expect(output).not.toMatch(/Socket errors|Non-2xx/);
    const requests = Number(/(\d+) requests in/.exec(output)![1]);
    const counts = await served();
    // 32 connections all on one side of a fair hash: one in 2^31.
    expect(counts).toHaveLength(2);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    // wrk does not count what was on its way at the end.
    expect(counts.reduce((a, b) => a + b)).toBeGreaterThanOrEqual(requests);
  });

  it('counts a name in one place, whichever reactor is asked', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        fetch(`http://127.0.0.1:${server.port}/visits/${i % 2 === 0 ? 'ada' : 'grace'}`, {
          method: 'POST',
          body: 'ignored',
          headers: { connection: 'close' },
        }).then((response) => response.text()),
      ),
    );
    const count = (from: number): number[] =>
      answers
        .filter((_, i) => i % 2 === from)
        .map(Number)
        .toSorted((a, b) => a - b);
    expect(count(0)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(count(1)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(Math.min(...(await served()))).toBeGreaterThan(0);
  });

  it('says 404 for what there is not, and ends with connections open', async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/nowhere`);
    expect([response.status, await response.text()]).toEqual([404, 'not found\n']);
    expect(await server.stop('SIGTERM')).toBe(0);
  });

  it('refuses a port that is taken', async () => {
    await expect(
      startProgram(
        process.execPath, [fileURLToPath(new URL('./main.js', import.meta.url)), '--port', String(server.port)],
        /^listening \S+:(\d+)/m,
      ),
    ).rejects.toThrow('ERR_PERCORE_ADDRESS_IN_USE');
  });
});

describe('hostile clients of the HTTP sample', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  /** A connection, and all that it has been sent. */
  const open = async (halfOpen = false): Promise<{ socket: Socket; text: () => string }> => {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: halfOpen });
    sockets.push(socket);
    let text = '';
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => (text += String(chunk)));
    await once(socket, 'connect');
    return { socket, text: () => text };
  };
  const until = async (isTrue: () => boolean, what: () => string): Promise<void> => {
    for (const end = performance.now() + 20_000; !isTrue(); await new Promise((resolve) => setTimeout(resolve, 10))) {
      if (performance.now() > end) throw new Error(what());
    }
  };
  const isServed = async (): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/`, { headers: { connection: 'close' } });
    expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(/^reactor \d\n$/)]);
  };

  it('slow ones, silent ones and those that never read leave room for the others', async () => {
    const slow = await Promise.all(Array.from({ length: 100 }, () => open()));
    for (const [i, { socket }] of slow.entries()) {
      if (i % 3 === 0) socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      if (i % 3 === 1) {
        socket.pause();
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2000));
      }
    }
    for (let i = 0; i < 20; i++) await isServed();
  });

  it('one that ends its side is answered', async () => {
    const { socket, text } = await open(true);
    socket.end('POST /visits/half HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    await until(() => text().endsWith('\r\n1\n\r\n0\r\n\r\n') || text().endsWith('\r\n\r\n1\n'), text);
  });

  it('those that reset in the middle of a request or of an answer harm nobody', async () => {
    for (let i = 0; i < 30; i++) {
      const { socket } = await open();
      socket.write(`POST /visits/reset${i} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(i * 50)}`);
      if (i % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      socket.resetAndDestroy();
    }
    await isServed();
    expect(server.stderr()).toBe('');
  });

  it('pipelined requests are answered in their order, those whose names live elsewhere too', async () => {
    const { socket, text } = await open();
    const names = Array.from({ length: 200 }, (_, i) => `pipe${i}`);
    socket.write(
      names
        .map((name, i) =>
          i % 2 === 0
            ? `POST /visits/${name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`
            : `GET /no${i} HTTP/1.1\r\nHost: x\r\n\r\n`,
        )
        .join(''),
    );
    await until(
      () => text().split('HTTP/1.1 ').length === 201 && text().endsWith('not found\n'),
      () => `${text().split('HTTP/1.1 ').length} answers`,
    );
    expect(
      text()
        .split('HTTP/1.1 ')
        .slice(1)
        .map((answer) => answer.slice(0, 3)),
    ).toEqual(names.map((_, i) => (i % 2 === 0 ? '200' : '404')));
  });

  it('huge headers, endless ones and what is no HTTP are refused, and only they', async () => {
    const requests = [
      `GET / HTTP/1.1\r\nHost: x\r\nX-Huge: ${'h'.repeat(100_000)}\r\n\r\n`,
      `GET /${'p'.repeat(100_000)} HTTP/1.1\r\n\r\n`, `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(20_000)}`,
      '\0\x01\x02 no HTTP\r\n\r\n',
    ];
    const answers = await Promise.all(requests.map(async (request) => {
      const { socket, text } = await open();
      socket.write(request);
      // Refused with an answer, or reset while it still sends.
      await until(() => socket.destroyed || /^HTTP\/1\.1 4\d\d /.test(text()), text);
      return text().slice(0, 12);
    }));
    for (const answer of answers) expect(['', 'HTTP/1.1 400', 'HTTP/1.1 431']).toContain(answer);
    const long = await fetch(`http://127.0.0.1:${server.port}/visits/${'n'.repeat(300)}`, { method: 'POST' });
    expect(long.status).toBe(404);
    await isServed();
  });

  it('with all of them connected it still ends at a signal', async () => {
    const peers = await Promise.all(Array.from({ length: 20 }, () => open()));
    for (const { socket } of peers) {
      socket.write('POST /visits/never HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
    }
    expect(await server.stop('SIGINT')).toBe(0);
  });
});

it.each([
  ['--port', 'x'], ['--reactors', '0'], ['--nope', '1'],
])('a wrong %s is one line and exit code 2', async (option, value) => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./main.js', import.meta.url)), option, value], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
  expect(stderr).toContain(option);
});
