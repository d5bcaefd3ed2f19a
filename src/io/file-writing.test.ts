/** Files that are written, by io_uring and by Node's pool, and what becomes of them when they end suddenly. */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { descriptors, inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';
import { controllerOf } from '../reactor/runtime.js';
import { at, errors, folder, runtime, useFiles } from './fixtures/file-runtime.js';

useFiles();

for (const backend of ['io_uring', 'pool'] as const) {
  describe(`a file on ${backend}`, () => {
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
