import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeFileSync, type ReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until, within } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  let runtime: Runtime;
  let folder: string;
  let fifo: string;
  const streams = new Set<ReadStream>();

  beforeAll(async () => {
    runtime = await remoteRuntime(1, { io: { source } });
  });
  afterAll(() => runtime.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-pipe-'));
    fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
  });
  afterEach(async () => {
    for (const stream of streams) stream.destroy();
    streams.clear();
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      for (const key of Object.keys(state)) delete state[key];
      reactor.io.closeAll();
    });
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a FIFO in reactor 0 that gathers text: state.stream, state.text, state.ended, state.closed. */
  const reading = (options: Record<string, unknown> = {}): Promise<void> =>
    inside(
      runtime,
      0,
      (reactor, [path, given]: [string, Record<string, unknown>], { state }) => {
        state['text'] = '';
        state['ended'] = 0;
        const stream = (state['stream'] = reactor.io.openFifo(path, 'read', given));
        stream
          .onData((bytes) => void (state['text'] += Buffer.from(bytes).toString()))
          .onEnd(() => state['ended']++)
          .onClose((error) => void (state['closed'] = error?.errno ?? 'no error'));
      },
      [fifo, options] as [string, Record<string, unknown>],
    );
  const get = <T>(name: string): Promise<T> =>
    inside(runtime, 0, (_reactor, key: string, { state }) => state[key], name) as Promise<T>;
  /** Another process that writes `text` to the FIFO and closes it. */
  const write = (text: string): void =>
    void execFileSync('sh', ['-c', 'printf %s "$1" > "$0"', fifo, text], { timeout: 10_000 });

  /** Reads what the reactor writes, from `start` on. */
  function reader(): {
    text: () => string;
    bytes: () => number;
    start: () => void;
    ended: () => boolean;
    stream: ReadStream;
  } {
    // Opened for both ways, since a plain open for reading would block this thread until there is a writer.
    const fd = openSync(fifo, 'r+');
    const stream = createReadStream(fifo, { fd, highWaterMark: 65_536 });
    streams.add(stream);
    let text = '';
    let ended = false;
    stream.on('end', () => void (ended = true)).on('error', () => undefined);
    return {
      stream, text: () => text, bytes: () => text.length, ended: () => ended,
      start: () => void stream.on('data', (chunk) => void (text += String(chunk))),
    };
  }

  describe('a FIFO for reading', () => {
    it('waits for its first writer, gets what is written, ends with the last writer and closes', async () => {
      await reading();
      await sleep(30);
      expect(await get('ended')).toBe(0);
      write('hello');
      await until(async () => (await get('closed')) !== undefined, 'the end');
      expect([await get('text'), await get('ended'), await get('closed')]).toEqual(['hello', 1, 'no error']);
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
    });

    it('that is kept open takes one writer after the other', async () => {
      await reading({ keepOpen: true });
      write('one ');
      write('two ');
      await until(async () => (await get('text')) === 'one two ', 'both');
      write('three');
      await until(async () => (await get('text')) === 'one two three', 'the third');
      expect([await get('ended'), await get('closed')]).toEqual([0, undefined]);
    });

    it('reads many megabytes in steps of readBytes, all of it before the end', async () => {
      await inside(runtime, 0, (reactor, path: string, { state }) => {
        state['bytes'] = state['largest'] = 0;
        const stream = reactor.io.openFifo(path, 'read', { readBytes: 5000 });
        stream.onData((bytes) => {
          state['bytes'] += bytes.length;
          state['largest'] = Math.max(state['largest'], bytes.length);
        }).onClose(() => void (state['closed'] = true));
      }, fifo);
      execFileSync('sh', ['-c', 'head -c 5000000 /dev/zero > "$0"', fifo], { timeout: 20_000 });
      await until(async () => (await get('closed')) === true, 'the end');
      expect([await get('bytes'), await get('largest')]).toEqual([5_000_000, 5000]);
    });

    it('that is paused reads nothing until resume', async () => {
      await reading();
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['stream'].pause());
      write('later');
      await sleep(30);
      expect(await get('text')).toBe('');
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['stream'].resume());
      await until(async () => (await get('closed')) === 'no error', 'the end');
      expect(await get('text')).toBe('later');
    });

    it('closed in its handler hears no more', async () => {
      await inside(runtime, 0, (reactor, path: string, { state }) => {
        state['calls'] = 0;
        const stream = reactor.io.openFifo(path, 'read', { readBytes: 1 });
        stream.onData(() => {
          state['calls']++;
          stream.close();
        });
      }, fifo);
      write('abc');
      await until(async () => (await get('calls')) === 1, 'one');
      await sleep(20);
      expect([await get('calls'), await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)]).toEqual([
        1, 0,
      ]);
    });
  });

  describe('a FIFO for writing', () => {
    it('is refused with ENXIO while nobody reads, with EINVAL when it is no FIFO', async () => {
      writeFileSync(join(folder, 'file'), '');
      const errors = await inside(runtime, 0, (reactor, paths: string[]) => paths.map((path) => {
        try {
          reactor.io.openFifo(path, 'write');
          return 'opened';
        } catch (error) {
          return `${(error as { code: string }).code} ${(error as { errno: string }).errno}`;
        }
      }), [fifo, join(folder, 'file'), join(folder, 'none')]);
      expect(errors).toEqual(['ERR_PERCORE_SYSTEM ENXIO', 'ERR_PERCORE_SYSTEM EINVAL', 'ERR_PERCORE_SYSTEM ENOENT']);
    });

    it('takes no bytes that are not there', async () => {
      const outcome = await inside(runtime, 0, (reactor, path: string) => {
        const stream = reactor.io.openFifo(path, 'write', { keepOpen: true });
        const told = ([[0, 5], [3, 2], [-1, 2], [4, -1], [0, 4]] as const).map(([offset, length]) => {
          try {
            return String(stream.offer(new Uint8Array(4), offset, length));
          } catch (error) {
            return (error as Error).message;
          }
        });
        return [...told, String(stream.pendingBytes)];
      }, fifo);
      expect(outcome).toEqual([
        'length must be a whole number from 0 to 4, not 5', 'length must be a whole number from 0 to 1, not 2',
        'offset must be a whole number from 0 to 4, not -1', 'length must be a whole number from 0 to 0, not -1', '0',
        '4',
      ]);
    });

    it('a reader that does not read makes offer BACK_PRESSURED; every byte taken arrives before the end', async () => {
      const { start, bytes } = reader();
      const refused = inside(runtime, 0, async (reactor, path: string, { state, codes }) => {
        const stream = state['stream'] = reactor.io.openFifo(path, 'write', { highWaterBytes: 50_000 });
        const piece = new Uint8Array(1000).fill(65);
        let taken = 0, refusals = 0;
        while (taken < 1000) {
          if (stream.offer(piece) === codes.OK) taken++;
          else {
            refusals++;
            state['isRefused'] = true;
            await stream.room();
          }
        }
        stream.end();
        return { refusals, afterEnd: stream.offer(piece) === codes.CLOSED };
      }, fifo);
      await until(async () => (await get('isRefused')) === true, 'back pressure');
      start();
      const result = await within(10_000, refused, 'the writer');
      expect(result.refusals).toBeGreaterThan(5);
      expect(result.afterEnd).toBe(true);
      await until(() => bytes() === 1_000_000, 'all bytes');
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['stream'].isClosed),
        'closed after the last byte',
      );
    });

    it('whose reader leaves is closed with EPIPE at once, without a write', async () => {
      const child = spawn('cat', [fifo], { stdio: 'ignore' });
      await until(() => inside(runtime, 0, (reactor, path: string, { state }) => {
        try {
          state['stream'] = reactor.io.openFifo(path, 'write');
          state['stream'].onClose((error: { errno: string }) => void (state['closed'] = error.errno));
          return true;
        } catch {
          return false;
        }
      }, fifo), 'the reader');
      child.kill('SIGKILL');
      await until(async () => (await get('closed')) === 'EPIPE', 'EPIPE');
    });
  });

  describe('a descriptor that is taken over', () => {
    it('both ends of a stream socket talk, end one way and then the other', async () => {
      const result = await inside(runtime, 0, async (reactor, _argument, { until: become, io, require, coreOf }) => {
          const path = `\0percore-pair-${require('node:process').pid}`;
        let accepted = -1;
        const listener = reactor.io.listen({ path }, (connection) => void (accepted = connection.detach()!.fd));
        const left = coreOf(reactor.io)!.native.unix.connect(path);
        coreOf(reactor.io)!.native.descriptors.disown(left);
        await become(() => accepted >= 0);
        listener.close();
        const heard: string[] = [];
        const ends: string[] = [];
        const one = reactor.io.openPipe(left, 'both'), other = reactor.io.openPipe(accepted, 'both');
        io.lines(one, {}, (line) => heard.push(`one: ${line}`));
        io.lines(other, { onEnd: () => ends.push('other heard the end') }, (line) => {
          heard.push(`other: ${line}`);
          other.offer(Buffer.from(`answer to ${line}\n`));
        });
        one.onClose(() => ends.push('one closed'));
        one.offer(Buffer.from('first\nsecond\n'));
        one.end();
        await become(() => one.isClosed && other.isClosed);
        return { heard: heard.toSorted(), ends };
      });
      expect(result).toEqual({
        heard: ['one: answer to first', 'one: answer to second', 'other: first', 'other: second'],
        ends: ['other heard the end', 'one closed'],
      });
    });

    it('a number that is not open is refused with EBADF; a stream whose number others close ends with it', async () => {
      const { start } = reader();
      const result = await inside(runtime, 0, async (reactor, path: string, { until: become, require }) => {
        let refusal = '';
        try {
          reactor.io.openPipe(100_000, 'read');
        } catch (error) {
          refusal = `${(error as { errno: string }).errno}`;
        }
        const stream = reactor.io.openFifo(path, 'write');
        let closed = '';
        stream.onClose((error) => void (closed = `${error?.code} ${error?.errno} ${error?.syscall}`));
        stream.offer(Buffer.from('x'));
        await stream.flushed();
        require('node:fs').closeSync(stream.fd);
        stream.offer(Buffer.from('y'));
        await become(() => closed !== '');
        return [refusal, closed];
      }, fifo);
      start();
      expect(result).toEqual(['EBADF', 'ERR_PERCORE_SYSTEM EBADF write']);
    });

    it('wrong arguments are named', async () => {
      const messages = await inside(
        runtime,
        0,
        (reactor, path: string) =>
          [
            () => reactor.io.openFifo('', 'read'), () => reactor.io.openFifo(path, 'both' as never),
            () => reactor.io.openPipe(-1, 'read'), () => reactor.io.openPipe(0, 'in' as never),
            () => reactor.io.openFifo(path, 'read', { priority: 8 }),
            () => reactor.io.openFifo(path, 'read', { readBytes: 0 }),
          ].map((call) => {
            try {
              call();
              return 'accepted';
            } catch (error) {
              return (error as Error).message;
            }
          }),
        fifo,
      );
      expect(messages).toEqual([
        'path must be a path: text that is not empty and has no NUL, not ""',
        "way must be 'read' or 'write', not \"both\"", 'fd must be a whole number from 0 to 2147483647, not -1',
        "way must be 'read', 'write' or 'both', not \"in\"", 'priority must be a whole number from 0 to 7, not 8',
        'readBytes must be a whole number from 1 to 65536, not 0',
      ]);
    });
  });

  describe('standard input', () => {
    const program = fileURLToPath(new URL('./fixtures/stdin-lines.js', import.meta.url));
    /** Runs a reactor that prints each line of its standard input, and "end". */
    async function run(
      stdin: 'pipe' | number,
      feed?: (write: (text: string) => void, end: () => void, said: (text: string) => Promise<void>) => Promise<void>,
    ): Promise<string> {
      const child = spawn(process.execPath, [program], { stdio: [stdin, 'pipe', 'inherit'] });
      let output = '';
      child.stdout!.on('data', (chunk) => void (output += String(chunk)));
      const exit = once(child, 'exit');
      await feed?.(
        (text) => void child.stdin!.write(text), () => void child.stdin!.end(),
        (text) => until(() => output.includes(text), text),
      );
      expect((await within(20_000, exit, 'exit'))[0]).toBe(0);
      return output;
    }

    it('of a pipe is read line by line as it comes, to its end', async () => {
      expect(await run('pipe', async (feed, end, said) => {
        feed('first\nsec');
        await said('line: first');
        feed('ond\r\nthird');
        await said('line: second');
        end();
      })).toBe('line: first\nline: second\nline: third\nend\n');
    });

    it('of a file, and of /dev/null, which cannot be polled', async () => {
      const file = join(folder, 'input');
      writeFileSync(file, Array.from({ length: 20_000 }, (_, i) => `${i}`).join('\n'));
      for (const [path, count] of [[file, 20_000], ['/dev/null', 0]] as const) {
        const fd = openSync(path, 'r');
        const output = (await run(fd)).trimEnd().split('\n');
        closeSync(fd);
        expect(output.at(-1)).toBe('end');
        expect(output).toHaveLength(count + 1);
        if (count > 0) expect(output[count - 1]).toBe(`line: ${count - 1}`);
      }
    });
  });
});
