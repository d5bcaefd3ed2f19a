/** A listening stream socket. Native accepts; a few connections a step are made of what it accepted, in its band. */
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
/** Made in one step before others of the band get their turn. */
const QUANTUM = 16;
/** Accepted and waiting for their step before no more are accepted. */
const MOST_WAITING = 256;
/** Out of descriptors: try again after this. */
const RETRY_NS = 50_000_000;

export interface ListenerStatus {
  /** 0 for a Unix listener. */
  readonly port: number;
  /** It accepts nothing more. */
  readonly isClosed: boolean;
  /** Connections that were accepted so far and given to `onConnection`. */
  readonly accepted: number;
  /** Times that descriptors or memory ran out. */
  readonly shortages: number;
  /** How many connections were closed at once for this reason. */
  readonly shed: number;
}

/**
 * Accepts connections until it is closed. `io.listen` makes it; for the thread that did. Nothing here blocks.
 *
 *     const listener = io.listen({ port: 0 }, (connection) => connection.end());
 *     console.log(listener.port);
 *
 * When descriptors run out it sheds: a reserve descriptor takes each waiting connection and closes it, so that its peer
 * learns of it at once, and nothing is accepted for 50 ms. Source of the reserve: libev and nginx do so.
 */
export class Listener {
  readonly #endpoint: ListenerEndpoint;

  /** Made by `listen`. */
  constructor(endpoint: ListenerEndpoint) {
    this.#endpoint = endpoint;
  }

  /** The port, also when the kernel has chosen it; 0 for a Unix listener. */
  get port(): number {
    return this.#endpoint.port;
  }

  /** It accepts nothing more. Connections that it has accepted go on. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** Allocates. */
  status(): ListenerStatus {
    const { port, isClosed, accepted, shortages, shed } = this.#endpoint;
    return { port, isClosed, accepted, shortages, shed };
  }

  /** Accepts no more, and the port is free when this returns. Connections that were handed over stay. */
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
    // Native accepts, and tells of nothing else.
  }

  onAccepted(fd: number): void {
    this.waiting.push(fd);
    if (this.waiting.length >= MOST_WAITING && this.isAccepting) {
      this.isAccepting = false;
      this.core.request(PAUSE, this.token);
    }
    this.core.schedule(this);
  }

  /** Out of descriptors or memory: sheds what waits. Nothing is accepted for a moment, so nothing spins. */
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
    // Nobody else has heard of it, so nobody else would ever close it.
    if (!isTaken) endpoint.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.retry !== noTimer) this.core.timers.cancel(this.retry);
    for (const fd of this.waiting) this.core.native.descriptors.close(fd);
    this.waiting = [];
    this.core.release(this.token, this.fd);
    // The port is free when this returns.
    this.core.flush();
  }
}

/** A listener on a descriptor that this thread owns; the descriptor is closed when that fails. */
export function startListener(
  core: TimedIoCore, bound: { readonly fd: number; readonly port: number }, settings: Required<ConnectionOptions>,
  onConnection: (connection: Connection) => void,
): Listener {
  const endpoint = new ListenerEndpoint(core, bound.fd, bound.port, settings, onConnection);
  core.open(endpoint, bound.fd, LISTENER);
  endpoint.start();
  return new Listener(endpoint);
}
