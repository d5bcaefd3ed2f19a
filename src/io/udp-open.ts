/** Options of datagram sockets, and their opening. The socket itself is in udp.ts. */
import { BANDS, DATAGRAM_BATCH } from '../layout.js';
import { checkBoolean, checkInteger, checkOptions, PercoreError } from '../errors.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';
import { internetHost } from './internet-host.js';
import { systemCallOf } from './source.js';
import type { TimedIoCore } from './timed-core.js';
import { DatagramEndpoint, MOST_DATAGRAM_BYTES, type DatagramSettings } from './udp-endpoint.js';
import { DatagramSocket } from './udp.js';

/** What UDP and Unix datagram sockets have in common. */
export interface DatagramOptions {
  /** Band in which it receives and sends, 0 to 7. Default 3. */
  priority?: number;
  /**
   * Room for each received datagram, 1 to 65,536 bytes, rounded up to a multiple of 8; longer ones are cut and counted.
   * Default 2048.
   */
  datagramBytes?: number;
  /** Datagrams received in one step, 1 to 64, default 64. Fewer lets urgent work in sooner. */
  batch?: number;
  /** Bytes that may wait to be sent: 8 to 2^24, default 131,072. Never more than 64 datagrams. */
  sendBytes?: number;
  /** The kernel's buffers, asked for by SO_RCVBUF and SO_SNDBUF; by default the system's. */
  receiveBufferBytes?: number;
  /** The kernel's buffer of datagrams that are to be sent, in bytes. The system bounds it. */
  sendBufferBytes?: number;
}

export interface UdpOptions extends DatagramOptions {
  /** 0 to 65,535; 0, the default, lets the kernel choose: see `socket.port`. */
  port?: number;
  /**
   * An IPv4 or IPv6 address, or 'localhost'. Default 127.0.0.1; of a connected socket, what the way to its peer asks
   * for.
   */
  host?: string;
  /** Several sockets (one a reactor) share the port; the kernel spreads senders over them. Default false. */
  reusePort?: boolean;
  /** May send to broadcast addresses. Default false. */
  broadcast?: boolean;
  /** Datagrams come from this address alone, `send` needs none, and a refusal there is told by `onError`. */
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

/** For udp-open and unix: a socket of a descriptor that this thread owns. */
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

/** For udp-open and unix: with the defaults filled in; `more` are the other options that there are. */
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
    // Whole words, so that datagrams can be copied in them.
    sendBytes: (checkInteger('sendBytes', options.sendBytes ?? 131_072, 8, 2 ** 24) + 7) & ~7,
  };
}

/** Where to bind before connecting: nowhere, unless a port is asked for. */
function hostBeside(peerHost: string, port: number): string {
  if (port === 0) return '';
  return peerHost.includes(':') ? '::' : '0.0.0.0';
}
