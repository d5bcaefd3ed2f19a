/** A listening TCP socket. Accepts a few connections a step, in its band. */
import type { Ready } from '../ready.js';
import { noTimer, type TimerId } from '../timers/index.js';
import type { Connection, ConnectionOptions } from './connection.js';
import type { Io } from './io.js';
import type { Source } from './token.js';

const EAGAIN = -11;
const EMFILE = -24;
const ENFILE = -23;
const ENOBUFS = -105;
const ENOMEM = -12;
/** Accepted in one step before others of the band get their turn. */
const QUANTUM = 16;
/** Out of descriptors: try again after this. Edge-triggered, so nothing spins meanwhile. */
const RETRY_NS = 50_000_000;

export class Listener implements Source, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  /** Connections that could not be accepted because descriptors or memory ran out; they wait in the kernel. */
  refusals = 0;
  private isClosed = false;
  private retry: TimerId = noTimer;

  constructor(private readonly io: Io, private readonly fd: number, readonly port: number, private readonly settings: Required<ConnectionOptions>, private readonly onConnection: (connection: Connection) => void) {
    this.band = settings.priority;
  }

  onReadiness(): void {
    this.io.schedule(this);
  }

  run(): boolean {
    for (let i = 0; i < QUANTUM && !this.isClosed; i++) {
      const fd = this.io.native.tcpAccept(this.fd);
      if (fd >= 0) {
        this.accept(this.io.adopt(fd, this.settings));
        continue;
      }
      if (fd === EAGAIN) return false;
      if (fd === EMFILE || fd === ENFILE || fd === ENOBUFS || fd === ENOMEM) {
        this.refusals++;
        this.retry = this.io.timers.after({ delayNs: RETRY_NS, priority: this.band }, () => this.io.schedule(this));
        return false;
      }
      // ECONNABORTED and its like concern one connection that is gone already; the next is tried.
    }
    return !this.isClosed;
  }

  private accept(connection: Connection): void {
    try {
      this.onConnection(connection);
    } catch (error) {
      // Nobody has heard of it, so nobody would ever close it.
      connection.close();
      throw error;
    }
  }

  /** Accepts no more. Connections already accepted stay. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.retry !== noTimer) this.io.timers.cancel(this.retry);
    this.io.release(this.token, this.fd);
  }
}
