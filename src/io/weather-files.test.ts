import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLibrary } from './fixtures/fault-library.js';
import type { FileStatus } from './file.js';

interface Outcome { read: number; written: number; reader: FileStatus; writer: FileStatus }

const run = promisify(execFile);
const program = fileURLToPath(new URL('./fixtures/weather-files.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'percore-weather-'));
const [from, to, launcher] = [join(folder, 'from'), join(folder, 'to'), join(folder, 'refuse')];
const BYTES = 2_000_003;
let library: FaultLibrary;

beforeAll(() => {
  library = new FaultLibrary();
  writeFileSync(from, randomBytes(BYTES));
  execFileSync('cc', [
    '-O1', '-Wall', '-Wextra', '-Werror', '-o', launcher,
    fileURLToPath(new URL('../../../native/test/refuse_calls.c', import.meta.url)),
  ]);
});
afterAll(() => {
  library.remove();
  rmSync(folder, { recursive: true });
});

/** Copies the file in a program with this launcher or environment, and checks the copy. */
async function copy(command: string[], env: NodeJS.ProcessEnv, mode: string): Promise<Outcome> {
  rmSync(to, { force: true });
  const { stdout, stderr } = await run(command[0]!, [...command.slice(1), program, from, to, 'io_uring', mode], {
    env, timeout: 30_000,
  });
  expect(stderr).toBe('');
  const outcome = JSON.parse(stdout) as Outcome;
  expect(outcome).toMatchObject({ read: BYTES, written: BYTES });
  expect(readFileSync(to).equals(readFileSync(from)), 'the copy is the same').toBe(true);
  return outcome;
}

describe('files to which io_uring is refused', () => {
  for (const error of ['EPERM', 'ENOSYS', 'ENOMEM']) {
    it(`by the kernel, ${error}: they are read and written by Node's pool, and say why`, async () => {
      const { reader, writer } = await copy([launcher, error, 'io_uring', process.execPath], process.env, 'cached');
      for (const status of [reader, writer]) {
        expect(status).toEqual({
          asked: { backend: 'io_uring', direct: false }, granted: { backend: 'pool', direct: false },
          refusals: [`io_uring_setup: ${error}`],
        });
      }
    });
  }

  it('by a filter that lets a ring be made and never moved: the others stand in, for sockets too', async () => {
    const weather = library.weather();
    weather.begin('io_uring_enter:EPERM:1+');
    const { reader, writer } = await copy([process.execPath], weather.env, 'cached');
    expect([reader, writer].map(({ granted }) => granted.backend)).toEqual(['pool', 'pool']);
    for (const { refusals } of [reader, writer]) expect(refusals).toEqual(['io_uring_enter: EPERM']);
    const sockets = `const { create } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)});
      const io = create({ source: 'io_uring' });
      const listener = io.listen({ port: 0 }, (each) => void each.onData((bytes) => each.offer(bytes)));
      const client = io.connect({ port: listener.port });
      client.onData((bytes) => {
        const { granted, refusals } = io.status();
        console.log(JSON.stringify([String(Buffer.from(bytes)), granted, refusals.length]));
        io.close();
      });
      client.offer(Buffer.from('echo'));`;
    const args = ['--input-type=module', '-e', sockets];
    const { stdout } = await run(process.execPath, args, { env: weather.env, timeout: 30_000 });
    expect(JSON.parse(stdout)).toEqual(['echo', 'epoll', 1]);
  });

  it('while O_DIRECT is granted', async () => {
    const { reader } = await copy([launcher, 'EPERM', 'io_uring', process.execPath], process.env, 'direct');
    expect(reader.granted.backend).toBe('pool');
  });
});

describe('files on an io_uring whose calls fail', () => {
  for (const [call, error, when] of [
    ['io_uring_enter', 'EINTR', 'p0.5'], ['io_uring_enter', 'EAGAIN', 'p0.3'], ['io_uring_enter', 'EBUSY', 'p0.3'],
    ['io_uring_enter', 'ENOMEM', '3-6'], ['io_uring_setup', 'EMFILE', '1+'],
  ] as const) {
    for (const mode of ['cached', 'direct']) {
      it(`${call} ${error}, ${mode}: it is tried again, or the pool stands in; no byte is lost`, async () => {
        const weather = library.weather();
        weather.begin(`${call}:${error}:${when}`);
        const { reader } = await copy([process.execPath], weather.env, mode);
        // Where this machine has no io_uring, nothing can fail.
        if (reader.refusals.some((line) => /^io_uring_setup: (EPERM|ENOSYS)$/.test(line))) return;
        expect(weather.faults, 'there were faults at all').toBeGreaterThan(0);
        expect(reader.granted.backend).toBe(call === 'io_uring_setup' ? 'pool' : 'io_uring');
      });
    }
  }
});
