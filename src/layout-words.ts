/** The values of shared words. See layout.ts. */

/** The values of shared words for which both languages have names. */
export const words = {
  attention: { PARKED: -1, AWAKE: 8 },
  stop: { RUN: 0, DRAIN: 1, LEAVE: 2 },
  presence: { HERE: 0, AWAY: 1, DEAD: 2, ABSENT: 3 },
  phase: { STARTING: 0, READY: 1, DRAINING: 2, QUIET: 3, LEFT: 4 },
  idleStrategy: { SPIN: 0, BACKOFF: 1, PARK: 2, ADAPTIVE: 3 },
  readiness: { READABLE: 1, WRITABLE: 2, READ_CLOSED: 4, HANG_UP: 8, ERROR: 16, PRIORITY: 32 },
  interest: { READABLE: 1, WRITABLE: 2, PRIORITY: 4, LEVEL: 8, ONESHOT: 16 },
  ioKind: { READINESS: 0, STREAM: 1, CONNECTING: 2, LISTENER: 3 },
  ioEvent: { READINESS: 0, RECEIVED: 1, ENDED: 2, FAILED: 3, ACCEPTED: 4, UNSENT: 5, SEND_FAILED: 6 },
  ioRequest: { SEND: 0, RECEIVE: 1, PAUSE: 2, END: 3, CLOSE: 4 },
  datagramPeer: { CONNECTED: -1, HELD: 64, KEPT: 128 },
  pipeEndState: { FREE: 0, OPEN: 1, CLOSED: 2 },
  queueFileKind: { SPSC: 1, MPSC: 2, SPMC: 3, BANDED: 4 },
  descriptorWay: { PLAIN: 0, SOCKET: 1, ASK_FIRST: 2 },
} as const;
