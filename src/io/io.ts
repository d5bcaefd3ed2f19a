/**
 * The sources of one thread: sockets registered with its native epoll, which the turn polls. Readiness becomes a task in the
 * band of its source; reading and writing happen there, in TypeScript, one system call a step.
 */
import { BANDS, deliveryLayout, words } from '../layout.js';
import { checkFunction, checkInteger, invalidArgument, PercoreError } from '../errors.js';
import { native, type Native, type TurnHandle } from '../native.js';
import { DEFAULT_BAND, type Schedule } from '../ready.js';
import type { Timers } from '../timers/index.js';
import { Connection, DEFAULT_HIGH_WATER_BYTES, type ConnectionOptions } from './connection.js';
import { Listener } from './listener.js';
import { Sources, type Source } from './token.js';
import { openUdp, type UdpOptions } from './udp-open.js';
import type { DatagramSocket } from './udp.js';
import { connectUnix, listenUnix, openUnixDatagram, type UnixDatagramOptions } from './unix.js';

export interface IoHost {
  readonly schedule: Schedule;
  nowNs(): number;
  readonly delivery: Int32Array;
  readonly turn: TurnHandle;
  readonly timers: Timers;
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

const { READABLE, WRITABLE } = words.interest;
const EMFILE = -24;
const READINESS = deliveryLayout.fields.readiness.at >> 2;
const EVENT = deliveryLayout.fields.event.at >> 2;
/** Bytes read at a time; large enough that a system call is paid for by a thousand short lines. */
export const RECEIVE_BYTES = 65_536;

export class Io {
  /** For sources alone. */
  readonly native: Native = native();
  readonly schedule: Schedule;
  readonly timers: Timers;
  /** One for all connections of the thread: what `onData` is given lies here and is valid during the call only. */
  readonly receiveBuffer: Uint8Array = new Uint8Array(RECEIVE_BYTES);
  private readonly sources = new Sources();

  constructor(private readonly host: IoHost) {
    this.schedule = host.schedule;
    this.timers = host.timers;
  }

  /** Open listeners and connections. */
  get count(): number {
    return this.sources.count;
  }

  /** Accepts TCP connections, or Unix ones at a path. Throws ERR_PERCORE_ADDRESS_IN_USE, or ERR_PERCORE_SYSTEM with errno and syscall. */
  listen(options: ListenOptions | UnixListenOptions, onConnection: (connection: Connection) => void): Listener {
    checkFunction('onConnection', onConnection);
    const backlog = checkInteger('backlog', options.backlog ?? 511, 1, 65_535);
    const settings = checkConnectionOptions(options);
    if ('path' in options) {
      const fd = listenUnix(this, options.path, backlog);
      const listener = new Listener(this, fd, 0, settings, onConnection);
      this.adoptDescriptor(listener, fd, READABLE);
      return listener;
    }
    const port = checkInteger('port', options.port, 0, 65_535);
    const address = addressOf(options.host);
    const bound = this.system(() => this.native.tcpListen(address, port, options.reusePort === true, backlog), `listen on ${options.host ?? '127.0.0.1'}:${port}`);
    const listener = new Listener(this, bound.fd, bound.port, settings, onConnection);
    this.adoptDescriptor(listener, bound.fd, READABLE);
    return listener;
  }

  /** Opens a TCP connection; what is written before it is open waits. A refusal closes it with an error. */
  connect(options: ConnectOptions | UnixConnectOptions): Connection {
    if ('path' in options) {
      const unixSettings = checkConnectionOptions(options);
      return this.adopt(connectUnix(this, options.path), unixSettings);
    }
    const port = checkInteger('port', options.port, 1, 65_535);
    const settings = checkConnectionOptions(options);
    const address = addressOf(options.host);
    const fd = this.system(() => this.native.tcpConnect(address, port), `connect to ${options.host ?? '127.0.0.1'}:${port}`);
    return this.adopt(fd, settings);
  }

  /** Opens a UDP socket: see udp-open.ts for its options. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  udp(options: UdpOptions = {}): DatagramSocket {
    return openUdp(this, options);
  }

  /** Opens a Unix datagram socket. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  unixDatagram(options: UnixDatagramOptions = {}): DatagramSocket {
    return openUnixDatagram(this, options);
  }

  /** For Listener alone: makes a connection of an accepted descriptor. */
  adopt(fd: number, settings: Required<ConnectionOptions>): Connection {
    const connection = new Connection(this, fd, settings);
    this.adoptDescriptor(connection, fd, READABLE | WRITABLE);
    return connection;
  }

  /** Hands each readiness to its source; returns how many. */
  poll(): number {
    const delivery = this.host.delivery;
    const count = delivery[READINESS]!;
    for (let i = 0; i < count; i++) {
      // A source that was closed earlier in this very batch is not found any more.
      this.sources.find(delivery[EVENT + i * 2]!)?.onReadiness(delivery[EVENT + i * 2 + 1]!);
    }
    delivery[READINESS] = 0;
    return count;
  }

  /** For sources alone: stops readiness, then closes the descriptor. */
  release(token: number, fd: number): void {
    this.sources.remove(token);
    this.native.deregisterSource(this.host.turn, fd);
    this.native.socketClose(fd);
  }

  /** Closes every listener and connection, also when a handler throws; the first error is thrown afterwards. */
  closeAll(): void {
    const errors: unknown[] = [];
    for (const source of this.sources.all()) {
      try {
        source.close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length !== 0) throw errors[0];
  }

  /** For sources alone: a token for `source`, and readiness of `fd` from now on. Throws ERR_PERCORE_SYSTEM; the descriptor stays the caller's. */
  register(source: Source, fd: number, interest: number): void {
    source.token = this.sources.add(source);
    const code = source.token < 0 ? EMFILE : this.native.registerSource(this.host.turn, fd, source.token, interest);
    if (code >= 0) return;
    this.sources.remove(source.token);
    throw this.refused(code);
  }

  /** For sources alone: another interest from now on; arms a one-shot again. */
  reregister(source: Source, fd: number, interest: number): void {
    const code = this.native.reregisterSource(this.host.turn, fd, source.token, interest);
    if (code < 0) throw this.refused(code);
  }

  /** For sources alone: no readiness any more; the descriptor stays the caller's. */
  deregister(source: Source, fd: number): void {
    this.sources.remove(source.token);
    this.native.deregisterSource(this.host.turn, fd);
  }

  private refused(code: number): PercoreError {
    const errno = this.native.errorName(-code);
    return new PercoreError('ERR_PERCORE_SYSTEM', `epoll_ctl: ${errno}`, { errno, syscall: 'epoll_ctl' });
  }

  private adoptDescriptor(source: Source, fd: number, interest: number): void {
    try {
      this.register(source, fd, interest);
    } catch (error) {
      this.native.socketClose(fd);
      throw error;
    }
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

function addressOf(host = '127.0.0.1'): string {
  if (typeof host !== 'string') throw invalidArgument('host', host, 'an IPv4 or IPv6 address');
  return host === 'localhost' ? '127.0.0.1' : host;
}

function checkConnectionOptions(options: ConnectionOptions): Required<ConnectionOptions> {
  return {
    priority: checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1),
    highWaterBytes: checkInteger('highWaterBytes', options.highWaterBytes ?? DEFAULT_HIGH_WATER_BYTES, 1, 2 ** 30),
    readBytes: checkInteger('readBytes', options.readBytes ?? RECEIVE_BYTES, 1, RECEIVE_BYTES),
  };
}
