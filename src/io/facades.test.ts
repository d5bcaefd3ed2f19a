/** The objects that users hold show only their own verbs, and nobody takes the handlers of somebody else. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect as netConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as queues from '../queues/index.js';
import { until } from '../reactor/fixtures/inside.js';
import {
  closeReadiness, create, createPoller, createReadiness, duplexOf, lines, linkToQueue, type Connection, type LocalIo,
} from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-facades-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'file');
writeFileSync(file, 'one\ntwo\n');

let io: LocalIo;
let reports: [error: unknown, where: string][];
const cleanUps: (() => void)[] = [];
beforeEach(() => {
  reports = [];
  io = create({ onError: (error, where) => void reports.push([error, where]) });
});
afterEach(() => {
  io.close();
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function accepted(): Promise<{ connection: Connection; socket: Socket }> {
  const connections: Connection[] = [];
  const listener = io.listen({ port: 0 }, (connection) => void connections.push(connection));
  const socket = netConnect(listener.port, '127.0.0.1').on('error', () => undefined);
  cleanUps.push(() => void socket.destroy());
  await until(() => connections.length === 1, 'a connection');
  return { connection: connections[0]!, socket };
}

/** Node's own symbol, or its stand-in on an older Node. */
const DISPOSE = String(Symbol.dispose);

/** Every name that a program can write after the dot: those of the object itself and of its classes. */
function namesOf(value: object): string[] {
  const names = new Set<string>();
  for (let at: object = value; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Reflect.ownKeys(at)) names.add(String(name));
  }
  names.delete('constructor');
  return [...names].toSorted();
}

describe('what users hold has no fields, and no verbs but these', () => {
  const life = ['close', 'error', 'isClosed', 'onClose'];
  const reading = ['bytesRead', 'onData', 'onEnd', 'onReceive', 'pause', 'resume'];
  const writing = ['bytesWritten', 'end', 'flushed', 'offer', 'pendingBytes', 'room'];
  const ofFile = ['chunkBytes', 'closed', 'fd', 'path', 'status', 'toNodeStream'];
  const verbs: [name: string, make: () => object | Promise<object>, names: string[]][] = [
    [
      'the I/O of a thread',
      () => io,
      [
        DISPOSE, 'attach', 'close', 'closeAll', 'connect', 'flush', 'listen', 'listenFd', 'onReadiness', 'openFifo',
        'openFile', 'openPipe', 'registerDescriptor', 'status', 'stdin', 'udp', 'unixDatagram', 'unref', 'watchPath',
      ],
    ],
    [
      'a connection',
      async () => (await accepted()).connection,
      [
        ...life, ...reading, ...writing, 'cork', 'detach', 'fd', 'headerDone', 'highWaterBytes', 'keep', 'offerText',
        'setDeadlines', 'state', 'status', 'uncork', 'unsent',
      ],
    ],
    ['a listener', () => io.listen({ port: 0 }, () => undefined), ['close', 'isClosed', 'port', 'status']],
    [
      'a datagram socket',
      () => io.udp(),
      [
        ...life, 'address', 'addressOf', 'fd', 'forget', 'keep', 'maxDatagramBytes', 'onData', 'onError', 'onReceive',
        'pause', 'pending', 'port', 'resume', 'room', 'send', 'status',
      ],
    ],
    [
      'a pipe', () => io.openPipe(openSync('/dev/null', 'r+'), 'both'),
      [...life, ...reading, ...writing, 'fd', 'highWaterBytes', 'way'],
    ],
    ['a file that is read', () => io.openFile(file), [...life, ...reading, ...ofFile, 'Symbol(Symbol.asyncIterator)']],
    ['a file that is written', () => io.openFile(join(folder, 'new'), { flags: 'w' }), [
      ...life, ...writing, ...ofFile, 'maxOfferBytes', 'sync',
    ]],
    ['a watched path', () => io.watchPath(folder, undefined, () => undefined), ['close', 'isClosed', 'path']],
    ['a receiver of readiness', () => {
      const handle = createReadiness();
      cleanUps.push(() => closeReadiness(handle));
      return io.onReadiness(handle, undefined, () => undefined);
    }, ['close', 'isClosed']],
    ['a poller', () => {
      const poller = createPoller();
      cleanUps.push(() => poller.close());
      return poller;
    }, [
      DISPOSE, 'close', 'deregister', 'isClosed', 'poll', 'register', 'reregister', 'select', 'status',
    ]],
  ];
  for (const [name, make, names] of verbs) {
    it(name, async () => {
      const value = await make();
      expect(Object.keys(value)).toEqual([]);
      expect(namesOf(value)).toEqual(names.toSorted());
    });
  }

  it('a registration', () => {
    // A terminal, which can be polled and which nobody watches.
    const fd = openSync('/dev/ptmx', 'r+');
    cleanUps.push(() => closeSync(fd));
    const registration = io.registerDescriptor(fd, undefined, () => undefined);
    expect(Object.keys(registration)).toEqual([]);
    expect(namesOf(registration)).toEqual(['close', 'fd', 'isClosed', 'reregister']);
  });
});

describe('handlers that somebody else has are not taken', () => {
  const taken = (by: string): object =>
    expect.objectContaining({ code: 'ERR_PERCORE_CLAIM', message: expect.stringContaining(by) });
  const producer = (): Parameters<typeof linkToQueue>[1] =>
    queues.pub(queues.create({ kind: 'spsc', capacityBytes: 4096 }));

  it('by a second duplexOf, nor by lines and linkToQueue after it; nor can a user set one', async () => {
    const { connection, socket } = await accepted();
    const stream = duplexOf(connection);
    expect(() => duplexOf(connection)).toThrow(taken('duplexOf has taken'));
    expect(() => lines(connection, undefined, () => undefined)).toThrow(taken('duplexOf has taken'));
    expect(() => linkToQueue(connection, producer())).toThrow(taken('duplexOf has taken'));
    expect(() => connection.onData(() => undefined)).toThrow(taken('duplexOf has taken'));
    expect(() => connection.onReceive(() => undefined)).toThrow(taken('duplexOf has taken'));
    expect(() => connection.onEnd(() => undefined)).toThrow(taken('duplexOf has taken onEnd'));
    expect(() => connection.onClose(() => undefined)).toThrow(taken('duplexOf has taken onClose'));
    let text = '';
    stream.on('data', (chunk) => void (text += String(chunk)));
    socket.write('still its own');
    await until(() => text === 'still its own', 'the bytes');
  });

  it.each([
    ['onData', (connection: Connection) => connection.onData(() => undefined)],
    ['onReceive', (connection: Connection) => connection.onReceive(() => undefined)],
    ['onEnd', (connection: Connection) => connection.onEnd(() => undefined)],
    ['onClose', (connection: Connection) => connection.onClose(() => undefined)],
  ])('by duplexOf, where %s is set', async (_name, set) => {
    const { connection } = await accepted();
    set(connection);
    expect(() => duplexOf(connection)).toThrow(taken('somebody has set'));
    // Nothing was claimed.
    set(connection);
  });

  it('by linkToQueue and lines where data is set; onClose stays free beside them', async () => {
    const first = (await accepted()).connection.onData(() => undefined);
    expect(() => linkToQueue(first, producer())).toThrow(taken('somebody has set'));
    expect(() => lines(first, undefined, () => undefined)).toThrow(taken('somebody has set'));
    const second = (await accepted()).connection.onClose(() => undefined);
    linkToQueue(second, producer());
    second.onClose(() => undefined).onEnd(() => undefined);
    expect(() => linkToQueue(second, producer())).toThrow(taken('linkToQueue has taken'));
    const third = (await accepted()).connection;
    lines(third, undefined, () => undefined);
    third.onClose(() => undefined);
    expect(() => third.onEnd(() => undefined)).toThrow(taken('lines has taken onEnd'));
  });

  it('of a pipe and of a file', async () => {
    const pipe = io.openPipe(openSync('/dev/null', 'r'), 'read');
    lines(pipe, undefined, () => undefined);
    expect(() => pipe.onData(() => undefined)).toThrow(taken('lines has taken'));
    const read = io.openFile(file);
    const stream = read.toNodeStream();
    expect(() => read.toNodeStream()).toThrow(taken('toNodeStream has taken'));
    await expect(read[Symbol.asyncIterator]().next()).rejects.toEqual(taken('toNodeStream has taken'));
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    expect(text).toBe('one\ntwo\n');
  });

  it('a handler may be replaced by its owner', async () => {
    const { connection, socket } = await accepted();
    let got = '';
    connection.onData(() => undefined).onData((bytes) => void (got += Buffer.from(bytes).toString()));
    socket.write('second');
    await until(() => got === 'second', 'the second handler');
  });
});

it('closed() and sync() of a file end by their time-out and their signal, and the file goes on', async () => {
  const writer = io.openFile(join(folder, 'synced'), { flags: 'w', backend: 'pool' });
  writer.offer(Buffer.from('some'));
  await expect(writer.closed({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
  await expect(writer.closed({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
  await expect(writer.sync({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
  await expect(writer.sync({ timeoutMs: -1 })).rejects.toMatchObject({ argument: 'timeoutMs' });
  await writer.sync({ timeoutMs: 10_000 });
  writer.end();
  await writer.closed({ timeoutMs: 10_000 });
  expect(writer.bytesWritten).toBe(4);
});

it('onError of create is told which handler has thrown, within a step and outside of steps', async () => {
  const { connection, socket } = await accepted();
  const { localPort } = socket;
  connection.onData(() => {
    throw new Error('of the data');
  }).onClose(() => {
    throw new Error('of the close');
  });
  socket.write('x');
  await until(() => reports.length === 1, 'the first');
  connection.close();
  await until(() => reports.length === 2, 'the second');
  io.udp().onClose(() => {
    throw new Error('of the socket');
  }).close();
  expect(reports.map(([error, where]) => [(error as Error).message, where])).toEqual([
    ['of the data', `handler onData of a connection from 127.0.0.1:${localPort}`],
    ['of the close', expect.stringMatching(/^handler onClose of a connection/)],
    ['of the socket', 'handler onClose of a datagram socket'],
  ]);
});
