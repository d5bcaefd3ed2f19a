import { randomBytes } from 'node:crypto';
import {
  appendFileSync, closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { descriptors, inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';
import { controllerOf, type Runtime } from '../reactor/runtime.js';

let runtime: Runtime;
const folder = mkdtempSync(join(tmpdir(), 'percore-file-'));
const at = (name: string): string => join(folder, name);
let errors: string[] = [];

beforeAll(async () => {
  runtime = await remoteRuntime(1, { laneBytes: 2 ** 23 });
  runtime
    .on('stepError', ({ error, where }) => void errors.push(`${where}: ${error.message}`))
    .on('reactorDied', () => undefined);
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

/** Reads a file in the reactor; what came, and how it ended. */
const readAll = (
  path: string, options: object = {},
): Promise<{
  bytes: Uint8Array;
  error: string | undefined;
  code: string | undefined;
  status: any;
  ended: boolean;
  chunks: number;
}> =>
  inside(
    runtime,
    0,
    (reactor, given: { path: string; options: object }) =>
      new Promise((resolve) => {
        const parts: Uint8Array[] = [];
        let ended = false;
        const reader = reactor.io.openFile(given.path, given.options as { flags?: 'r' });
        reader
          .onReceive((bytes, offset, length) => void parts.push(bytes.slice(offset, offset + length)))
          .onEnd(() => void (ended = true));
        reader.onClose((error) =>
          resolve({
            bytes: Buffer.concat(parts), error: error?.message, code: error?.code, status: reader.status(), ended,
            chunks: parts.length,
          }),
        );
      }),
    { path, options },
    { timeoutMs: 20_000 },
  );

for (const backend of ['io_uring', 'pool'] as const) {
  describe(`a file on ${backend}`, () => {
    it('is read whole and in order, whatever its size and its chunks', async () => {
      for (const size of [0, 1, 4095, 4096, 4097, 131_072, 1_000_003]) {
        const sent = randomBytes(size);
        writeFileSync(at('sizes'), sent);
        for (const options of [
          {}, { chunkBytes: 4096, depth: 1 }, { chunkBytes: 4096, depth: 16 }, { chunkBytes: 8192, depth: 3 },
          { direct: true },
        ]) {
          const { bytes, ended, error } = await readAll(at('sizes'), { backend, ...options });
          expect({ equal: sent.equals(bytes), ended, error }, `${size} bytes, ${JSON.stringify(options)}`).toEqual({
            equal: true, ended: true, error: undefined,
          });
        }
      }
    });

    it('says what was asked and granted', async () => {
      writeFileSync(at('status'), 'x');
      const { status } = await readAll(at('status'), { backend });
      expect(status.asked).toEqual({ backend, direct: false });
      // Where io_uring is refused the reason stands here, and the pool beside it.
      if (status.granted.backend === backend) expect(status.refusals).toEqual([]);
      else
        expect(status).toMatchObject({
          granted: { backend: 'pool' }, refusals: [expect.stringMatching(/^io_uring_setup: E/)],
        });
    });

    it('without a size (/proc) is read to its end, and O_DIRECT that is refused there falls back '
      + 'and says so', async () => {
      const { bytes, status, ended } = await readAll('/proc/version', { backend, direct: true });
      expect(Buffer.from(bytes).toString()).toBe(readFileSync('/proc/version', 'utf8'));
      expect(ended).toBe(true);
      expect(status).toMatchObject({
        asked: { direct: true }, granted: { direct: false }, refusals: expect.arrayContaining(['O_DIRECT: EINVAL']),
      });
    });

    it('that is missing, a folder, or not to be written closes with the error of the system', async () => {
      expect(await readAll(at('missing'), { backend })).toMatchObject({
        code: 'ERR_PERCORE_SYSTEM', error: `open: ENOENT on file ${at('missing')}`, ended: false,
      });
      expect(await readAll(folder, { backend })).toMatchObject({
        error: `read: EISDIR on file ${folder}`, ended: false,
      });
      const outcome = await inside(
        runtime,
        0,
        async (reactor, given: { path: string; backend: 'pool' }) => {
          const writer = reactor.io.openFile(given.path, { flags: 'w', backend: given.backend });
          const code = writer.offer(Buffer.from('early'));
          const [flushed, closed] = await Promise.allSettled([writer.flushed(), writer.closed()]);
          return [
            code, flushed.status, (closed as PromiseRejectedResult).reason.errno, writer.offer(Buffer.from('late')),
          ];
        },
        { path: folder, backend: backend as 'pool' },
      );
      expect(outcome).toEqual([0, 'rejected', 'EISDIR', -2]);
    });

    it('that is truncated while it is read is an error, after all that could be read', async () => {
      const sent = randomBytes(1 << 20);
      writeFileSync(at('shrinking'), sent);
      await inside(
        runtime,
        0,
        (reactor, given: { path: string; backend: 'pool' }, { state }) => {
          state['got'] = [];
          delete state['closed'];
          const reader = (state['reader'] = reactor.io.openFile(given.path, {
            backend: given.backend, chunkBytes: 65_536, depth: 2,
          }));
          reader
            .onReceive((bytes, offset, length) => {
              state['got'].push(bytes.slice(offset, offset + length));
              if (state['got'].length === 1) reader.pause();
            })
            .onClose((error) => void (state['closed'] = error?.message));
        },
        { path: at('shrinking'), backend: backend as 'pool' },
      );
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['got'].length === 1), 'the first chunk',
      );
      truncateSync(at('shrinking'), 200_000);
      const { got, message } = await inside(runtime, 0, async (_reactor, _argument, { state, until: isTrue }) => {
        state['reader'].resume();
        await isTrue(() => state['closed'] !== undefined);
        return { got: Buffer.concat(state['got']) as Uint8Array, message: state['closed'] as string };
      });
      expect(message).toBe(
        `file ${at('shrinking')} ended after ${got.length} bytes; it had 1048576 when it was opened`,
      );
      expect(got.length).toBeGreaterThanOrEqual(200_000);
      expect(sent.subarray(0, got.length).equals(got)).toBe(true);
    });

    it('that grows while it is read is read on', async () => {
      writeFileSync(at('growing'), 'a'.repeat(10_000));
      await inside(
        runtime,
        0,
        (reactor, given: { path: string; backend: 'pool' }, { state }) => {
          state['text'] = '';
          const reader = (state['reader'] = reactor.io.openFile(given.path, {
            backend: given.backend, chunkBytes: 4096, depth: 1,
          }));
          reader.onReceive((bytes, offset, length) => {
            state['text'] += Buffer.from(bytes.buffer as ArrayBuffer, offset, length).toString();
            reader.pause();
          });
        },
        { path: at('growing'), backend: backend as 'pool' },
      );
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['text'].length === 4096), 'the first chunk',
      );
      appendFileSync(at('growing'), 'b'.repeat(10_000));
      const text = await inside(runtime, 0, async (_reactor, _argument, { state, until: isTrue }) => {
        await isTrue(() => {
          state['reader'].resume();
          return state['reader'].isClosed;
        });
        return state['text'] as string;
      });
      expect(text).toBe('a'.repeat(10_000) + 'b'.repeat(10_000));
    });

    it('paused inside its handler keeps that chunk valid until resume, though more are read ahead', async () => {
      const sent = randomBytes(40 * 4096);
      writeFileSync(at('held'), sent);
      const got = await inside(
        runtime,
        0,
        (reactor, given: { path: string; backend: 'pool' }) =>
          new Promise<Uint8Array>((resolve, reject) => {
            const parts: Uint8Array[] = [];
            const reader = reactor.io.openFile(given.path, { backend: given.backend, chunkBytes: 4096, depth: 2 });
            reader
              .onReceive((bytes, offset, length) => {
                reader.pause();
                setTimeout(() => {
                  parts.push(bytes.slice(offset, offset + length));
                  reader.resume();
                }, 1);
              })
              .onClose((error) => (error === undefined ? resolve(Buffer.concat(parts)) : reject(error)));
          }),
        { path: at('held'), backend: backend as 'pool' },
        { timeoutMs: 10_000 },
      );
      expect(sent.equals(got)).toBe(true);
    });

    it('is read by for await; leaving the loop closes it, an error ends it', async () => {
      const sent = randomBytes(300_000);
      writeFileSync(at('loop'), sent);
      const outcome = await inside(
        runtime,
        0,
        async (reactor, given: { path: string; missing: string; backend: 'pool' }) => {
          const parts: Uint8Array[] = [];
          for await (const bytes of reactor.io.openFile(given.path, { backend: given.backend, chunkBytes: 65_536 })) {
            await new Promise((resolve) => setTimeout(resolve, 1));
            parts.push(bytes.slice());
          }
          const left = reactor.io.openFile(given.path, { backend: given.backend, chunkBytes: 4096 });
          for await (const bytes of left) if (bytes.length > 0) break;
          await left.closed();
          let error = 'none';
          try {
            for await (const bytes of reactor.io.openFile(given.missing, { backend: given.backend })) parts.push(bytes);
          } catch (thrown) {
            error = (thrown as { errno: string }).errno;
          }
          return { all: Buffer.concat(parts) as Uint8Array, left: left.isClosed, read: left.bytesRead, error };
        },
        { path: at('loop'), missing: at('missing'), backend: backend as 'pool' },
      );
      expect([sent.equals(outcome.all), outcome.left, outcome.read, outcome.error]).toEqual([
        true, true, 4096, 'ENOENT',
      ]);
    });

    it('is written in order, from offers of all sizes, under backpressure', async () => {
      for (const direct of [false, true]) {
        const outcome = await inside(
          runtime,
          0,
          async (reactor, given: { path: string; direct: boolean; backend: 'pool' }, { codes, require }) => {
            const { createHash, randomBytes: random } = require('node:crypto') as typeof import('node:crypto');
            const hash = createHash('sha256');
            const writer = reactor.io.openFile(given.path, {
              flags: 'w', direct: given.direct, backend: given.backend, chunkBytes: 16_384, depth: 3,
            });
            let refusals = 0;
            let sent = 0;
            for (let i = 0; i < 300; i++) {
              const bytes = random(1 + Math.floor(Math.random() * (i % 10 === 0 ? 32_767 : 5000)));
              while (writer.offer(bytes) === codes.BACK_PRESSURED) {
                refusals++;
                await writer.room();
              }
              hash.update(bytes);
              sent += bytes.length;
            }
            const tooLarge = writer.offer(new Uint8Array(49_153));
            writer.end();
            const afterEnd = writer.offer(new Uint8Array(1));
            await writer.closed();
            return {
              refusals, sent, written: writer.bytesWritten, hash: hash.digest('hex'),
              tooLarge: tooLarge === codes.TOO_LARGE, afterEnd: afterEnd === codes.CLOSED,
              direct: writer.status().granted.direct,
            };
          },
          { path: at('written'), direct, backend: backend as 'pool' },
          { timeoutMs: 20_000 },
        );
        const { createHash } = await import('node:crypto');
        expect(outcome).toMatchObject({ written: outcome.sent, tooLarge: true, afterEnd: true });
        expect(outcome.refusals).toBeGreaterThan(0);
        expect(
          createHash('sha256')
            .update(readFileSync(at('written')))
            .digest('hex'),
          `direct ${direct}`,
        ).toBe(outcome.hash);
        expect(outcome.direct, 'the tail was off the border').toBe(false);
      }
    });

    it('that is appended to keeps what it had, and the order of offers', async () => {
      writeFileSync(at('appended'), 'first\n');
      const numbers = Array.from({ length: 5000 }, (_, i) => `${i}\n`);
      await inside(
        runtime,
        0,
        async (reactor, given: { path: string; backend: 'pool' }, { codes }) => {
          const writer = reactor.io.openFile(given.path, {
            flags: 'a', backend: given.backend, chunkBytes: 4096, depth: 2,
          });
          for (let i = 0; i < 5000; i++)
            while (writer.offer(Buffer.from(`${i}\n`)) === codes.BACK_PRESSURED) await writer.room();
          writer.end();
          await writer.closed();
        },
        { path: at('appended'), backend: backend as 'pool' },
        { timeoutMs: 20_000 },
      );
      expect(readFileSync(at('appended'), 'utf8')).toBe(`first\n${numbers.join('')}`);
    });

    it('has what was offered after flushed() and sync(), without an end; a lonely small offer is '
      + 'written at once', async () => {
      await inside(runtime, 0, async (reactor, given: { path: string; backend: 'pool' }, { state }) => {
        state['writer'] = reactor.io.openFile(given.path, { flags: 'w', backend: given.backend });
        state['writer'].offer(Buffer.from('one '));
      }, { path: at('flushed'), backend: backend as 'pool' });
      await until(() => existsSync(at('flushed')) && readFileSync(at('flushed'), 'utf8') === 'one ', 'the small offer');
      await inside(runtime, 0, async (_reactor, _argument, { state }) => {
        state['writer'].offer(Buffer.from('two '));
        await state['writer'].flushed();
      });
      expect(readFileSync(at('flushed'), 'utf8')).toBe('one two ');
      await inside(runtime, 0, async (_reactor, _argument, { state }) => {
        state['writer'].offer(Buffer.from('three'));
        await state['writer'].sync();
      });
      expect(readFileSync(at('flushed'), 'utf8')).toBe('one two three');
      await inside(runtime, 0, (_reactor, _argument, { state }) => {
        state['writer'].end();
        return state['writer'].closed() as Promise<void>;
      });
    });

    it('on a full device closes with ENOSPC, and every waiter is told', async () => {
      const outcome = await inside(
        runtime,
        0,
        async (reactor, given: { backend: 'pool' }) => {
          const writer = reactor.io.openFile('/dev/full', { flags: 'w', backend: given.backend });
          writer.offer(new Uint8Array(1000));
          const [flushed, closed, writable] = await Promise.allSettled([
            writer.flushed(), writer.closed(), writer.room(),
          ]);
          return [
            (flushed as PromiseRejectedResult).reason.message, (closed as PromiseRejectedResult).reason.errno,
            writable.status, writer.bytesWritten, writer.pendingBytes,
          ];
        },
        { backend: backend as 'pool' },
      );
      expect(outcome).toEqual(['write: ENOSPC on file /dev/full', 'ENOSPC', 'fulfilled', 0, 1000]);
    });

    it('that cannot keep what it has taken is reported where nobody would hear of it', async () => {
      const path = at('no-folder/x.log');
      const outcome = await inside(runtime, 0, (reactor, given: { path: string; backend: 'pool' }) => {
        reactor.io.openFile(given.path, { flags: 'a', backend: given.backend }).offer(new Uint8Array(5));
        reactor.io.openFile('/dev/full', { flags: 'w', backend: given.backend }).offer(new Uint8Array(7));
        // Nothing is lost here.
        reactor.io.openFile(given.path, { flags: 'a', backend: given.backend });
        // These hear of it.
        return new Promise<string>((resolve) => {
          const heard = reactor.io.openFile(given.path, { flags: 'a', backend: given.backend });
          heard.offer(new Uint8Array(9));
          heard.onClose((error) => resolve(error!.message));
        });
      }, { path, backend: backend as 'pool' });
      expect(outcome).toBe(`open: ENOENT on file ${path}`);
      await until(() => errors.length >= 2, 'both reports');
      expect(errors.splice(0).sort()).toEqual(
        [
          `file ${path}, which lost 5 bytes: open: ENOENT on file ${path}`,
          'file /dev/full, which lost 7 bytes: write: ENOSPC on file /dev/full',
        ].sort(),
      );
    });

    it('says how much was lost: not what the kernel has of it', async () => {
      const path = at(`left-${backend}`);
      execFileSync('mkfifo', [path]);
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      await inside(runtime, 0, (reactor, given: { path: string; backend: 'pool' }) => {
        const writer = reactor.io.openFile(given.path, { flags: 'w', backend: given.backend, chunkBytes: 131_072 });
        writer.offer(new Uint8Array(131_072));
        return new Promise<void>((resolve) => void setTimeout(resolve, 200));
      }, { path, backend: backend as 'pool' });
      closeSync(reader);
      await until(() => errors.length >= 1, 'the report');
      // A pipe holds 65,536 bytes.
      expect(errors.splice(0)).toEqual([`file ${path}, which lost 65536 bytes: write: EPIPE on file ${path}`]);
    });

    it("is a stream of Node's own both ways", async () => {
      const sent = randomBytes(1_000_000);
      writeFileSync(at('from'), sent);
      await inside(
        runtime,
        0,
        async (reactor, given: { from: string; to: string; backend: 'pool' }, { require }) => {
          const { pipeline } = require('node:stream/promises') as typeof import('node:stream/promises');
          const { createGzip, createGunzip } = require('node:zlib') as typeof import('node:zlib');
          const from = reactor.io.openFile(given.from, { backend: given.backend }).toNodeStream();
          const to = reactor.io
            .openFile(given.to, { flags: 'w', backend: given.backend, chunkBytes: 4096, depth: 2 })
            .toNodeStream();
          await pipeline(from, createGzip({ level: 1 }), createGunzip(), to);
        },
        { from: at('from'), to: at('to'), backend: backend as 'pool' },
        { timeoutMs: 20_000 },
      );
      expect(sent.equals(readFileSync(at('to')))).toBe(true);
      const error = await inside(
        runtime,
        0,
        (reactor, given: { path: string; backend: 'pool' }) =>
          new Promise((resolve) => {
            reactor.io
              .openFile(given.path, { backend: given.backend })
              .toNodeStream()
              .on('error', (e: { errno?: string }) => resolve(e.errno))
              .resume();
          }),
        { path: at('missing'), backend: backend as 'pool' },
      );
      expect(error).toBe('ENOENT');
    });

    it('closed in the middle, by close(), closeAll() or the death of its thread, leaves no descriptor', async () => {
      writeFileSync(at('middle'), randomBytes(4 << 20));
      const ways = ['close', 'closeAll', 'terminate'] as const;
      for (const way of ways) {
        const victim = way === 'terminate' ? await remoteRuntime(1) : runtime;
        victim.on('reactorDied', () => undefined);
        const closes = await inside(
          victim,
          0,
          async (reactor, given: { path: string; out: string; way: string; backend: 'pool' }, { sleep }) => {
            let count = 0;
            for (let i = 0; i < 20; i++) {
              const reader = reactor.io.openFile(given.path, {
                backend: given.backend, chunkBytes: 65_536, direct: i % 2 === 0,
              });
              const writer = reactor.io.openFile(`${given.out}${i}`, {
                flags: 'w', backend: given.backend, direct: i % 2 === 0,
              });
              reader
                .onReceive((bytes, offset, length) => void writer.offer(bytes, offset, length))
                .onClose(() => void count++);
              writer.onClose(() => void count++);
              if (i % 4 === 0) await sleep(1);
              if (given.way === 'close') {
                reader.close();
                writer.close();
              }
            }
            if (given.way === 'closeAll') reactor.io.closeAll();
            if (given.way !== 'terminate') for (let i = 0; i < 1000 && count < 40; i++) await sleep(1);
            return count;
          },
          { path: at('middle'), out: at('out'), way, backend: backend as 'pool' },
          { timeoutMs: 20_000 },
        );
        if (way !== 'terminate') expect(closes, way).toBe(40);
        else {
          await controllerOf(victim).members[0]!.worker.terminate();
          await victim.close();
        }
        await until(() => descriptors().every((name) => !name.startsWith(folder)), `no descriptor after ${way}`, 5000);
      }
    });
  });
}

it('a handler that throws is reported and loses its own chunk alone', async () => {
  const sent = randomBytes(10 * 4096);
  writeFileSync(at('throws'), sent);
  const got = await inside(runtime, 0, (reactor, path: string) => new Promise<Uint8Array>((resolve) => {
    const parts: Uint8Array[] = [];
    let calls = 0;
    reactor.io.openFile(path, { chunkBytes: 4096, depth: 2 }).onReceive((bytes, offset, length) => {
      if (++calls === 3) throw new Error('on purpose');
      parts.push(bytes.slice(offset, offset + length));
    }).onClose(() => resolve(Buffer.concat(parts)));
  }), at('throws'), { timeoutMs: 5000 });
  expect(Buffer.concat([sent.subarray(0, 8192), sent.subarray(12_288)]).equals(got)).toBe(true);
  await until(() => errors.length === 1, 'the report');
  expect(errors.splice(0)).toEqual(['a step of band 3: on purpose']);
});

it('more files than the ring has room for go to the pool, and say so', async () => {
  writeFileSync(at('many'), 'many');
  const backends = await inside(
    runtime,
    0,
    async (reactor, path: string) => {
      const readers = Array.from({ length: 70 }, () => reactor.io.openFile(path, { chunkBytes: 4096, depth: 1 }));
      for (let i = 0; i < 1000 && readers.some(({ fd }) => fd < 0); i++)
        await new Promise((resolve) => setTimeout(resolve, 1));
      const texts = await Promise.all(
        readers.map(async (reader) => {
          let text = '';
          for await (const bytes of reader) text += Buffer.from(bytes).toString();
          return text;
        }),
      );
      return {
        texts: [...new Set(texts)],
        ring: readers.filter((reader) => reader.status().granted.backend === 'io_uring').length,
        refusals: [...new Set(readers.flatMap((reader) => [...reader.status().refusals]))],
      };
    },
    at('many'),
    { timeoutMs: 10_000 },
  );
  expect(backends.texts).toEqual(['many']);
  expect([
    { ring: 64, refusals: ['io_uring: EMFILE, too many files'] },
    { ring: 0, refusals: [expect.stringMatching(/^io_uring_setup/)] },
  ]).toContainEqual({ ring: backends.ring, refusals: backends.refusals });
});

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
  // Ends by itself, though nobody closes what create() made; 13 would be an await that nothing was left to settle.
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script, at('alone'), at('alone-copy')], {
    encoding: 'utf8', timeout: 10_000,
  });
  expect(out).toBe('50000 50000 0\n50000 50000 0\n');
});
