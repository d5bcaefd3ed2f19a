/**
 * The I/O of one thread as users see it: `reactor.io`, or what `create` of `percore/io` returns. This file has the
 * verbs that open something. Each kind of endpoint has a file of its own, and core.ts has what all kinds need.
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

/** Figures of a thread's I/O. The counters cover its streams since the thread began. */
export interface IoStatus extends IoCounters {
  /** The source that was asked for. */
  readonly asked: AskedIoSource;
  /** The source that is used, or that the first endpoint will open. */
  readonly granted: IoSource;
  /** Why that source is used, if 'auto' was asked for. */
  readonly decision: string | undefined;
  /** Why it is not the source that was asked for: one line for each reason. */
  readonly refusals: readonly string[];
  /** How many endpoints are open: listeners, connections, sockets, pipes, files, watches. */
  readonly endpoints: number;
}

let open: (io: object) => TimedIoCore | undefined;

/**
 * Sockets, pipes, files and readiness of one thread. No other thread may call it. Nothing here waits for a peer or a
 * disk, with two exceptions: the reads of a regular file that is used as a pipe wait for the disk, and what lies in the
 * page cache is copied in this thread.
 *
 *     reactor.io.listen({ port: 7000 }, (connection) => connection.onData((bytes) => connection.offer(bytes)));
 *
 * Endpoints run their handlers as tasks of their band, beside everything else that the thread does. Bad arguments throw
 * ERR_PERCORE_INVALID_ARGUMENT; what the kernel refuses throws ERR_PERCORE_SYSTEM with `errno` and `syscall`; an
 * address in use throws ERR_PERCORE_ADDRESS_IN_USE; more than 2^20 endpoints throw ERR_PERCORE_TOO_LARGE; and a closed
 * I/O throws ERR_PERCORE_CLOSED. The shape follows mio and libuv.
 */
export class Io {
  readonly #core: TimedIoCore;
  readonly #files: FileSet;

  static {
    open = (io) => (#core in io ? io.#core : undefined);
  }

  /** Called by a reactor and by `create`. */
  constructor(core: TimedIoCore) {
    this.#core = core;
    this.#files = new FileSet(core);
  }

  /**
   * Accepts TCP connections at a port, or Unix connections at a path, and calls `onConnection` with each of them.
   * Throws ERR_PERCORE_ADDRESS_IN_USE or ERR_PERCORE_SYSTEM.
   *
   *     const listener = io.listen({ port: 0 }, (connection) => connection.end());
   */
  listen(options: ListenOptions | UnixListenOptions, onConnection: (connection: Connection) => void): Listener {
    if (isUnix(options)) return listenUnix(this.#core, options, onConnection);
    return listenTcp(this.#core, options, onConnection);
  }

  /**
   * Opens a TCP or a Unix connection. What is offered before it is open waits. A refused TCP connection is closed with
   * an error; a refused Unix connection throws ERR_PERCORE_SYSTEM at once.
   *
   *     io.connect({ port: 7000 }).onData((bytes) => console.log(bytes.length)).offerText('hello');
   */
  connect(options: ConnectOptions | UnixConnectOptions): Connection {
    return isUnix(options) ? connectUnix(this.#core, options) : connectTcp(this.#core, options);
  }

  /**
   * Takes over a connection that another thread has detached, with the bytes which that thread had received. From now
   * on this thread owns the descriptor. Throws ERR_PERCORE_INVALID_ARGUMENT unless it is an open stream socket that
   * this thread does not own already; then the descriptor stays the caller's. Any other error closes the descriptor.
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
   * Binds a port for `http.createServer().listen({ fd })`, which every reactor that asks for it shares. Throws as
   * `listen` does.
   */
  listenFd(options: ListenFdOptions): BoundDescriptor {
    return listenFd(this.#core, options);
  }

  /**
   * Opens a file in the background, either for reading or, with flags 'w' or 'a', for writing. If anything fails later,
   * the file is closed with ERR_PERCORE_SYSTEM, which has errno and syscall.
   */
  openFile(path: string, options?: FileOptions & { flags?: 'r' }): FileReader;
  openFile(path: string, options: FileOptions & { flags: 'w' | 'a' }): FileWriter;
  openFile(path: string, options: FileOptions = {}): FileReader | FileWriter {
    return this.#files.open(path, options);
  }

  /** Opens a FIFO for reading or for writing. Throws ERR_PERCORE_SYSTEM: ENXIO for a writer while nobody reads. */
  openFifo(path: string, way: 'read' | 'write', options: FifoOptions = {}): PipeStream {
    return openFifo(this.#core, path, way, options);
  }

  /** Makes a stream over the end of a pipe, a terminal or a socketpair; the stream owns the descriptor from now on. */
  openPipe(fd: number, way: PipeWay, options: PipeStreamOptions = {}): PipeStream {
    return openPipe(this.#core, fd, way, options);
  }

  /** Standard input as a stream. No other thread, and nothing else in this one, may read it meanwhile. */
  stdin(options: PipeStreamOptions = {}): PipeStream {
    return openStandardInput(this.#core, options);
  }

  /**
   * Reports the readiness of any descriptor that can be polled. The descriptor stays the caller's. Throws
   * ERR_PERCORE_SYSTEM: EBADF, or EPERM for a file or a folder, which cannot be polled.
   */
  registerDescriptor(fd: number, options: DescriptorOptions | undefined, callback: ReadinessCallback): Descriptor {
    return registerDescriptor(this.#core, fd, options, callback);
  }

  /** Reports changes of a file, or of the entries of a folder. Throws ERR_PERCORE_SYSTEM: ENOENT and others. */
  watchPath(path: string, options: WatchOptions | undefined, handler: (event: WatchEvent) => void): PathWatch {
    return watchPath(this.#core, path, options, handler);
  }

  /** Calls back with the bits that any thread has set on a handle of createReadiness. */
  onReadiness(
    handle: ReadinessHandle, options: { priority?: number } | undefined, callback: (bits: number) => void,
  ): ReadinessReceiver {
    return receiveReadiness(this.#core, handle, options, callback);
  }

  /**
   * Carries out now what is otherwise gathered for the end of the turn. When it returns, the kernel has been given what
   * was offered.
   */
  flush(): void {
    this.#core.flush();
  }

  /** Its figures. Allocates. */
  status(): IoStatus {
    const { asked, granted, decision, refusals, count, counters } = this.#core;
    return { asked, granted, decision, refusals: [...refusals], endpoints: count, ...readIoCounters(counters) };
  }

  /** Closes every endpoint, even if a handler throws; the first error is thrown afterwards. */
  closeAll(): void {
    try {
      this.#files.closeAll();
    } finally {
      this.#core.closeAll();
    }
  }
}

/** The core behind an Io; undefined if `io` is not an Io. */
export function coreOf(io: unknown): TimedIoCore | undefined {
  return typeof io === 'object' && io !== null ? open(io) : undefined;
}

function isUnix<T extends object>(options: T | undefined): options is T & { path: string } {
  return typeof options === 'object' && options !== null && (options as { path?: unknown }).path !== undefined;
}
