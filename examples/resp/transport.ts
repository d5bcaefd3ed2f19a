/**
 * What a session needs of its connection. Percore's connections and node:net's sockets are made into this in a few
 * lines each.
 */
export interface Transport {
  /** Takes bytes to send, all or none: 0, BACK_PRESSURED with nothing taken, or CLOSED. The bytes are copied. */
  offer(bytes: Uint8Array, offset: number, length: number): number;
  /** Calls back once when it is worth offering again, or when the connection is closed. */
  whenWritable(then: () => void): void;
  /** Reads no more; what was read already may still come. */
  pause(): void;
  resume(): void;
  /** Sends what it has taken, then closes. */
  end(): void;
  /** Closes at once. */
  close(): void;
}
