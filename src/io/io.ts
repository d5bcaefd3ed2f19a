/**
 * The I/O of one thread as users have it: `reactor.io`, or what `create` of `percore/io` returns. Here are the verbs
 * that open something; each kind of endpoint is in a file of its own, and core.ts is what all of them need.
 */
import type { Connection, ConnectionOptions } from './connection.js';
import { attachConnection, type DetachedConnection } from './connection.js';
import { registerDescriptor, type Descriptor, type DescriptorOptions, type ReadinessCallback } from './descriptor.js';
import type { FileOptions } from './file-endpoint.js';
import type { FileReader } from './file-reader.js';
import { FileSet } from './file-set.js';
import type { FileWriter } from './file-writer.js';
import { readIoCounters, type IoCounters } from './io-memory.js';
import { listenFd, type BoundDescriptor, type ListenFdOptions } from './listen-fd.js';
import type { Listener } from './listener.js';
import {
  openFifo, openPipe, openStandardInput, type FifoOptions, type PipeStream, type PipeStreamOptions, type PipeWay,
} from './pipe.js';
import { receiveReadiness, type ReadinessHandle, type ReadinessReceiver } from './readiness.js';
import type { AskedIoSource, IoSource } from './source-choice.js';
import { connectTcp, listenTcp, type ConnectOptions, type ListenOptions } from './tcp.js';
import type { TimedIoCore } from './timed-core.js';
import { openUdp, type UdpOptions } from './udp-open.js';
import type { DatagramSocket } from './udp.js';
import {
  connectUnix, listenUnix, openUnixDatagram, type UnixConnectOptions, type UnixDatagramOptions, type UnixListenOptions,
} from './unix.js';
import { watchPath, type PathWatch, type WatchEvent, type WatchOptions } from './watch.js';

/** Figures of the I/O of a thread. The counters are of its streams, since the thread began. */
export interface IoStatus extends IoCounters {
  /** The source that was asked for. */
  readonly asked: AskedIoSource;
  /** The one that is used, or will be with the first endpoint. */
  readonly granted: IoSource;
  /** Why it is that one, if 'auto' was asked for. */
  readonly decision: string | undefined;
  /** Why it is another, one line each. */
  readonly refusals: readonly string[];
  /** Endpoints that are open: listeners, connections, sockets, pipes, files, watches. */
  readonly endpoints: number;
}

let open: (io: object) => TimedIoCore | undefined;

/**
 * Sockets, pipes, files and readiness of one thread; no other thread may call it. Nothing here blocks, except that a
 * Unix connect is refused or done at once, and that what lies in the page cache is copied in this thread.
 *
 *     reactor.io.listen({ port: 7000 }, (connection) => connection.onData((bytes) => connection.offer(bytes)));
 *
 * Endpoints run their handlers as tasks of their band, beside all else that the thread does. Throws
 * ERR_PERCORE_INVALID_ARGUMENT for bad arguments, ERR_PERCORE_SYSTEM with `errno` and `syscall` where the kernel
 * refuses, ERR_PERCORE_ADDRESS_IN_USE, and ERR_PERCORE_CLOSED once it is closed. Source of the shape: mio and libuv.
 */
export class Io {
  readonly #core: TimedIoCore;
  readonly #files: FileSet;

  static {
    open = (io) => (#core in io ? io.#core : undefined);
  }

  /** Made by a reactor, or by `create`. */
  constructor(core: TimedIoCore) {
    this.#core = core;
    this.#files = new FileSet(core);
  }

  /** Accepts TCP connections, or Unix ones at a path. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  listen(options: ListenOptions | UnixListenOptions, onConnection: (connection: Connection) => void): Listener {
    if (isUnix(options)) return listenUnix(this.#core, options, onConnection);
    return listenTcp(this.#core, options, onConnection);
  }

  /**
   * Opens a TCP or Unix connection; what is written before it is open waits. A refusal closes a TCP connection with an
   * error, and is thrown at once by a Unix one.
   */
  connect(options: ConnectOptions | UnixConnectOptions): Connection {
    return isUnix(options) ? connectUnix(this.#core, options) : connectTcp(this.#core, options);
  }

  /**
   * Takes over a connection that another thread has detached, with what that one had received. The descriptor is this
   * thread's from now on. Throws ERR_PERCORE_INVALID_ARGUMENT unless it is an open stream socket that this thread does
   * not own already; then it stays the caller's.
   */
  attach(detached: DetachedConnection, options: ConnectionOptions = {}): Connection {
    return attachConnection(this.#core, detached, options);
  }

  /** Opens a UDP socket. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  udp(options: UdpOptions = {}): DatagramSocket {
    return openUdp(this.#core, options);
  }

  /** Opens a Unix datagram socket. Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM. */
  unixDatagram(options: UnixDatagramOptions = {}): DatagramSocket {
    return openUnixDatagram(this.#core, options);
  }

  /**
   * A port for `http.createServer().listen({ fd })`, shared by all reactors that ask for it. Throws as `listen` does.
   */
  listenFd(options: ListenFdOptions): BoundDescriptor {
    return listenFd(this.#core, options);
  }

  /**
   * Opens a file in the background, to be read, or ('w', 'a') written. What fails later closes it with
   * ERR_PERCORE_SYSTEM, errno and syscall.
   */
  openFile(path: string, options?: FileOptions & { flags?: 'r' }): FileReader;
  openFile(path: string, options: FileOptions & { flags: 'w' | 'a' }): FileWriter;
  openFile(path: string, options: FileOptions = {}): FileReader | FileWriter {
    return this.#files.open(path, options);
  }

  /** Opens a FIFO for one way. Throws ERR_PERCORE_SYSTEM, ENXIO for a writer while nobody reads. */
  openFifo(path: string, way: 'read' | 'write', options: FifoOptions = {}): PipeStream {
    return openFifo(this.#core, path, way, options);
  }

  /** A stream over a pipe's end, a terminal or a socketpair, which it owns from now on. */
  openPipe(fd: number, way: PipeWay, options: PipeStreamOptions = {}): PipeStream {
    return openPipe(this.#core, fd, way, options);
  }

  /** Standard input, read by this thread alone. */
  stdin(options: PipeStreamOptions = {}): PipeStream {
    return openStandardInput(this.#core, options);
  }

  /**
   * Readiness of any descriptor that can be polled; it stays the caller's. Throws ERR_PERCORE_SYSTEM: EBADF, or EPERM
   * for what cannot be polled.
   */
  registerDescriptor(fd: number, options: DescriptorOptions | undefined, callback: ReadinessCallback): Descriptor {
    return registerDescriptor(this.#core, fd, options, callback);
  }

  /** Changes of a file or of a folder's entries. Throws ERR_PERCORE_SYSTEM: ENOENT and others. */
  watchPath(path: string, options: WatchOptions | undefined, handler: (event: WatchEvent) => void): PathWatch {
    return watchPath(this.#core, path, options, handler);
  }

  /** Calls back with the bits that any thread has set on a handle from createReadiness. */
  onReadiness(
    handle: ReadinessHandle, options: { priority?: number } | undefined, callback: (bits: number) => void,
  ): ReadinessReceiver {
    return receiveReadiness(this.#core, handle, options, callback);
  }

  /** Does now what is gathered for the end of the turn: the kernel has what was offered when this returns. */
  flush(): void {
    this.#core.flush();
  }

  /** Its figures. Allocates. */
  status(): IoStatus {
    const { asked, granted, decision, refusals, count, counters } = this.#core;
    return { asked, granted, decision, refusals: [...refusals], endpoints: count, ...readIoCounters(counters) };
  }

  /** Closes every endpoint, also when a handler throws; the first error is thrown afterwards. */
  closeAll(): void {
    try {
      this.#files.closeAll();
    } finally {
      this.#core.closeAll();
    }
  }
}

/** The inside of the I/O of a thread; undefined if it is not an Io. */
export function coreOf(io: unknown): TimedIoCore | undefined {
  return typeof io === 'object' && io !== null ? open(io) : undefined;
}

function isUnix<T extends object>(options: T | undefined): options is T & { path: string } {
  return typeof options === 'object' && options !== null && (options as { path?: unknown }).path !== undefined;
}
