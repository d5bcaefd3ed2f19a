/**
 * Suite `peers`: ours against what people would leave Node for, each in its own language and in its best published
 * form, and against the best packages of npm, on the same two CPUs. bench/peers/README.md has the rules;
 * bench/peers/install installs what the peers need.
 */
import type { Suite } from '../harness.js';
import { broadcast2 } from './peers/broadcast.js';
import { http } from './peers/http.js';
import { mpsc1, mpsc3 } from './peers/mpsc.js';
import { roundTrip } from './peers/round-trip.js';
import { batch64, lazy, single } from './peers/spsc.js';
import { taskWithAnswer } from './peers/task.js';
import { tcpEcho1, tcpEcho256, tcpEcho64, tcpEchoPipelined } from './peers/tcp.js';
import { timerCancel, timerCreate, timerExpire } from './peers/timers.js';
import { awaitWake } from './peers/wake.js';

const peers: Suite = {
  name: 'peers',
  benches: [
    single, lazy, batch64, mpsc1, mpsc3, broadcast2, roundTrip, awaitWake, timerCreate, timerCancel, timerExpire,
    tcpEcho1, tcpEcho64, tcpEcho256, tcpEchoPipelined, http, taskWithAnswer,
  ],
};
export default peers;
