/** What files refuse, and how long an open file keeps its thread alive. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { inside } from '../reactor/fixtures/inside.js';
import { at, folder, runtime, useFiles } from './fixtures/file-runtime.js';

useFiles();

it('wrong arguments are refused with name, value and what is allowed', async () => {
  const messages = await inside(runtime, 0, (reactor) =>
    (
      [
        ['', {}], ['x\0y', {}], ['x', { flags: 'r+' }], ['x', { chunkBytes: 5000 }], ['x', { chunkBytes: 2048 }],
        ['x', { depth: 17 }], ['x', { priority: 8 }], ['x', { backend: 'aio' }],
      ] as [string, object][]
    ).map(([path, options]) => {
      try {
        reactor.io.openFile(path, options as never);
        return 'accepted';
      } catch (error) {
        return (error as Error).message;
      }
    }),
  );
  expect(messages).toEqual([
    'path must be a path: text that is not empty and has no NUL, not ""',
    'path must be a path: text that is not empty and has no NUL, not "x\\u0000y"',
    `flags must be 'r', 'w' or 'a', not "r+"; did you mean 'r'?`, 'chunkBytes must be a multiple of 4096, not 5000',
    'chunkBytes must be a whole number from 4096 to 16777216, not 2048',
    'depth must be a whole number from 1 to 16, not 17', 'priority must be a whole number from 0 to 7, not 8',
    `backend must be 'io_uring' or 'pool', not "aio"`,
  ]);
});

it('an offer of bytes that are not there is refused, and nothing of it is written', async () => {
  const path = join(folder, 'spans');
  const messages = await inside(runtime, 0, async (reactor, path) => {
    const writer = reactor.io.openFile(path, { flags: 'w' });
    const told = ([[0, 5], [3, 2], [-1, 2], [0, -1], [NaN, 1]] as const).map(([offset, length]) => {
      try {
        return String(writer.offer(Buffer.from('abcd'), offset, length));
      } catch (error) {
        return (error as Error).message;
      }
    });
    writer.offer(Buffer.from('abcd'), 1, 2);
    writer.end();
    await writer.closed();
    return told;
  }, path);
  expect(messages).toEqual([
    'length must be a whole number from 0 to 4, not 5', 'length must be a whole number from 0 to 1, not 2',
    'offset must be a whole number from 0 to 4, not -1', 'length must be a whole number from 0 to 4, not -1',
    'offset must be a whole number from 0 to 4, not NaN',
  ]);
  expect(readFileSync(path, 'utf8')).toBe('bc');
});

it('a file for which there is no memory is closed with that error, and the process lives on', () => {
  writeFileSync(at('large'), 'x');
  const script = `
    import { execFileSync } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    import { create } from '${new URL('./index.js', import.meta.url).href}';
    const io = create();
    await new Promise((resolve) => void io.openFile(process.argv[1]).onData(() => undefined).onClose(resolve));
    const kiB = Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (kiB + 220_000) * 1024]);
    io.openFile(process.argv[1], { chunkBytes: 2 ** 24, depth: 16 }).onClose((error) => {
      console.log(error?.code, error?.errno);
      io.close();
    });
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script, at('large')], {
    encoding: 'utf8', timeout: 20_000,
  });
  expect(out).toBe('ERR_PERCORE_SYSTEM ENOMEM\n');
});

it('the memory of files that were closed with a transfer in flight is given back', () => {
  const script = `
    import { create } from '${new URL('./index.js', import.meta.url).href}';
    import { openSync, writeSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    const settle = async () => { for (let i = 0; i < 5; i++) { gc(); await sleep(5); } };
    let first = 0;
    for (let round = 0; round < 30; round++) {
      const io = create({ source: 'epoll' });
      // Nothing is ever written to it, so the read stays in flight.
      const file = io.openFile(process.argv[1], { chunkBytes: 1 << 20 }).onData(() => undefined);
      while (file.fd < 0) await sleep(1);
      await sleep(2);
      // By the pool it would never come back, and keep the process from its end.
      if (file.status().granted.backend !== 'io_uring') {
        io.close();
        writeSync(openSync(process.argv[1], 'r+'), 'x');
        break;
      }
      io.close();
      await file.closed();
      if (round === 4) { await settle(); first = process.memoryUsage().arrayBuffers; }
    }
    await settle();
    console.log(process.memoryUsage().arrayBuffers - first);
    process.exit(0);
  `;
  execFileSync('mkfifo', [at('in-flight')]);
  const fd = openSync(at('in-flight'), 'r+');
  const out = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script, at('in-flight')], {
    encoding: 'utf8', timeout: 20_000,
  });
  closeSync(fd);
  expect(Number(out), 'bytes after 25 files of a megabyte each').toBeLessThan(10 << 20);
});

it('without a reactor, an open file keeps the thread alive, and one that is closed does not', () => {
  writeFileSync(at('alone'), 'alone'.repeat(10_000));
  const script = `
    import { create } from '${new URL('./index.js', import.meta.url).href}';
    for (const backend of ['io_uring', 'pool']) {
      const io = create();
      let bytes = 0;
      const writer = io.openFile(process.argv[2], { flags: 'w', backend });
      for await (const part of io.openFile(process.argv[1], { backend, chunkBytes: 4096 })) {
        bytes += part.length;
        while (writer.offer(part) !== 0) await writer.room();
      }
      writer.end();
      await writer.closed();
      console.log(bytes, writer.bytesWritten, io.status().endpoints);
    }
  `;
  // It ends by itself, although nobody closes what create() has made. Exit code 13 would mean an await that never
  // settles.
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script, at('alone'), at('alone-copy')], {
    encoding: 'utf8', timeout: 10_000,
  });
  expect(out).toBe('50000 50000 0\n50000 50000 0\n');
});
