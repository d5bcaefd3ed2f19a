/** TCP behind `io.listen({ port })` and `io.connect({ port })`. Only the making of the descriptor is special to it. */
import { checkBoolean, checkFunction, checkInteger } from '../errors.js';
import { openConnection } from './connection-endpoint.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { internetHost } from './internet-host.js';
import { startListener, type Listener } from './listener.js';
import { systemCallOf } from './source.js';
import { checkStreamOptions } from './stream-options.js';
import type { TimedIoCore } from './timed-core.js';

/** Options of `io.listen` for TCP. */
export interface ListenOptions extends ConnectionOptions {
  /** The port to listen on, 0 to 65,535. With 0 the kernel chooses one, see `listener.port`. */
  port: number;
  /** An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1. */
  host?: string;
  /** Lets several listeners, one in each reactor, share the port; the kernel spreads connections. Default false. */
  reusePort?: boolean;
  /** How many connections may wait to be accepted: 1 to 65,535. Default 511. */
  backlog?: number;
}

/** Options of `io.connect` for TCP. */
export interface ConnectOptions extends ConnectionOptions {
  /** The port to connect to, 1 to 65,535. */
  port: number;
  /**
   * An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1. Resolve other names before: dns.promises.lookup.
   */
  host?: string;
}

/** The default of `backlog`, which is Node's own. */
export const DEFAULT_BACKLOG = 511;

export function listenTcp(
  core: TimedIoCore, options: ListenOptions, onConnection: (connection: Connection) => void,
): Listener {
  const settings = checkStreamOptions(options, ['port', 'host', 'reusePort', 'backlog']);
  checkFunction('onConnection', onConnection);
  const backlog = checkInteger('backlog', options?.backlog ?? DEFAULT_BACKLOG, 1, 65_535);
  const port = checkInteger('port', options?.port, 0, 65_535);
  const address = internetHost('host', options.host);
  const reusePort = checkBoolean('reusePort', options.reusePort ?? false);
  const what = `listen on ${options.host ?? '127.0.0.1'}:${port}`;
  const bound = systemCallOf(what, () => core.native.tcp.listen(address, port, reusePort, backlog));
  return startListener(core, bound, settings, onConnection);
}

export function connectTcp(core: TimedIoCore, options: ConnectOptions): Connection {
  const settings = checkStreamOptions(options, ['port', 'host']);
  const port = checkInteger('port', options?.port, 1, 65_535);
  const address = internetHost('host', options.host);
  const what = `connect to ${options.host ?? '127.0.0.1'}:${port}`;
  const { fd, errno } = systemCallOf(what, () => core.native.tcp.connect(address, port));
  const endpoint = openConnection(core, fd, settings, true);
  // Refused on the spot, for example for want of a route: reported in the same way as a refusal by the peer.
  if (errno !== 0) endpoint.onFailed(errno, 'connect');
  return new Connection(endpoint);
}
