/** The options of datagram sockets, and how they are opened. The socket itself is in udp.ts. */
import { BANDS, DATAGRAM_BATCH } from '../layout.js';
import { checkBoolean, checkInteger, checkOptions, PercoreError } from '../errors.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';
import { internetHost } from './internet-host.js';
import { systemCallOf } from './source.js';
import type { TimedIoCore } from './timed-core.js';
import { DatagramEndpoint, MOST_DATAGRAM_BYTES, type DatagramSettings } from './udp-endpoint.js';
import { DatagramSocket } from './udp.js';

/** The options that UDP and Unix datagram sockets have in common. */
export interface DatagramOptions {
  /** The band in which it receives and sends, 0 to 7. Default 3. */
  priority?: number;
  /**
   * Room for each received datagram: 1 to 65,536 bytes, rounded up to a multiple of 8. Default 2,048. Longer datagrams
   * are cut off and counted.
   */
  datagramBytes?: number;
  /** Most datagrams that are received in one step: 1 to 64. Default 64. With fewer, urgent work comes sooner. */
  batch?: number;
  /** Bytes that may wait to be sent: 8 to 2^24. Default 131,072. There are never more than 64 datagrams. */
  sendBytes?: number;
  /**
   * The size of the kernel's receive buffer, SO_RCVBUF: 1 to 2^30 bytes, which the system bounds. Default: the
   * system's.
   */
  receiveBufferBytes?: number;
  /**
   * The size of the kernel's send buffer, SO_SNDBUF: 1 to 2^30 bytes, which the system bounds. Default: the system's.
   */
  sendBufferBytes?: number;
}

/** Options of `io.udp`. */
export interface UdpOptions extends DatagramOptions {
  /** The port to bind, 0 to 65,535. With 0, the default, the kernel chooses one: see `socket.port`. */
  port?: number;
  /**
   * The IPv4 or IPv6 address to bind, or 'localhost'. Default 127.0.0.1; for a connected socket, the address from which
   * its peer is reached.
   */
  host?: string;
  /** Lets several sockets, one in each reactor, share the port; the kernel spreads senders. Default false. */
  reusePort?: boolean;
  /** Allows sending to broadcast addresses. Default false. */
  broadcast?: boolean;
  /**
   * The one peer of this socket. Then datagrams come only from it, `send` needs no target, and `onError` is told when
   * nobody listens there.
   */
  connect?: { host?: string; port: number };
}

const MOST_BUFFER_BYTES = 2 ** 30;

/** Opens and binds a UDP socket. Throws ERR_PERCORE_ADDRESS_IN_USE, or ERR_PERCORE_SYSTEM with errno and syscall. */
export function openUdp(core: TimedIoCore, options: UdpOptions): DatagramSocket {
  const settings = checkDatagramOptions(options, ['port', 'host', 'reusePort', 'broadcast', 'connect'], false);
  const port = checkInteger('port', options.port ?? 0, 0, 65_535);
  if (options.connect !== undefined) checkOptions('connect', options.connect, ['host', 'port']);
  const peerPort = options.connect === undefined ? 0 : checkInteger('connect.port', options.connect.port, 1, 65_535);
  const reusePort = checkBoolean('reusePort', options.reusePort ?? false);
  const broadcast = checkBoolean('broadcast', options.broadcast ?? false);
  const peerHost = options.connect === undefined ? '' : internetHost('connect.host', options.connect.host);
  const isFree = options.host === undefined && peerHost !== '';
  const host = isFree ? hostBeside(peerHost, port) : internetHost('host', options.host);
  const what = `open a UDP socket on ${host}:${port}${peerHost === '' ? '' : ` for ${peerHost}:${peerPort}`}`;
  const { datagrams } = core.native;
  const bound = systemCallOf(what, () => datagrams.open(host, port, reusePort, broadcast, peerHost, peerPort));
  return finish(core, bound.fd, options, settings, bound.address, bound.port);
}

/** For this file and unix.ts: makes a socket of a descriptor that this thread owns. */
export function finish(
  core: TimedIoCore, fd: number, options: DatagramOptions, settings: DatagramSettings, address: string, port: number,
): DatagramSocket {
  for (const [isReceive, bytes] of [[true, options.receiveBufferBytes], [false, options.sendBufferBytes]] as const) {
    if (bytes === undefined) continue;
    const code = core.native.sockets.buffer(fd, isReceive, bytes);
    if (code >= 0) continue;
    core.native.descriptors.close(fd);
    const errno = core.native.system.errorName(-code);
    const details = { errno, syscall: 'setsockopt' };
    throw new PercoreError('ERR_PERCORE_SYSTEM', `setsockopt: ${errno} for a buffer of ${bytes} bytes`, details);
  }
  return new DatagramSocket(new DatagramEndpoint(core, fd, settings, address, port));
}

const DATAGRAM_OPTIONS = ['priority', 'datagramBytes', 'batch', 'sendBytes', 'receiveBufferBytes', 'sendBufferBytes'];

/** For this file and unix.ts: fills in the defaults. `more` names further options that are allowed. */
export function checkDatagramOptions(
  given: DatagramOptions & { connect?: unknown }, more: readonly string[], isUnix: boolean,
): DatagramSettings {
  const options = checkOptions('options', given, [...more, ...DATAGRAM_OPTIONS]);
  for (const name of ['receiveBufferBytes', 'sendBufferBytes'] as const) {
    if (options[name] !== undefined) checkInteger(name, options[name], 1, MOST_BUFFER_BYTES);
  }
  return {
    isUnix,
    isConnected: options.connect !== undefined,
    priority: checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1),
    datagramBytes: checkInteger('datagramBytes', options.datagramBytes ?? 2048, 1, MOST_DATAGRAM_BYTES),
    batch: checkInteger('batch', options.batch ?? DATAGRAM_BATCH, 1, DATAGRAM_BATCH),
    // A multiple of 8, so that datagrams can be copied in words.
    sendBytes: (checkInteger('sendBytes', options.sendBytes ?? 131_072, 8, 2 ** 24) + 7) & ~7,
  };
}

/** The address to bind before connecting: none, unless a port is asked for. */
function hostBeside(peerHost: string, port: number): string {
  if (port === 0) return '';
  return peerHost.includes(':') ? '::' : '0.0.0.0';
}
