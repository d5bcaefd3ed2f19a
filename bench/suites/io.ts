/** Suite `io`: sockets and files of one reactor, against node:net and against C, under load from a C client on the other CPU. */
import type { Suite } from '../harness.js';
import { tcpEcho1, tcpEcho256, tcpEcho64, tcpEchoPipelined } from './io/tcp-echo.js';

const io: Suite = {
  name: 'io',
  benches: [tcpEcho1, tcpEcho64, tcpEcho256, tcpEchoPipelined],
};
export default io;
