/**
 * What the endpoints of one thread need, and no kind of them: tokens, registration, events, requests, memory.
 *
 *      native ──events──> poll: by token ──onReceived, onReadiness, …──> endpoint ──schedule──> its step, in its band
 *        ^                                                                  │
 *        └──────end of the turn, or flush── requests, outbox ───────────────┘
 *
 * Native says once a turn what has happened, as events in a shared block: bytes that were received into the pool,
 * descriptors that were accepted, readiness. Here each event finds its endpoint, and the endpoint becomes a task in its
 * band. What endpoints want of native is gathered in the same block, and done at the end of the turn. Reactors, threads
 * without one (`create`) and pollers that are driven by hand have a core each, whose host says who runs what is ready.
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

/** Who runs what the endpoints make ready. */
export interface IoHost {
  readonly source: SourceChoice;
  readonly schedule: Schedule;
  readonly nowNs: () => number;
  /** When the turn began; a load where there are turns. */
  readonly turnNs: () => number;
  /** Where it counts: an IoCounters, see layout.ts. Left out: in memory of its own. */
  readonly counters?: Float64Array;
  /** Opens the thread's source. */
  readonly open: OpenSource;
  /** The first endpoint is open (true), or the last has gone. */
  readonly keepAlive: (isNeeded: boolean) => void;
  /** Called when another source was opened than the one that `auto` had chosen. Optional. */
  readonly onOtherSource?: (granted: IoSource, decision: string) => void;
  /** Counts and reports what a handler threw that runs outside of its endpoint's step. */
  readonly report: (error: unknown, where: string) => void;
}

const { READINESS, RECEIVED, ENDED, FAILED, ACCEPTED, UNSENT: UNSENT_BYTES, SEND_FAILED } = words.ioEvent;
const { CLOSE } = words.ioRequest;
/** More endpoints than tokens: no errno. */
const TOO_MANY = 1;
/** In one flush: one is enough, as a rule. */
const MOST_DRAINS = 8;

export class IoCore {
  readonly native: Native = native();
  readonly schedule: Schedule;
  readonly nowNs: () => number;
  readonly turnNs: () => number;
  /** An IoCounters, see layout.ts. */
  readonly counters: Float64Array;
  /** There since the first endpoint. */
  memory!: IoMemory;
  /** The source that was asked for, and the one that is used, or will be with the first endpoint. */
  readonly asked: AskedIoSource;
  granted: IoSource;
  /** For `auto`: why it is that one. */
  decision: string | undefined;
  readonly refusals: string[] = [];
  /** When the events that are being handed out were collected. */
  batchNs = 0;
  readonly losses = new Losses();
  isOver = false;
  /** Events are being handed out; what is requested meanwhile and does not fit waits here: kind, token, a. */
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

  /** Endpoints that are open. */
  get count(): number {
    return this.endpoints.count;
  }

  // ---- Events and requests ------------------------------------------------------------------------------------------

  /** Hands each event to its endpoint; returns how many. Part of each turn. */
  poll(): number {
    if (this.memory === undefined) return 0;
    if (this.lateRequests.length !== 0) this.requestLate();
    const count = this.takeEvents();
    // After it: native may have filled the pool with what is handed out just now.
    if (this.memory.poolWaits !== this.relief!.seenPoolWaits) this.relief!.look(this.turnNs(), this.endpoints);
    return count;
  }

  /** As `poll`, also within a turn. Runs no handler. */
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
      // An endpoint that was closed meanwhile is no longer found.
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

  /** Asks for one of `words.ioRequest`, done at the end of the turn. */
  request(kind: number, token: number, a = 0): void {
    if (this.memory.isRequestFull) {
      // A flush would write other events over those that are being handed out.
      if (this.isTaking) return void this.lateRequests.push(kind, token, a);
      this.flush();
      if (this.memory.isRequestFull) return void this.lateRequests.push(kind, token, a);
    }
    this.memory.request(kind, token, a);
  }

  /** Does now what is gathered for the end of the turn: the kernel has what was offered when this returns. */
  flush(): void {
    if (this.memory === undefined || this.isTaking) return;
    // Native does nothing while there are unsent bytes that we have not seen: what follows them must not overtake them.
    // Once is enough unless the kernel had no memory for its answers: then what is left goes with the end of the turn.
    for (let tries = 0; this.memory.hasRequests && tries < MOST_DRAINS; tries++) {
      this.takeEvents();
      this.memory.drain();
      this.takeEvents();
    }
    if (!this.memory.hasRequests) this.endpoints.recycle();
  }

  /** Sees bytes that came back from the outbox and that nobody has seen. */
  takeUnsent(): void {
    if (this.memory.block[UNSENT] !== 0) this.takeEvents();
  }

  /**
   * True when the kernel has all that endpoints have taken. For a thread that winds down: lets go what is held back,
   * and gives the kernel what lies in the outbox, since no event would tell of that. Looks at each endpoint.
   */
  isQuiet(): boolean {
    if (this.memory === undefined) return true;
    this.flush();
    return !this.endpoints.pushPending();
  }

  // ---- Registration -------------------------------------------------------------------------------------------------

  /** A token for `endpoint`, and readiness of `fd` from now on. Throws ERR_PERCORE_SYSTEM; `fd` stays the caller's. */
  register(endpoint: Endpoint, fd: number, interest: number): void {
    this.add(endpoint, () => this.native.sources.add(this.memory.handle, fd, endpoint.token, interest), fd);
  }

  /** Another interest from now on; arms a one-shot again. */
  reregister(endpoint: Endpoint, fd: number, interest: number): void {
    const code = this.native.sources.modify(this.memory.handle, fd, endpoint.token, interest);
    if (code < 0) throw notWatched(this.granted, this.native.system.errorName(-code), fd);
  }

  /** Reports no more readiness; the descriptor stays the caller's. */
  deregister(endpoint: Endpoint, fd: number): void {
    this.native.sources.remove(this.memory.handle, fd, endpoint.token);
    this.leave(endpoint);
  }

  /** The same, and the descriptor is closed when this returns. */
  releaseNow(endpoint: Endpoint, fd: number): void {
    this.deregister(endpoint, fd);
    this.native.descriptors.close(fd);
  }

  /** Registers a stream or a listener, one of `words.ioKind`; its descriptor is closed when it is refused. */
  open(endpoint: Endpoint, fd: number, kind: number): void {
    try {
      this.add(endpoint, () => this.native.sources.open(this.memory.handle, fd, endpoint.token, kind), fd);
    } catch (error) {
      this.native.descriptors.close(fd);
      throw error;
    }
  }

  /** Forgets a stream or a listener and closes its descriptor, after what was requested before. */
  release(token: number, fd: number): void {
    this.endpoints.retire(token);
    this.noteGone();
    this.request(CLOSE, token, fd);
  }

  /** Native receives nothing more for this stream: the descriptor is to become somebody else's, see `forget`. */
  detach(token: number): void {
    this.native.sources.detach(this.memory.handle, token);
  }

  /** Forgets a stream that was detached. */
  forget(token: number, fd: number): void {
    this.endpoints.remove(token);
    this.noteGone();
    this.native.descriptors.disown(fd);
  }

  /** Counts `endpoint` as open, which keeps a thread without a reactor alive, with no descriptor to watch. */
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
    throw notWatched(this.granted, this.native.system.errorName(-code), fd);
  }

  /** Opens the thread's source: with the first endpoint, or before. Where io_uring is refused epoll stands in. */
  begin(): void {
    if (this.memory !== undefined) return;
    const { memory, granted, refusal } = openSource(this.native, this.host.source, this.counters, this.host.open);
    this.granted = granted;
    // Whoever left it to us has not been refused anything.
    if (refusal !== undefined && this.asked === 'auto') {
      this.decision = `io 'auto': ${refusal}`;
      this.host.onOtherSource?.(granted, this.decision);
    } else if (refusal !== undefined) {
      this.refusals.push(refusal);
    }
    this.relief = new PoolRelief(memory);
    this.memory = memory;
  }

  /** Throws ERR_PERCORE_CLOSED if nobody would ever tell an endpoint anything. */
  checkOpen(): void {
    if (!this.isOver) return;
    throw new PercoreError('ERR_PERCORE_CLOSED', 'this I/O is closed: nothing more can be opened with it');
  }

  /** Closes every endpoint, also when a handler throws; the first error is thrown afterwards. */
  closeAll(): void {
    this.losses.isEnding = true;
    try {
      this.endpoints.closeAll();
    } finally {
      this.flush();
    }
  }

  /** `cells[index]` is how many endpoints are open, from now on. */
  shareCount(cells: Int32Array, index: number): void {
    this.endpoints.shareCount(cells, index);
  }

  /** A handler threw outside of its endpoint's step; `where` says which. */
  report(error: unknown, where: string): void {
    this.host.report(error, where);
  }
}
