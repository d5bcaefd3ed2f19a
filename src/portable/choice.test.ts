/** Which backend a process runs on, what it says of that, and that it runs without any addon. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'percore-portable-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs a program that starts two reactors, each of which sends, calls, waits for a timer and serves a connection. */
function run(library: string, env: Record<string, string> = {}, flags: readonly string[] = []) {
  const entry = join(scratch, 'entry.mjs');
  writeFileSync(entry, `export default function (reactor) {
    reactor.handle('sum', ([a, b]) => a + b);
    reactor.handle('relay', (pair) => reactor.call('sum', pair, { reactor: 1 - reactor.id }));
    reactor.handle('later', () => new Promise((resolve) => {
      reactor.timers.after({ delayNs: 1e6 }, () => resolve('later'));
    }));
    reactor.handle('port', () => reactor.io.listen({ port: 0 }, (connection) => {
      connection.onData((bytes) => connection.offer(bytes));
    }).port);
  }`);
  const program = join(scratch, 'program.mjs');
  writeFileSync(program, `
    import { connect } from 'node:net';
    import { createRuntime } from ${JSON.stringify(pathToFileURL(library).href)};
    const warnings = [];
    process.on('warning', ({ code }) => warnings.push(code));
    try {
      const entry = new URL('./entry.mjs', import.meta.url);
      const runtime = await createRuntime({ entry, reactors: 2, io: { source: process.env.IO_SOURCE ?? 'auto' } });
      const answers = [await runtime.call('relay', [3, 4], { reactor: 0 }), await runtime.call('later', 0)];
      const socket = connect(await runtime.call('port', 0, { reactor: 1 }), '127.0.0.1').end('echo');
      let echoed = '';
      for await (const chunk of socket) echoed += chunk;
      const { capabilities: { backend, reason, of }, reactors: [{ refusals }] } = runtime.status();
      const closed = await runtime.close();
      console.log(JSON.stringify({
        answers, echoed, backend, reason, pinning: of.pinning.state, warnings, drained: closed.drained, refusals,
      }));
    } catch ({ code, message, argument }) {
      console.log(JSON.stringify({ code, message, argument }));
    }`);
  const environment: NodeJS.ProcessEnv = { ...process.env, NODE_NO_WARNINGS: '1', ...env };
  if (env['PERCORE_BACKEND'] === undefined) delete environment['PERCORE_BACKEND'];
  delete environment['PERCORE_NATIVE_PATH'];
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, program], {
    encoding: 'utf8', env: environment, timeout: 50_000,
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const library = join(root, 'dist', 'percore', 'index.js');
const works = { answers: [7, 'later'], echoed: 'echo', drained: true };

describe('the backend', () => {
  it('is the addon where it fits, and the portable one where PERCORE_BACKEND asks for it, without a warning', () => {
    expect(run(library)).toMatchObject({ ...works, backend: 'native', reason: '', pinning: 'native', warnings: [] });
    expect(run(library, { PERCORE_BACKEND: 'portable' })).toMatchObject({
      ...works, backend: 'portable', reason: 'PERCORE_BACKEND=portable', pinning: 'missing', warnings: [],
    });
  });

  it('says of what the portable one lacks that this is why, and blames neither the kernel nor a container', () => {
    expect(run(library, { PERCORE_BACKEND: 'portable', IO_SOURCE: 'io_uring' })['refusals']).toEqual([
      expect.stringMatching(/^pin to CPU \d+: ENOSYS: the portable backend does not have it, sched_setaffinity$/),
      'timer slack of 1 ns: the portable backend leaves it at 1000000 ns',
      "io_uring: ENOSYS (the portable backend has Node's own loop alone); epoll stands in",
    ]);
  });

  it('is the portable one where Node may load no addons, with one warning in the process', () => {
    expect(run(library, {}, ['--no-addons'])).toMatchObject({
      ...works, backend: 'portable', warnings: ['PERCORE_PORTABLE'],
      reason: expect.stringContaining('This process may not load addons') as string,
    });
  });

  it('is the portable one where there is no file of an addon, unless PERCORE_BACKEND forbids that', () => {
    const copy = join(scratch, 'package');
    cpSync(join(root, 'dist', 'percore'), join(copy, 'dist', 'percore'), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    const alone = join(copy, 'dist', 'percore', 'index.js');
    expect(run(alone)).toMatchObject({ ...works, backend: 'portable', warnings: ['PERCORE_PORTABLE'] });
    expect(run(alone, { PERCORE_BACKEND: 'native' })).toMatchObject({ code: 'ERR_PERCORE_NATIVE_UNAVAILABLE' });
  });

  it('that nobody knows is an error that names those there are', () => {
    expect(run(library, { PERCORE_BACKEND: 'portble' })).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'PERCORE_BACKEND',
      message: "PERCORE_BACKEND must be 'native' or 'portable', not \"portble\"; did you mean 'portable'?",
    });
  });
});
