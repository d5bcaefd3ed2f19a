/**
 * Connections as Node's own streams, and Node's own sockets as connections: for TLS, HTTP, `pipeline` and whatever else takes a Duplex.
 *
 *      kernel <──> Connection <──offer── duplexOf() ──push──> Duplex <──> node:tls, node:http, pipeline
 *      kernel <──> net.Socket ──connectionOf()──> Connection          (the socket is gone afterwards, its connection is not)
 *
 * The Duplex costs a copy of what is received, since Node's streams keep what they are given. Backpressure holds both ways: a reader that
 * does not read pauses the connection, and a write is done when the connection has taken it, which it does up to its `highWaterBytes`.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { checkBoolean, checkBytes, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import { Connection, type ConnectionOptions } from './connection.js';
import type { Io } from './io.js';
import { nodeNet } from './node-net.js';
import { checkStreamOptions } from './stream-options.js';

export interface DuplexOptions {
  /** False: when the peer has ended, the stream ends its own side after what was written, as net.Socket does by default. Default true. */
  allowHalfOpen?: boolean;
}

export interface AdoptOptions extends ConnectionOptions {
  /** What was received and is not in the socket any more, as the `head` of an HTTP upgrade: read before all else. */
  head?: Uint8Array;
}

/** Bytes offered in one piece: what is larger would be copied whole into the connection's backlog. */
const PIECE_BYTES = 262_144;

/**
 * A Duplex over `connection`, whose handlers it takes over; use the one or the other from then on. Ending it ends the connection's side;
 * destroying it closes the connection at once, and what waits is lost; what closes the connection destroys it, with the error if there is
 * one. For the connection's own thread. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     io.listen({ port: 8443 }, (connection) => tlsServer.emit('connection', duplexOf(connection)));
 */
export function duplexOf(connection: Connection, options?: DuplexOptions): Duplex {
  if (!(connection instanceof Connection)) throw invalidArgument('connection', connection, 'a Connection, as listen and connect give it');
  const allowHalfOpen = checkBoolean('allowHalfOpen', checkOptions('options', options, ['allowHalfOpen']).allowHalfOpen ?? true);
  let hasPeerEnded = false;
  let hasEnded = false;
  const stream = new Duplex({
    allowHalfOpen,
    decodeStrings: true,
    read: () => connection.resume(),
    write: (chunk: Buffer, _encoding, done) => send(connection, chunk, 0, done),
    final: (done) => {
      hasEnded = true;
      connection.end();
      connection.flushed().then(() => done(connection.error), done);
    },
    destroy: (error, done) => {
      connection.close();
      done(error);
    },
  });
  // Until somebody reads.
  connection.pause();
  connection.onData((bytes) => {
    if (!stream.push(Buffer.from(bytes))) connection.pause();
  });
  connection.onEnd(() => {
    hasPeerEnded = true;
    stream.push(null);
  });
  connection.onClose((error) => {
    const lost = connection.pendingBytes;
    if (error !== undefined) stream.destroy(error);
    else if (lost !== 0) stream.destroy(new PercoreError('ERR_PERCORE_CLOSED', `the connection was closed with ${lost} bytes pending`, { value: lost }));
    // Otherwise both sides have ended, and what was received may still lie in the stream.
    else if (!hasPeerEnded || !hasEnded) stream.destroy();
  });
  if (connection.isClosed) stream.destroy(connection.error);
  return stream;
}

/** Offers `chunk` from `at` on, piece after piece, waiting for room between them. */
function send(connection: Connection, chunk: Buffer, at: number, done: (error?: Error | null) => void): void {
  while (at < chunk.length) {
    const length = Math.min(chunk.length - at, PIECE_BYTES, connection.highWaterBytes);
    const code = connection.offer(chunk, at, length);
    if (code === CLOSED) return done(connection.error ?? new PercoreError('ERR_PERCORE_CLOSED', 'write after the connection was closed'));
    if (code === BACK_PRESSURED) return void connection.writable().then(() => send(connection, chunk, at, done), done);
    at += length;
  }
  done();
}

/** What of a socket of Node's is not public: its handle, and the descriptor in it. */
interface SocketHandle {
  readonly fd?: number;
  readStop?(): void;
}

/**
 * A Connection over the descriptor of a TCP or Unix socket of Node's, with what that had received and nobody has read. The socket is
 * destroyed without a word to its peer, so its 'close' is emitted; take your other listeners off before. Throws
 * ERR_PERCORE_INVALID_ARGUMENT, and then changes nothing, for a socket that is connecting, destroyed or ending, that has bytes to be
 * written (await 'drain' or the callback of `write`), that decodes text, or that is a TLS socket, whose descriptor carries what only it
 * can read. ERR_PERCORE_SYSTEM when descriptors have run out.
 *
 *     server.on('upgrade', (request, socket, head) => connectionOf(io, socket, { head }).onData(…));
 */
export function connectionOf(io: Io, socket: Socket, given?: AdoptOptions): Connection {
  const { head, ...options } = checkOptions('options', given, ['head', 'priority', 'highWaterBytes', 'readBytes']);
  const settings = checkStreamOptions(options);
  const before = head === undefined ? undefined : checkBytes('head', head);
  const fd = descriptorOf(socket);
  // From here to `destroy` nothing of libuv's runs, so nothing is received in between.
  const cookie = io.native.sockets.cookie(fd);
  const own = cookie < 0 ? cookie : io.native.sockets.take(fd, cookie);
  if (own < 0) {
    const errno = io.native.system.errorName(-own);
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot take over the socket: ${errno}`, { errno, syscall: cookie < 0 ? 'getsockopt' : 'fcntl' });
  }
  const hasPeerEnded = (socket as unknown as { _readableState: { ended: boolean } })._readableState.ended;
  let connection: Connection;
  const unread: Uint8Array[] = before === undefined ? [] : [before];
  try {
    socket.pause();
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) unread.push(chunk);
    // It is this thread's already.
    connection = io.takeUp(own, Buffer.concat(unread), hasPeerEnded, settings);
  } catch (error) {
    io.native.descriptors.close(own);
    throw error;
  }
  socket.destroy();
  return connection;
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless the socket can be taken over as it is. */
function descriptorOf(socket: Socket): number {
  const refuse = (allowed: string): PercoreError => invalidArgument('socket', socket, allowed);
  if (!(socket instanceof nodeNet().Socket)) throw refuse('a net.Socket');
  if ('encrypted' in socket) throw refuse('a net.Socket and no TLS socket: what its descriptor carries only that can read');
  const { fd } = (socket as unknown as { _handle: SocketHandle | null })._handle ?? {};
  if (socket.connecting || socket.destroyed || fd === undefined || fd < 0) throw refuse("an open socket: wait for 'connect', and take it before it is closed");
  if (socket.writableEnded || socket.writableLength !== 0) throw refuse('a socket that is not ended and has nothing to be written: wait for the callback of its last write');
  if (socket.readableEncoding !== null) throw refuse('a socket without setEncoding: its bytes are text by now');
  return fd;
}
