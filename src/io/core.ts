/**
 * What all endpoints of one thread need, whatever their kind: tokens, registration, events, requests, memory.
 *
 *      native ──events──> poll: by token ──onReceived, onReadiness, …──> endpoint ──schedule──> its step, in its band
 *        ^                                                                  │
 *        └──────end of the turn, or flush── requests, outbox ───────────────┘
 *
 * Once a turn, native code reports what has happened as events in a shared block: bytes that it has received into the
 * pool, descriptors that it has accepted, readiness. The core finds the endpoint of each event, and the endpoint
 * becomes a task in its band. What endpoints ask of native code is gathered in the same block and done at the end of
 * the turn. A reactor, a thread without one (`create`) and a poller that is driven by hand have a core each; its host
 * decides who runs what is ready.
 */
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { native, type Native } from '../native.js';
import type { Schedule } from '../scheduling/internal.js';
import type { Endpoint } from './endpoint.js';
import { createIoCounters, EVENT, EVENTS, UNSENT, type IoMemory } from './io-memory.js';
import { Losses } from './losses.js';
import { PoolRelief } from './pool-relief.js';
import { notWatched, openSource, type OpenSource } from './source.js';
import type { AskedIoSource, IoSource, SourceChoice } from './source-choice.js';
import { EndpointTable, tooManyEndpoints } from './token.js';

/** Whoever runs what the endpoints make ready. */
export interface IoHost {
  readonly source: SourceChoice;
  readonly schedule: Schedule;
  readonly nowNs: () => number;
  /** The time when the turn began. Where there are turns, it costs one load. */
  readonly turnNs: () => number;
  /** The counters to count in: an IoCounters, see layout.ts. If left out, the core makes its own. */
  readonly counters?: Float64Array;
  /** Opens the thread's source. */
  readonly open: OpenSource;
  /** Called with true when the first endpoint has been opened, and with false when the last one has gone. */
  readonly keepAlive: (isNeeded: boolean) => void;
  /** Called when a source was opened that is not the one `auto` had chosen. */
  readonly onOtherSource?: (granted: IoSource, decision: string) => void;
  /** Counts and reports what a handler has thrown outside its endpoint's step. */
  readonly report: (error: unknown, where: string) => void;
}

const { READINESS, RECEIVED, ENDED, FAILED, ACCEPTED, UNSENT: UNSENT_BYTES, SEND_FAILED } = words.ioEvent;
const { CLOSE } = words.ioRequest;
/** Stands in for an errno when there are more endpoints than tokens. */
const TOO_MANY = 1;
/** Most drains in one flush. As a rule one is enough. */
const MOST_DRAINS = 8;

export class IoCore {
  readonly native: Native = native();
  readonly schedule: Schedule;
  readonly nowNs: () => number;
  readonly turnNs: () => number;
  /** An IoCounters, see layout.ts. */
  readonly counters: Float64Array;
  /** Set when the first endpoint is opened. */
  memory!: IoMemory;
  /** The source that was asked for; `granted` is the one in use, or the one that the first endpoint will open. */
  readonly asked: AskedIoSource;
  granted: IoSource;
  /** Why `auto` chose that source; undefined for any other choice. */
  decision: string | undefined;
  readonly refusals: string[] = [];
  /** The time when the events that are being handed out were collected. */
  batchNs = 0;
  readonly losses = new Losses();
  isOver = false;
  /**
   * True while events are being handed out. Requests that do not fit meanwhile wait in `lateRequests`: kind, token, a.
   */
  private isTaking = false;
  private lateRequests: number[] = [];
  private readonly endpoints = new EndpointTable();
  private relief: PoolRelief | undefined;

  constructor(private readonly host: IoHost) {
    const { asked, wanted, decision } = host.source;
    this.asked = asked;
    this.granted = wanted;
    this.decision = decision;
    this.schedule = host.schedule;
    this.nowNs = host.nowNs;
    this.turnNs = host.turnNs;
    this.counters = host.counters ?? createIoCounters();
  }

  /** How many endpoints are open. */
  get count(): number {
    return this.endpoints.count;
  }

  // ---- Events and requests ------------------------------------------------------------------------------------------

  /** Hands each event to its endpoint and returns how many there were. Each turn calls it. */
  poll(): number {
    if (this.memory === undefined) return 0;
    if (this.lateRequests.length !== 0) this.requestLate();
    const count = this.takeEvents();
    // Only now: native code may have filled the pool with what has just been handed out.
    if (this.memory.poolWaits !== this.relief!.seenPoolWaits) this.relief!.look(this.turnNs(), this.endpoints);
    return count;
  }

  /** The same as `poll` without the pool's relief; may be called within a turn. It runs no handler. */
  takeEvents(): number {
    const { block } = this.memory;
    const count = block[EVENTS]!;
    if (count === 0) return 0;
    this.batchNs = this.turnNs();
    block[EVENTS] = block[UNSENT] = 0;
    this.isTaking = true;
    try {
      this.handOut(count);
    } finally {
      this.isTaking = false;
      if (this.lateRequests.length !== 0) this.requestLate();
    }
    return count;
  }

  private handOut(count: number): void {
    const { memory, memory: { block }, endpoints } = this;
    for (let at = EVENT, end = EVENT + count * 4; at < end; at += 4) {
      // An endpoint that was closed in the meantime is no longer found.
      const endpoint = endpoints.find(block[at]!);
      const value = block[at + 2]!;
      switch (block[at + 1]!) {
        case RECEIVED:
          if (endpoint === undefined) memory.release(block[at + 3]!);
          else endpoint.onReceived!(block[at + 3]!, value);
          break;
        case READINESS: endpoint?.onReadiness(value); break;
        case ENDED: endpoint?.onEnded!(); break;
        case FAILED: endpoint?.onFailed!(value, 'recv'); break;
        case SEND_FAILED: endpoint?.onFailed!(value, 'send'); break;
        case UNSENT_BYTES: endpoint?.onUnsent!(block[at + 3]!, value); break;
        case ACCEPTED:
          if (endpoint === undefined) this.native.descriptors.close(value);
          else endpoint.onAccepted!(value);
          break;
        default: break;
      }
    }
  }

  private requestLate(): void {
    const late = this.lateRequests.splice(0);
    for (let i = 0; i < late.length; i += 3) this.request(late[i]!, late[i + 1]!, late[i + 2]!);
  }

  /** Requests one of `words.ioRequest`, which is carried out at the end of the turn. */
  request(kind: number, token: number, a = 0): void {
    if (this.memory.isRequestFull) {
      // A flush would overwrite the events that are being handed out.
      if (this.isTaking) return void this.lateRequests.push(kind, token, a);
      this.flush();
      if (this.memory.isRequestFull) return void this.lateRequests.push(kind, token, a);
    }
    this.memory.request(kind, token, a);
  }

  /**
   * Carries out now what is gathered for the end of the turn: when it returns, the kernel has been given what was
   * offered. While events are being handed out it does nothing.
   */
  flush(): void {
    if (this.memory === undefined || this.isTaking) return;
    // Native code does nothing while there are unsent bytes that nobody here has seen, because what follows must not
    // overtake them. One round is enough, unless the kernel had no memory for its answers; then the rest goes out at
    // the end of the turn.
    for (let tries = 0; this.memory.hasRequests && tries < MOST_DRAINS; tries++) {
      this.takeEvents();
      this.memory.drain();
      this.takeEvents();
    }
    if (!this.memory.hasRequests) this.endpoints.recycle();
  }

  /**
   * Takes the events if unsent bytes that came back from the outbox are among them. Code that runs between the end of a
   * turn and the next one, as an immediate does, must ask for this first: until then such bytes are not pending, though
   * the kernel does not have them.
   */
  takeUnsent(): void {
    if (this.memory.block[UNSENT] !== 0) this.takeEvents();
  }

  /**
   * For a thread that winds down. True when the kernel has taken everything that endpoints have taken. It releases what
   * endpoints hold back and gives the kernel what lies in the outbox, because no event would report that. Looks at each
   * endpoint.
   */
  isQuiet(): boolean {
    if (this.memory === undefined) return true;
    this.flush();
    this.takeUnsent();
    return !this.endpoints.pushPending();
  }

  // ---- Registration -------------------------------------------------------------------------------------------------

  /**
   * Gives `endpoint` a token; from now on it is told the readiness of `fd`, which stays the caller's. Throws
   * ERR_PERCORE_SYSTEM.
   */
  register(endpoint: Endpoint, fd: number, interest: number): void {
    this.add(endpoint, () => this.native.sources.add(this.memory.handle, fd, endpoint.token, interest), fd);
  }

  /** Sets another interest, and arms a one-shot again. Throws ERR_PERCORE_SYSTEM. */
  reregister(endpoint: Endpoint, fd: number, interest: number): void {
    const code = this.native.sources.modify(this.memory.handle, fd, endpoint.token, interest);
    if (code < 0) throw notWatched(this.native.system.errorName(-code), fd);
  }

  /** Reports no more readiness. The descriptor stays the caller's. */
  deregister(endpoint: Endpoint, fd: number): void {
    this.native.sources.remove(this.memory.handle, fd, endpoint.token);
    this.leave(endpoint);
  }

  /** The same, and the descriptor is closed when this returns. */
  releaseNow(endpoint: Endpoint, fd: number): void {
    this.deregister(endpoint, fd);
    this.native.descriptors.close(fd);
  }

  /** Registers a stream or a listener, one of `words.ioKind`. If that is refused, its descriptor is closed. */
  open(endpoint: Endpoint, fd: number, kind: number): void {
    try {
      this.add(endpoint, () => this.native.sources.open(this.memory.handle, fd, endpoint.token, kind), fd);
    } catch (error) {
      this.native.descriptors.close(fd);
      throw error;
    }
  }

  /** Forgets a stream or a listener, and closes its descriptor after everything that was requested before. */
  release(token: number, fd: number): void {
    this.endpoints.retire(token);
    this.noteGone();
    this.request(CLOSE, token, fd);
  }

  /** From now on native code receives nothing for this stream, whose descriptor is to be handed over: see `forget`. */
  detach(token: number): void {
    this.native.sources.detach(this.memory.handle, token);
  }

  /** Forgets a stream that was detached. This thread no longer owns its descriptor. */
  forget(token: number, fd: number): void {
    this.endpoints.remove(token);
    this.noteGone();
    this.native.descriptors.disown(fd);
  }

  /** Counts `endpoint` as open although it has no descriptor to watch. This keeps a thread without a reactor alive. */
  enter(endpoint: Endpoint): void {
    this.add(endpoint, () => 0, -1);
  }

  leave(endpoint: Endpoint): void {
    this.endpoints.remove(endpoint.token);
    this.noteGone();
  }

  private noteGone(): void {
    if (this.endpoints.count === 0) this.host.keepAlive(false);
  }

  private add(endpoint: Endpoint, call: () => number, fd: number): void {
    this.checkOpen();
    this.begin();
    if (!this.memory.hasRequests) this.endpoints.recycle();
    endpoint.token = this.endpoints.add(endpoint);
    const code = endpoint.token < 0 ? -TOO_MANY : call();
    if (code >= 0) {
      if (this.endpoints.count === 1) this.host.keepAlive(true);
      return;
    }
    if (endpoint.token < 0) throw tooManyEndpoints();
    this.endpoints.remove(endpoint.token);
    throw notWatched(this.native.system.errorName(-code), fd);
  }

  /** Opens the thread's source if it is not open yet. Where io_uring is refused, epoll stands in. */
  begin(): void {
    if (this.memory !== undefined) return;
    const { memory, granted, refusal } = openSource(this.native, this.host.source, this.counters, this.host.open);
    this.granted = granted;
    // With `auto` the choice was ours, so nothing was refused to the user.
    if (refusal !== undefined && this.asked === 'auto') {
      this.decision = `io 'auto': ${refusal}`;
      this.host.onOtherSource?.(granted, this.decision);
    } else if (refusal !== undefined) {
      this.refusals.push(refusal);
    }
    this.relief = new PoolRelief(memory);
    this.memory = memory;
  }

  /** Throws ERR_PERCORE_CLOSED once this I/O is closed, since nothing would ever be reported to a new endpoint. */
  checkOpen(): void {
    if (!this.isOver) return;
    throw new PercoreError('ERR_PERCORE_CLOSED', 'this I/O is closed: nothing more can be opened with it');
  }

  /** Closes every endpoint, even if a handler throws; the first error is then thrown afterwards. */
  closeAll(): void {
    this.losses.isEnding = true;
    try {
      this.endpoints.closeAll();
    } finally {
      this.flush();
    }
  }

  /** From now on `cells[index]` shows how many endpoints are open. */
  shareCount(cells: Int32Array, index: number): void {
    this.endpoints.shareCount(cells, index);
  }

  /** Reports what a handler has thrown outside its endpoint's step; `where` says which handler. */
  report(error: unknown, where: string): void {
    this.host.report(error, where);
  }
}
