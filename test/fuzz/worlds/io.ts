/**
 * `percore/io`: sockets, files, pipes, pollers, consoles, of this thread. Descriptors that are given away are the
 * fuzzer's own, or none.
 */
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as io from 'percore/io';
import * as queues from 'percore/queues';
import { aFunction, aText, bytes, int, oneOf, options, type Hints, type Make, type World } from '../fuzzer.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-fuzz-io-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'file'), 'some text\n'.repeat(1000));

const path: Make = ({ chance }) => join(folder, chance.one(['file', 'other', 'socket', 'fifo', '']));
/** One that nobody else has, and now and then none. */
const descriptor: Make = ({ chance }) =>
  chance.is(0.5) ? openSync(join(folder, 'file'), 'r') : chance.one([-1, 100_000, 2 ** 31, NaN, 1.5]);
const port: Make = (fuzzer) => (fuzzer.ofClass(/^Listener$/) as { port?: number } | undefined)?.port ?? 0;
const stream = {
  priority: int(0, 7), highWaterBytes: int(1, 70_000), idleMs: int(1, 50), connectMs: int(1, 50), writeMs: int(1, 50),
  noDelay: oneOf(true, false),
};
const owner: Make = (fuzzer) => fuzzer.ofClass(/^LocalIo$/, () => io.create());

const hints: Hints = {
  create: [options({}, { source: oneOf('epoll', 'io_uring'), budgetNs: int(1000, 1e5), onError: aFunction })],
  createPoller: [options({}, { source: oneOf('epoll', 'io_uring') })],
  createReadiness: [],
  openReadiness: [(fuzzer) => fuzzer.ofClass(/^Object$/)],
  closeReadiness: [(fuzzer) => fuzzer.ofClass(/^Object$/)],
  createConsole: [
    owner,
    options(
      {},
      {
        port: oneOf(0), path, greeting: aText, prompt: aText, output: aFunction, maxSessions: int(1, 4),
        maxLineBytes: int(16, 1000),
      },
    ),
  ],
  lines: [
    (fuzzer) => fuzzer.ofClass(/Connection|PipeStream|FileReader/),
    options({}, { maxLineBytes: int(16, 1000), onTooLong: aFunction, onEnd: aFunction }), aFunction,
  ],
  LineReader: [options({}, { maxLineBytes: int(16, 1000), onTooLong: aFunction, onEnd: aFunction }), aFunction],
  linkToQueue: [
    (fuzzer) => fuzzer.ofClass(/^Connection$/), () => queues.pub(queues.create({ kind: 'spsc', capacityBytes: 4096 })),
  ],

  listen: [
    options(
      { port: oneOf(0) },
      { host: oneOf('127.0.0.1', 'localhost', '::1'), backlog: int(1, 100), reusePort: oneOf(true, false), ...stream },
    ),
    aFunction,
  ],
  connect: [options({ port }, { host: oneOf('127.0.0.1', 'localhost'), ...stream })],
  udp: [options({}, { port: oneOf(0), host: oneOf('127.0.0.1'), priority: int(0, 7) })],
  unixDatagram: [options({}, { path })],
  listenFd: [options({ port: oneOf(0) }, { host: oneOf('127.0.0.1') })],
  attach: [options({ fd: descriptor, unread: () => new Uint8Array(3) }), options({}, stream)],
  openFile: [path, options({}, { flags: oneOf('r', 'w', 'a'), chunkBytes: int(512, 4096), depth: int(1, 4) })],
  openFifo: [path, oneOf('read', 'write'), options({}, {})],
  openPipe: [descriptor, oneOf('read', 'write', 'both'), options({}, {})],
  registerDescriptor: [descriptor, options({ interest: int(1, 7) }, { priority: int(0, 7) }), aFunction],
  watchPath: [
    path, options({}, { events: oneOf(['created'], ['deleted', 'modified']), priority: int(0, 7) }), aFunction,
  ],
  onReadiness: [(fuzzer) => fuzzer.ofClass(/^Object$/), options({}, { priority: int(0, 7) }), aFunction],

  onData: [aFunction], onClose: [aFunction], onEnd: [aFunction], onReceive: [aFunction],
  offer: [bytes, int(0, 4), int(0, 4)],
  'DatagramSocket.send': [bytes, options({ port: int(1, 65_535) }, { host: oneOf('127.0.0.1') })],
  register: [descriptor, options({}, { interest: int(1, 7), priority: int(0, 7) })],
  reregister: [int(0, 100), int(1, 7)],
  deregister: [int(0, 100)],
  'Poller.poll': [int(0, 3)],
  command: [aText, aText, aFunction],
  answer: [aText],
  set: [int(0, 255)],
};

export const world: World = {
  hints,
  makers: [
    ...(
      [
        'create', 'create', 'createPoller', 'createReadiness', 'openReadiness', 'closeReadiness', 'createConsole',
        'lines', 'linkToQueue',
      ] as const
    ).map((name) => [name, io[name] as (...args: any[]) => unknown] as const),
    ['LineReader', (...args: any[]) => new (io.LineReader as new (...args: any[]) => object)(...args)],
  ],
  // Of the process itself: one thread may read it, once.
  leftOut: ['LocalIo.stdin'],
  bound(name, args) {
    // A poller asked to wait for ever does.
    if (name === 'Poller.poll' && typeof args[0] === 'number' && (args[0] < 0 || args[0] > 3)) args[0] = 1;
    // Descriptors are owned, registered or closed by those who are given them: not those of this process.
    if (/openPipe|registerDescriptor|register$/.test(name) && isOfTheProcess(args[0])) args[0] = 100_000;
    const [first] = args as [Record<string, unknown> | undefined];
    if (/attach/.test(name) && typeof first === 'object' && first !== null && isOfTheProcess(safely(() => first['fd'])))
      return [];
    // A path from the pool of hostile texts would be made or watched where it points to.
    if (/openFile|openFifo/.test(name) && typeof args[0] === 'string' && !args[0].startsWith(folder))
      args[0] = join(folder, 'file');
    if (/closeReadiness|createConsole/.test(name) && typeof args.at(-1) === 'object') {
      const last = args.at(-1) as Record<string, unknown> | null;
      if (last !== null && safely(() => last['stdin']) !== undefined) return [];
      if (
        last !== null
        && isOfTheProcess(safely(() => last['eventFd']))
        && !safely(() => last['memory'] instanceof SharedArrayBuffer)
      )
        return [];
    }
    return args;
  },
  calls: 120,
};

const isOfTheProcess = (fd: unknown): boolean => typeof fd === 'number' && fd >= 0 && fd < 30;

function safely(get: () => unknown): unknown {
  try {
    return get();
  } catch {
    return undefined;
  }
}
