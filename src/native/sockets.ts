/**
 * Sockets: what all have, and how each kind is opened. All of them are non-blocking, not inherited by children, owned
 * by this thread's addon and closed with it; `descriptors.close` closes them earlier.
 *
 * Required for streams: `sockets.error`, `sockets.peerName`, `sockets.ownStream`, and `tcp` or `unix`.
 * Required for datagrams: `datagrams`, `sockets.buffer`.
 * May be missing: `sockets.cookie` and `sockets.take` (-ENOSYS: no connection goes to another thread), `tcp.bind` with
 * `tcp.closeUntaken` (then Node's own servers cannot share a port), `tcp.shed` (answers 0: connections wait while there
 * is no descriptor for them), `datagrams.drops` (-ENOSYS: the figure is 0), `unix` (throws).
 */

export interface NativeSockets {
  /**
   * From now on this thread's: a number that anybody has given. 0, or -errno unless it is a stream socket that does not
   * listen (-EPROTOTYPE) and that this thread does not own yet (-EEXIST).
   */
  ownStream(fd: number): number;
  /** What tells this socket from every other one that there ever was, or -errno. Exact below 2^53. */
  cookie(fd: number): number;
  /**
   * A descriptor of this thread's own for another thread's socket, which keeps its own. -ESTALE when the number is not
   * the socket of this cookie any more; or -errno.
   */
  take(fd: number, cookie: number): number;
  /** The error that the socket holds, which is thereby taken: a positive errno, or 0 for none. */
  error(fd: number): number;
  /** "127.0.0.1:1234", "[::1]:1234", a Unix socket's path, or '' when there is no such peer, or it has no name. */
  peerName(fd: number): string;
  /** Bytes of its receive or send buffer as granted, after asking for `bytes`; 0 only asks what there is. Or -errno. */
  buffer(fd: number, isReceive: boolean, bytes: number): number;
}

/** `host` is an address in digits; IPv6 may name a zone. */
export interface NativeTcp {
  listen(host: string, port: number, reusePort: boolean, backlog: number): { fd: number; port: number };
  /** Connecting: writable once it is open. `errno` is positive when connect(2) failed at once, else 0. */
  connect(host: string, port: number): { fd: number; errno: number };
  /** Bound and not listening, for a listener of Node's; closed with the thread unless somebody listens on it. */
  bind(host: string, port: number, reusePort: boolean): { id: number; fd: number; port: number };
  /** True when nobody had taken what `bind` called `id`: it is closed now. */
  closeUntaken(id: number): boolean;
  /** Out of descriptors: takes waiting connections by one kept in reserve and closes them; how many. */
  shed(fd: number): number;
}

/** `path` is at most 107 bytes; one that begins with '\0' is abstract. */
export interface NativeUnix {
  /** Replaces the file of a socket that nobody has any more. The file goes with the descriptor. */
  listen(path: string, backlog: number): number;
  connect(path: string): number;
  /** Either may be '': a path of none, or no peer. */
  openDatagram(path: string, peer: string): number;
}

/** Addresses of a batch of datagrams, of which one thread receives. Opaque. */
export type DatagramReceiverHandle = { readonly datagramReceiver: unique symbol };
/** Headers of a batch that is sent, and the addresses that are kept by number. Opaque. */
export type DatagramSenderHandle = { readonly datagramSender: unique symbol };

/** Batches of datagrams, UDP and Unix alike. `entries` is an array of `datagramEntryLayout`. See native/datagram.cc. */
export interface NativeDatagrams {
  /** A UDP socket. An empty `peerHost` leaves it unconnected; an empty `host` unbound. */
  open(
    host: string, port: number, reusePort: boolean, broadcast: boolean, peerHost: string, peerPort: number,
  ): { fd: number; port: number; address: string };
  createReceiver(slotBytes: number): DatagramReceiverHandle;
  createSender(): DatagramSenderHandle;
  /**
   * Datagrams received into slots of `region` and told in `entries`, `most` (1 to DATAGRAM_BATCH) or fewer; or -errno.
   */
  receive(
    receiver: DatagramReceiverHandle, fd: number, region: Uint8Array, entries: Int32Array, most: number,
  ): number;
  /** Entries taken by the kernel, from `first` on; or -errno when not even the first was. */
  send(
    sender: DatagramSenderHandle, receiver: DatagramReceiverHandle | undefined, entries: Int32Array, first: number,
    count: number, fd: number, region: Uint8Array,
  ): number;
  /** Keeps the addresses of unsent entries, so that the receiver's slots and kept numbers may be used again. */
  hold(
    sender: DatagramSenderHandle, receiver: DatagramReceiverHandle | undefined, entries: Int32Array, first: number,
    count: number,
  ): void;
  /**
   * Keeps a sender's address at `place`, a number of `words.datagramPeer`: HELD + entry or KEPT + index. 0 or -errno.
   */
  keep(sender: DatagramSenderHandle, place: number, receiver: DatagramReceiverHandle, slot: number): number;
  /** The same for an address in words; `port` -1: a Unix path. */
  keepAddress(sender: DatagramSenderHandle, place: number, address: string, port: number): number;
  addressOf(receiver: DatagramReceiverHandle, slot: number): { address: string; port: number };
  /** Datagrams that the kernel has dropped since the receive buffer was full, or -errno. */
  drops(fd: number): number;
}
