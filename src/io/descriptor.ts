/**
 * Readiness of any descriptor that can be polled, such as a library or a device gives by number. A registration neither
 * owns nor changes the descriptor. Whoever opened it reads it, keeps it non-blocking and closes it, and does so after
 * `close()` here. It is edge-triggered by default: use the descriptor until it would block. If a descriptor is closed
 * while it is registered, nothing more is reported of it; that is how the kernel works.
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BANDS, words } from '../layout.js';
import { DEFAULT_BAND, type Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import { followResult } from './report.js';

/**
 * What is asked for: bits that are added up. Without LEVEL it is edge-triggered. With ONESHOT it is reported once,
 * until `reregister`.
 */
export const INTEREST: {
  readonly READABLE: 1; readonly WRITABLE: 2; readonly PRIORITY: 4; readonly LEVEL: 8; readonly ONESHOT: 16;
} = words.interest;
/** What is reported: bits. They are a hint, so use the descriptor until it would block. */
export const READINESS: {
  readonly READABLE: 1; readonly WRITABLE: 2; readonly READ_CLOSED: 4; readonly HANG_UP: 8; readonly ERROR: 16;
  readonly PRIORITY: 32;
} = words.readiness;
const MOST_INTEREST = Object.values(INTEREST).reduce((all, bit) => all | bit, 0);

/** Options of `io.registerDescriptor`. */
export interface DescriptorOptions {
  /** Bits of INTEREST, among them at least one of READABLE, WRITABLE and PRIORITY. Default READABLE. */
  interest?: number;
  /** The band in which the callback runs, 0 to 7. Default 3. */
  priority?: number;
}

/**
 * Called with bits of READINESS. It may return true to be called again with the same bits, after others of its band
 * have had their turn; so it can end a quantum.
 */
export type ReadinessCallback = (readiness: number) => boolean | void;

/**
 * A registration that calls back with the readiness of somebody else's descriptor. `io.registerDescriptor` makes it;
 * only the thread that made it may use it. It neither owns nor changes the descriptor. Nothing here blocks.
 *
 *     const registration = io.registerDescriptor(fd, { interest: INTEREST.READABLE }, () => library.readAll());
 *     registration.close();        // before the descriptor is closed
 */
export class Descriptor {
  readonly #endpoint: DescriptorEndpoint;

  /** Called by `registerDescriptor`. */
  constructor(endpoint: DescriptorEndpoint) {
    this.#endpoint = endpoint;
  }

  /** The descriptor. It is the caller's, who closes it. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** True after `close`: its readiness is not reported any more. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /**
   * Sets another interest. What is ready already is reported once more, and a one-shot is armed again. Makes one system
   * call. Throws ERR_PERCORE_SYSTEM, ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_CLOSED after `close`.
   */
  reregister(interest: number): void {
    this.#endpoint.reregister(interest);
  }

  /** Reports no more readiness, not even what is on its way. The descriptor stays open: close it afterwards. */
  close(): void {
    this.#endpoint.close();
  }
}

/** What is behind a `Descriptor`. */
class DescriptorEndpoint implements Endpoint, Ready {
  isReady = false;
  token = -1;
  isClosed = false;
  private bits = 0;

  constructor(
    private readonly core: IoCore, readonly fd: number, readonly band: number, interest: number,
    private readonly callback: ReadinessCallback,
  ) {
    core.register(this, fd, interest);
  }

  /** See `Ready`. */
  get where(): string {
    return `the callback of descriptor ${this.fd}`;
  }

  reregister(interest: number): void {
    if (this.isClosed) {
      const text = `reregister(): the registration of descriptor ${this.fd} is closed`;
      throw new PercoreError('ERR_PERCORE_CLOSED', text, { value: this.fd });
    }
    this.core.reregister(this, this.fd, checkInterest(interest));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.core.deregister(this, this.fd);
  }

  onReadiness(readiness: number): void {
    this.bits |= readiness;
    this.core.schedule(this);
  }

  run(): boolean {
    const bits = this.bits;
    this.bits = 0;
    if (this.isClosed || bits === 0) return false;
    const answer: unknown = this.callback(bits);
    if (answer !== true) {
      if (answer !== undefined) followResult((ready) => this.core.schedule(ready), this.band, answer, () => this.where);
      return false;
    }
    if (this.isClosed) return false;
    this.bits |= bits;
    return true;
  }
}

/** See `Io.registerDescriptor`. */
export function registerDescriptor(
  core: IoCore, fd: number, given: DescriptorOptions | undefined, callback: ReadinessCallback,
): Descriptor {
  checkInteger('fd', fd, 0, 2 ** 31 - 1);
  const options = checkOptions('options', given, ['interest', 'priority']);
  checkFunction('callback', callback);
  const band = checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1);
  const interest = checkInterest(options.interest ?? INTEREST.READABLE);
  return new Descriptor(new DescriptorEndpoint(core, fd, band, interest, callback));
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless it is a set of INTEREST that asks for some readiness. */
export function checkInterest(interest: number): number {
  checkInteger('interest', interest, 1, MOST_INTEREST);
  if ((interest & (INTEREST.READABLE | INTEREST.WRITABLE | INTEREST.PRIORITY)) === 0) {
    throw invalidArgument('interest', interest, 'READABLE, WRITABLE or PRIORITY, with or without LEVEL and ONESHOT');
  }
  return interest;
}
