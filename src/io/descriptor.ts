/**
 * Readiness of any descriptor that can be polled: what a library or a device gives by number. Registering neither owns nor changes the
 * descriptor: who opened it reads it, keeps it non-blocking and closes it, after `close()` here. Edge-triggered by default: use it until
 * would-block. A descriptor that is closed while it is registered tells nothing any more; that is the kernel's rule.
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BANDS, words } from '../layout.js';
import { DEFAULT_BAND, type Ready } from '../scheduling/internal.js';
import type { Io } from './io.js';
import type { Source } from './token.js';

/** What is asked: bits to be added up. Without LEVEL, edge-triggered; ONESHOT: one readiness, then `reregister`. */
export const INTEREST = words.interest;
/** What is answered: bits. A hint, so keep trying until would-block. */
export const READINESS = words.readiness;
const MOST_INTEREST = Object.values(INTEREST).reduce((all, bit) => all | bit, 0);

export interface DescriptorOptions {
  /** Bits of INTEREST. Default READABLE. */
  interest?: number;
  /** Band in which the callback runs, 0 to 7. Default 3. */
  priority?: number;
}

/** Bits of READINESS. Answer true to be called again, with the same bits, after others of the band: a quantum's end. */
export type ReadinessCallback = (readiness: number) => boolean | void;

export class Descriptor implements Source, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  private bits = 0;
  private isClosed_ = false;

  constructor(private readonly io: Io, readonly fd: number, given: DescriptorOptions | undefined, private readonly callback: ReadinessCallback) {
    checkInteger('fd', fd, 0, 2 ** 31 - 1);
    const options = checkOptions('options', given, ['interest', 'priority']);
    checkFunction('callback', callback);
    this.band = checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1);
    io.register(this, fd, checkInterest(options.interest ?? INTEREST.READABLE));
  }

  /** See `Ready`. */
  get where(): string {
    return `the callback of descriptor ${this.fd}`;
  }

  get isClosed(): boolean {
    return this.isClosed_;
  }

  /** Another interest from now on; arms a one-shot again. What is ready already is told once more. One system call. Throws ERR_PERCORE_SYSTEM. */
  reregister(interest: number): void {
    if (this.isClosed_) throw new PercoreError('ERR_PERCORE_CLOSED', `reregister(): the registration of descriptor ${this.fd} is closed`, { value: this.fd });
    this.io.reregister(this, this.fd, checkInterest(interest));
  }

  /** No readiness any more, not even what is on its way. The descriptor stays open: close it afterwards. */
  close(): void {
    if (this.isClosed_) return;
    this.isClosed_ = true;
    this.io.deregister(this, this.fd);
  }

  onReadiness(readiness: number): void {
    this.bits |= readiness;
    this.io.schedule(this);
  }

  run(): boolean {
    const bits = this.bits;
    this.bits = 0;
    if (this.isClosed_ || bits === 0) return false;
    if (this.callback(bits) !== true || this.isClosed_) return false;
    this.bits |= bits;
    return true;
  }
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless it is a set of INTEREST that asks for something. */
export function checkInterest(interest: number): number {
  checkInteger('interest', interest, 1, MOST_INTEREST);
  if ((interest & (INTEREST.READABLE | INTEREST.WRITABLE | INTEREST.PRIORITY)) === 0) throw invalidArgument('interest', interest, 'READABLE, WRITABLE or PRIORITY, with or without LEVEL and ONESHOT');
  return interest;
}
