/** A listener of Node's, opened at once: the port, or the error, is there when the call returns. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, isIPv6, Socket, type Server } from 'node:net';
import { dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { NativeTcp, NativeUnix } from '../native/index.js';
import { errnoOf, missing, systemError } from './errno.js';
import { SocketThing } from './socket-thing.js';
import { put, READABLE, type OpenThing } from './things.js';

export class ListenerThing implements OpenThing {
  onChange: (bits: number) => void = () => undefined;
  /** Connections that were accepted and not yet taken. */
  readonly accepted: number[] = [];
  private errno = 0;

  constructor(readonly server: Server) {
    server.unref();
    server.on('connection', (socket: Socket) => {
      this.accepted.push(put(new SocketThing(socket)));
      this.onChange(READABLE);
    });
    server.on('error', (error) => {
      this.errno = errnoOf(error);
      this.onChange(READABLE);
    });
  }

  readiness(): number {
    return this.accepted.length > 0 ? READABLE : 0;
  }

  /** Returns a positive errno and clears it; 0 if there is none. */
  takeError(): number {
    const { errno } = this;
    this.errno = 0;
    return errno;
  }

  close(): void {
    this.onChange = () => undefined;
    this.server.close();
  }
}

/** What Node's own handle of a TCP socket can do. Each call answers 0, or a negative errno of this system. */
interface TcpHandle {
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
  getsockname(out: { port?: number }): number;
  close(): void;
}
const SERVER = 1;
let Tcp: (new (kind: number) => TcpHandle) | undefined;

/**
 * Node's server reports an error, and the port of a host, only later. Its handle does so at once, and `listen` takes
 * one. Its class is that of any socket that has begun to connect and is given up before it has done so.
 */
function tcpClass(): new (kind: number) => TcpHandle {
  if (Tcp !== undefined) return Tcp;
  const socket = connect({ host: '127.0.0.1', port: 9 }).on('error', () => undefined);
  const { _handle: handle } = socket as unknown as { _handle?: TcpHandle };
  socket.destroy();
  if (typeof handle?.bind !== 'function') throw missing('listen');
  return (Tcp = handle.constructor as new (kind: number) => TcpHandle);
}

const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };

export const tcp: NativeTcp = {
  listen(host, port, reusePort, backlog) {
    if (reusePort) {
      throw systemError('ENOSYS', 'setsockopt', 'the portable backend does not share a port between listeners; '
        + 'let one reactor listen');
    }
    const where = `${host}:${port}`;
    const handle = new (tcpClass())(SERVER);
    const bound: { port?: number } = {};
    // libuv keeps what bind(2) has said of an address in use until somebody asks for the name.
    const code = (isIPv6(host.split('%')[0]!) ? handle.bind6(host, port, 0) : handle.bind(host, port))
      || handle.getsockname(bound);
    if (code !== 0) {
      handle.close();
      throw systemError(getSystemErrorName(code), 'bind', where);
    }
    const server = createServer(options);
    const thing = new ListenerThing(server);
    server.listen({ _handle: handle } as object, backlog);
    if (!server.listening) throw systemError('EADDRINUSE', 'listen', where);
    return { fd: put(thing), port: bound.port! };
  },

  connect(host, port) {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    return { fd: put(new SocketThing(socket, true)), errno: 0 };
  },

  bind() {
    throw missing('bind');
  },
  closeUntaken: () => false,
  shed: () => 0,
};

export const unix: NativeUnix = {
  listen(path, backlog) {
    if (isForgotten(path)) rmSync(path);
    const server = createServer(options);
    const thing = new ListenerThing(server);
    server.listen({ path, backlog });
    if (server.listening) return put(thing);
    if (path.startsWith('\0') || existsSync(path)) throw systemError('EADDRINUSE', 'bind', path);
    // libuv says EACCES of both.
    throw existsSync(dirname(path)) ? systemError('EACCES', 'bind', `${path}: permission denied`)
      : systemError('ENOENT', 'bind', `${path}: no such folder`);
  },

  // If nobody listens there, the connection says so later.
  connect: (path) => put(new SocketThing(connect({ path, allowHalfOpen: true }))),

  openDatagram() {
    throw missing('socket');
  },
};

/** Whether the file of a socket belongs to no process any more. Only Linux tells. */
function isForgotten(path: string): boolean {
  if (path.startsWith('\0') || !existsSync(path)) return false;
  try {
    return !readFileSync('/proc/net/unix', 'utf8').split('\n').some((line) => line.endsWith(` ${path}`));
  } catch {
    return false;
  }
}
