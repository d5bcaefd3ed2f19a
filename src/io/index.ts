/**
 * `percore/io`: sockets, files, pipes and readiness, on epoll or io_uring. `create` gives it to this thread,
 * `createPoller` is polled by hand, and a reactor has it as `reactor.io`.
 *
 * @module
 */
export { create, type CreateOptions, type LocalIo, type LocalIoStatus } from './local-io.js';
export type { IoCounters } from './io-memory.js';
export type { Io, IoStatus } from './io.js';
export type { AskedIoSource, IoSource } from './source-choice.js';
export type { ConnectOptions, ListenOptions } from './tcp.js';
export type { UnixConnectOptions, UnixDatagramOptions, UnixListenOptions } from './unix.js';
export { DEFAULT_HIGH_WATER_BYTES, type StreamOptions } from './stream-options.js';
export type {
  Connection, ConnectionOptions, ConnectionState, ConnectionStatus, DeadlineOptions, DetachedConnection, Kept,
} from './connection.js';
export type { Listener, ListenerStatus } from './listener.js';
export type { BoundDescriptor, ListenFdOptions } from './listen-fd.js';
export type { FileBackend } from './file-transfers.js';
export type { FileOptions, FileStatus, OpenFile } from './file.js';
export type { FileReader } from './file-reader.js';
export type { FileWriter } from './file-writer.js';
export type { DatagramAddress, DatagramHandler, DatagramSocket, DatagramStatus, DatagramTarget } from './udp.js';
export type { DatagramOptions, UdpOptions } from './udp-open.js';
export { createPoller, type Poller, type PollerStatus, type PollEvent, type RegisterOptions } from './poller.js';
export { INTEREST, READINESS, type Descriptor, type DescriptorOptions, type ReadinessCallback } from './descriptor.js';
export type { FifoOptions, PipeStream, PipeStreamOptions, PipeWay } from './pipe.js';
export { lines, LineReader, type LineOptions, type LineSource } from './line-reader.js';
export { createConsole, type CommandConsole, type CommandHandler, type ConsoleOptions } from './console.js';
export type { PathWatch, WatchEvent, WatchKind, WatchOptions } from './watch.js';
export {
  closeReadiness, createReadiness, openReadiness,
  type ReadinessHandle, type ReadinessReceiver, type ReadinessSetter,
} from './readiness.js';
export { linkToQueue, type RecordProducer } from './link-queue.js';
export { connectionOf, duplexOf, type AdoptOptions, type DuplexOptions } from './connection-node-streams.js';
