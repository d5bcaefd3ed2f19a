/**
 * Suite `io`: sockets and files of one reactor, against node:net and C. A C client on the other CPU makes the load.
 */
import type { Suite } from '../harness.js';
import { accept } from './io/accept.js';
import { cpuPerRequest } from './io/cpu-per-request.js';
import { fileStream } from './io/file-stream.js';
import { memory } from './io/memory.js';
import { resp } from './io/resp.js';
import { tcpEcho1, tcpEcho256, tcpEcho64, tcpEchoPipelined } from './io/tcp-echo.js';
import { tcpStream } from './io/tcp-stream.js';
import { udpEcho } from './io/udp-echo.js';

const io: Suite = {
  name: 'io',
  benches: [
    tcpEcho1, tcpEcho64, tcpEcho256, tcpEchoPipelined, cpuPerRequest, tcpStream, udpEcho, accept, resp, memory,
    fileStream,
  ],
};
export default io;
