/** The sample under the real wrk, and under fetch: every reactor serves the one port, and a name has one count wherever it is asked for. */
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireProgram, run, startProgram, type RunningServer } from '../resp/fixtures/processes.js';

const start = (reactors: number): Promise<RunningServer> => startProgram(process.execPath, [fileURLToPath(new URL('./main.js', import.meta.url)), '--port', '0', '--reactors', String(reactors)], /^listening http:\/\/127\.0\.0\.1:(\d+)\/ /m);
let server: RunningServer;
beforeEach(async () => {
  server = await start(2);
});
afterEach(() => server.stop());

const served = async (): Promise<number[]> => ((await (await fetch(`http://127.0.0.1:${server.port}/stats`)).json()) as { served: number[] }).served;

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
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => fetch(`http://127.0.0.1:${server.port}/visits/${i % 2 === 0 ? 'ada' : 'grace'}`, { method: 'POST', body: 'ignored', headers: { connection: 'close' } }).then((response) => response.text())));
    const count = (from: number): number[] => answers.filter((_, i) => i % 2 === from).map(Number).toSorted((a, b) => a - b);
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
    await expect(startProgram(process.execPath, [fileURLToPath(new URL('./main.js', import.meta.url)), '--port', String(server.port)], /^listening \S+:(\d+)/m)).rejects.toThrow('ERR_PERCORE_ADDRESS_IN_USE');
  });
});
