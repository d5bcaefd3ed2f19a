/** The types of `connection.status()`, `connection.state` and `connection.detach()`. */

/** In the order in which a connection passes through them; connection.ts draws the ways between them. */
export type ConnectionState = 'connecting' | 'open' | 'half-closed-local' | 'half-closed-remote' | 'closing' | 'closed';

/** Figures of a connection. Times are nanoseconds since the runtime's start; NaN if it has not happened. */
export interface ConnectionStatus {
  /** Its state between opening and closing. */
  readonly state: ConnectionState;
  /** How many bytes the handler has been given; with `unreadBytes`, everything that has arrived. */
  readonly bytesRead: number;
  /** How many bytes the kernel has taken, or will be given at the end of this turn. */
  readonly bytesWritten: number;
  /** How many bytes `offer` has taken and the kernel has not. */
  readonly pendingBytes: number;
  /** How many bytes have arrived that no handler has been given. */
  readonly unreadBytes: number;
  /** When it was accepted or attached, or when its connecting began. */
  readonly createdNs: number;
  /** When it was open; for an accepted connection, when it was accepted. */
  readonly openedNs: number;
  /** When bytes were received last; NaN if none were. */
  readonly lastReceivedNs: number;
}

/** A connection that was taken out of its thread: see `Connection.detach`. */
export interface DetachedConnection {
  /** The descriptor. It belongs to whoever has this object now. */
  readonly fd: number;
  /** What had arrived and was not read. */
  readonly unread: Uint8Array;
  /** The peer had already ended its side. Default false. */
  readonly hasPeerEnded?: boolean;
}
