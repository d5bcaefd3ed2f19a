import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as netConnect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, until, within, withRuntime } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';

const children = new Set<ChildProcess>();

/**
 * A Unix datagram peer. Node has none of its own, so it is one of Python's. It echoes with "py:" in front, and exits at
 * "quit".
 */
async function datagramPeer(path: string): Promise<ChildProcess> {
  const child = spawn('python3', ['-uc', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready')
while True:
    data, sender = s.recvfrom(70000)
    if data == b'quit': break
    if sender: s.sendto(b'py:' + data, sender)
`, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  await within(20_000, once(createInterface(child.stdout!), 'line'), 'the Python peer');
  return child;
}

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  let runtime: Runtime;
  let folder: string;
  const sockets = new Set<Socket>();
  const servers = new Set<Server>();

  beforeAll(async () => {
    runtime = await remoteRuntime(1, { io: { source } });
  });
  afterAll(() => runtime.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-unix-'));
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    for (const child of children) child.kill('SIGKILL');
    sockets.clear();
    servers.clear();
    children.clear();
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      for (const key of Object.keys(state)) delete state[key];
      reactor.io.closeAll();
    });
    rmSync(folder, { recursive: true, force: true });
  });

  /** An echo server in reactor 0 at `path`. */
  const echo = (path: string): Promise<void> =>
    inside(
      runtime,
      0,
      (reactor, at: string, { state }) => {
        state['listener'] = reactor.io.listen(
          { path: at }, (connection) => void connection.onData((bytes) => void connection.offer(bytes)),
        );
      },
      path,
    );

  async function peer(path: string): Promise<{ socket: Socket; text: () => string }> {
    const socket = netConnect({ path });
    sockets.add(socket);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => void chunks.push(chunk)).on('error', () => undefined);
    await within(5000, once(socket, 'connect'), 'connect');
    return { socket, text: () => Buffer.concat(chunks).toString() };
  }

  /** What comes of connecting to `path`: 'connected' or an errno. */
  async function knock(path: string): Promise<string> {
    const socket = netConnect({ path });
    sockets.add(socket);
    return new Promise((resolve) =>
      socket
        .on('connect', () => resolve('connected'))
        .on('error', (error: NodeJS.ErrnoException) => resolve(error.code!)),
    );
  }

  const refusalOf = (work: string): Promise<string> => inside(runtime, 0, (reactor, source: string) => {
    try {
      new Function('reactor', source)(reactor);
      return 'accepted';
    } catch (error) {
      return `${(error as { code: string }).code}: ${(error as Error).message}`;
    }
  }, work);

  describe('a Unix stream', () => {
    it('listens at a path, echoes to node:net, and removes its file at close', async () => {
      const path = join(folder, 'echo.sock');
      await echo(path);
      const { socket, text } = await peer(path);
      socket.write('hello');
      await until(() => text() === 'hello', 'the echo');
      expect(existsSync(path)).toBe(true);
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['listener'].close());
      expect(existsSync(path)).toBe(false);
      socket.write('!');
      await until(() => text() === 'hello!', 'the connection stays');
    });

    it('connects to a server of node:net and carries a megabyte there and back', async () => {
      const path = join(folder, 'node.sock');
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.pipe(socket);
      });
      servers.add(server);
      server.listen(path);
      await once(server, 'listening');
      const ok = await inside(runtime, 0, async (reactor, at: string, { until: become }) => {
        const connection = reactor.io.connect({ path: at });
        const sent = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31) & 255));
        const chunks: Buffer[] = [];
        connection.onData((bytes) => void chunks.push(Buffer.from(bytes)));
        connection.offer(sent);
        await become(() => chunks.reduce((sum, { length }) => sum + length, 0) === sent.length);
        connection.close();
        return Buffer.concat(chunks).equals(sent);
      }, path);
      expect(ok).toBe(true);
    });

    it('takes abstract names, which have no file', async () => {
      const name = `\0percore-test-${process.pid}`;
      await inside(
        runtime,
        0,
        (reactor, at: string, { state }) => {
          reactor.io.listen(
            { path: at }, (connection) => void connection.onData((bytes) => void connection.offer(bytes)),
          );
          state['text'] = '';
          const client = reactor.io.connect({ path: at });
          client.onData((bytes) => void (state['text'] += Buffer.from(bytes).toString()));
          client.offer(Buffer.from('abstract'));
        },
        name,
      );
      await until(
        async () => (await inside(runtime, 0, (_reactor, _argument, { state }) => state['text'])) === 'abstract',
        'the echo',
      );
      expect(await refusalOf(`reactor.io.listen({ path: ${JSON.stringify(name)} }, () => {})`)).toBe(
        `ERR_PERCORE_ADDRESS_IN_USE: cannot listen on unix:@percore-test-${process.pid}: somebody has this path; `
          + `choose another, or stop that program`,
      );
    });

    it('a peer that never reads holds the writer back; what was taken arrives when it reads', async () => {
      const path = join(folder, 'slow.sock');
      await inside(runtime, 0, (reactor, at: string, { state, codes }) => {
        reactor.io.listen({ path: at, highWaterBytes: 100_000 }, (connection) => {
          state['connection'] = connection;
          state['taken'] = 0;
          const bytes = new Uint8Array(10_000).fill(7);
          const fill = () => {
            for (let i = 0; i < 500; i++) {
              if (connection.offer(bytes) !== codes.OK) return void (state['refused'] = true);
              state['taken'] += bytes.length;
            }
          };
          // Over some turns, so that the kernel's own buffer is full as well.
          for (let turn = 0; turn < 20; turn++) setTimeout(fill, turn * 5);
        });
      }, path);
      const socket = netConnect({ path });
      sockets.add(socket);
      socket.pause();
      await within(5000, once(socket, 'connect'), 'connect');
      await until(
        async () =>
          await inside(
            runtime, 0,
            (_reactor, _argument, { state }) => state['refused'] === true && state['connection'].pendingBytes > 80_000,
          ),
        'back pressure',
      );
      await inside(runtime, 0, (_reactor, _argument, { sleep }) => sleep(150));
      let read = 0;
      socket.on('data', (chunk: Buffer) => void (read += chunk.length)).resume();
      const taken = await inside(runtime, 0, async (_reactor, _argument, { state }) => {
        await state['connection'].flushed();
        return state['taken'] as number;
      });
      await until(() => read === taken, 'all that was taken');
    });
  });

  describe('a path', () => {
    it('where somebody listens is in use; the server there goes on', async () => {
      const path = join(folder, 'taken.sock');
      const server = createServer((socket) => void socket.on('error', () => undefined));
      servers.add(server);
      server.listen(path);
      await once(server, 'listening');
      expect(await refusalOf(`reactor.io.listen({ path: ${JSON.stringify(path)} }, () => {})`)).toBe(
        `ERR_PERCORE_ADDRESS_IN_USE: cannot listen on unix:${path}: somebody has this path; choose another, or stop `
          + `that program`,
      );
      expect(await refusalOf(`reactor.io.unixDatagram({ path: ${JSON.stringify(path)} })`)).toMatch(
        /^ERR_PERCORE_ADDRESS_IN_USE/,
      );
      expect((await peer(path)).socket.destroyed).toBe(false);
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
    });

    it('that a killed process left is taken over', async () => {
      const path = join(folder, 'dead.sock');
      const child = spawn(
        process.execPath,
        ['-e', 'require("node:net").createServer().listen(process.argv[1], () => console.log("ready"))', path],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      children.add(child);
      await within(20_000, once(child.stdout!, 'data'), 'the server');
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(existsSync(path)).toBe(true);
      expect(await knock(path)).toBe('ECONNREFUSED');
      await echo(path);
      expect(await knock(path)).toBe('connected');
    });

    it('of a file that is not a socket is refused, and the file is kept', async () => {
      const path = join(folder, 'notes.txt');
      writeFileSync(path, 'precious');
      expect(await refusalOf(`reactor.io.listen({ path: ${JSON.stringify(path)} }, () => {})`)).toMatch(
        /^ERR_PERCORE_SYSTEM: cannot listen on unix:.*notes\.txt: ENOTSOCK/,
      );
      expect(existsSync(path)).toBe(true);
    });

    it('that is too long is refused with the limit and its length; the longest one works', async () => {
      const longest = join(folder, 'x'.repeat(107 - folder.length - 1));
      expect(longest).toHaveLength(107);
      await echo(longest);
      expect(await knock(longest)).toBe('connected');
      for (const call of ['listen({ path }, () => {})', 'connect({ path })', 'unixDatagram({ path })']) {
        const refusal = await refusalOf(`const path = ${JSON.stringify(`${longest}é`)}; reactor.io.${call}`);
        expect(refusal, call).toMatch(
          /^ERR_PERCORE_INVALID_ARGUMENT: path must be at most 107 bytes of UTF-8 \(this one has 109: .*\), not "/,
        );
      }
      expect(await refusalOf(`reactor.io.listen({ path: "\\0" + "a".repeat(108) }, () => {})`)).toMatch(
        /at most 108 bytes of UTF-8 \(this one has 109/,
      );
      expect(await refusalOf(`reactor.io.listen({ path: "a\\0b" }, () => {})`)).toMatch(/without NUL/);
      expect(await refusalOf(`reactor.io.listen({ path: "" }, () => {})`)).toMatch(
        /path must be the path of a Unix socket, not ""/,
      );
    });

    it('where nobody listens refuses a connection at once, with errno', async () => {
      expect(await refusalOf(`reactor.io.connect({ path: ${JSON.stringify(join(folder, 'none.sock'))} })`)).toMatch(
        /^ERR_PERCORE_SYSTEM: cannot connect to unix:.*none\.sock: ENOENT/,
      );
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
    });

    it('that another server has taken over is not removed at close', async () => {
      const path = join(folder, 'moved.sock');
      await echo(path);
      rmSync(path);
      const server = createServer();
      servers.add(server);
      server.listen(path);
      await once(server, 'listening');
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['listener'].close());
      expect(existsSync(path)).toBe(true);
      expect(await knock(path)).toBe('connected');
    });

    it('is removed with its reactor, even when that dies', async () => {
      const path = join(folder, 'killed.sock');
      await withRuntime(1, { io: { source } }, async (short) => {
        await inside(short, 0, (reactor, at: string) => void reactor.io.listen({ path: at }, () => undefined), path);
        expect(existsSync(path)).toBe(true);
        const died = once(short, 'reactorDied');
        void inside(short, 0, (): void => process.exit(1)).catch(() => undefined);
        await within(10_000, died, 'the death');
        await until(() => !existsSync(path), 'the file is gone');
      });
    });
  });

  describe('a Unix datagram socket', () => {
    it('talks to another process, in both directions, with its path as the address', async () => {
      const [own, other] = [join(folder, 'own'), join(folder, 'other')];
      await datagramPeer(other);
      const result = await inside(
        runtime,
        0,
        async (reactor, [path, to]: string[], { until: become }) => {
          const heard: unknown[] = [];
          const socket = reactor.io.unixDatagram({ path: path! });
          socket.onData((bytes, from) => void heard.push([Buffer.from(bytes).toString(), from]));
          for (const text of ['a', '', 'long '.repeat(100)])
            socket.send(Buffer.from(text), 0, text.length, { path: to! });
          await become(() => heard.length === 3);
          socket.close();
          return heard;
        },
        [own, other],
      );
      expect(result).toEqual(['a', '', 'long '.repeat(100)].map((text) => [`py:${text}`, { path: other }]));
      expect(existsSync(own)).toBe(false);
    });

    it('answers within a batch, to several senders of this thread', async () => {
      const path = join(folder, 'server');
      const heard = await inside(runtime, 0, async (reactor, at: string, { until: become }) => {
        const server = reactor.io.unixDatagram({ path: at });
        server.onReceive((bytes, offset, length, from) => void server.send(bytes, offset, length, from));
        const counts = [0, 0, 0];
        const wrong: string[] = [];
        const clients = counts.map((_count, i) => {
          const client = reactor.io.unixDatagram({ path: `${at}.${i}`, connect: at });
          client.onData((bytes) => {
            counts[i]++;
            if (Buffer.from(bytes).toString() !== `${i}`) wrong.push(`${i} got ${Buffer.from(bytes).toString()}`);
          });
          return client;
        });
        for (let round = 0; round < 100; round++) {
          for (const [i, client] of clients.entries()) {
            if (client.send(Buffer.from(`${i}`)) !== 0) await client.room();
          }
        }
        const sent = clients.map((client) => client.status().sent + client.pending);
        await become(() => counts.every((count, i) => count === sent[i]));
        return { wrong, all: sent.every((count) => count >= 90) };
      }, path);
      expect(heard).toEqual({ wrong: [], all: true });
    });

    for (const isConnected of [true, false]) {
      it(`whose receiver does not read answers BACK_PRESSURED; all that was taken arrives in order `
        + `(${isConnected ? 'connected' : 'not connected'})`, async () => {
        const path = join(folder, 'slow');
        const result = await inside(
          runtime,
          0,
          async (reactor, [at, connect]: [string, boolean], { until: become, codes }) => {
            const receiver = reactor.io.unixDatagram({ path: at });
            const sender = reactor.io.unixDatagram(connect ? { connect: at } : {});
            const to = connect ? undefined : { path: at };
            let taken = 0,
              refused = 0;
            const offer = () => {
              const bytes = Buffer.from(`${taken}`);
              const code = sender.send(bytes, 0, bytes.length, to);
              if (code === codes.OK) taken++;
              else refused++;
              return code;
            };
            await become(() => offer() === codes.BACK_PRESSURED);
            const heldBack = sender.pending;
            const heard: string[] = [];
            receiver.onData((bytes) => void heard.push(Buffer.from(bytes).toString()));
            await sender.room();
            await become(() => heard.length === taken);
            return {
              heldBack, refused, counted: sender.status().refused, inOrder: heard.every((text, i) => text === `${i}`),
              dropped: sender.status().dropped, taken,
            };
          },
          [path, isConnected] as [string, boolean],
        );
        expect(result).toMatchObject({ heldBack: 64, refused: 1, counted: 1, inOrder: true, dropped: 0 });
        expect(result.taken).toBeGreaterThan(64);
      });
    }

    it('drops, counts and reports what it sends to somebody who is gone; connecting to nobody throws', async () => {
      const other = join(folder, 'gone');
      const child = await datagramPeer(other);
      const errors = await inside(runtime, 0, async (reactor, to: string, { state, until: become }) => {
        const socket = state['socket'] = reactor.io.unixDatagram();
        const told: string[] = [];
        socket.onError((error) => void told.push(error.errno!));
        socket.send(Buffer.from('quit'), 0, 4, { path: to });
        socket.send(Buffer.from('x'), 0, 1, { path: `${to}-never` });
        await become(() => told.length === 1);
        return told;
      }, other);
      expect(errors).toEqual(['ENOENT']);
      await within(10_000, once(child, 'exit'), 'the exit');
      const after = await inside(runtime, 0, async (_reactor, to: string, { state, until: become }) => {
        state['socket'].send(Buffer.from('x'), 0, 1, { path: to });
        await become(() => state['socket'].status().dropped === 2);
        return [state['socket'].status().unreachable, state['socket'].isClosed];
      }, other);
      expect(after).toEqual([1, false]);
      expect(await refusalOf(`reactor.io.unixDatagram({ connect: ${JSON.stringify(other)} })`)).toMatch(
        /ERR_PERCORE_SYSTEM: cannot connect to unix:.*ECONNREFUSED/,
      );
    });
  });
});
