/** Files that are read, by io_uring and by the pool of Node. */
import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inside, until } from '../reactor/fixtures/inside.js';
import { at, errors, folder, readAll, runtime, useFiles } from './fixtures/file-runtime.js';

useFiles();

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
      // Where io_uring is refused, the status says why and names the pool.
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
  });
}

it('a handler that throws is reported, and only its own chunk is lost', async () => {
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

it('files for which the ring has no room go to the pool, and say so', async () => {
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
