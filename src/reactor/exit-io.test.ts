/** I/O that a reactor opens for the first time when its thread ends: nobody would ever serve it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'percore-exit-io-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('is refused as closed', async () => {
  const program = join(folder, 'program.mjs');
  writeFileSync(program, `
    import { isMainThread } from 'node:worker_threads';
    import { createRuntime } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
    export default function start({ io }) {
      process.on('exit', () => {
        for (const open of [
          () => io.listen({ port: 0 }, () => undefined), () => io.udp({ port: 0 }), () => io.listenFd({ port: 0 }),
          () => io.openFile(${JSON.stringify(program)}),
        ]) {
          try {
            open();
            console.log('opened');
          } catch ({ code }) {
            console.log(code);
          }
        }
      });
    }
    if (isMainThread) {
      const runtime = await createRuntime({ entry: new URL(import.meta.url), reactors: 1 });
      console.log((await runtime.close()).drained);
    }`);
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 60_000 });
  const closed = 'ERR_PERCORE_CLOSED\n';
  expect(stdout.replace('true\n', '')).toBe(closed.repeat(4));
  expect(stdout).toContain('true\n');
});
