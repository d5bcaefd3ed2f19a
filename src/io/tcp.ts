/** TCP behind `io.listen({ port })` and `io.connect({ port })`. Only making the descriptor is its own. */
import { checkBoolean, checkFunction, checkInteger } from '../errors.js';
import { openConnection } from './connection-endpoint.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { internetHost } from './internet-host.js';
import { startListener, type Listener } from './listener.js';
import { systemCallOf } from './source.js';
import { checkStreamOptions } from './stream-options.js';
import type { TimedIoCore } from './timed-core.js';

export interface ListenOptions extends ConnectionOptions {
  /** 0 to 65,535; 0 lets the kernel choose, see `listener.port`. */
  port: number;
  /** An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1. */
  host?: string;
  /** Several listeners (one a reactor) share the port and the kernel spreads connections over them. Default false. */
  reusePort?: boolean;
  /** Connections that wait for accept: 1 to 65,535, default 511. */
  backlog?: number;
}

export interface ConnectOptions extends ConnectionOptions {
  /** 1 to 65,535. */
  port: number;
  /**
   * An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1. Other names are for a resolver: dns.promises.lookup.
   */
  host?: string;
}

/** Connections that wait for accept, where nothing else is said: Node's own number. */
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
  // Refused on the spot, for want of a route for example: told as a refusal by the peer is.
  if (errno !== 0) endpoint.onFailed(errno, 'connect');
  return new Connection(endpoint);
}
