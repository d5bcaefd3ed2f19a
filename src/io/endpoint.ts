/**
 * What the core knows of an endpoint, whatever its kind: a connection, a listener, a datagram socket, a pipe, a file, a
 * watch. Each kind implements what concerns it; the core finds the endpoint by its token and calls these.
 */
export interface Endpoint {
  /** Given by the core at registration; -1 before. */
  token: number;
  /** `readiness` is a set of the bits in `words.readiness`. It is a hint, so keep trying until would-block. */
  onReadiness(readiness: number): void;
  close(): void;
  /** Of streams, see `words.ioEvent`: `length` bytes lie at `place` of the pool. */
  onReceived?(place: number, length: number): void;
  onEnded?(): void;
  onFailed?(errno: number, call: string): void;
  /** `length` bytes at `place` of the outbox were not taken by the kernel. */
  onUnsent?(place: number, length: number): void;
  /** Of listeners. */
  onAccepted?(fd: number): void;
  /** Moves out of the pool what arrived before `beforeNs`; true when something that arrived later stays there. */
  relieve?(beforeNs: number): boolean;
  /**
   * The thread winds down: lets go what it holds back by choice, such as corked bytes. True while the endpoint has
   * taken bytes that the kernel has not.
   */
  pushPending?(): boolean;
}
