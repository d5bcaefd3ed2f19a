/** What `connection.status()`, `connection.state` and `connection.detach()` tell. */

/** In the order in which a connection goes through them; connection.ts draws the ways between them. */
export type ConnectionState = 'connecting' | 'open' | 'half-closed-local' | 'half-closed-remote' | 'closing' | 'closed';

/** Times are nanoseconds since the runtime's start, NaN for what has not happened. */
export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** Bytes that have come, whether or not a handler has taken them. */
  readonly bytesRead: number;
  /** Bytes that the kernel has taken; `pendingBytes` are the others. */
  readonly bytesWritten: number;
  /** Bytes that `offer` took and the kernel did not. */
  readonly pendingBytes: number;
  /** Bytes that arrived and no handler has had. */
  readonly unreadBytes: number;
  readonly createdNs: number;
  /** When it was open: for an accepted one, when it was accepted. */
  readonly openedNs: number;
  readonly lastReceivedNs: number;
}

/** A connection that was taken out of its thread: see `Connection.detach`. */
export interface DetachedConnection {
  /** The descriptor, which belongs to whoever has this now. */
  readonly fd: number;
  /** What had arrived and was not read. */
  readonly unread: Uint8Array;
  /** Default false. */
  readonly hasPeerEnded?: boolean;
}
