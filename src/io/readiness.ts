/**
 * Readiness of user space: an event that any thread sets and one thread is told, in a band, like a descriptor's. The
 * handle is a plain object of shared memory and an eventfd's number: pass it in workerData, in a runtime's `data` or by
 * postMessage.
 *
 *      set(bits): bits |= ..., and if they were 0: write the eventfd      (any thread)
 *      epoll tells the eventfd -> run(): bits exchanged for 0 -> callback (the receiver's thread)
 *
 * | pair               | write side       | read side | carries                       | needs                |
 * |--------------------|------------------|-----------|-------------------------------|----------------------|
 * | `readiness.bits`   | `set`            | `run`     | bits, what was written before | release → acquire    |
 * | `readiness.closed` | `closeReadiness` | `set`     | the eventfd is closed         | a hint               |
 *
 * No wake-up is lost: both sides are read-modify-writes of one word, so they have one order. A set that comes before
 * the exchange is in what the exchange gives; one that comes after it finds 0 and writes the eventfd. The eventfd is
 * never read, since each write is an edge.
 *
 * Who may close: the creator, after every thread that sets or receives has gone or promised to stop. A late set would
 * write into whatever descriptor has the number by then; `isClosed` catches the careless, not the simultaneous. A
 * thread terminated between its two steps in `set` leaves bits that nobody tells: whoever learns of a setter's exit
 * calls `nudge`. Source: eventfd(2); mio 0.6's Registration and SetReadiness for the idea.
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, systemCall } from '../errors.js';
import { BANDS, LAYOUT_VERSION, READINESS_MAGIC, readinessLayout, words } from '../layout.js';
import { native } from '../native.js';
import { CLOSED, OK } from '../queues/index.js';
import { DEFAULT_BAND, type Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import { followResult } from './report.js';

/** Plain and cloneable. */
export interface ReadinessHandle {
  readonly kind: 'readiness';
  readonly memory: SharedArrayBuffer;
  /** The process's until closeReadiness; good in this process alone. */
  readonly eventFd: number;
}

const field = readinessLayout.fields;
const MAGIC = field.magic.at >> 2;
const VERSION = field.version.at >> 2;
const BITS = field.bits.at >> 2;
const IS_CLOSED = field.isClosed.at >> 2;
const MOST_BITS = 2 ** 31 - 1;

/**
 * Makes one, with nothing set. Throws ERR_PERCORE_SYSTEM when descriptors have run out. The creator closes it with
 * closeReadiness.
 */
export function createReadiness(): ReadinessHandle {
  const memory = new SharedArrayBuffer(readinessLayout.bytes);
  const cells = new Int32Array(memory);
  const eventFd = systemCall('make a readiness', () => native().wakers.create());
  cells[VERSION] = LAYOUT_VERSION;
  cells[MAGIC] = READINESS_MAGIC;
  return { kind: 'readiness', memory, eventFd };
}

/** Closes the eventfd, once. For the creator, after all users have gone. */
export function closeReadiness(handle: ReadinessHandle): void {
  // readiness.closed: exchanged, so that only one caller closes the number.
  if (Atomics.exchange(cellsOf(handle), IS_CLOSED, 1) === 0) native().wakers.close(handle.eventFd);
}

/** The setting side, for any thread. */
export class ReadinessSetter {
  private readonly cells: Int32Array;
  private readonly wake = native().wakers.wake;

  constructor(private readonly handle: ReadinessHandle) {
    this.cells = cellsOf(handle);
  }

  /**
   * Adds `bits` (1 to 2^31 - 1) to what the receiver is told next. OK or CLOSED. Does not block; a system call only
   * when nothing was set.
   */
  set(bits: number): number {
    checkInteger('bits', bits, 1, MOST_BITS);
    // readiness.closed: a hint, pairs with closeReadiness().
    if (Atomics.load(this.cells, IS_CLOSED) !== 0) return CLOSED;
    // readiness.bits: pairs with the exchange in run(). Both halves: what was written before is visible with the bits,
    // and the old value says whether somebody has woken the receiver already.
    if (Atomics.or(this.cells, BITS, bits) === 0) this.wake(this.handle.eventFd);
    return OK;
  }

  /** Tells the receiver again what is set and not taken. After the exit of a thread that may have died inside `set`. */
  nudge(): number {
    // readiness.closed: as in set().
    if (Atomics.load(this.cells, IS_CLOSED) !== 0) return CLOSED;
    // readiness.bits: a look alone; a receiver that takes them meanwhile finds nothing afterwards, which is no harm.
    if (Atomics.load(this.cells, BITS) !== 0) this.wake(this.handle.eventFd);
    return OK;
  }
}

/** The setting side of a handle. */
export function openReadiness(handle: ReadinessHandle): ReadinessSetter {
  return new ReadinessSetter(handle);
}

/**
 * The receiving side: one at a time for each handle, since what one takes another does not see. `io.onReadiness` makes
 * it; for the thread that did. What the callback throws, or its promise is rejected with, is reported as that of a
 * step, and the next bits are told all the same.
 *
 *     const receiver = io.onReadiness(handle, { priority: 6 }, (bits) => look(bits));     // one thread
 *     openReadiness(handle).set(1);                                                       // any other
 */
export class ReadinessReceiver {
  readonly #endpoint: ReadinessEndpoint;

  /** Made by `onReadiness`. */
  constructor(endpoint: ReadinessEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its handler is not called again. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** Is told no more; what is set stays for the next receiver. */
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
    // Whatever was set before, by whomever: its edge may be long past.
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
    // readiness.bits: pairs with the or in set(). Taken and cleared at once, so that a set is either in these bits or
    // finds 0.
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
