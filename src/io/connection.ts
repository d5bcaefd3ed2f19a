/**
 * A stream connection of this thread, TCP or Unix, as users see it.
 *
 *      connecting --> open --peer ends--> half-closed-remote --end()--> closing --all sent--> closed
 *                     open --end()------> half-closed-local  --peer ends---------------------^
 *      any  --close(), reset, error, deadline-----------------------------------------------^
 *
 * This file has the verbs. connection-endpoint.ts, which the core calls, has how they work.
 */
import { copyOf, lengthOf } from '../byte-views.js';
import {
  checkBoolean, checkBytes, checkFunction, checkInteger, checkOneOf, checkOptions, invalidArgument, type PercoreError,
} from '../errors.js';
import type { WaitOptions } from '../waiting.js';
import { addOpener, noteHandler, ON_CLOSE, ON_DATA, ON_END } from './claims.js';
import { openConnection, type ConnectionEndpoint } from './connection-endpoint.js';
import type { ConnectionState, ConnectionStatus, DetachedConnection } from './connection-status.js';
import type { DeadlineOptions } from './deadlines.js';
import type { Kept } from './kept.js';
import { checkSpan, checkStreamOptions, restOf, type StreamOptions } from './stream-options.js';
import type { TimedIoCore } from './timed-core.js';

/** Options of every connection, whether it is accepted, opened or attached. */
export type ConnectionOptions = StreamOptions;
export type { ConnectionState, ConnectionStatus, DeadlineOptions, DetachedConnection, Kept };

let open: (facade: object) => ConnectionEndpoint | undefined;

/**
 * A TCP or Unix stream of the thread that has accepted, opened or attached it. No other thread may call it. Nothing
 * here blocks. `io.listen`, `io.connect` and `io.attach` make it.
 *
 *     io.listen({ port: 7000 }, (connection) => {
 *       connection.onData((bytes) => {
 *         if (connection.offer(bytes) === BACK_PRESSURED) connection.close();    // or pause(), and await room()
 *       });
 *     });
 *
 * If a handler throws, or its promise is rejected, that is reported and concerns nobody else. Verbs that a program
 * calls and callbacks that it is called with are kept apart as in node:net; offers and their result codes follow Aeron.
 */
export class Connection {
  readonly #endpoint: ConnectionEndpoint;

  static {
    open = (facade) => (#endpoint in facade ? facade.#endpoint : undefined);
    addOpener(open);
  }

  /** Called by `listen`, `connect` and `attach`. */
  constructor(endpoint: ConnectionEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its descriptor. This thread owns it until `detach`. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** How many bytes may wait to be sent before `offer` refuses, as given in the options. */
  get highWaterBytes(): number {
    return this.#endpoint.highWaterBytes;
  }

  /** True when nothing is received any more and nothing can be offered. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** Its state between opening and closing. */
  get state(): ConnectionState {
    return this.#endpoint.state;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** How many bytes the handler has been given so far. */
  get bytesRead(): number {
    return this.#endpoint.bytesRead;
  }

  /** How many bytes the kernel has been given so far, or lie in the thread's outbox for the end of this turn. */
  get bytesWritten(): number {
    return this.#endpoint.bytesWritten;
  }

  /** How many bytes `offer` has taken that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#endpoint.pendingBytes;
  }

  /** Its figures. Allocates. */
  status(): ConnectionStatus {
    return this.#endpoint.status();
  }

  // ---- Receiving ----------------------------------------------------------------------------------------------------

  /**
   * Sets the handler that is called with what was received. The bytes are valid only during the call, see `keep`.
   * Without a handler nothing is received. It replaces a handler that was set before. Allocates one view for each call.
   * Throws ERR_PERCORE_CLAIM when `duplexOf`, `lines` or `linkToQueue` has the handler.
   */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_DATA);
    this.#endpoint.setDataHandler((bytes, offset, length) => handler(bytes.subarray(offset, offset + length)), true);
    return this;
  }

  /**
   * The same without an object for each call: the handler is given `length` bytes of `bytes` from `offset` on, where
   * `bytes` is the thread's whole pool.
   */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_DATA);
    this.#endpoint.setDataHandler(handler, false);
    return this;
  }

  /**
   * Sets the handler that is called when the peer will send no more. Without a handler the connection then ends too,
   * after what is pending. It also does so when the handler throws, since nobody else would end it.
   */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_END);
    this.#endpoint.endHandler = handler;
    return this;
  }

  /** Sets the handler that is called once, when the connection is closed; with the error, if an error has closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_CLOSE);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /**
   * Within `onData` or `onReceive`: keeps the bytes of this call, in place, until `release` of the result. A connection
   * keeps at most an eighth of the pool in place. Beyond that, or when the pool is short, it returns a copy. Throws
   * ERR_PERCORE_CLAIM outside these handlers.
   */
  keep(): Kept {
    return this.#endpoint.receiving.keep();
  }

  /**
   * Gives the handler nothing more until `resume`; the kernel's window then holds the peer back. A reset closes a
   * paused connection all the same, and then what had arrived and was not read is lost.
   */
  pause(): void {
    this.#endpoint.pause();
  }

  /** Gives the handler again what arrives, and first what is unread. */
  resume(): void {
    this.#endpoint.receiving.resume();
  }

  // ---- Sending ------------------------------------------------------------------------------------------------------

  /**
   * Takes `length` bytes from `offset` on and copies them before it returns; they are sent by the end of the turn.
   * Returns OK; BACK_PRESSURED when it has taken nothing (wait for `room()`); or CLOSED after `end`, `close` or an
   * error. An offer larger than `highWaterBytes` is taken when nothing waits. Does not block; allocates only when the
   * kernel is full. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  offer(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.#endpoint.offer(bytes, offset, length);
  }

  /** The same for a string in the given encoding. Allocates the encoded bytes. */
  offerText(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): number {
    if (typeof text !== 'string') throw invalidArgument('text', text, 'a string');
    checkOneOf('encoding', encoding, ['utf8', 'latin1']);
    return this.offer(Buffer.from(text, encoding));
  }

  /**
   * Holds back what is offered until 64 KiB wait or `uncork` is called. For many small offers none of which is urgent.
   */
  cork(): void {
    this.#endpoint.sending.cork();
  }

  /** Sends what was held back, in the next step. */
  uncork(): void {
    this.#endpoint.sending.uncork();
  }

  /**
   * What `offer` has taken and the kernel has not, apart from what lies in the outbox; in `onClose`, what is lost.
   * Valid until the next call of this connection.
   */
  get unsent(): Uint8Array {
    return this.#endpoint.sending.unsent;
  }

  /**
   * Resolves when the kernel has taken everything that was offered, or the connection is closed. Rejects as `room`
   * does.
   */
  flushed(options?: WaitOptions): Promise<void> {
    return this.#endpoint.sending.flushed(options);
  }

  /**
   * Resolves when at most half of `highWaterBytes` waits and the largest refused offer would be taken, or when the
   * connection is closed. Rejects with ERR_PERCORE_TIMEOUT after `timeoutMs`, or with the reason of `signal`, if
   * `options` has one.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#endpoint.sending.room(options);
  }

  /** Sends what is pending, then tells the peer that no more will follow. Closes when the peer has ended as well. */
  end(): void {
    this.#endpoint.end();
  }

  // ---- Life ---------------------------------------------------------------------------------------------------------

  /**
   * Sets deadlines, which replace those that were set before; `{}` removes them. When one passes, the connection is
   * closed with ERR_PERCORE_TIMEOUT, whose `argument` names it. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  setDeadlines(options: DeadlineOptions): this {
    this.#endpoint.setDeadlines(options);
    return this;
  }

  /** Says that the first request is complete, which meets the deadline `headerMs`. */
  headerDone(): void {
    this.#endpoint.headerDone();
  }

  /**
   * Takes the descriptor out of this thread, together with what arrived and was not read, for `attach` in another
   * thread. Undefined when the connection is not open yet, ending or closed, or has bytes that are not sent; then
   * nothing has changed. Otherwise its handlers are not called any more.
   */
  detach(): Required<DetachedConnection> | undefined {
    return this.#endpoint.detach();
  }

  /**
   * Closes the connection at once. What already lies in the thread's outbox is still given to the kernel; everything
   * else that is pending is lost. A second call does nothing.
   */
  close(): void {
    this.#endpoint.close();
  }
}

/** The endpoint behind a connection; undefined if it is not a connection. */
export function endpointOf(connection: unknown): ConnectionEndpoint | undefined {
  return typeof connection === 'object' && connection !== null ? open(connection) : undefined;
}

/** See `Io.attach`. */
export function attachConnection(
  core: TimedIoCore, detached: DetachedConnection, options: ConnectionOptions,
): Connection {
  const settings = checkStreamOptions(options);
  const { fd, unread, hasPeerEnded } = checkOptions('detached', detached, ['fd', 'unread', 'hasPeerEnded']);
  checkInteger('detached.fd', fd, 0, 2 ** 31 - 1);
  checkBytes('detached.unread', unread);
  if (hasPeerEnded !== undefined) checkBoolean('detached.hasPeerEnded', hasPeerEnded);
  // Before it is owned, so that it stays the caller's.
  core.checkOpen();
  const refused = core.native.sockets.ownStream(fd);
  if (refused < 0) {
    const errno = core.native.system.errorName(-refused);
    throw invalidArgument('detached.fd', fd, `an open stream socket that this thread does not own yet (${errno})`);
  }
  const received = copyOf(unread, 0, lengthOf(unread));
  return takeUpConnection(core, { fd, unread: received, hasPeerEnded: hasPeerEnded === true }, settings);
}

/** The same for a socket that this thread owns already. */
export function takeUpConnection(
  core: TimedIoCore, { fd, unread, hasPeerEnded }: Required<DetachedConnection>, settings: Required<ConnectionOptions>,
): Connection {
  const endpoint = openConnection(core, fd, settings);
  endpoint.receiving.preload(unread, hasPeerEnded);
  return new Connection(endpoint);
}
