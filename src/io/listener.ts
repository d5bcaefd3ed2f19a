/** A listening stream socket. Native accepts; a few connections a step are made of what it accepted, in the listener's band. */
import { words } from '../layout.js';
import type { Ready } from '../scheduling/internal.js';
import { noTimer, type TimerId } from '../timers/index.js';
import type { Connection, ConnectionOptions } from './connection.js';
import type { Io } from './io.js';
import { reportThrown } from './report.js';
import type { Source } from './token.js';

const { RECEIVE, PAUSE } = words.ioRequest;
/** Made in one step before others of the band get their turn. */
const QUANTUM = 16;
/** Accepted and waiting for their step before no more are accepted. */
const MOST_WAITING = 256;
/** Out of descriptors: try again after this. */
const RETRY_NS = 50_000_000;

export class Listener implements Source, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  /** Times that descriptors or memory ran out, and connections that were closed at once because of it. */
  refusals = 0;
  refused = 0;
  private isClosed = false;
  private isAccepting = false;
  private retry: TimerId = noTimer;
  private waiting: number[] = [];

  constructor(private readonly io: Io, private readonly fd: number, readonly port: number, private readonly settings: Required<ConnectionOptions>, private readonly onConnection: (connection: Connection) => void) {
    this.band = settings.priority;
  }

  /** For Io alone: accepts from now on. */
  start(): void {
    this.isAccepting = true;
    this.io.request(RECEIVE, this.token);
  }

  onReadiness(): void {}

  onAccepted(fd: number): void {
    this.waiting.push(fd);
    if (this.waiting.length >= MOST_WAITING && this.isAccepting) {
      this.isAccepting = false;
      this.io.request(PAUSE, this.token);
    }
    this.io.schedule(this);
  }

  /**
   * Out of descriptors or memory. A reserve descriptor is given up to take each waiting connection and close it, so that its peer learns
   * of it at once instead of waiting; nothing is accepted for a moment, so nothing spins.
   */
  onFailed(): void {
    this.isAccepting = false;
    this.refusals++;
    const shed = this.io.native.tcp.shed(this.fd);
    this.refused += shed;
    this.io.memory.countShed(shed);
    this.retry = this.io.timers.after({ delayNs: RETRY_NS, priority: this.band }, () => {
      this.retry = noTimer;
      this.start();
    });
  }

  run(): boolean {
    for (let made = 0; made < QUANTUM && this.waiting.length !== 0; made++) this.make(this.waiting.shift()!);
    if (this.isClosed) return false;
    if (this.waiting.length === 0 && !this.isAccepting && this.retry === noTimer) this.start();
    return this.waiting.length !== 0;
  }

  private make(fd: number): void {
    let connection: Connection;
    try {
      connection = this.io.adopt(fd, this.settings);
    } catch (error) {
      this.refused++;
      return reportThrown(this.io.schedule, this.band, error, 'a connection that was accepted');
    }
    // Nobody else has heard of it, so nobody else would ever close it.
    if (!this.io.callBack('handler onConnection', connection, () => this.onConnection(connection))) connection.close();
  }

  /** Accepts no more. Connections already handed over stay. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.retry !== noTimer) this.io.timers.cancel(this.retry);
    for (const fd of this.waiting) this.io.native.descriptors.close(fd);
    this.waiting = [];
    this.io.release(this.token, this.fd);
    // The port is free when this returns.
    this.io.flush();
  }
}
