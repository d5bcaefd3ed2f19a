/** A datagram socket as users have it, UDP or Unix. How it works is in udp-endpoint.ts, which the core calls. */
import { checkFunction, type PercoreError } from '../errors.js';
import { words } from '../layout.js';
import type { WaitOptions } from '../waiting.js';
import { checkSpan, restOf } from './stream-options.js';
import type { DatagramEndpoint, DatagramHandler, DatagramStatus } from './udp-endpoint.js';
import type { DatagramAddress, DatagramTarget } from './udp-peers.js';

export type { DatagramAddress, DatagramHandler, DatagramStatus, DatagramTarget };

const { CONNECTED } = words.datagramPeer;

/**
 * Datagrams of one socket. `io.udp` and `io.unixDatagram` make it; for the thread that did. Nothing here blocks.
 *
 *     const socket = io.udp({ port: 5000 });
 *     socket.onReceive((bytes, offset, length, peer) => void socket.send(bytes, offset, length, peer));
 *
 * Up to 64 come and go with one system call. Datagrams may be lost, by the network, by a full receive buffer
 * (`kernelDropped`) or by a slot that is too short (`truncated`): `status()` counts each kind. Source: recvmmsg(2).
 */
export class DatagramSocket {
  readonly #endpoint: DatagramEndpoint;

  /** Made by `udp` and `unixDatagram`. */
  constructor(endpoint: DatagramEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its descriptor, which the socket owns and closes. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Where it is bound: an IP address, or a path that is '' for a Unix socket without one. */
  get address(): string {
    return this.#endpoint.address;
  }

  /** Its port, also when the kernel has chosen it; 0 for a Unix socket. */
  get port(): number {
    return this.#endpoint.port;
  }

  /** Longest datagram that `send` takes. */
  get maxDatagramBytes(): number {
    return this.#endpoint.maxDatagramBytes;
  }

  /** Nothing comes any more and nothing can be sent. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** Datagrams that `send` took and the kernel did not yet. */
  get pending(): number {
    return this.#endpoint.pending;
  }

  /** Its figures. Allocates, and costs one system call. */
  status(): DatagramStatus {
    return this.#endpoint.status();
  }

  /**
   * Called with each datagram: its bytes, valid during the call, and the sender's address, which `send` takes. About a
   * microsecond more than `onReceive`.
   */
  onData(handler: (bytes: Uint8Array, from: DatagramAddress) => void): this {
    checkFunction('handler', handler);
    const endpoint = this.#endpoint;
    endpoint.receiving.setHandler((bytes, offset, length, peer) => {
      handler(bytes.subarray(offset, offset + length), endpoint.addressOf(peer));
    }, true);
    return this;
  }

  /**
   * The same without an object a datagram: `length` bytes from `offset` on of `bytes`. `peer` is the sender as a
   * number, good for `send` and `keep` during the call; `cutBytes` more were sent and had no room.
   */
  onReceive(handler: DatagramHandler): this {
    checkFunction('handler', handler);
    this.#endpoint.receiving.setHandler(handler, false);
    return this;
  }

  /**
   * Called with what went wrong with one datagram (ECONNREFUSED, ENETUNREACH ...): the socket goes on. Counted as well.
   */
  onError(handler: (error: PercoreError) => void): this {
    checkFunction('handler', handler);
    this.#endpoint.errorHandler = handler;
    return this;
  }

  /** Called once, after the descriptor is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /** Receives no more until `resume`; what the kernel holds meanwhile is bounded by its buffer. */
  pause(): void {
    this.#endpoint.receiving.pause();
  }

  /** Receives again; what a pause has left of a batch comes first. */
  resume(): void {
    this.#endpoint.receiving.resume();
  }

  /**
   * Copies one datagram; it leaves at the end of this step, with the others. `to`: a peer's number, an address (about a
   * microsecond more), or nothing on a connected socket. OK; BACK_PRESSURED: nothing taken, wait for `room()`;
   * TOO_LARGE; CLOSED. Throws ERR_PERCORE_INVALID_ARGUMENT for a peer or an address that is none.
   */
  send(
    bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset), to: number | DatagramTarget = CONNECTED,
  ): number {
    checkSpan(bytes, offset, length);
    return this.#endpoint.send(bytes, offset, length, to);
  }

  /** Where a datagram came from. During the handler's call, as with `send`. Allocates. */
  addressOf(peer: number): DatagramAddress {
    return this.#endpoint.addressOf(peer);
  }

  /**
   * A number for this peer that stays good until `forget`: for sending to it later, without an address in text. At most
   * 65,536; beyond that ERR_PERCORE_TOO_LARGE is thrown.
   */
  keep(peer: number | DatagramTarget): number {
    return this.#endpoint.keep(peer);
  }

  /** The number may be used for another peer from now on. What was sent to it and waits still goes there. */
  forget(peer: number): void {
    this.#endpoint.forget(peer);
  }

  /**
   * Resolves when the kernel has taken all that waited, or the socket is closed. Rejects with ERR_PERCORE_TIMEOUT or
   * the signal's reason if `options` says so.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#endpoint.room(options);
  }

  /** Closes at once. What waits is sent if the kernel takes it now, else dropped and counted. */
  close(): void {
    this.#endpoint.close();
  }
}
