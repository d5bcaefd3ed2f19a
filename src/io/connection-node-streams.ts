/**
 * Connections as Node streams, and Node's own sockets as connections: for TLS, HTTP, `pipeline` and whatever else takes
 * a Duplex.
 *
 *      kernel <──> Connection <──offer── duplexOf() ──push──> Duplex <──> node:tls, node:http, pipeline
 *      kernel <──> net.Socket ──connectionOf()──> Connection         (the socket is gone, its connection is not)
 *
 * The Duplex costs one copy of what is received, since Node streams keep what they are given. Backpressure works in
 * both directions: if nobody reads the Duplex, the connection is paused; and a write is done when the connection has
 * taken its bytes, as it does up to its `highWaterBytes`.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { checkBoolean, checkBytes, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import { claimHandlers, ON_CLOSE, ON_DATA, ON_END } from './claims.js';
import type { ConnectionEndpoint } from './connection-endpoint.js';
import { endpointOf, takeUpConnection, type Connection, type ConnectionOptions } from './connection.js';
import { coreOf, type Io } from './io.js';
import { nodeNet } from './node-net.js';
import { checkStreamOptions } from './stream-options.js';

/** Options of `duplexOf`. */
export interface DuplexOptions {
  /**
   * If false, the stream ends its own side when the peer has ended, after everything that was written; net.Socket does
   * so by default. Default true.
   */
  allowHalfOpen?: boolean;
}

/** Options of `connectionOf`. */
export interface AdoptOptions extends ConnectionOptions {
  /**
   * Bytes that were received and are no longer in the socket, such as the `head` of an HTTP upgrade. They are read
   * first.
   */
  head?: Uint8Array;
}

/** Most bytes that are offered in one piece, since a larger one would be copied whole into the connection's backlog. */
const PIECE_BYTES = 262_144;

/**
 * Makes a Duplex over `connection` and takes over its handlers; from then on use only the Duplex. Ending the stream
 * ends the connection's side. Destroying it closes the connection at once, and what waits is lost. If the connection is
 * closed, the stream is destroyed, with the error if there is one. Only for the connection's own thread. Throws
 * ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_CLAIM when a handler is already set, for example by another `duplexOf`.
 *
 *     io.listen({ port: 8443 }, (connection) => tlsServer.emit('connection', duplexOf(connection)));
 */
export function duplexOf(connection: Connection, options?: DuplexOptions): Duplex {
  const endpoint = endpointOf(connection);
  if (endpoint === undefined) {
    throw invalidArgument('connection', connection, 'a Connection, as listen and connect give it');
  }
  const given = checkOptions('options', options, ['allowHalfOpen']);
  const allowHalfOpen = checkBoolean('allowHalfOpen', given.allowHalfOpen ?? true);
  claimHandlers(endpoint, ON_DATA | ON_END | ON_CLOSE, 'duplexOf');
  let hasPeerEnded = false;
  let hasEnded = false;
  const stream = new Duplex({
    allowHalfOpen,
    decodeStrings: true,
    read: () => endpoint.receiving.resume(),
    write: (chunk: Buffer, _encoding, done) => send(endpoint, chunk, 0, done),
    final: (done) => {
      hasEnded = true;
      endpoint.end();
      endpoint.sending.flushed(undefined).then(() => done(endpoint.error), done);
    },
    destroy: (error, done) => {
      endpoint.close();
      done(error);
    },
  });
  // Nothing is received before somebody reads.
  endpoint.pause();
  endpoint.setDataHandler((bytes, offset, length) => {
    if (!stream.push(Buffer.from(bytes.subarray(offset, offset + length)))) endpoint.pause();
  }, true);
  endpoint.endHandler = () => {
    hasPeerEnded = true;
    stream.push(null);
  };
  endpoint.closeHandler = (error) => {
    const lost = endpoint.pendingBytes;
    if (error !== undefined) stream.destroy(error);
    else if (lost !== 0) stream.destroy(lostError(lost));
    // Otherwise both sides have ended, and what was received may still lie in the stream.
    else if (!hasPeerEnded || !hasEnded) stream.destroy();
  };
  if (endpoint.isClosed) stream.destroy(endpoint.error);
  return stream;
}

function lostError(bytes: number): PercoreError {
  const details = { value: bytes };
  return new PercoreError('ERR_PERCORE_CLOSED', `the connection was closed with ${bytes} bytes pending`, details);
}

/** Offers `chunk` from `at` on, piece by piece, and waits for room between the pieces. */
function send(endpoint: ConnectionEndpoint, chunk: Buffer, at: number, done: (error?: Error | null) => void): void {
  while (at < chunk.length) {
    const length = Math.min(chunk.length - at, PIECE_BYTES, endpoint.highWaterBytes);
    const code = endpoint.offer(chunk, at, length);
    if (code === CLOSED) return done(endpoint.error ?? closedBefore());
    if (code === BACK_PRESSURED) {
      return void endpoint.sending.room(undefined).then(() => send(endpoint, chunk, at, done), done);
    }
    at += length;
  }
  done();
}

function closedBefore(): PercoreError {
  return new PercoreError('ERR_PERCORE_CLOSED', 'write after the connection was closed');
}

/** The part of a Node socket that is not public: its handle, and the descriptor in it. */
interface SocketHandle {
  readonly fd?: number;
  readStop?(): void;
}

/**
 * Makes a Connection of the descriptor of a TCP or Unix socket of Node's, with the bytes that the socket had received
 * and nobody has read. The socket is destroyed, which emits its 'close', but its peer notices nothing; remove your
 * other listeners before. Throws ERR_PERCORE_INVALID_ARGUMENT, and then changes nothing, if the socket is connecting,
 * destroyed or ending; if it has bytes to write (await 'drain' or the callback of `write`); if it decodes text; or if
 * it is a TLS socket, since only that can read what its descriptor carries. Throws ERR_PERCORE_SYSTEM when descriptors
 * have run out.
 *
 *     server.on('upgrade', (request, socket, head) => connectionOf(io, socket, { head }).onData(…));
 */
export function connectionOf(io: Io, socket: Socket, given?: AdoptOptions): Connection {
  const core = coreOf(io);
  if (core === undefined) throw invalidArgument('io', io, 'what create() of percore/io returns, or reactor.io');
  const { head, ...options } = checkOptions('options', given, ['head', 'priority', 'highWaterBytes', 'readBytes']);
  const settings = checkStreamOptions(options);
  const before = head === undefined ? undefined : checkBytes('head', head);
  const fd = descriptorOf(socket);
  // Before anything is read from the socket.
  core.checkOpen();
  const { native } = core;
  // From here to `destroy` nothing of libuv's runs, so the socket receives nothing in between.
  const cookie = native.sockets.cookie(fd);
  const own = cookie < 0 ? cookie : native.sockets.take(fd, cookie);
  if (own < 0) {
    const errno = native.system.errorName(-own);
    const details = { errno, syscall: cookie < 0 ? 'getsockopt' : 'fcntl' };
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot take over the socket: ${errno}`, details);
  }
  const hasPeerEnded = (socket as unknown as { _readableState: { ended: boolean } })._readableState.ended;
  let connection: Connection;
  const unread: Uint8Array[] = before === undefined ? [] : [before];
  try {
    socket.pause();
    const readChunk = (): Buffer | null => socket.read() as Buffer | null;
    for (let chunk = readChunk(); chunk !== null; chunk = readChunk()) unread.push(chunk);
    // This thread owns the descriptor already.
    connection = takeUpConnection(core, { fd: own, unread: Buffer.concat(unread), hasPeerEnded }, settings);
  } catch (error) {
    native.descriptors.close(own);
    throw error;
  }
  socket.destroy();
  return connection;
}

/** The descriptor of a socket that can be taken over as it is. Otherwise throws ERR_PERCORE_INVALID_ARGUMENT. */
function descriptorOf(socket: Socket): number {
  const refuse = (allowed: string): PercoreError => invalidArgument('socket', socket, allowed);
  if (!(socket instanceof nodeNet().Socket)) throw refuse('a net.Socket');
  if ('encrypted' in socket) {
    throw refuse('a net.Socket and no TLS socket: what its descriptor carries only that can read');
  }
  const { fd } = (socket as unknown as { _handle: SocketHandle | null })._handle ?? {};
  if (socket.connecting || socket.destroyed || fd === undefined || fd < 0) {
    throw refuse("an open socket: wait for 'connect', and take it before it is closed");
  }
  if (socket.writableEnded || socket.writableLength !== 0) {
    throw refuse('a socket that is not ended and has nothing to be written: wait for the callback of its last write');
  }
  if (socket.readableEncoding !== null) throw refuse('a socket without setEncoding: its bytes are text by now');
  return fd;
}
