/**
 * Hands connections to other reactors, together with the bytes that were already read.
 *
 *      reactor 0                                             reactor 1
 *      accept ─> first bytes ─> choose(): 1
 *      detach ──{ descriptor, cookie, bytes }── call ──────> dup, is it still that socket? ─> attach ─> onConnection
 *      close the old number <────────────── answer ────────┘
 *
 * Each side owns its own descriptor of the one socket, so whoever dies, and whenever, nothing stays open and nothing is
 * closed twice. A connection that the other reactor refuses (no descriptors) or that could not be sent (full, too
 * large) stays here: `onConnection` runs here with the same bytes. A connection whose new reactor dies before it has
 * answered is closed, since that reactor may have read on. Everything is counted.
 *
 * SO_REUSEPORT alone spreads connections by a hash of both addresses. That is even for many short ones, but 16
 * long-lived connections are divided 12 to 4 or worse over two reactors in 8 of 100 cases, and neither load nor keys
 * are considered. Steering corrects that after the accept. A BPF program in the kernel could do so before it, but it
 * sees no key, needs privileges and is code in another language, so it is not used. A listener that closes resets what
 * waits in its own queue (unless net.ipv4.tcp_migrate_req is 1), so close it only when its reactor leaves.
 *
 * It takes part in a reactor, so it is here and not with the I/O. Source of the dup: SCM_RIGHTS does the same.
 */
import { copyOf, lengthOf } from '../byte-views.js';
import { checkBytes, checkFunction, checkInteger, checkText, invalidArgument, PercoreError } from '../errors.js';
import type { Connection, ConnectionOptions, Listener, ListenOptions } from '../io/index.js';
import {
  checkStreamOptions, coreOf, endpointOf, followResult, reportThrown, takeUpConnection, type TimedIoCore,
} from '../io/internal.js';
import { MAX_REACTORS } from '../layout.js';
import type { TimerId } from '../timers/index.js';
import type { Peers } from './peers.js';
import { partyIn } from './reactor.js';
import type {
  Choose, Steered, SteeredListenOptions, SteeringOptions, SteeringReactor, SteeringStatus,
} from './steering-options.js';

/** The service by which reactors hand over connections. */
interface Handover {
  handle(name: string, handler: (parcel: Parcel, context: { readonly from: number }) => string): void;
  call(name: string, parcel: Parcel, options: { reactor: number; timeoutMs: number }): Promise<string>;
}

interface Parcel {
  fd: number;
  cookie: number;
  bytes: Uint8Array;
  hasPeerEnded: boolean;
}

const LOAD_STRIDE = 32;
const EMPTY = new Uint8Array(0);

/**
 * Shared memory in which reactors publish how many sources they have open. Make it on the main thread and pass it as
 * data. It has room for reactors that `runtime.scale` adds.
 */
export function createLoads(reactors: number): SharedArrayBuffer {
  checkInteger('reactors', reactors, 1, MAX_REACTORS);
  return new SharedArrayBuffer(4 * LOAD_STRIDE * MAX_REACTORS);
}

/**
 * Hands connections to other reactors, together with the bytes that were already read. `createSteering` makes it, in
 * each reactor that takes part; it belongs to that reactor's thread. Nothing here blocks.
 *
 *     const steering = createSteering(reactor, { name: 'sessions' }, (connection) => serve(connection));
 *     const choose = (first: Uint8Array) => (first.length < 8 ? undefined : ownerOf(first));
 *     if (reactor.id === 0) steering.listen({ port: 7000 }, choose);
 */
export class Steering {
  readonly #counters = {
    handedOver: 0, taken: 0, stayed: 0, closedByDeath: 0, closedByTimeout: 0, closedByHandler: 0, closedSilent: 0,
  };
  readonly #core: TimedIoCore;
  readonly #handover: Handover;
  readonly #loads: Int32Array | undefined;
  /** Connections that are on their way to a reactor, which does not count them yet. */
  readonly #underWay: number[] = [];
  readonly #timeoutMs: number;
  readonly #settings: Required<ConnectionOptions>;
  /** Reactors whose death an answer has revealed, until they are there again. */
  readonly #dead = new Set<number>();
  readonly #peers: Peers;
  readonly #host: SteeringReactor;
  readonly #name: string;
  readonly #onConnection: (connection: Connection, from: number) => void;

  /** Made by `createSteering`. */
  constructor(
    host: SteeringReactor, options: SteeringOptions, onConnection: (connection: Connection, from: number) => void,
  ) {
    const handover = host as unknown as Handover | undefined;
    const core = coreOf(host?.io);
    const peers = partyIn(host)?.peers;
    if (core === undefined || peers === undefined || handover === undefined) {
      const allowed = 'the reactor that takes part: createSteering(reactor, { name }, onConnection)';
      throw invalidArgument('reactor', host, allowed);
    }
    this.#core = core;
    this.#peers = peers;
    this.#handover = handover;
    checkFunction('onConnection', onConnection);
    this.#host = host;
    this.#onConnection = onConnection;
    this.#name = checkText('name', options?.name);
    this.#settings = checkStreamOptions(options, ['name', 'loads', 'timeoutMs']);
    this.#timeoutMs = checkInteger('timeoutMs', options.timeoutMs ?? 5000, 1, 2 ** 31 - 1);
    if (options.loads !== undefined) {
      this.#loads = new Int32Array(options.loads);
      const isEnough = this.#loads.length >= host.reactors * LOAD_STRIDE;
      if (!isEnough) throw invalidArgument('loads', options.loads, `what createLoads(${host.reactors}) gives`);
      core.shareCount(this.#loads, host.id * LOAD_STRIDE);
    }
    handover.handle(options.name, (parcel, { from }) => this.#take(parcel, from));
  }

  /** Its figures since it was made. Allocates. */
  status(): SteeringStatus {
    return { ...this.#counters };
  }

  /**
   * Accepts connections and gives each to the reactor that `choose` names, which may be this one; `onConnection` of
   * that reactor gets it, with its first bytes still unread. `choose` is called as bytes come in, with all that there
   * are. What it throws closes the connection.
   */
  listen(options: SteeredListenOptions, choose: Choose): Listener {
    checkFunction('choose', choose);
    const { firstBytes = 4096, firstBytesMs = 10_000, ...listening } = options ?? {};
    const most = checkInteger('firstBytes', firstBytes, 0, 65_536);
    const delayNs = 1e6 * checkInteger('firstBytesMs', firstBytesMs, 1, 2 ** 31 - 1);
    return this.#host.io.listen(listening as ListenOptions, (connection) => {
      if (most === 0) {
        const target = choose(EMPTY);
        if (target === undefined || target === this.#host.id) return this.#onConnection(connection, this.#host.id);
        return this.#settle(connection, target, EMPTY);
      }
      this.#gather(connection, most, delayNs, choose);
    });
  }

  /**
   * Gives a connection of this reactor to another; `given` is what its handler has received and not used. Pending bytes
   * are sent first. Resolves with the outcome. In each case this object of the connection is over: if it stays,
   * `onConnection` gets a new one.
   */
  async handOver(connection: Connection, reactor: number, given: Uint8Array = EMPTY): Promise<Steered> {
    if (endpointOf(connection) === undefined) {
      throw invalidArgument('connection', connection, 'a connection of this reactor');
    }
    checkInteger('reactor', reactor, 0, this.#host.reactors - 1);
    checkBytes('given', given);
    // Copied before anything is awaited: it may lie in the pool.
    const length = lengthOf(given);
    const had = length === 0 ? EMPTY : copyOf(given, 0, length);
    connection.pause();
    if (connection.pendingBytes !== 0) await connection.flushed();
    const detached = connection.detach();
    if (detached === undefined) {
      connection.close();
      return 'closed';
    }
    // It is ours until the other reactor says that it has its own.
    this.#core.native.descriptors.own(detached.fd);
    const bytes = had.length === 0 ? detached.unread : Buffer.concat([had, detached.unread]);
    const { fd, hasPeerEnded } = detached;
    const parcel: Parcel = { fd, cookie: this.#core.native.sockets.cookie(fd), bytes, hasPeerEnded };
    if (reactor === this.#host.id) return this.#stay(parcel, true);
    return this.#isDead(reactor) ? this.#stay(parcel, false) : this.#send(parcel, reactor);
  }

  /**
   * Of the reactors that take work, the one with the fewest open sources: for a connection that is open here, which is
   * therefore not counted itself. Those that are on their way from here to a reactor count as there, so that many which
   * come at once are divided and do not all follow the first. This reactor if there is a tie. Needs `loads`.
   */
  leastLoaded(): number {
    if (this.#loads === undefined) throw invalidArgument('loads', undefined, 'given to Steering, for leastLoaded()');
    // A statistic that each owner writes: it needs no order with anything else.
    let best = this.#host.id;
    let fewest = Atomics.load(this.#loads, best * LOAD_STRIDE) - 1;
    for (let id = 0; id < this.#host.reactors; id++) {
      // As above.
      const load = Atomics.load(this.#loads, id * LOAD_STRIDE) + (this.#underWay[id] ?? 0);
      if (load >= fewest || !this.#peers.isHere(id)) continue;
      best = id;
      fewest = load;
    }
    return best;
  }

  #isDead(reactor: number): boolean {
    if (this.#dead.has(reactor) && this.#peers.isHere(reactor)) this.#dead.delete(reactor);
    return this.#dead.has(reactor);
  }

  #gather(connection: Connection, most: number, delayNs: number, choose: Choose): void {
    let first = EMPTY;
    const deadline: TimerId = this.#core.timers.after({ delayNs, priority: this.#settings.priority }, () => {
      this.#counters.closedSilent++;
      connection.close();
    });
    connection.onClose(() => void this.#core.timers.cancel(deadline));
    const look = (isLast: boolean): void => {
      let target: number | undefined;
      try {
        target = choose(first);
        if (target !== undefined) checkInteger('choose()', target, 0, this.#host.reactors - 1);
      } catch (error) {
        connection.close();
        throw error;
      }
      if (target === undefined && !isLast && first.length < most) return;
      this.#core.timers.cancel(deadline);
      this.#settle(connection, target, first);
    };
    connection.onData((bytes) => {
      first = first.length === 0 ? bytes.slice() : Buffer.concat([first, bytes]);
      look(false);
    });
    connection.onEnd(() => look(true));
  }

  #settle(connection: Connection, target: number | undefined, first: Uint8Array): void {
    this.handOver(connection, target ?? this.#host.id, first).catch((error: unknown) => {
      // Nobody else has heard of it, so nobody else would ever close it.
      connection.close();
      const endpoint = endpointOf(connection)!;
      reportThrown(this.#core.schedule, endpoint.band, error, `handing over ${endpoint.describe()}`);
    });
  }

  async #send(parcel: Parcel, reactor: number): Promise<Steered> {
    const counters = this.#counters;
    this.#underWay[reactor] = (this.#underWay[reactor] ?? 0) + 1;
    try {
      const refusal = await this.#handover.call(this.#name, parcel, { reactor, timeoutMs: this.#timeoutMs });
      if (refusal !== '') return this.#stay(parcel, false);
      this.#core.native.descriptors.close(parcel.fd);
      counters.handedOver++;
      return 'handed over';
    } catch (error) {
      switch ((error as PercoreError).code) {
        // Never sent.
        case 'ERR_PERCORE_BACK_PRESSURED':
        case 'ERR_PERCORE_TOO_LARGE':
        case 'ERR_PERCORE_NO_HANDLER': return this.#stay(parcel, false);
        case 'ERR_PERCORE_REACTOR_DIED':
          this.#dead.add(reactor);
          counters.closedByDeath++;
          break;
        // This reactor is being closed, and would close it as well.
        case 'ERR_PERCORE_CLOSED': counters.closedByDeath++; break;
        // It may still take it: the socket lives on then, though not here.
        case 'ERR_PERCORE_TIMEOUT': counters.closedByTimeout++; break;
        default: counters.closedByHandler++; break;
      }
      this.#core.native.descriptors.close(parcel.fd);
      return 'closed';
    } finally {
      this.#underWay[reactor]!--;
    }
  }

  #stay(parcel: Parcel, isMeant: boolean): Steered {
    if (!isMeant) this.#counters.stayed++;
    this.#present(parcel.fd, parcel, this.#host.id);
    return 'stayed';
  }

  /** In the receiving reactor: '' if it has it, else why not. */
  #take(parcel: Parcel, from: number): string {
    // Whoever can call this reactor can send anything to this name.
    const { fd: number, cookie, bytes } = (parcel ?? {}) as Partial<Parcel>;
    checkInteger('parcel.fd', number, 0, 2 ** 31 - 1);
    checkInteger('parcel.cookie', cookie, 0, Number.MAX_SAFE_INTEGER);
    checkBytes('parcel.bytes', bytes);
    const fd = this.#core.native.sockets.take(parcel.fd, parcel.cookie);
    if (fd < 0) return this.#core.native.system.errorName(-fd);
    this.#counters.taken++;
    this.#present(fd, parcel, from);
    return '';
  }

  #present(fd: number, { bytes, hasPeerEnded }: Parcel, from: number): void {
    const connection = takeUpConnection(this.#core, { fd, unread: bytes, hasPeerEnded }, this.#settings);
    try {
      const result: unknown = this.#onConnection(connection, from);
      if (result === undefined) return;
      const endpoint = endpointOf(connection)!;
      followResult(this.#core.schedule, endpoint.band, result, () => `handler onConnection of ${endpoint.describe()}`);
    } catch (error) {
      // Nobody has heard of it, so nobody would ever close it.
      connection.close();
      throw error;
    }
  }
}

/**
 * Takes part in handing connections from reactor to reactor, under `options.name`, which is a service of the reactor.
 * `onConnection` gets each connection that comes to this one, and who accepted it. Throws ERR_PERCORE_NAME_TAKEN.
 */
export function createSteering(
  reactor: SteeringReactor, options: SteeringOptions, onConnection: (connection: Connection, from: number) => void,
): Steering {
  return new Steering(reactor, options, onConnection);
}
