/**
 * Unix sockets: streams by path behind `io.listen({ path })` and `io.connect({ path })`, and datagram sockets. Only making the descriptor
 * differs from TCP and UDP. A path in use is an error only if somebody answers there; the file that a dead process left is replaced; the
 * file goes with its socket, also when the thread dies. A name that begins with '\0' is abstract and has no file. Source: unix(7).
 */
import { PercoreError } from '../errors.js';
import type { Io } from './io.js';
import { checkDatagramOptions, finish, type DatagramOptions } from './udp-open.js';
import type { DatagramSocket } from './udp.js';
import { checkUnixPath } from './unix-path.js';

export interface UnixDatagramOptions extends DatagramOptions {
  /** Where others send to. Without it nobody can answer. */
  path?: string;
  /** `send` needs no path, and a receiver that is full tells when it is not. Throws when nobody is there. */
  connect?: string;
}

/** A listening descriptor. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM: ENOTSOCK for a file that is no socket. */
export function listenUnix(io: Io, path: string, backlog: number): number {
  checkUnixPath('path', path);
  return unixSystem(() => io.native.unix.listen(path, backlog), 'listen on', path);
}

/** An open descriptor. Unlike TCP, a refusal is thrown at once: ECONNREFUSED, ENOENT, or EAGAIN when the listener's backlog is full. */
export function connectUnix(io: Io, path: string): number {
  checkUnixPath('path', path);
  return unixSystem(() => io.native.unix.connect(path), 'connect to', path);
}

export function openUnixDatagram(io: Io, options: UnixDatagramOptions): DatagramSocket {
  const settings = checkDatagramOptions(options, ['path', 'connect'], true);
  const { path = '', connect = '' } = options;
  if (options.path !== undefined) checkUnixPath('path', path);
  if (options.connect !== undefined) checkUnixPath('connect', connect);
  const fd = unixSystem(() => io.native.unix.openDatagram(path, connect), connect === '' ? 'open a datagram socket on' : `connect to ${show(connect)} from`, path);
  return finish(io, fd, options, settings, path, 0);
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
    if (errno === 'EADDRINUSE') throw new PercoreError('ERR_PERCORE_ADDRESS_IN_USE', `cannot ${what} ${show(path)}: somebody has this path; choose another, or stop who has it`, details);
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what} ${show(path)}: ${(cause as Error).message}`, details);
  }
}
