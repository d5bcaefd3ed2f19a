/**
 * Readiness of user space: an event that any thread sets and one thread is told, in a band, as it is told of a
 * descriptor. The handle is a plain object with shared memory and the number of an eventfd. Pass it on in workerData,
 * in the `data` of a runtime, or by postMessage.
 *
 *      set(bits): bits |= ..., and if they were 0: write the eventfd      (any thread)
 *      epoll tells the eventfd -> run(): bits exchanged for 0 -> callback (the receiver's thread)
 *
 * | pair               | write side       | read side | carries                       | needs                |
 * |--------------------|------------------|-----------|-------------------------------|----------------------|
 * | `readiness.bits`   | `set`            | `run`     | bits, what was written before | release → acquire    |
 * | `readiness.closed` | `closeReadiness` | `set`     | the eventfd is closed         | a hint               |
 *
 * No wake-up is lost. Both sides are read-modify-writes of one word, so they have one order. If a set comes before the
 * exchange, the exchange returns its bits; if it comes after the exchange, it finds 0 and writes the eventfd. Nobody
 * reads the eventfd, since each write is an edge.
 *
 * Only the creator may close it, after every thread that sets or receives has gone or promised to stop. A late set
 * would write into whatever descriptor has the number by then; `isClosed` catches a careless set, but not a
 * simultaneous one. When a thread is terminated between its two steps in `set`, bits remain that nobody is told;
 * whoever learns that a setter has exited calls `nudge`. Source: eventfd(2); mio 0.6's Registration and SetReadiness
 * for the idea.
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, systemCall } from '../errors.js';
import { BANDS, LAYOUT_VERSION, READINESS_MAGIC, readinessLayout, words } from '../layout.js';
import { native } from '../native.js';
import { CLOSED, OK } from '../queues/index.js';
import { DEFAULT_BAND, type Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import { followResult } from './report.js';

/** A plain object that can be cloned. */
export interface ReadinessHandle {
  readonly kind: 'readiness';
  readonly memory: SharedArrayBuffer;
  /** An eventfd, which belongs to the process until closeReadiness. It has a meaning in this process only. */
  readonly eventFd: number;
}

const field = readinessLayout.fields;
const MAGIC = field.magic.at >> 2;
const VERSION = field.version.at >> 2;
const BITS = field.bits.at >> 2;
const IS_CLOSED = field.isClosed.at >> 2;
const MOST_BITS = 2 ** 31 - 1;

/**
 * Makes a readiness with nothing set. Any thread. The creator closes it with closeReadiness. Throws ERR_PERCORE_SYSTEM
 * when descriptors have run out.
 */
export function createReadiness(): ReadinessHandle {
  const memory = new SharedArrayBuffer(readinessLayout.bytes);
  const cells = new Int32Array(memory);
  const eventFd = systemCall('make a readiness', () => native().wakers.create());
  cells[VERSION] = LAYOUT_VERSION;
  cells[MAGIC] = READINESS_MAGIC;
  return { kind: 'readiness', memory, eventFd };
}

/**
 * Closes the eventfd; further calls do nothing. For the creator, after all its users have gone. Throws
 * ERR_PERCORE_INVALID_ARGUMENT if it is not a handle.
 */
export function closeReadiness(handle: ReadinessHandle): void {
  // readiness.closed: exchanged, so that only one caller closes the number.
  if (Atomics.exchange(cellsOf(handle), IS_CLOSED, 1) === 0) native().wakers.close(handle.eventFd);
}

/** The side that sets. Every thread makes its own with `openReadiness`. */
export class ReadinessSetter {
  private readonly cells: Int32Array;
  private readonly wake = native().wakers.wake;

  constructor(private readonly handle: ReadinessHandle) {
    this.cells = cellsOf(handle);
  }

  /**
   * Adds `bits` (1 to 2^31 - 1) to what the receiver is told next. Returns OK, or CLOSED after closeReadiness. Does not
   * block or allocate, and makes a system call only when nothing was set. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  set(bits: number): number {
    checkInteger('bits', bits, 1, MOST_BITS);
    // readiness.closed: a hint, pairs with closeReadiness().
    if (Atomics.load(this.cells, IS_CLOSED) !== 0) return CLOSED;
    // readiness.bits: pairs with the exchange in run(). The write makes visible what was written before the bits; the
    // old value says whether somebody has already woken the receiver.
    if (Atomics.or(this.cells, BITS, bits) === 0) this.wake(this.handle.eventFd);
    return OK;
  }

  /**
   * Tells the receiver again what is set and not yet taken. Call it after the exit of a thread that may have died
   * inside `set`. Returns OK or CLOSED.
   */
  nudge(): number {
    // readiness.closed: as in set().
    if (Atomics.load(this.cells, IS_CLOSED) !== 0) return CLOSED;
    // readiness.bits: only a look. If a receiver takes the bits meanwhile, it is woken and finds nothing: no harm.
    if (Atomics.load(this.cells, BITS) !== 0) this.wake(this.handle.eventFd);
    return OK;
  }
}

/** Opens the setting side of a handle, for this thread. Throws ERR_PERCORE_INVALID_ARGUMENT if it is not a handle. */
export function openReadiness(handle: ReadinessHandle): ReadinessSetter {
  return new ReadinessSetter(handle);
}

/**
 * The side that receives. A handle has one receiver at a time, since what one takes the other does not see.
 * `io.onReadiness` makes it; only the thread that made it may use it. If the callback throws, or its promise is
 * rejected, that is reported like the error of a step, and the next bits are told all the same.
 *
 *     const receiver = io.onReadiness(handle, { priority: 6 }, (bits) => look(bits));     // one thread
 *     openReadiness(handle).set(1);                                                       // any other
 */
export class ReadinessReceiver {
  readonly #endpoint: ReadinessEndpoint;

  /** Called by `onReadiness`. */
  constructor(endpoint: ReadinessEndpoint) {
    this.#endpoint = endpoint;
  }

  /** True after `close`: the handler is not called again. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** Stops receiving. What is set stays for the next receiver. */
  close(): void {
    this.#endpoint.close();
  }
}

/** What is behind a `ReadinessReceiver`. */
class ReadinessEndpoint implements Endpoint, Ready {
  isReady = false;
  token = -1;
  isClosed = false;

  constructor(
    private readonly core: IoCore, private readonly cells: Int32Array, private readonly eventFd: number,
    readonly band: number, private readonly callback: (bits: number) => void,
  ) {
    core.register(this, eventFd, words.interest.READABLE);
    // Bits may have been set before, by anybody, and their edge may be long past.
    core.schedule(this);
  }

  /** See `Ready`. */
  get where(): string {
    return `the callback of a readiness on eventfd ${this.eventFd}`;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.core.deregister(this, this.eventFd);
  }

  onReadiness(): void {
    this.core.schedule(this);
  }

  run(): boolean {
    if (this.isClosed) return false;
    // readiness.bits: pairs with the or in set(). The bits are taken and cleared in one step, so that a set is either
    // among them or finds 0.
    const bits = Atomics.exchange(this.cells, BITS, 0);
    if (bits !== 0) {
      const result: unknown = this.callback(bits);
      if (result !== undefined) followResult((ready) => this.core.schedule(ready), this.band, result, () => this.where);
    }
    return false;
  }
}

/** See `Io.onReadiness`. */
export function receiveReadiness(
  core: IoCore, handle: ReadinessHandle, given: { priority?: number } | undefined, callback: (bits: number) => void,
): ReadinessReceiver {
  const options = checkOptions('options', given, ['priority']);
  checkFunction('callback', callback);
  const cells = cellsOf(handle);
  const band = checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1);
  // readiness.closed: a hint, as in set().
  if (Atomics.load(cells, IS_CLOSED) !== 0) throw invalidArgument('handle', handle, 'a readiness that is not closed');
  return new ReadinessReceiver(new ReadinessEndpoint(core, cells, handle.eventFd, band, callback));
}

function cellsOf(handle: ReadinessHandle): Int32Array {
  const { kind, memory } = (handle ?? {}) as Partial<ReadinessHandle>;
  if (kind !== 'readiness' || !(memory instanceof SharedArrayBuffer) || memory.byteLength !== readinessLayout.bytes) {
    throw invalidArgument('handle', handle, 'a readiness from createReadiness()');
  }
  checkInteger('handle.eventFd', handle.eventFd, 0, MOST_BITS);
  const cells = new Int32Array(memory);
  if (cells[MAGIC] !== READINESS_MAGIC || cells[VERSION] !== LAYOUT_VERSION) {
    throw invalidArgument('handle', handle, `a readiness of layout version ${LAYOUT_VERSION}`);
  }
  return cells;
}
