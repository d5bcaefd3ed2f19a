/**
 * A listening stream socket. Native code accepts connections; in each step, in the listener's band, a few Connections
 * are made of what it has accepted.
 */
import { words } from '../layout.js';
import type { Ready } from '../scheduling/internal.js';
import { noTimer, type TimerId } from '../timers/index.js';
import { openConnection, type ConnectionEndpoint } from './connection-endpoint.js';
import { Connection, type ConnectionOptions } from './connection.js';
import type { Endpoint } from './endpoint.js';
import { callBack, reportThrown } from './report.js';
import type { TimedIoCore } from './timed-core.js';

const { RECEIVE, PAUSE } = words.ioRequest;
const { LISTENER } = words.ioKind;
/** How many connections are made in one step before others of the band have their turn. */
const QUANTUM = 16;
/** When so many accepted connections wait for a step, no more are accepted. */
const MOST_WAITING = 256;
/** After a shortage of descriptors or memory, accepting is tried again after this time. */
const RETRY_NS = 50_000_000;

/** Figures of a listener since it was made. */
export interface ListenerStatus {
  /** The port; 0 for a Unix listener. */
  readonly port: number;
  /** True when it accepts no more connections. */
  readonly isClosed: boolean;
  /** How many connections it has accepted and given to `onConnection`. */
  readonly accepted: number;
  /** How many times descriptors or memory have run out. */
  readonly shortages: number;
  /** How many connections it has closed at once because of that. */
  readonly shed: number;
}

/**
 * Accepts connections until it is closed. `io.listen` makes it; only the thread that made it may use it. Nothing here
 * blocks.
 *
 *     const listener = io.listen({ port: 0 }, (connection) => connection.end());
 *     console.log(listener.port);
 *
 * When descriptors run out, it sheds connections: a reserve descriptor accepts each waiting connection and closes it,
 * so that its peer learns of it at once. Then nothing is accepted for 50 ms. The reserve is what libev and nginx do,
 * too.
 */
export class Listener {
  readonly #endpoint: ListenerEndpoint;

  /** Called by `listen`. */
  constructor(endpoint: ListenerEndpoint) {
    this.#endpoint = endpoint;
  }

  /** The port, also when the kernel has chosen it; 0 for a Unix listener. */
  get port(): number {
    return this.#endpoint.port;
  }

  /** True after `close`: it accepts no more connections. Those that it has accepted go on. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** Its figures. Allocates. */
  status(): ListenerStatus {
    const { port, isClosed, accepted, shortages, shed } = this.#endpoint;
    return { port, isClosed, accepted, shortages, shed };
  }

  /**
   * Accepts no more connections. When it returns, the port is free. Connections that `onConnection` was given go on;
   * those that still waited for it are closed.
   */
  close(): void {
    this.#endpoint.close();
  }
}

/** What is behind a `Listener`. */
class ListenerEndpoint implements Endpoint, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  accepted = 0;
  shortages = 0;
  shed = 0;
  isClosed = false;
  private isAccepting = false;
  private retry: TimerId = noTimer;
  private waiting: number[] = [];

  constructor(
    private readonly core: TimedIoCore, private readonly fd: number, readonly port: number,
    private readonly settings: Required<ConnectionOptions>,
    private readonly onConnection: (connection: Connection) => void,
  ) {
    this.band = settings.priority;
  }

  /** Accepts from now on. */
  start(): void {
    this.isAccepting = true;
    this.core.request(RECEIVE, this.token);
  }

  onReadiness(): void {
    // Native code accepts; readiness says nothing more.
  }

  onAccepted(fd: number): void {
    this.waiting.push(fd);
    if (this.waiting.length >= MOST_WAITING && this.isAccepting) {
      this.isAccepting = false;
      this.core.request(PAUSE, this.token);
    }
    this.core.schedule(this);
  }

  /** Descriptors or memory have run out: sheds what waits. Nothing is accepted for a moment, so that nothing spins. */
  onFailed(): void {
    this.isAccepting = false;
    this.shortages++;
    const shed = this.core.native.tcp.shed(this.fd);
    this.shed += shed;
    this.core.memory.countShed(shed);
    this.retry = this.core.timers.after({ delayNs: RETRY_NS, priority: this.band }, () => {
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
    const { core } = this;
    let endpoint: ConnectionEndpoint;
    try {
      endpoint = openConnection(core, fd, this.settings);
    } catch (error) {
      this.shed++;
      return reportThrown(core.schedule, this.band, error, 'a connection that was accepted');
    }
    this.accepted++;
    const connection = new Connection(endpoint);
    const isTaken = callBack(core.schedule, 'handler onConnection', endpoint, () => this.onConnection(connection));
    // Nobody else knows of this connection, so nobody else would ever close it.
    if (!isTaken) endpoint.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.retry !== noTimer) this.core.timers.cancel(this.retry);
    for (const fd of this.waiting) this.core.native.descriptors.close(fd);
    this.waiting = [];
    this.core.release(this.token, this.fd);
    // So that the port is free when this returns.
    this.core.flush();
  }
}

/** Makes a listener of a descriptor that this thread owns. If that fails, the descriptor is closed. */
export function startListener(
  core: TimedIoCore, bound: { readonly fd: number; readonly port: number }, settings: Required<ConnectionOptions>,
  onConnection: (connection: Connection) => void,
): Listener {
  const endpoint = new ListenerEndpoint(core, bound.fd, bound.port, settings, onConnection);
  core.open(endpoint, bound.fd, LISTENER);
  endpoint.start();
  return new Listener(endpoint);
}
