/**
 * Wrong arguments, down to the addon, are refused with a code and in words. Nothing crashes, hangs or stays open, and
 * nothing closes what belongs to somebody else.
 */
import { execFile, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import {
  create, createConsole, createPoller, createReadiness, closeReadiness, lines, linkToQueue, openReadiness, LineReader,
  type LocalIo,
} from './index.js';

const made: LocalIo[] = [];
afterEach(() => {
  for (const io of made.splice(0)) io.close();
});
function open(source: 'epoll' | 'io_uring' = 'epoll'): LocalIo {
  const io = create({ source });
  made.push(io);
  return io;
}

/** The code and message of what `call` throws. If it returns, the number that it returns, or 'accepted'. */
function refusalOf(call: () => unknown): string {
  try {
    const answer = call();
    return typeof answer === 'number' ? String(answer) : 'accepted';
  } catch (error) {
    return error instanceof PercoreError ? `${error.code}: ${error.message}` : `not a PercoreError: ${String(error)}`;
  }
}

it('every function of the addon survives wrong arguments, and leaves all descriptors as they were', async () => {
  const script = fileURLToPath(new URL('./fixtures/hostile-native.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 60_000 });
  const { calls, before, after } = JSON.parse(stdout) as { calls: number; before: string[]; after: string[] };
  expect(calls).toBeGreaterThan(30_000);
  expect(after).toEqual(before);
});

const strange: unknown[] = [
  NaN, -1, 1.5, 2 ** 32, Infinity, 'text', '', 5n, Symbol('s'), null, true, {}, [], new Uint8Array(4), () => undefined,
];

describe('every public function refuses what it does not take by a PercoreError', () => {
  // Each has the call that is given a strange value, and tells which of these values are right in that place.
  const calls: [string, (io: LocalIo, value: never) => unknown, ((value: unknown) => boolean)?][] = [
    ['create', (_io, value) => create(value), isPlainObject],
    ['createPoller', (_io, value) => createPoller(value).close(), isPlainObject],
    ['poller.register', (_io, value) => createPoller().register(value)],
    ['poller.reregister', (_io, value) => createPoller().reregister(value, 1)],
    ['poller.poll', (_io, value) => createPoller().poll(value), (value) => value === -1],
    ['listen', (io, value) => io.listen(value, () => undefined)],
    ['listen, callback', (io, value) => io.listen({ port: 0 }, value), (value) => typeof value === 'function'],
    ['listen, port', (io, value) => io.listen({ port: value }, () => undefined), (value) => value === undefined],
    ['listen, host', (io, value) => io.listen({ port: 0, host: value }, () => undefined), (value) => value === null],
    ['listen, path', (io, value) => io.listen({ path: value }, () => undefined), (value) => value === 'text'],
    [
      'listen, reusePort', (io, value) => io.listen({ port: 0, reusePort: value }, () => undefined),
      (value) => value === null || value === true,
    ],
    ['connect', (io, value) => io.connect(value)],
    ['connect, host', (io, value) => io.connect({ port: 1, host: value }), (value) => value === null],
    [
      'connection.offerText', (io, value) => io.connect({ port: 1 }).offerText(value),
      (value) => typeof value === 'string',
    ],
    ['connection.offerText, encoding', (io, value) => io.connect({ port: 1 }).offerText('a', value)],
    [
      'connection.setDeadlines', (io, value) => io.connect({ port: 1 }).setDeadlines(value),
      (value) => value !== undefined && isPlainObject(value),
    ],
    ['listenFd', (io, value) => io.listenFd(value)],
    ['udp', (io, value) => io.udp(value), isPlainObject],
    ['udp, connect', (io, value) => io.udp({ connect: value })],
    [
      'udp.send', (io, value) => io.udp().send(value, 0, 1, { host: '127.0.0.1', port: 9 }),
      (value) => value instanceof Uint8Array,
    ],
    ['udp.send, offset', (io, value) => io.udp().send(new Uint8Array(4), value, 1, { host: '127.0.0.1', port: 9 })],
    ['udp.send, to', (io, value) => io.udp().send(new Uint8Array(4), 0, 4, value)],
    ['udp.send, host', (io, value) => io.udp().send(new Uint8Array(4), 0, 4, { host: value, port: 9 })],
    ['udp.send, port', (io, value) => io.udp().send(new Uint8Array(4), 0, 4, { host: '127.0.0.1', port: value })],
    ['udp.keep', (io, value) => io.udp().keep(value)],
    ['udp.forget', (io, value) => io.udp().forget(value)],
    ['udp.addressOf', (io, value) => io.udp().addressOf(value)],
    ['udp.onDatagram', (io, value) => io.udp().onReceive(value), (value) => typeof value === 'function'],
    ['udp.onError', (io, value) => io.udp().onError(value), (value) => typeof value === 'function'],
    ['udp.onClose', (io, value) => io.udp().onClose(value), (value) => typeof value === 'function'],
    ['unixDatagram', (io, value) => io.unixDatagram(value), isPlainObject],
    ['openFile', (io, value) => io.openFile(value), (value) => value === 'text'],
    ['openFile, options', (io, value) => io.openFile('/dev/null', value), isPlainObject],
    ['file.onData', (io, value) => io.openFile('/dev/null').onData(value), (value) => typeof value === 'function'],
    [
      'file.offer', (io, value) => io.openFile('/dev/null', { flags: 'w' }).offer(value),
      (value) => value instanceof Uint8Array,
    ],
    ['openFifo', (io, value) => io.openFifo(value, 'read'), (value) => value === 'text'],
    ['openFifo, way', (io, value) => io.openFifo('/dev/null', value)],
    ['openPipe', (io, value) => io.openPipe(value, 'read')],
    ['openPipe, way', (io, value) => io.openPipe(0, value)],
    ['stdin', (io, value) => io.stdin(value), isPlainObject],
    ['registerDescriptor', (io, value) => io.registerDescriptor(value, {}, () => undefined)],
    [
      'registerDescriptor, callback', (io, value) => io.registerDescriptor(1e6, {}, value),
      (value) => typeof value === 'function',
    ],
    ['watchPath', (io, value) => io.watchPath(value, {}, () => undefined), (value) => value === 'text'],
    [
      'watchPath, events', (io, value) => io.watchPath('/', { events: value }, () => undefined),
      (value) => value === null,
    ],
    ['watchPath, handler', (io, value) => io.watchPath('/', {}, value), (value) => typeof value === 'function'],
    ['onReadiness', (io, value) => io.onReadiness(value, {}, () => undefined)],
    ['openReadiness', (_io, value) => openReadiness(value)],
    ['closeReadiness', (_io, value) => closeReadiness(value)],
    ['createConsole', (io, value) => createConsole(io, value)],
    [
      'createConsole, output', (io, value) => createConsole(io, { port: 0, output: value }),
      (value) => typeof value === 'function',
    ],
    ['lines', (_io, value) => lines(value, {}, () => undefined)],
    ['lines, handler', (_io, value) => new LineReader({}, value), (value) => typeof value === 'function'],
    [
      'LineReader.push', (_io, value) => new LineReader({}, () => undefined).push(value),
      (value) => value instanceof Uint8Array,
    ],
    ['linkToQueue', (io, value) => linkToQueue(io.connect({ port: 1 }), value)],
  ];

  it.each(calls)('%s', (_name, call, isRight = () => false) => {
    const wrong: string[] = [];
    for (const value of strange.filter((each) => !isRight(each))) {
      const io = create();
      const refusal = refusalOf(() => call(io, value as never));
      if (!refusal.startsWith('ERR_PERCORE_')) wrong.push(`${String(value)}: ${refusal}`);
      io.close();
    }
    expect(wrong).toEqual([]);
  });
});

/** True for an empty object or undefined, which mean that there are no options. */
function isPlainObject(value: unknown): boolean {
  return (
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0 && !(value instanceof Uint8Array))
    || value === undefined
  );
}

it('offerText takes text of any length in the documented encodings', () => {
  const connection = open().connect({ port: 1 });
  expect([connection.offerText(''), connection.offerText('é', 'latin1'), connection.offerText('é', undefined)])
    .toEqual([0, 0, 0]);
  expect(connection.pendingBytes).toBe(3);
  const refusal = refusalOf(() => connection.offerText('41', 'hex' as never));
  expect(refusal).toMatch(/^ERR_PERCORE_INVALID_ARGUMENT: encoding/);
});

it('bytes that were transferred to another thread count as empty', () => {
  const io = open();
  const writers = [
    io.connect({ port: 1 }), io.openFile('/dev/null', { flags: 'w' }), io.openPipe(openSync('/dev/null', 'r+'), 'both'),
  ];
  for (const writer of writers) {
    const bytes = new Uint8Array(5);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    expect(refusalOf(() => writer.offer(bytes))).toBe('0');
    expect(refusalOf(() => writer.offer(bytes, 0, 5))).toMatch(/^ERR_PERCORE_INVALID_ARGUMENT: length/);
    expect(writer.pendingBytes).toBe(0);
  }
});

it('misspelt options are refused with what was probably meant', () => {
  const io = open();
  expect(
    [
      refusalOf(() => create({ sorce: 'epoll' } as never)),
      refusalOf(() => io.listen({ port: 0, reuseport: true } as never, () => undefined)),
      refusalOf(() => io.udp({ multicast: true } as never)),
      refusalOf(() => io.openFile('/dev/null', { flag: 'w' } as never)),
      refusalOf(() => io.stdin({ highWater: 1 } as never)),
      refusalOf(() => io.watchPath('/', { event: ['created'] } as never, () => undefined)),
      refusalOf(() => createConsole(io, { port: 0, prompts: '> ' } as never)),
      refusalOf(() => io.listenFd({ port: 0, hosts: '::1' } as never)),
      refusalOf(() => lines({ onData: () => 0, onEnd: () => 0 } as never, { maxLine: 1 } as never, () => undefined)),
    ].map(
      (refusal) =>
        /^ERR_PERCORE_INVALID_ARGUMENT: options has no option "\w+"(?:; did you mean "(\w+)"\?)?/.exec(refusal)?.[1],
    ),
  ).toEqual(['source', 'reusePort', undefined, 'flags', 'highWaterBytes', 'events', 'prompt', 'host', 'maxLineBytes']);
});

it('a host name is refused with how to look it up; a zone that is not an interface is named', () => {
  const io = open();
  for (const call of [
    () => io.listen({ port: 0, host: 'example.com' }, () => undefined),
    () => io.connect({ port: 80, host: 'example.com' }), () => io.udp({ host: 'example.com' }),
    () => io.listenFd({ port: 0, host: 'example.com' }),
  ]) {
    expect(refusalOf(call)).toBe(
      "ERR_PERCORE_INVALID_ARGUMENT: host must be an IPv4 or IPv6 address ('127.0.0.1', '::1', 'fe80::1%eth0') or "
        + "'localhost', not \"example.com\". "
        + 'Names are not looked up here: do so before, const { address } = await dns.promises.lookup("example.com")',
    );
  }
  expect(refusalOf(() => io.udp().send(new Uint8Array(1), 0, 1, { host: 'example.com', port: 9 }))).toContain(
    'dns.promises.lookup("example.com")',
  );
  expect(refusalOf(() => io.listen({ port: 0, host: '1.2.3' }, () => undefined))).toMatch(
    /^ERR_PERCORE_INVALID_ARGUMENT: host must be an IPv4/,
  );
  for (const call of [
    () => io.listen({ port: 0, host: 'fe80::1%none0' }, () => undefined), () => io.udp({ host: 'fe80::1%none0' }),
    () => io.listenFd({ port: 0, host: 'fe80::1%99999' }),
  ]) {
    expect(refusalOf(call)).toMatch(/^ERR_PERCORE_SYSTEM: cannot .*fe80::1%.*ENODEV: No such device, if_nametoindex/);
  }
  expect(io.status().endpoints).toBe(1);
});

it('addresses with a zone, by name and by number, work for listeners and for UDP in both directions', async () => {
  const io = open();
  // Not every loopback has a link-local address. With its zone, ::1 is the same address as without.
  for (const host of ['::1%lo', '::1%1']) {
    const heard = new Promise<string>((resolve) => {
      const listener = io.listen(
        { port: 0, host }, (connection) => void connection.onData((bytes) => resolve(Buffer.from(bytes).toString())),
      );
      io.connect({ port: listener.port, host }).offer(Buffer.from('by stream'));
    });
    expect(await heard).toBe('by stream');
    const socket = io.udp({ host });
    const answered = new Promise<string>(
      (resolve) => void socket.onData((bytes) => resolve(Buffer.from(bytes).toString())),
    );
    io.udp({ host: '::1' }).send(Buffer.from('by datagram'), 0, 11, { host, port: socket.port });
    expect(await answered).toBe('by datagram');
  }
});

it('after close, nothing can be opened any more, and nothing stays open of the attempt', () => {
  const io = open();
  const handle = createReadiness();
  io.udp();
  io.close();
  for (const call of [
    () => io.listen({ port: 0 }, () => undefined), () => io.connect({ port: 1 }), () => io.udp(),
    () => io.unixDatagram(), () => io.openFile('/dev/null'), () => io.stdin(),
    () => io.watchPath('/', {}, () => undefined), () => io.registerDescriptor(handle.eventFd, {}, () => undefined),
    () => io.onReadiness(handle, {}, () => undefined), () => createConsole(io, { port: 0 }),
    () => io.listenFd({ port: 0 }), () => io.attach({ fd: 0, unread: new Uint8Array(0) }),
  ])
    expect(refusalOf(call)).toBe('ERR_PERCORE_CLOSED: this I/O is closed: nothing more can be opened with it');
  expect(io.status().endpoints).toBe(0);
  closeReadiness(handle);
});

it.each(['epoll', 'io_uring'])(
  'when descriptors run out while something is opened, that is a PercoreError, and nothing stays open, on %s',
  async (source) => {
    const script = `
    import { readdirSync, closeSync, openSync } from 'node:fs';
    import { create, createPoller } from '${new URL('./index.js', import.meta.url).href}';
    const look = () => readdirSync('/proc/self/fd').length;
    // What closes later has closed when ten looks in a row have seen the same number.
    const count = async () => {
      for (let seen = look(), same = 0; ; same = look() === seen ? same + 1 : 0, seen = look()) {
        if (same === 10) return seen;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const opens = [
      (io) => io.listen({ port: 0 }, () => undefined), (io) => io.connect({ port: 9 }), (io) => io.udp(),
      (io) => io.listen({ path: '\\0percore-' + process.pid }, () => undefined), (io) => io.unixDatagram(),
      (io) => io.stdin(), (io) => io.watchPath('/', {}, () => undefined), (io) => io.listenFd({ port: 0 }),
      () => createPoller({ source: '${source}' }),
    ];
    // What the first use of anything opens for good (the reserve of listeners, Node's own) is open already.
    for (const one of opens) { const io = create({ source: '${source}' }); one(io).close?.(); io.close(); }
    const before = await count(), wrong = [];
    for (const [number, one] of opens.entries()) for (let free = 0; free < 12; free++) {
      const taken = [];
      try { for (;;) taken.push(openSync('/dev/null')); } catch {}
      for (let i = 0; i < free && taken.length > 0; i++) closeSync(taken.pop());
      let io, opened;
      try { io = create({ source: '${source}' }); opened = one(io); } catch (error) {
        const isRight = /^ERR_PERCORE_(SYSTEM|NO)/.test(error.code) && /EMFILE/.test(error.errno ?? error.message);
        if (!isRight) wrong.push([number, free, String(error)]);
      }
      opened?.close?.();
      io?.close();
      for (const fd of taken) closeSync(fd);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    }
    console.log(JSON.stringify({ wrong, left: await count() - before }));
  `;
    const child = spawn(
      '/bin/sh', ['-c', `ulimit -n 96; exec "$0" --input-type=module -e "$1"`, process.execPath, script],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const text = (await child.stdout.toArray()).join('');
    expect(JSON.parse(text)).toEqual({ wrong: [], left: 0 });
  },
);
