/** The receive pool of a thread takes memory as it is used, however often threads of the process had one before. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { sources } from './fixtures/sources.js';

it.each(sources)('a pool that nobody receives into is not resident, not even the tenth one: %s', async (source) => {
  const script = `
    import { readFileSync } from 'node:fs';
    import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
    const residentMiB = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    const grown = [];
    for (let i = 0; i < 10; i++) {
      // The C library hands out again, from its heap, what it was given back.
      for (let size = 4; size <= 16; size *= 2) new Uint8Array(size * 2 ** 20).fill(1);
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
      const before = residentMiB();
      const io = create({ source: '${source}' });
      io.listen({ port: 0 }, () => undefined);
      grown.push(residentMiB() - before);
      io.close();
    }
    console.log(JSON.stringify(grown.slice(1)));`;
  const { stdout } = await promisify(execFile)(
    process.execPath, ['--expose-gc', '--input-type=module', '-e', script], { timeout: 60_000 },
  );
  expect(Math.max(...(JSON.parse(stdout) as number[])), stdout).toBeLessThan(6);
}, 90_000);
