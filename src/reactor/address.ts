import { checkFunction, checkInteger, PercoreError } from '../errors.js';
import { BACK_PRESSURED } from '../queues/index.js';
import { BYTES, HEAD_BYTES } from './message.js';
import type { SentName } from './names.js';
import type { Outlet } from './outlet.js';

let open: (address: Address<never>) => Outlet;

/**
 * Sends messages to one task: a lane and a name, resolved once by `reactor.address` or `runtime.address`, so that
 * sending looks nothing up. It belongs to the thread that made it. Nothing blocks.
 *
 *     const book = reactor.address('book', { reactor: 1, priority: 6 });
 *     if (book.send(order) === BACK_PRESSURED) book.whenRoom(() => book.send(order));
 *
 *     const at = book.tryClaim(8);                       // the same in place, without a copy, for a task of bytes
 *     if (at >= 0) {
 *       book.words[at >> 2] = price;
 *       book.commit(8);
 *     }
 */
export class Address<M = unknown> {
  readonly #outlet: Outlet;
  readonly #name: SentName;
  /** Bytes of the record that was last refused here: what `whenRoom` waits for. */
  #refusedBytes = 0;

  /** Made by `address` of a reactor or a runtime. */
  constructor(outlet: Outlet, name: SentName) {
    this.#outlet = outlet;
    this.#name = name;
  }

  static {
    open = (address) => address.#outlet;
  }

  /** The lane's memory, for writing in place after `tryClaim`. */
  get bytes(): Uint8Array { return this.#outlet.bytes; }
  /** Of the lane's memory, for what `tryClaim` has answered. */
  get view(): DataView { return this.#outlet.view; }
  /** The same memory in words of 32 bits, for fields that are aligned. */
  get words(): Int32Array { return this.#outlet.words; }
  /** The same memory as a Buffer, for text and copies. */
  get buffer(): Buffer { return this.#outlet.buffer; }
  /** Longest message. */
  get maxBytes(): number { return this.#outlet.maxBytes; }

  /** Returns OK, BACK_PRESSURED, TOO_LARGE or CLOSED (the reactor has died). Bytes and values are copied. */
  send(message: M): number {
    const code = this.#outlet.send(this.#name, message);
    if (code === BACK_PRESSURED) this.#refusedBytes = this.#outlet.refusedBytes;
    return code;
  }

  /**
   * Claims `length` bytes in the lane. Returns their offset, a multiple of 8, or a negative code. Call `commit` or
   * `abort` in the same step.
   */
  tryClaim(length: number): number {
    if (typeof length !== 'number' || length !== (length | 0) || length < 0) {
      checkInteger('length', length, 0, this.maxBytes);
    }
    const at = this.#outlet.claimFor(this.#name, BYTES, HEAD_BYTES, length);
    if (at < 0) {
      if (at === BACK_PRESSURED) this.#refusedBytes = this.#outlet.refusedBytes;
      return at;
    }
    this.#outlet.words[at >> 2] = this.#name.number;
    return at + HEAD_BYTES;
  }

  /** Sends what was claimed, shortened to `length`. Published at the end of the step or earlier. */
  commit(length: number): void {
    if (typeof length !== 'number' || length !== (length | 0) || length < 0) {
      checkInteger('length', length, 0, this.maxBytes);
    }
    try {
      this.#outlet.commit(HEAD_BYTES + length);
    } catch (cause) {
      if (!(cause instanceof PercoreError) || cause.code !== 'ERR_PERCORE_CLAIM') throw cause;
      // The lane also counts the head of the message, of which the caller knows nothing.
      throw new PercoreError(
        'ERR_PERCORE_CLAIM',
        `commit(${length}) without a claim that large. Call tryClaim first, check that it is not negative, and `
          + 'send nothing else to that reactor in the same band before commit',
        { argument: 'commit', value: length, cause },
      );
    }
  }

  /** Gives the claim up. */
  abort(): void {
    this.#outlet.abort();
  }

  /**
   * Calls `then` once, in a later turn, as soon as what was last refused here would be taken, or the reactor has died.
   * Those who wait for one lane are called in the order in which they came; while they wait, nobody overtakes them.
   * What `then` throws is reported as a step error.
   */
  whenRoom(then: () => void): void {
    checkFunction('then', then);
    this.#outlet.whenRoom(this.#refusedBytes, then, this.#name);
  }
}

/** The lane behind an address. */
export function outletOf(address: Address<never>): Outlet {
  return open(address);
}
