/**
 * The sources of one thread. Native says what has happened, once a turn, as events in a shared block: bytes that were received into the
 * pool, descriptors that were accepted, readiness. Here each finds its source by token, and the source becomes a task in its band. What
 * sources want of native is gathered in the same block, and done at the end of the turn.
 */
import { words } from '../layout.js';
import { checkBoolean, checkBytes, checkFunction, checkInteger, checkOneOf, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { native, type IoHandle, type Native } from '../native.js';
import type { Schedule } from '../scheduling/internal.js';
import type { Timers } from '../timers/index.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { Descriptor, type DescriptorOptions, type ReadinessCallback } from './descriptor.js';
import { internetHost } from './internet-host.js';
import { EVENT, EVENTS, IoMemory, UNSENT } from './io-memory.js';
import type { FileOptions } from './file.js';
import type { FileReader } from './file-reader.js';
import { FileSet } from './file-set.js';
import type { FileWriter } from './file-writer.js';
import { Listener } from './listener.js';
import { listenFd, type BoundDescriptor, type ListenFdOptions } from './listen-fd.js';
import { Steering, type SteeringHost, type SteeringOptions } from './steering.js';
import { openFifo, openPipe, openStandardInput, type FifoOptions, type PipeOptions, type PipeStream, type PipeWay } from './pipe.js';
import { ReadinessReceiver, type ReadinessHandle } from './readiness.js';
import { followResult, reportThrown } from './report.js';
import { checkStreamOptions } from './stream-options.js';
import { MAX_SOURCES, Sources, type Source } from './token.js';
import { openUdp, type UdpOptions } from './udp-open.js';
import type { DatagramSocket } from './udp.js';
import { connectUnix, listenUnix, openUnixDatagram, type UnixDatagramOptions } from './unix.js';
import { watchPath, type PathWatch, type WatchEvent, type WatchOptions } from './watch.js';

/** Where readiness and bytes come from. */
export type IoSource = 'epoll' | 'io_uring';

export interface IoHost {
  readonly source: IoSource;
  readonly schedule: Schedule;
  nowNs(): number;
  /** When the turn began; a load. Left out: `nowNs`. */
  turnNs?(): number;
  /** For listeners, deadlines and the like; left out by who has readiness of descriptors alone. */
  readonly timers?: Timers;
  /** Where it counts: an IoCounters, see layout.ts. Left out: in memory of its own. */
  readonly counters?: Float64Array;
  /** Opens the thread's source over `memory`; a negative errno when it is refused. */
  open(isUring: boolean, memory: IoMemory): IoHandle | number;
  /** The first source is open (true), or the last has gone. */
  keepAlive?(isNeeded: boolean): void;
  /** Counts and reports what a handler threw that runs outside of its source's step. Left out: an uncaught exception. */
  report?(error: unknown, where: string): void;
}

export interface ListenOptions extends ConnectionOptions {
  /** 0 to 65,535; 0 lets the kernel choose, see `listener.port`. */
  port: number;
  /** An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1. */
  host?: string;
  /** Several listeners (one a reactor) share the port and the kernel spreads connections over them. Default false. */
  reusePort?: boolean;
  /** Connections that wait for accept: default 511. */
  backlog?: number;
}

export interface ConnectOptions extends ConnectionOptions {
  port: number;
  host?: string;
}

/** A Unix socket: see unix.ts. A path that begins with '\0' is an abstract name. */
export interface UnixListenOptions extends ConnectionOptions {
  path: string;
  backlog?: number;
}

export interface UnixConnectOptions extends ConnectionOptions {
  path: string;
}

const { READINESS, RECEIVED, ENDED, FAILED, ACCEPTED, UNSENT: UNSENT_BYTES, SEND_FAILED } = words.ioEvent;
const { STREAM, CONNECTING, LISTENER } = words.ioKind;
const { CLOSE } = words.ioRequest;
/** More sources than tokens: no errno. */
const TOO_MANY = 1;
const INTERNET_LISTEN_OPTIONS = ['port', 'host', 'reusePort', 'backlog'];
const INTERNET_CONNECT_OPTIONS = ['port', 'host'];

/** Why the kernel will not watch a descriptor, as far as its errno tells. */
const WATCH_HINTS: Record<string, string> = {
  EBADF: ': it is not open',
  EPERM: ': a regular file or a folder is always ready; read it with openFile',
  EEXIST: ': this thread watches it already',
  ENOSPC: ': fs.epoll.max_user_watches is reached',
};
/** In one flush: one is enough, as a rule. */
const MOST_DRAINS = 8;
/** While the pool is empty: how often one looks for arrivals to move out, and how long they must have waited. */
const RELIEF_NS = 5_000_000;

const HINTS: Record<string, string> = {
  EPERM: ' (forbidden by a seccomp filter, as containers have it, or by sysctl kernel.io_uring_disabled)',
  ENOSYS: ' (forbidden by a seccomp filter, or a kernel without it)',
  EINVAL: ' (needs Linux 6.1)',
  ENOMEM: ' (raise the limit of locked memory, ulimit -l)',
};

export class Io {
  /** For sources alone. */
  readonly native: Native = native();
  readonly schedule: Schedule;
  readonly timers: Timers;
  readonly nowNs: () => number;
  readonly turnNs: () => number;
  /** For sources alone: there since the first of them. */
  memory!: IoMemory;
  /** The source that was asked for, the one that is used (if any is yet), and why it is another. */
  readonly asked: IoSource;
  granted: IoSource;
  readonly refusals: string[] = [];
  /** When the events that are being handed out were collected. */
  batchNs = 0;
  /** Closed for good, as a reactor's is when it stops. */
  protected isOver = false;
  /** Events are being handed out; what is requested meanwhile and does not fit waits here: kind, token, a. */
  private isTaking = false;
  private lateRequests: number[] = [];
  private seenPoolWaits = 0;
  private nextReliefNs = 0;
  private seenGivenBack = 0;
  private readonly sources = new Sources();
  private readonly files: FileSet = new FileSet(this);

  constructor(private readonly host: IoHost) {
    this.asked = this.granted = host.source;
    this.schedule = host.schedule;
    this.timers = host.timers!;
    this.nowNs = () => host.nowNs();
    this.turnNs = () => host.turnNs?.() ?? host.nowNs();
  }

  /** Open listeners and connections. */
  get count(): number {
    return this.sources.count;
  }

  /** Accepts TCP connections, or Unix ones at a path. Throws ERR_PERCORE_ADDRESS_IN_USE, or ERR_PERCORE_SYSTEM with errno and syscall. */
  listen(options: ListenOptions | UnixListenOptions, onConnection: (connection: Connection) => void): Listener {
    const settings = checkStreamOptions(options, isUnix(options) ? ['path', 'backlog'] : INTERNET_LISTEN_OPTIONS);
    checkFunction('onConnection', onConnection);
    const backlog = checkInteger('backlog', options?.backlog ?? 511, 1, 65_535);
    if (isUnix(options)) {
      const fd = listenUnix(this, options.path, backlog);
      const listener = new Listener(this, fd, 0, settings, onConnection);
      this.open(listener, fd, LISTENER);
      listener.start();
      return listener;
    }
    const port = checkInteger('port', options?.port, 0, 65_535);
    const address = internetHost('host', options.host);
    const reusePort = checkBoolean('reusePort', options.reusePort ?? false);
    const bound = this.system(() => this.native.tcp.listen(address, port, reusePort, backlog), `listen on ${options.host ?? '127.0.0.1'}:${port}`);
    const listener = new Listener(this, bound.fd, bound.port, settings, onConnection);
    this.open(listener, bound.fd, LISTENER);
    listener.start();
    return listener;
  }

  /** Opens a file in the background, to be read, or ('w', 'a') written. What fails later closes it with ERR_PERCORE_SYSTEM, errno and syscall. */
  openFile(path: string, options?: FileOptions & { flags?: 'r' }): FileReader;
  openFile(path: string, options: FileOptions & { flags: 'w' | 'a' }): FileWriter;
  openFile(path: string, options: FileOptions = {}): FileReader | FileWriter {
    return this.files.open(path, options);
  }

  /** A port for `http.createServer().listen({ fd })`, shared by all reactors that ask for it: { fd, port, close }. Throws as `listen` does. */
  listenFd(options: ListenFdOptions): BoundDescriptor {
    return listenFd(this, options);
  }

  /** Takes part in handing connections from reactor to reactor: `reactor.io.steer(reactor, { name }, (connection, from) => …)`. Throws ERR_PERCORE_NAME_TAKEN. */
  steer(reactor: SteeringHost, options: SteeringOptions, onConnection: (connection: Connection, from: number) => void): Steering {
    return new Steering(reactor, options, onConnection);
  }

  /** Opens a TCP connection; what is written before it is open waits. A refusal closes it with an error. */
  connect(options: ConnectOptions | UnixConnectOptions): Connection {
    const settings = checkStreamOptions(options, isUnix(options) ? ['path'] : INTERNET_CONNECT_OPTIONS);
    if (isUnix(options)) return this.adopt(connectUnix(this, options.path), settings);
    const port = checkInteger('port', options?.port, 1, 65_535);
    const address = internetHost('host', options.host);
    const { fd, errno } = this.system(() => this.native.tcp.connect(address, port), `connect to ${options.host ?? '127.0.0.1'}:${port}`);
    const connection = this.adopt(fd, settings, true);
    // Refused on the spot, for want of a route for example: told as a refusal by the peer is.
    if (errno !== 0) connection.onFailed(errno, 'connect');
    return connection;
  }

  /** For Listener alone: makes a connection of an accepted descriptor; of a connecting one. */
  adopt(fd: number, settings: Required<ConnectionOptions>, isConnecting = false): Connection {
    const connection = new Connection(this, fd, settings, isConnecting);
    this.open(connection, fd, isConnecting ? CONNECTING : STREAM);
    return connection;
  }

  /** Opens a UDP socket: see udp-open.ts for its options. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  udp(options: UdpOptions = {}): DatagramSocket {
    return openUdp(this, options);
  }

  /** Opens a Unix datagram socket. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  unixDatagram(options: UnixDatagramOptions = {}): DatagramSocket {
    return openUnixDatagram(this, options);
  }

  /**
   * Takes over a connection that another thread has detached, with what that one had received. The descriptor is this thread's from now
   * on. Throws ERR_PERCORE_INVALID_ARGUMENT unless it is an open stream socket that this thread does not own already; then it stays
   * the caller's.
   */
  attach(detached: { fd: number; unread: Uint8Array; hasPeerEnded?: boolean }, options: ConnectionOptions = {}): Connection {
    const settings = checkStreamOptions(options);
    const { fd, unread, hasPeerEnded } = checkOptions('detached', detached, ['fd', 'unread', 'hasPeerEnded']);
    checkInteger('detached.fd', fd, 0, 2 ** 31 - 1);
    checkBytes('detached.unread', unread);
    if (hasPeerEnded !== undefined) checkBoolean('detached.hasPeerEnded', hasPeerEnded);
    const refused = this.native.sockets.ownStream(fd);
    if (refused < 0) throw invalidArgument('detached.fd', fd, `an open stream socket that this thread does not own yet (${this.native.system.errorName(-refused)})`);
    return this.takeUp(fd, unread, hasPeerEnded === true, settings);
  }

  /** For Steering alone: as attach, of a socket that this thread owns. */
  takeUp(fd: number, unread: Uint8Array, hasPeerEnded: boolean, settings: Required<ConnectionOptions>): Connection {
    const connection = this.adopt(fd, settings);
    connection.preload(unread, hasPeerEnded);
    return connection;
  }

  /** Opens a FIFO for one way: see pipe.ts. Throws ERR_PERCORE_SYSTEM, ENXIO for a writer while nobody reads. */
  openFifo(path: string, way: 'read' | 'write', options: FifoOptions = {}): PipeStream {
    return openFifo(this, path, way, options);
  }

  /** A stream over a pipe's end, a terminal or a socketpair, which it owns from now on. */
  openPipe(fd: number, way: PipeWay, options: PipeOptions = {}): PipeStream {
    return openPipe(this, fd, way, options);
  }

  /** Standard input, read by this thread alone. */
  stdin(options: PipeOptions = {}): PipeStream {
    return openStandardInput(this, options);
  }

  /** Readiness of any descriptor that can be polled; it stays the caller's. Throws ERR_PERCORE_SYSTEM: EBADF, EPERM (cannot be polled). */
  registerDescriptor(fd: number, options: DescriptorOptions | undefined, callback: ReadinessCallback): Descriptor {
    return new Descriptor(this, fd, options, callback);
  }

  /** Changes of a file or of a folder's entries. Throws ERR_PERCORE_SYSTEM: ENOENT and others. */
  watchPath(path: string, options: WatchOptions | undefined, handler: (event: WatchEvent) => void): PathWatch {
    return watchPath(this, path, options, handler);
  }

  /** Calls back with the bits that any thread has set on a handle from createReadiness. */
  onReadiness(handle: ReadinessHandle, options: { priority?: number } | undefined, callback: (bits: number) => void): ReadinessReceiver {
    return new ReadinessReceiver(this, handle, options, callback);
  }

  // ---- What native says, and what it is asked ---------------------------------------------------------------------

  /** Hands each event to its source; returns how many. Part of each turn. */
  poll(): number {
    if (this.memory === undefined) return 0;
    if (this.lateRequests.length !== 0) this.requestLate();
    const count = this.takeEvents();
    // After it: native may have filled the pool with what is handed out just now.
    if (this.memory.poolWaits !== this.seenPoolWaits) this.relievePool();
    return count;
  }

  /**
   * Somebody could not be received from, since no buffer was free. Steps give buffers back as they run; but those of lower bands may not run
   * for long. What has waited for them is moved out of the pool, so that nobody waits for it.
   */
  private relievePool(): void {
    const now = this.turnNs();
    if (now < this.nextReliefNs) return;
    this.nextReliefNs = now + RELIEF_NS;
    const { memory } = this;
    const isGivenBack = memory.givenBack !== this.seenGivenBack;
    this.seenGivenBack = memory.givenBack;
    if (!memory.isPoolShort) this.seenPoolWaits = memory.poolWaits;
    // Steps run, and whoever waits is served as they do: nothing is won by copying.
    if (isGivenBack) return;
    let hasYoung = false;
    for (const source of this.sources.all()) if (source.relieve?.(now - RELIEF_NS) === true) hasYoung = true;
    if (!hasYoung) this.seenPoolWaits = this.memory.poolWaits;
  }

  /** For sources alone: as `poll`, also within a turn. Runs no handler. */
  takeEvents(): number {
    const { block } = this.memory;
    const count = block[EVENTS]!;
    if (count === 0) return 0;
    this.batchNs = this.turnNs();
    block[EVENTS] = block[UNSENT] = 0;
    this.isTaking = true;
    try {
      this.handOut(count);
    } finally {
      this.isTaking = false;
      if (this.lateRequests.length !== 0) this.requestLate();
    }
    return count;
  }

  private handOut(count: number): void {
    const { memory, sources } = this;
    const { block } = memory;
    for (let at = EVENT, end = EVENT + count * 4; at < end; at += 4) {
      // A source that was closed meanwhile is not found any more.
      const source = sources.find(block[at]!);
      const value = block[at + 2]!;
      switch (block[at + 1]!) {
        case RECEIVED:
          if (source === undefined) memory.release(block[at + 3]!);
          else source.onReceived!(block[at + 3]!, value);
          break;
        case READINESS: source?.onReadiness(value); break;
        case ENDED: source?.onEnded!(); break;
        case FAILED: source?.onFailed!(value, 'recv'); break;
        case SEND_FAILED: source?.onFailed!(value, 'send'); break;
        case UNSENT_BYTES: source?.onUnsent!(block[at + 3]!, value); break;
        case ACCEPTED:
          if (source === undefined) this.native.descriptors.close(value);
          else source.onAccepted!(value);
          break;
        default: break;
      }
    }
  }

  private requestLate(): void {
    const late = this.lateRequests;
    this.lateRequests = [];
    for (let i = 0; i < late.length; i += 3) this.request(late[i]!, late[i + 1]!, late[i + 2]!);
  }

  /** For sources alone: one of `words.ioRequest`, done at the end of the turn. */
  request(kind: number, token: number, a = 0): void {
    if (this.memory.isRequestFull) {
      // A flush would write other events over those that are being handed out.
      if (this.isTaking) return void this.lateRequests.push(kind, token, a);
      this.flush();
      if (this.memory.isRequestFull) return void this.lateRequests.push(kind, token, a);
    }
    this.memory.request(kind, token, a);
  }

  /** Does now what is gathered for the end of the turn: what was offered is with the kernel when it returns. */
  flush(): void {
    if (this.memory === undefined || this.isTaking) return;
    // Native does nothing while there are unsent bytes that we have not seen: what follows them must not overtake them. Done once unless
    // the kernel had no memory for its answers: then what is left goes with the end of the turn.
    for (let tries = 0; this.memory.hasRequests && tries < MOST_DRAINS; tries++) {
      this.takeEvents();
      this.memory.drain();
      this.takeEvents();
    }
    if (!this.memory.hasRequests) this.sources.recycle();
  }

  /** For the sending half alone: bytes that came back and nobody has seen. */
  takeUnsent(): void {
    if (this.memory.block[UNSENT] !== 0) this.takeEvents();
  }

  /**
   * For sources alone: a callback of the user's, whose errors are reported in the band and concern nobody else, a rejected promise's as well.
   * `name` is the callback's, and `of` says whose it is. False: it has thrown.
   */
  callBack(name: string, of: { readonly band: number; describe(): string }, callback: () => unknown): boolean {
    const where = (): string => `${name} of ${of.describe()}`;
    try {
      const result = callback();
      if (result !== undefined) followResult(this.schedule, of.band, result, where);
      return true;
    } catch (error) {
      reportThrown(this.schedule, of.band, error, where());
      return false;
    }
  }

  /** For sources alone: forgets the source and closes its descriptor, after what was requested before. */
  release(token: number, fd: number): void {
    this.sources.retire(token);
    this.noteGone();
    this.request(CLOSE, token, fd);
  }

  /** For sources alone: the descriptor is somebody else's from now on. */
  detach(token: number): void {
    this.native.sources.detach(this.memory.handle, token);
  }

  forget(token: number, fd: number): void {
    this.sources.remove(token);
    this.noteGone();
    this.native.descriptors.disown(fd);
  }

  private noteGone(): void {
    if (this.sources.count === 0) this.host.keepAlive?.(false);
  }

  /** For files alone: counts `source` as open, which keeps a thread without a reactor alive, with no descriptor to watch. */
  enter(source: Source): void {
    this.add(source, () => 0, -1);
  }

  leave(source: Source): void {
    this.sources.remove(source.token);
    this.noteGone();
  }

  /** For Steering alone: `cells[index]` is how many sources are open, from now on. */
  shareCount(cells: Int32Array, index: number): void {
    this.sources.onCount = (count) => {
      // A statistic: no order with anything else is needed.
      Atomics.store(cells, index, count);
    };
    this.sources.onCount(this.count);
  }

  /** Closes every listener and connection, also when a handler throws; the first error is thrown afterwards. */
  closeAll(): void {
    const errors: unknown[] = [];
    try {
      this.files.closeAll();
    } catch (error) {
      errors.push(error);
    }
    for (const source of this.sources.all()) {
      try {
        source.close();
      } catch (error) {
        errors.push(error);
      }
    }
    this.flush();
    if (errors.length !== 0) throw errors[0];
  }

  /** For sources alone: a token for `source`, and readiness of `fd` from now on. Throws ERR_PERCORE_SYSTEM; the descriptor stays the caller's. */
  register(source: Source, fd: number, interest: number): void {
    this.add(source, () => this.native.sources.add(this.memory.handle, fd, source.token, interest), fd);
  }

  /** For sources of readiness alone: forgets `source` and closes its descriptor, which is done when this returns. */
  releaseNow(source: Source, fd: number): void {
    this.deregister(source, fd);
    this.native.descriptors.close(fd);
  }

  /**
   * For sources alone: calls a user's handler outside of its source's step. What it throws is reported, and whoever has caused the call,
   * which may be another handler of the user's or a call-back of Node's, goes on. `where` says which handler it is.
   */
  tell<T>(handler: ((value: T) => void) | undefined, value: T, where: string): void {
    if (handler === undefined) return;
    try {
      handler(value);
    } catch (error) {
      this.report(error, where);
    }
  }

  /** For sources alone: a handler threw; `where` says which. */
  report(error: unknown, where: string): void {
    if (this.host.report !== undefined) this.host.report(error, where);
    else queueMicrotask(() => { throw error; });
  }

  /** For sources alone: another interest from now on; arms a one-shot again. */
  reregister(source: Source, fd: number, interest: number): void {
    const code = this.native.sources.modify(this.memory.handle, fd, source.token, interest);
    if (code < 0) throw this.notWatched(code, fd);
  }

  /** For sources alone: no readiness any more; the descriptor stays the caller's. */
  deregister(source: Source, fd: number): void {
    this.native.sources.remove(this.memory.handle, fd, source.token);
    this.sources.remove(source.token);
    this.noteGone();
  }

  /** A stream or a listener, whose descriptor is closed when it is refused. */
  private open(source: Source, fd: number, kind: number): void {
    try {
      this.add(source, () => this.native.sources.open(this.memory.handle, fd, source.token, kind), fd);
    } catch (error) {
      this.native.descriptors.close(fd);
      throw error;
    }
  }

  /** For sources alone: throws ERR_PERCORE_CLOSED when there is nobody any more who would tell a source anything. */
  checkOpen(): void {
    if (this.isOver) throw new PercoreError('ERR_PERCORE_CLOSED', 'this I/O is closed: nothing can be opened with it any more');
  }

  private add(source: Source, call: () => number, fd: number): void {
    this.checkOpen();
    if (this.memory === undefined) this.begin();
    if (!this.memory.hasRequests) this.sources.recycle();
    source.token = this.sources.add(source);
    const code = source.token < 0 ? -TOO_MANY : call();
    if (code >= 0) {
      if (this.sources.count === 1) this.host.keepAlive?.(true);
      return;
    }
    if (source.token < 0) throw new PercoreError('ERR_PERCORE_TOO_LARGE', `this thread has ${MAX_SOURCES} sources already; close some`, { allowed: String(MAX_SOURCES) });
    this.sources.remove(source.token);
    throw this.notWatched(code, fd);
  }

  /** Opens the thread's I/O source: with the first that needs it, or before. Where io_uring is refused epoll stands in. */
  begin(): void {
    if (this.memory !== undefined) return;
    const memory = new IoMemory(this.native.sources, this.host.counters);
    let handle = this.host.open(this.asked === 'io_uring', memory);
    if (typeof handle === 'number' && this.asked === 'io_uring') {
      const errno = this.native.system.errorName(-handle);
      this.refusals.push(`io_uring: ${errno}${HINTS[errno] ?? ''}; epoll stands in`);
      handle = this.host.open(false, memory);
      this.granted = 'epoll';
    }
    if (typeof handle === 'number') throw this.notOpened(handle);
    memory.start(handle);
    this.memory = memory;
  }

  /** The kernel will not tell of `fd`. io_uring itself refuses nothing; what it would accept and never answer is asked beforehand. */
  private notWatched(code: number, fd: number): PercoreError {
    const errno = this.native.system.errorName(-code);
    const syscall = this.granted === 'io_uring' && (errno === 'EBADF' || errno === 'EPERM') ? 'fstat' : 'epoll_ctl';
    return new PercoreError('ERR_PERCORE_SYSTEM', `cannot watch descriptor ${fd}: ${errno}, ${syscall}${WATCH_HINTS[errno] ?? ''}`, { argument: 'fd', value: fd, errno, syscall });
  }

  private notOpened(code: number): PercoreError {
    const errno = this.native.system.errorName(-code);
    const hint = errno === 'EMFILE' || errno === 'ENFILE' ? ': descriptors are used up; raise the limit, ulimit -n' : '';
    return new PercoreError('ERR_PERCORE_SYSTEM', `cannot open the I/O of this thread: ${errno}, epoll_create1${hint}`, { errno, syscall: 'epoll_create1' });
  }

  /** For sources alone: the call's errors are named as others of this project are. */
  system<T>(call: () => T, what: string): T {
    try {
      return call();
    } catch (cause) {
      const { code: errno, syscall } = cause as { code: string; syscall: string };
      if (errno === 'EADDRINUSE') throw new PercoreError('ERR_PERCORE_ADDRESS_IN_USE', `cannot ${what}: the port is in use; choose another, or 0 for a free one`, { errno, syscall, cause });
      throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what}: ${(cause as Error).message}`, { errno, syscall, cause });
    }
  }
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkSource(source: IoSource = 'epoll'): IoSource {
  return checkOneOf('source', source, ['epoll', 'io_uring']);
}

function isUnix<T extends object>(options: T | undefined): options is T & { path: string } {
  return typeof options === 'object' && options !== null && (options as { path?: unknown }).path !== undefined;
}
