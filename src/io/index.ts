/** `percore/io`: TCP on the reactor's own readiness. */
export { Io, type ConnectOptions, type IoHost, type IoSource, type ListenOptions, type UnixConnectOptions, type UnixListenOptions } from './io.js';
export { Connection, DEFAULT_HIGH_WATER_BYTES, type ConnectionInfo, type ConnectionOptions, type ConnectionState } from './connection.js';
export { Listener } from './listener.js';
export type { BoundDescriptor, ListenFdOptions } from './listen-fd.js';
export type { FileOptions, FileStatus } from './file.js';
export type { FileBackend } from './file-transfers.js';
export { FileReader } from './file-reader.js';
export { FileWriter } from './file-writer.js';
export { DatagramSocket, type DatagramAddress, type DatagramHandler, type DatagramTarget } from './udp.js';
export type { DatagramOptions, UdpOptions } from './udp-open.js';
export type { UnixDatagramOptions } from './unix.js';
export { Descriptor, INTEREST, READINESS, type DescriptorOptions, type ReadinessCallback } from './descriptor.js';
export { PipeStream, type FifoOptions, type PipeOptions, type PipeWay } from './pipe.js';
export { lines, LineReader, type LineOptions, type LineSource } from './line-reader.js';
export { createConsole, CommandConsole, type CommandHandler, type ConsoleOptions } from './console.js';
export { PathWatch, type WatchEvent, type WatchKind, type WatchOptions } from './watch.js';
export { closeReadiness, createReadiness, openReadiness, ReadinessReceiver, ReadinessSetter, type ReadinessHandle } from './readiness.js';
