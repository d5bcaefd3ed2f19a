/**
 * A port for a server of Node's own in each reactor, on every Node: `http.createServer().listen({ fd })`.
 *
 *      reactor 0: listenFd({ port: 0 })  ──> fd, bound, SO_REUSEPORT ──server.listen({ fd })──> listening ─┐
 *      reactor 1: listenFd({ port })     ──> fd, bound, SO_REUSEPORT ──server.listen({ fd })──> listening ─┴─ shared
 *
 * `server.listen({ port, reusePort: true })` exists only since Node 23.1, and `cluster` does not know worker threads.
 *
 * The descriptor is bound but does not listen yet: Node calls listen(2) itself, with its own backlog. So a descriptor
 * that is never used takes no connections, which nobody would ever accept; and the kernel can be asked whether somebody
 * listens. Until then the descriptor is ours. From then on Node's handle closes it (`server.close()`, or the end of the
 * thread). It is never closed twice. See native/listen_fd.h.
 */
import { checkBoolean, checkInteger, checkOptions } from '../errors.js';
import { internetHost } from './internet-host.js';
import type { IoCore } from './core.js';
import { systemCallOf } from './source.js';

/** Options of `io.listenFd`. */
export interface ListenFdOptions {
  /** The port to bind, 0 to 65,535. With 0 the kernel chooses one, see `port` of the result. */
  port: number;
  /** An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1. */
  host?: string;
  /**
   * Lets several descriptors, one in each reactor, share the port; the kernel spreads connections by a hash of both
   * addresses. Default true.
   */
  reusePort?: boolean;
}

/** What `io.listenFd` returns: a bound socket that does not listen yet. */
export interface BoundDescriptor {
  /** For `server.listen({ fd })` in this thread. From then on it is Node's: neither close it nor use it again. */
  readonly fd: number;
  /** The port that it is bound to, also when 0 was asked for. */
  readonly port: number;
  /**
   * Gives the port back if nobody listens on `fd`, and then returns true. Otherwise this happens when the thread ends.
   */
  close(): boolean;
}

/**
 * See `Io.listenFd`. The backlog is an argument of Node's `listen({ fd, backlog })`; its default is 511. Throws
 * ERR_PERCORE_ADDRESS_IN_USE, ERR_PERCORE_SYSTEM with errno and syscall, or ERR_PERCORE_INVALID_ARGUMENT.
 */
export function listenFd(core: IoCore, options: ListenFdOptions): BoundDescriptor {
  checkOptions('options', options, ['port', 'host', 'reusePort']);
  const port = checkInteger('port', options?.port, 0, 65_535);
  const host = internetHost('host', options.host);
  const reusePort = checkBoolean('reusePort', options.reusePort ?? true);
  core.checkOpen();
  const { native } = core;
  const what = `bind ${options.host ?? host}:${port}`;
  const { id, fd, port: boundPort } = systemCallOf(what, () => native.tcp.bind(host, port, reusePort));
  return { fd, port: boundPort, close: () => native.tcp.closeUntaken(id) };
}
