/**
 * Unix sockets: streams by path behind `io.listen({ path })` and `io.connect({ path })`, and datagram sockets. Only
 * making the descriptor differs from TCP and UDP. A path in use is an error only if somebody answers there; the file
 * that a dead process left is replaced; the file goes with its socket, also when the thread dies. A name that begins
 * with '\0' is abstract and has no file. Source: unix(7).
 */
import { checkFunction, checkInteger, PercoreError } from '../errors.js';
import { openConnection } from './connection-endpoint.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { startListener, type Listener } from './listener.js';
import { checkStreamOptions } from './stream-options.js';
import { DEFAULT_BACKLOG } from './tcp.js';
import type { TimedIoCore } from './timed-core.js';
import { checkDatagramOptions, finish, type DatagramOptions } from './udp-open.js';
import type { DatagramSocket } from './udp.js';
import { checkUnixPath } from './unix-path.js';

/** A path that begins with '\0' is an abstract name. */
export interface UnixListenOptions extends ConnectionOptions {
  /** Where the socket lies: up to 107 bytes, or a name of the abstract kind behind a NUL. */
  path: string;
  /** Connections that wait for accept: 1 to 65,535, default 511. */
  backlog?: number;
}

export interface UnixConnectOptions extends ConnectionOptions {
  /** Where the listener's socket lies. */
  path: string;
}

export interface UnixDatagramOptions extends DatagramOptions {
  /** Where others send to. Without it nobody can answer. */
  path?: string;
  /** `send` needs no path, and a receiver that is full tells when it is not. Throws when nobody is there. */
  connect?: string;
}

/** Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM: ENOTSOCK for a file that is not a socket. */
export function listenUnix(
  core: TimedIoCore, options: UnixListenOptions, onConnection: (connection: Connection) => void,
): Listener {
  const settings = checkStreamOptions(options, ['path', 'backlog']);
  checkFunction('onConnection', onConnection);
  const backlog = checkInteger('backlog', options.backlog ?? DEFAULT_BACKLOG, 1, 65_535);
  const path = checkUnixPath('path', options.path);
  const fd = unixSystem(() => core.native.unix.listen(path, backlog), 'listen on', path);
  return startListener(core, { fd, port: 0 }, settings, onConnection);
}

/** Unlike TCP, a refusal is thrown at once: ECONNREFUSED, ENOENT, or EAGAIN when the listener's backlog is full. */
export function connectUnix(core: TimedIoCore, options: UnixConnectOptions): Connection {
  const settings = checkStreamOptions(options, ['path']);
  const path = checkUnixPath('path', options.path);
  const fd = unixSystem(() => core.native.unix.connect(path), 'connect to', path);
  return new Connection(openConnection(core, fd, settings));
}

export function openUnixDatagram(core: TimedIoCore, options: UnixDatagramOptions): DatagramSocket {
  const settings = checkDatagramOptions(options, ['path', 'connect'], true);
  const { path = '', connect = '' } = options;
  if (options.path !== undefined) checkUnixPath('path', path);
  if (options.connect !== undefined) checkUnixPath('connect', connect);
  const what = connect === '' ? 'open a datagram socket on' : `connect to ${show(connect)} from`;
  const fd = unixSystem(() => core.native.unix.openDatagram(path, connect), what, path);
  return finish(core, fd, options, settings, path, 0);
}

function show(path: string): string {
  return `unix:${path.startsWith('\0') ? `@${path.slice(1)}` : path}`;
}

function unixSystem(call: () => number, what: string, path: string): number {
  try {
    return call();
  } catch (cause) {
    const { code: errno, syscall } = cause as { code: string; syscall: string };
    const details = { errno, syscall, cause };
    if (errno === 'EADDRINUSE') {
      const text = `cannot ${what} ${show(path)}: somebody has this path; choose another, or stop that program`;
      throw new PercoreError('ERR_PERCORE_ADDRESS_IN_USE', text, details);
    }
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what} ${show(path)}: ${(cause as Error).message}`, details);
  }
}
