/** `percore/io`: TCP on the reactor's own readiness. */
export { Io, RECEIVE_BYTES, type ConnectOptions, type IoHost, type ListenOptions, type UnixConnectOptions, type UnixListenOptions } from './io.js';
export { Connection, DEFAULT_HIGH_WATER_BYTES, type ConnectionOptions } from './connection.js';
export { Listener } from './listener.js';
export { DatagramSocket, type DatagramAddress, type DatagramHandler, type DatagramTarget } from './udp.js';
export type { DatagramOptions, UdpOptions } from './udp-open.js';
export type { UnixDatagramOptions } from './unix.js';
