/**
 * A stream connection of this thread, TCP or Unix, as users have it.
 *
 *      connecting --> open --peer ends--> half-closed-remote --end()--> closing --all sent--> closed
 *                     open --end()------> half-closed-local  --peer ends---------------------^
 *      any  --close(), reset, error, deadline-----------------------------------------------^
 *
 * How it works is in connection-endpoint.ts, which the core calls; here are the verbs.
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

export type ConnectionOptions = StreamOptions;
export type { ConnectionState, ConnectionStatus, DeadlineOptions, DetachedConnection, Kept };

let open: (facade: object) => ConnectionEndpoint | undefined;

/**
 * A TCP or Unix stream of the thread that listened, connected or attached; no other thread may call it. Nothing here
 * blocks. `io.listen` and `io.connect` make it.
 *
 *     io.listen({ port: 7000 }, (connection) => {
 *       connection.onData((bytes) => {
 *         if (connection.offer(bytes) === BACK_PRESSURED) connection.close();    // or pause(), and await room()
 *       });
 *     });
 *
 * A handler that throws, or whose promise rejects, is reported and concerns nobody else. The split into verbs that a
 * program calls and callbacks that it is called with follows node:net; offers and their codes follow Aeron.
 */
export class Connection {
  readonly #endpoint: ConnectionEndpoint;

  static {
    open = (facade) => (#endpoint in facade ? facade.#endpoint : undefined);
    addOpener(open);
  }

  /** Made by `listen`, `connect` and `attach`. */
  constructor(endpoint: ConnectionEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its descriptor. This thread owns it until `detach`. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Bytes that may wait to be sent before `offer` refuses, as the options said. */
  get highWaterBytes(): number {
    return this.#endpoint.highWaterBytes;
  }

  /** Nothing comes any more and nothing can be offered. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** How far it is between its opening and its end. */
  get state(): ConnectionState {
    return this.#endpoint.state;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** Bytes given to the handler so far. */
  get bytesRead(): number {
    return this.#endpoint.bytesRead;
  }

  /** Bytes given to the kernel so far, or lying in the thread's outbox for the end of this turn. */
  get bytesWritten(): number {
    return this.#endpoint.bytesWritten;
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#endpoint.pendingBytes;
  }

  /** What is known of it now. Allocates. */
  status(): ConnectionStatus {
    return this.#endpoint.status();
  }

  // ---- Receiving ----------------------------------------------------------------------------------------------------

  /**
   * Called with what was received; the bytes are valid during the call only, see `keep`. Without a handler nothing is
   * received. Replaces the handler that was set before. Throws ERR_PERCORE_CLAIM when `duplexOf`, `lines` or
   * `linkToQueue` has it.
   */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_DATA);
    this.#endpoint.setDataHandler((bytes, offset, length) => handler(bytes.subarray(offset, offset + length)), true);
    return this;
  }

  /**
   * The same without an object a call: `length` bytes from `offset` on of `bytes`, which is the thread's whole pool.
   */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_DATA);
    this.#endpoint.setDataHandler(handler, false);
    return this;
  }

  /**
   * Called when the peer will send no more. Without a handler the connection ends too, after what is pending; and so it
   * does when the handler throws, since nobody else would end it.
   */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_END);
    this.#endpoint.endHandler = handler;
    return this;
  }

  /** Called once, after the connection is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_CLOSE);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /**
   * Within `onData` or `onReceive`: keeps what this call was given, in place, until `release` of what it returns. A
   * connection keeps at most an eighth of the pool in place; beyond it, and when the pool is short, it returns a copy
   * instead. Throws ERR_PERCORE_CLAIM outside of these handlers.
   */
  keep(): Kept {
    return this.#endpoint.receiving.keep();
  }

  /**
   * Hands over no more until `resume`, and the kernel's window then holds the peer back. A reset closes the connection
   * all the same; then what had arrived and was not read is lost.
   */
  pause(): void {
    this.#endpoint.pause();
  }

  /** Hands over again what arrives, and first what lies unread. */
  resume(): void {
    this.#endpoint.receiving.resume();
  }

  // ---- Sending ------------------------------------------------------------------------------------------------------

  /**
   * Takes `length` bytes from `offset` on, copied before it returns; they are sent by the end of the turn. OK;
   * BACK_PRESSURED: nothing taken, wait for `room()`; CLOSED after `end` or close. Does not block, and does not
   * allocate unless the kernel is full. An offer larger than `highWaterBytes` is taken when nothing waits.
   */
  offer(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.#endpoint.offer(bytes, offset, length);
  }

  /** The same for a string, encoded as `encoding`. Allocates the encoded bytes. */
  offerText(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): number {
    if (typeof text !== 'string') throw invalidArgument('text', text, 'a string');
    checkOneOf('encoding', encoding, ['utf8', 'latin1']);
    return this.offer(Buffer.from(text, encoding));
  }

  /**
   * Holds back what is offered until 64 KiB wait or `uncork` is called: for many small offers of which none is urgent.
   */
  cork(): void {
    this.#endpoint.sending.cork();
  }

  /** Sends what was held back, at the next step. */
  uncork(): void {
    this.#endpoint.sending.uncork();
  }

  /** What `offer` took and the kernel did not: in `onClose`, what is lost. Valid until the next call here. */
  get unsent(): Uint8Array {
    return this.#endpoint.sending.unsent;
  }

  /** Resolves when the kernel has taken everything offered, or the connection is closed. Rejects as `room` does. */
  flushed(options?: WaitOptions): Promise<void> {
    return this.#endpoint.sending.flushed(options);
  }

  /**
   * Resolves when no more than half of `highWaterBytes` waits and the largest offer that was refused would be taken, or
   * the connection is closed. Rejects with ERR_PERCORE_TIMEOUT or the signal's reason if `options` says so.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#endpoint.sending.room(options);
  }

  /** Sends what is pending, then says that no more will follow. Closed when the peer has ended too. */
  end(): void {
    this.#endpoint.end();
  }

  // ---- Life ---------------------------------------------------------------------------------------------------------

  /** Closes it with ERR_PERCORE_TIMEOUT when one of them passes; replaces those set before. `{}` takes them away. */
  setDeadlines(options: DeadlineOptions): this {
    this.#endpoint.setDeadlines(options);
    return this;
  }

  /** The first request is whole: the deadline `headerMs` is met. */
  headerDone(): void {
    this.#endpoint.headerDone();
  }

  /**
   * Takes the descriptor out of this thread, with what arrived and was not read: for another thread's `attach`.
   * Undefined when the connection is closed, ending or has bytes that are not sent: then nothing is changed. Its
   * handlers are called no more.
   */
  detach(): Required<DetachedConnection> | undefined {
    return this.#endpoint.detach();
  }

  /** Closes at once; what is pending is lost. */
  close(): void {
    this.#endpoint.close();
  }
}

/** The inside of a connection; undefined if it is not a connection. */
export function endpointOf(connection: unknown): ConnectionEndpoint | undefined {
  return typeof connection === 'object' && connection !== null ? open(connection) : undefined;
}

/**
 * Takes over a connection that another thread has detached. The descriptor is this thread's from now on. Throws
 * ERR_PERCORE_INVALID_ARGUMENT unless it is an open stream socket that this thread does not own already; then it stays
 * the caller's.
 */
export function attachConnection(
  core: TimedIoCore, detached: DetachedConnection, options: ConnectionOptions,
): Connection {
  const settings = checkStreamOptions(options);
  const { fd, unread, hasPeerEnded } = checkOptions('detached', detached, ['fd', 'unread', 'hasPeerEnded']);
  checkInteger('detached.fd', fd, 0, 2 ** 31 - 1);
  checkBytes('detached.unread', unread);
  if (hasPeerEnded !== undefined) checkBoolean('detached.hasPeerEnded', hasPeerEnded);
  const refused = core.native.sockets.ownStream(fd);
  if (refused < 0) {
    const errno = core.native.system.errorName(-refused);
    throw invalidArgument('detached.fd', fd, `an open stream socket that this thread does not own yet (${errno})`);
  }
  const received = copyOf(unread, 0, lengthOf(unread));
  return takeUpConnection(core, { fd, unread: received, hasPeerEnded: hasPeerEnded === true }, settings);
}

/** The same for a socket that this thread owns. */
export function takeUpConnection(
  core: TimedIoCore, { fd, unread, hasPeerEnded }: Required<DetachedConnection>, settings: Required<ConnectionOptions>,
): Connection {
  const endpoint = openConnection(core, fd, settings);
  endpoint.receiving.preload(unread, hasPeerEnded);
  return new Connection(endpoint);
}
