/** A datagram socket as users see it, UDP or Unix. udp-endpoint.ts, which the core calls, has how it works. */
import { checkFunction, type PercoreError } from '../errors.js';
import { words } from '../layout.js';
import type { WaitOptions } from '../waiting.js';
import { checkSpan, restOf } from './stream-options.js';
import type { DatagramEndpoint, DatagramHandler, DatagramStatus } from './udp-endpoint.js';
import type { DatagramAddress, DatagramTarget } from './udp-peers.js';

export type { DatagramAddress, DatagramHandler, DatagramStatus, DatagramTarget };

const { CONNECTED } = words.datagramPeer;

/**
 * Datagrams of one socket. `io.udp` and `io.unixDatagram` make it; only the thread that made it may use it. Nothing
 * here blocks.
 *
 *     const socket = io.udp({ port: 5000 });
 *     socket.onReceive((bytes, offset, length, peer) => void socket.send(bytes, offset, length, peer));
 *
 * Up to 64 datagrams come and go with one system call. Datagrams may be lost: in the network, when the receive buffer
 * is full (`kernelDropped`), or in part when a slot is too short (`truncated`). `status()` counts each kind. Source:
 * recvmmsg(2).
 */
export class DatagramSocket {
  readonly #endpoint: DatagramEndpoint;

  /** Called by `udp` and `unixDatagram`. */
  constructor(endpoint: DatagramEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its descriptor, which the socket owns and closes. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** The address that it is bound to: an IP address or a path; '' for a Unix socket without a path. */
  get address(): string {
    return this.#endpoint.address;
  }

  /** Its port, also when the kernel has chosen it; 0 for a Unix socket. */
  get port(): number {
    return this.#endpoint.port;
  }

  /** The longest datagram that `send` takes, in bytes. */
  get maxDatagramBytes(): number {
    return this.#endpoint.maxDatagramBytes;
  }

  /** True when nothing is received any more and nothing can be sent. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** How many datagrams `send` has taken and the kernel has not. */
  get pending(): number {
    return this.#endpoint.pending;
  }

  /** Its figures. Allocates, and makes one system call. */
  status(): DatagramStatus {
    return this.#endpoint.status();
  }

  /**
   * Sets the handler that is called with each datagram: its bytes, which are valid during the call, and the sender's
   * address, which `send` takes. Allocates both, and takes about a microsecond more than `onReceive`.
   */
  onData(handler: (bytes: Uint8Array, from: DatagramAddress) => void): this {
    checkFunction('handler', handler);
    const endpoint = this.#endpoint;
    endpoint.receiving.setHandler(
      (bytes, offset, length, peer) => handler(bytes.subarray(offset, offset + length), endpoint.addressOf(peer)), true,
    );
    return this;
  }

  /**
   * The same without an object for each datagram: the handler is given `length` bytes of `bytes` from `offset` on.
   * `peer` is the sender as a number, which `send` and `keep` take during the call. `cutBytes` more bytes were sent,
   * for which the slot had no room.
   */
  onReceive(handler: DatagramHandler): this {
    checkFunction('handler', handler);
    this.#endpoint.receiving.setHandler(handler, false);
    return this;
  }

  /**
   * Sets the handler that is called with what went wrong with one datagram (ECONNREFUSED, ENETUNREACH ...). The socket
   * goes on. Such errors are counted as well.
   */
  onError(handler: (error: PercoreError) => void): this {
    checkFunction('handler', handler);
    this.#endpoint.errorHandler = handler;
    return this;
  }

  /**
   * Sets the handler that is called once, after the descriptor is closed; with the error, if an error has closed it.
   */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /** Receives nothing more until `resume`. What the kernel holds meanwhile is bounded by its buffer. */
  pause(): void {
    this.#endpoint.receiving.pause();
  }

  /** Receives again. If a pause has left the rest of a batch, that comes first. */
  resume(): void {
    this.#endpoint.receiving.resume();
  }

  /**
   * Copies one datagram, which leaves at the end of this step, together with the others. `to` is a peer's number, an
   * address (which takes about a microsecond more), or nothing on a connected socket. Returns OK; BACK_PRESSURED when
   * it has taken nothing (wait for `room()`); TOO_LARGE for more than `maxDatagramBytes`; or CLOSED. Does not block.
   * Throws ERR_PERCORE_INVALID_ARGUMENT, also for a number that is not a peer's.
   */
  send(
    bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset), to: number | DatagramTarget = CONNECTED,
  ): number {
    checkSpan(bytes, offset, length);
    return this.#endpoint.send(bytes, offset, length, to);
  }

  /** The address that a datagram came from. As with `send`, only during the handler's call. Allocates. */
  addressOf(peer: number): DatagramAddress {
    return this.#endpoint.addressOf(peer);
  }

  /**
   * Returns a number for this peer that is valid until `forget`, for sending to it later without an address as text.
   * Throws ERR_PERCORE_TOO_LARGE beyond 65,536 of them, ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_CLOSED.
   */
  keep(peer: number | DatagramTarget): number {
    return this.#endpoint.keep(peer);
  }

  /**
   * From now on the number may be given to another peer. What was sent to it and still waits goes to the old one.
   * Throws ERR_PERCORE_INVALID_ARGUMENT unless the number is one of `keep` that was not forgotten.
   */
  forget(peer: number): void {
    this.#endpoint.forget(peer);
  }

  /**
   * Resolves when the kernel has taken everything that waited, or the socket is closed. Rejects with
   * ERR_PERCORE_TIMEOUT after `timeoutMs`, or with the reason of `signal`, if `options` has one.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#endpoint.room(options);
  }

  /** Closes at once. What waits is sent if the kernel takes it now; otherwise it is dropped and counted. */
  close(): void {
    this.#endpoint.close();
  }
}
