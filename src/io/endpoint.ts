/**
 * What the core knows of an endpoint, whatever its kind: a connection, a listener, a datagram socket, a pipe, a file, a
 * watch. The core finds the endpoint of an event by its token and calls one of these methods. Each kind implements
 * those that it needs.
 */
export interface Endpoint {
  /** Set by the core when the endpoint is registered; -1 before that. */
  token: number;
  /** `readiness` is a set of the bits in `words.readiness`. It is a hint: use the descriptor until it would block. */
  onReadiness(readiness: number): void;
  close(): void;
  /** Streams only, see `words.ioEvent`: `length` bytes have arrived at `place` of the pool. */
  onReceived?(place: number, length: number): void;
  onEnded?(): void;
  onFailed?(errno: number, call: string): void;
  /** The kernel has not taken the `length` bytes at `place` of the outbox. */
  onUnsent?(place: number, length: number): void;
  /** Listeners only: a connection was accepted, whose descriptor this thread owns. */
  onAccepted?(fd: number): void;
  /** Moves what arrived before `beforeNs` out of the pool. True when something that arrived later stays there. */
  relieve?(beforeNs: number): boolean;
  /**
   * The thread winds down, so the endpoint releases what it holds back by choice, such as corked bytes. True while it
   * has taken bytes that the kernel has not taken yet.
   */
  pushPending?(): boolean;
}
