/**
 * Unix sockets: streams by path, behind `io.listen({ path })` and `io.connect({ path })`, and datagram sockets. Only
 * the making of the descriptor differs from TCP and UDP. A path counts as in use only if somebody answers there; a file
 * that a dead process has left is replaced. The file is removed together with its socket, also when the thread dies. A
 * name that begins with '\0' is abstract and has no file. Source: unix(7).
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

/** Options of a listener at a path. A path that begins with '\0' is an abstract name. */
export interface UnixListenOptions extends ConnectionOptions {
  /** Where the socket lies: a path of at most 107 bytes, or a NUL and an abstract name of at most 107 bytes. */
  path: string;
  /** How many connections may wait to be accepted: 1 to 65,535. Default 511. */
  backlog?: number;
}

/** Options of `io.connect` for a Unix socket. */
export interface UnixConnectOptions extends ConnectionOptions {
  /** The path of the listener's socket. */
  path: string;
}

/** Options of `io.unixDatagram`. */
export interface UnixDatagramOptions extends DatagramOptions {
  /** The path that others send to. Without one nobody can answer this socket. */
  path?: string;
  /**
   * The path of the one peer that this socket sends to. Then `send` needs no target, and the kernel tells when a full
   * receiver has room again. Throws ERR_PERCORE_SYSTEM when nobody is there.
   */
  connect?: string;
}

/** Throws ERR_PERCORE_ADDRESS_IN_USE, or ERR_PERCORE_SYSTEM: ENOTSOCK if the file is not a socket. */
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

/** Unlike with TCP, a refusal throws at once: ECONNREFUSED, ENOENT, or EAGAIN when the listener's backlog is full. */
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
