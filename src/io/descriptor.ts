/**
 * Readiness of any descriptor that can be polled: what a library or a device gives by number. Registering neither owns
 * nor changes the descriptor: who opened it reads it, keeps it non-blocking and closes it, after `close()` here.
 * Edge-triggered by default: use it until would-block. A descriptor that is closed while it is registered tells nothing
 * any more; that is the kernel's rule.
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BANDS, words } from '../layout.js';
import { DEFAULT_BAND, type Ready } from '../scheduling/internal.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';

/** What is asked: bits to be added up. Without LEVEL, edge-triggered; ONESHOT: one readiness, then `reregister`. */
export const INTEREST: {
  readonly READABLE: 1; readonly WRITABLE: 2; readonly PRIORITY: 4; readonly LEVEL: 8; readonly ONESHOT: 16;
} = words.interest;
/** What is answered: bits. A hint, so keep trying until would-block. */
export const READINESS: {
  readonly READABLE: 1; readonly WRITABLE: 2; readonly READ_CLOSED: 4; readonly HANG_UP: 8; readonly ERROR: 16;
  readonly PRIORITY: 32;
} = words.readiness;
const MOST_INTEREST = Object.values(INTEREST).reduce((all, bit) => all | bit, 0);

export interface DescriptorOptions {
  /** Bits of INTEREST. Default READABLE. */
  interest?: number;
  /** Band in which the callback runs, 0 to 7. Default 3. */
  priority?: number;
}

/** Bits of READINESS. Answer true to be called again, with the same bits, after others of the band: a quantum's end. */
export type ReadinessCallback = (readiness: number) => boolean | void;

/**
 * A registration that calls back with the readiness of somebody's descriptor. `io.registerDescriptor` makes it; for the
 * thread that did. It neither owns nor changes the descriptor.
 *
 *     const registration = io.registerDescriptor(fd, { interest: INTEREST.READABLE }, () => library.readAll());
 *     registration.close();        // before the descriptor is closed
 */
export class Descriptor {
  readonly #endpoint: DescriptorEndpoint;

  /** Made by `registerDescriptor`. */
  constructor(endpoint: DescriptorEndpoint) {
    this.#endpoint = endpoint;
  }

  /** The descriptor that was given. It stays the caller's to close. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Its readiness is not told any more. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /**
   * Another interest from now on; arms a one-shot again. What is ready already is told once more. One system call.
   * Throws ERR_PERCORE_SYSTEM, and ERR_PERCORE_CLOSED after `close`.
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
    if (this.callback(bits) !== true || this.isClosed) return false;
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

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless it is a set of INTEREST that asks for something. */
export function checkInterest(interest: number): number {
  checkInteger('interest', interest, 1, MOST_INTEREST);
  if ((interest & (INTEREST.READABLE | INTEREST.WRITABLE | INTEREST.PRIORITY)) === 0) {
    throw invalidArgument('interest', interest, 'READABLE, WRITABLE or PRIORITY, with or without LEVEL and ONESHOT');
  }
  return interest;
}
