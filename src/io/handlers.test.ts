/**
 * Sockets, pipes, files, watches and consoles: handlers that throw, how waits end, and whether the descriptor is closed
 * when onClose is called.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { sleep, until, within } from '../reactor/fixtures/inside.js';
import { AWAIT_ROOM, type Refuser } from '../refusals.js';
import { behind } from './claims.js';
import {
  closeReadiness, create, createConsole, createReadiness, lines, openReadiness, type LocalIo, type PipeStream,
} from './index.js';

let folder: string;
const cleanUps: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percore-handlers-'));
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) cleanUp();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  const told: string[] = [];
  let io: LocalIo;
  beforeEach(() => {
    told.length = 0;
    io = create({ source, onError: (error) => void told.push((error as Error).message) });
    cleanUps.push(() => io.close());
  });
  const throws = (what: string) => (): never => {
    throw new Error(what);
  };
  function fifo(): string {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    return path;
  }
  /** A FIFO that the test writes to and whose reader does not read. */
  function stuckFifo(highWaterBytes: number): { stream: PipeStream; reader: number } {
    const path = fifo();
    const reader = openSync(path, 'r+');
    cleanUps.push(() => closeSync(reader));
    return { stream: io.openFifo(path, 'write', { highWaterBytes }), reader };
  }

  describe('a handler that throws does no other harm, and is counted and reported', () => {
    it('of UDP: every datagram is delivered, and what onError and onClose throw does not reach the code that '
      + 'sends or closes', async () => {
      const heard: string[] = [];
      const socket = io.udp().onData((bytes) => {
        heard.push(Buffer.from(bytes).toString());
        throw new Error(`datagram ${heard.length}`);
      });
      const sender = io.udp({ connect: { port: socket.port } });
      for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text));
      await until(() => heard.length === 3, 'all three');
      expect(told).toEqual(['datagram 1', 'datagram 2', 'datagram 3']);
      sender.onError(throws('the error handler'));
      socket.onClose(throws('the close handler')).close();
      await until(() => {
        sender.send(Buffer.from('nobody'));
        return sender.status().unreachable > 0;
      }, 'a refusal');
      expect(sender.send(Buffer.from('goes on'))).toBe(0);
      expect(told).toContain('the close handler');
      expect(told).toContain('the error handler');
      expect(io.status().handlerErrors).toBe(told.length);
    });

    it('of a pipe: data, end and close', async () => {
      const path = fifo();
      const parts: string[] = [];
      const stream = io.openFifo(path, 'read', { readBytes: 1 }).onData((bytes) => {
        parts.push(Buffer.from(bytes).toString());
        throw new Error(`part ${parts.length}`);
      }).onEnd(throws('end')).onClose(throws('close'));
      writeFileSync(path, 'abc');
      await until(() => stream.isClosed, 'the end');
      await until(() => told.length === 5, 'all reports');
      expect([parts.join(''), told.toSorted()]).toEqual(['abc', ['close', 'end', 'part 1', 'part 2', 'part 3']]);
    });

    it('of files, whose close handler is called by Node', async () => {
      writeFileSync(join(folder, 'file'), 'text');
      io.openFile(join(folder, 'file')).onData(throws('data')).onEnd(throws('end')).onClose(throws('close'));
      io.openFile(join(folder, 'none')).onClose(throws('no file'));
      const writer = io.openFile(join(folder, 'out'), { flags: 'w' }).onClose(throws('writer'));
      writer.offer(Buffer.from('x'));
      writer.end();
      await until(() => told.length === 5, 'all reports');
      expect(told.toSorted()).toEqual(['close', 'data', 'end', 'no file', 'writer']);
      expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('x');
    });

    it('of several watches of one path: all are told, and each error is reported', async () => {
      const heard: string[] = [];
      for (const name of ['one', 'two', 'three']) {
        io.watchPath(folder, { events: ['created'] }, (event) => {
          heard.push(`${name} ${event.name}`);
          throw new Error(name);
        });
      }
      writeFileSync(join(folder, 'x'), '');
      await until(() => heard.length === 3, 'three');
      expect(told.toSorted()).toEqual(['one', 'three', 'two']);
    });

    it('of a readiness: the next bits are told all the same', async () => {
      const handle = createReadiness();
      cleanUps.push(() => closeReadiness(handle));
      const heard: number[] = [];
      io.onReadiness(handle, {}, (bits) => {
        heard.push(bits);
        throw new Error(`bits ${bits}`);
      });
      const setter = openReadiness(handle);
      for (const bits of [1, 2]) {
        setter.set(bits);
        await until(() => heard.includes(bits), 'the bits');
      }
      expect(told).toEqual(['bits 1', 'bits 2']);
    });

    it('of a console: a command that throws nonsense is answered, an output that throws ends its session', async () => {
      const console = createConsole(io, { port: 0 });
      console.command('nonsense', 'throws an object without a text', () => {
        throw Object.create(null);
      });
      const socket = connect(console.port, '127.0.0.1');
      cleanUps.push(() => socket.destroy());
      socket.write('nonsense\nquit\n');
      expect((await within(5000, socket.toArray(), 'the answer')).join('')).toBe('error: [object Object]\r\n');
      const script = `
        import { create, createConsole } from '${new URL('./index.js', import.meta.url).href}';
        const io = create({ onError: (error) => process.stdout.write('told: ' + error.message) });
        createConsole(io, { stdin: true, output: () => { throw new Error('output'); } });
      `;
      expect(
        execFileSync(process.execPath, ['--input-type=module', '-e', script], {
          input: 'help\n', encoding: 'utf8', timeout: 10_000,
        }),
      ).toBe('told: output');
    });

    it('of lines: an onEnd that throws does not keep the source open', async () => {
      const path = fifo();
      const stream = io.openFifo(path, 'read');
      lines(stream, { onEnd: throws('the end of lines') }, () => undefined);
      writeFileSync(path, 'a line\n');
      await until(() => stream.isClosed, 'the end');
      expect(told).toEqual(['the end of lines']);
    });
  });

  describe('a promise that a handler returns and that is rejected is reported', () => {
    const rejects = (what: string) => (): Promise<never> => Promise.reject(new Error(what));

    it('of a pipe: data, end and close', async () => {
      const path = fifo();
      const stream = io.openFifo(path, 'read').onData(rejects('data') as never);
      stream.onEnd(rejects('end') as never).onClose(rejects('close') as never);
      writeFileSync(path, 'x');
      await until(() => told.length === 3, 'all reports');
      expect(told.toSorted()).toEqual(['close', 'data', 'end']);
    });

    it('of UDP: both forms', async () => {
      const sockets = [io.udp().onData(rejects('view') as never), io.udp().onReceive(rejects('in place') as never)];
      for (const { port } of sockets) io.udp({ connect: { port } }).send(Buffer.from('x'));
      await until(() => told.length === 2, 'both reports');
      expect(told.toSorted()).toEqual(['in place', 'view']);
    });

    it('of a file: data and end', async () => {
      writeFileSync(join(folder, 'file'), 'text');
      io.openFile(join(folder, 'file')).onData(rejects('data') as never).onEnd(rejects('end') as never);
      await until(() => told.length === 2, 'both reports');
      expect(told.toSorted()).toEqual(['data', 'end']);
    });

    it('of a descriptor', async () => {
      const reader = openSync(fifo(), 'r+');
      cleanUps.push(() => closeSync(reader));
      const registration = io.registerDescriptor(reader, undefined, rejects('readable') as never);
      writeFileSync(join(folder, 'fifo'), 'x');
      await until(() => told.length > 0, 'the report');
      registration.close();
      expect(told).toContain('readable');
    });

    it('of lines: a line, and their end', async () => {
      const path = fifo();
      lines(io.openFifo(path, 'read'), { onEnd: rejects('end') as never }, (async (line: string) => {
        throw new Error(line);
      }) as never);
      writeFileSync(path, 'one\ntwo\nthree');
      await until(() => told.length === 4, 'all reports');
      expect(told.toSorted()).toEqual(['end', 'one', 'three', 'two']);
    });
  });

  describe('a file that is closed before its end', () => {
    it('closes the Readable over it', async () => {
      writeFileSync(join(folder, 'long'), Buffer.alloc(1 << 20));
      const reader = io.openFile(join(folder, 'long'), { chunkBytes: 4096 });
      const stream = reader.toNodeStream();
      await within(5000, once(stream, 'readable'), 'the first bytes');
      reader.close();
      await within(5000, once(stream, 'close'), 'its close');
      expect(stream.readableEnded).toBe(false);
    });

    it('fails the Writable over it when bytes are lost', async () => {
      const path = fifo();
      const reader = openSync(path, 'r+');
      cleanUps.push(() => closeSync(reader));
      const writer = io.openFile(path, { flags: 'a', chunkBytes: 65_536, depth: 3 });
      const stream = writer.toNodeStream();
      const outcome = new Promise<string>((resolve) => {
        stream.on('finish', () => resolve('finished')).on('error', (error: { code?: string }) => resolve(error.code!));
      });
      // A pipe holds a third of it; the second third is under way, and the last one waits.
      stream.end(Buffer.alloc(196_608));
      await until(() => writer.bytesWritten === 65_536, 'what the pipe holds');
      writer.close();
      readSync(reader, Buffer.alloc(196_608));
      expect(await within(5000, outcome, 'the outcome')).toBe('ERR_PERCORE_CLOSED');
    });
  });

  describe('a wait for room', () => {
    it('of a pipe resolves when what was refused would be taken, and not before: nothing spins', async () => {
      const { stream, reader } = stuckFifo(100_000);
      while (stream.offer(new Uint8Array(10_000)) === 0);
      await until(() => stream.pendingBytes < 100_000, 'the kernel takes some');
      while (stream.offer(new Uint8Array(1000)) === 0);
      expect(stream.offer(new Uint8Array(90_000))).toBeLessThan(0);
      let turns = 0;
      const loop = (async () => {
        while (stream.offer(new Uint8Array(90_000)) < 0) {
          turns++;
          await stream.room();
        }
      })();
      // If the loop went on in microtasks, this would never be reached.
      await sleep(100);
      expect(turns).toBe(1);
      const bytes = Buffer.alloc(65_536);
      for (let taken = 0; taken < 200_000;) {
        if (stream.pendingBytes === 0) break;
        taken += readSync(reader, bytes);
        await sleep(1);
      }
      await within(5000, loop, 'room');
      expect(turns).toBeLessThan(4);
    });

    it('of a pipe: a step waits for the room that it was refused, though smaller offers were taken since', async () => {
      const { stream, reader } = stuckFifo(100_000);
      while (stream.offer(new Uint8Array(10_000)) === 0);
      await until(() => stream.pendingBytes < 100_000, 'the kernel takes some');
      const room = 100_000 - stream.pendingBytes;
      expect(stream.offer(new Uint8Array(90_000))).toBeLessThan(0);
      if (room > 0) expect(stream.offer(new Uint8Array(Math.min(room, 100)))).toBe(0);
      const pendingAtWake: number[] = [];
      void stream.room().then(() => void pendingAtWake.push(stream.pendingBytes));
      (behind(stream) as unknown as Refuser)[AWAIT_ROOM](90_000, () => void pendingAtWake.push(stream.pendingBytes));
      const bytes = Buffer.alloc(65_536);
      for (let i = 0; i < 100 && pendingAtWake.length < 2; i++) {
        if (stream.pendingBytes > 0) readSync(reader, bytes, 0, 8192, null);
        await sleep(2);
      }
      expect(pendingAtWake).toHaveLength(2);
      for (const pending of pendingAtWake) expect(pending).toBeLessThanOrEqual(10_000);
    });

    it.each(['room', 'flushed'] as const)(
      'of a pipe: %s ends by its signal, its time-out and its own close',
      async (method) => {
        const { stream } = stuckFifo(1000);
        stream.offer(new Uint8Array(300_000));
        await sleep(20);
        const abort = new AbortController();
        const waits = [stream[method]({ signal: abort.signal }), stream[method]({ timeoutMs: 20 }), stream[method]()];
        const [aborted, late] = waits.map((wait) =>
          wait.then(
            () => 'room', (error: unknown) => (error instanceof PercoreError ? error.code : error),
          ),
        );
        abort.abort();
        expect(await within(5000, Promise.all([aborted, late]), 'both')).toEqual([
          abort.signal.reason, 'ERR_PERCORE_TIMEOUT',
        ]);
        await expect(stream[method]({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
        await expect(stream[method]({ timeoutMs: -1 })).rejects.toThrow('timeoutMs must be');
        await expect(stream[method]({ timeout: 1 } as never)).rejects.toThrow('did you mean "timeoutMs"?');
        stream.close();
        await within(5000, waits[2]!, 'its own close');
      },
    );

    it('of a datagram socket ends by its signal and its own close', async () => {
      // Nobody reads it.
      io.unixDatagram({ path: join(folder, 'full') });
      const socket = io.unixDatagram({ connect: join(folder, 'full') });
      while (socket.send(new Uint8Array(1000)) === 0);
      const wait = socket.room();
      await expect(within(5000, socket.room({ signal: AbortSignal.timeout(20) }), 'its signal')).rejects.toMatchObject({
        name: 'TimeoutError',
      });
      socket.close();
      await within(5000, wait, 'its own close');
    });

    it('of a file ends by its time-out; a second loop over a reader is refused', async () => {
      const path = fifo();
      const reader = openSync(path, 'r+');
      cleanUps.push(() => closeSync(reader));
      const writer = io.openFile(path, { flags: 'a', backend: 'pool', chunkBytes: 65_536, depth: 2 });
      // Until nothing moves any more.
      for (let quiet = 0; quiet < 10; await sleep(10))
        quiet = writer.offer(new Uint8Array(65_536)) === 0 ? 0 : quiet + 1;
      await expect(within(5000, writer.room({ timeoutMs: 50 }), 'its time-out')).rejects.toMatchObject({
        code: 'ERR_PERCORE_TIMEOUT',
      });
      const file = io.openFile('/proc/self/status');
      const first = file[Symbol.asyncIterator]();
      await first.next();
      await expect(file[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ERR_PERCORE_CLAIM' });
      await first.return?.();
      // A write to a full pipe holds a thread of Node's pool, so the pipe is emptied, or the pool could not go on.
      writer.close();
      readSync(reader, Buffer.alloc(262_144));
      await within(5000, writer.closed(), 'the writer');
    });
  });

  it('the descriptor is closed when onClose is called: of pipes, FIFOs, UDP and Unix sockets', async () => {
    const states: boolean[] = [];
    const note = (fd: number) => () => void states.push(existsSync(`/proc/self/fd/${fd}`));
    const fdOf = (owner: unknown): number => (owner as { fd: number }).fd;
    const path = fifo();
    const reading = io.openFifo(path, 'read');
    const writing = io.openFifo(path, 'write');
    for (const one of [io.udp(), io.unixDatagram(), writing, reading]) {
      one.onClose(note(fdOf(one)));
      one.close();
    }
    expect(states).toEqual([false, false, false, false]);
    // The same when the stream ends by itself.
    const again = io.openFifo(path, 'read').onData(() => undefined);
    again.onClose(note(fdOf(again)));
    appendFileSync(path, 'x');
    await until(() => states.length === 5, 'the end');
    expect(states[4]).toBe(false);
  });

  it.each(['io_uring', 'pool'] as const)(
    'files of /sys and /proc are read whole, at any depth, by %s; a file that is cut short is still an error',
    async (backend) => {
      const read = async (path: string, depth: number): Promise<Buffer> => {
        const parts: Buffer[] = [];
        for await (const part of io.openFile(path, { backend, depth, chunkBytes: 4096 })) parts.push(Buffer.from(part));
        return Buffer.concat(parts);
      };
      for (const depth of [1, 4, 16]) {
        expect((await read('/sys/class/net/lo/mtu', depth)).toString()).toBe('65536\n');
        expect((await read('/proc/kallsyms', depth)).length).toBe(readFileSync('/proc/kallsyms').length);
      }
      const path = join(folder, 'cut');
      writeFileSync(path, Buffer.alloc(1 << 20));
      const file = io.openFile(path, { backend, depth: 1, chunkBytes: 4096 });
      let isCut = false;
      await expect(
        (async () => {
          for await (const part of file) {
            if (!isCut) writeFileSync(path, 'short');
            isCut = part.length > 0;
          }
        })(),
      ).rejects.toMatchObject({ code: 'ERR_PERCORE_FILE_TRUNCATED' });
    },
  );
});
