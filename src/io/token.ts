/**
 * Tokens say which endpoint an event is for: a slot and a generation in 31 bits. The number of a descriptor is used
 * again at once after a close. A token is not, so an event that was on its way to the old owner reaches nobody.
 */
import { PercoreError } from '../errors.js';
import type { Endpoint } from './endpoint.js';

const SLOT_BITS = 20;
const GENERATIONS = 2 ** 11;
export const MAX_ENDPOINTS: number = 2 ** SLOT_BITS;

/** The endpoints of one thread, by token. Only for that thread. */
export class EndpointTable {
  private readonly slots: (Endpoint | undefined)[] = [];
  private readonly generations: number[] = [];
  private readonly free: number[] = [];
  private readonly retired: number[] = [];
  /** Where `count` is shown to others, at index `sharedAt`; undefined if nowhere. */
  private shared: Int32Array | undefined;
  private sharedAt = 0;

  get count(): number {
    return this.slots.length - this.free.length - this.retired.length;
  }

  /** A token for `endpoint`, or -1 when 2^20 are open already. */
  add(endpoint: Endpoint): number {
    const slot = this.free.pop() ?? this.slots.length;
    if (slot >= MAX_ENDPOINTS) return -1;
    this.slots[slot] = endpoint;
    this.share();
    this.generations[slot] = ((this.generations[slot] ?? 0) + 1) % GENERATIONS;
    return this.generations[slot]! * MAX_ENDPOINTS + slot;
  }

  remove(token: number): void {
    const slot = token % MAX_ENDPOINTS;
    if (this.find(token) === undefined) return;
    this.slots[slot] = undefined;
    this.free.push(slot);
    this.share();
  }

  /**
   * The same for an endpoint whose descriptor native code has still to close: its slot is reused only after `recycle`.
   */
  retire(token: number): void {
    if (this.find(token) === undefined) return;
    const slot = token % MAX_ENDPOINTS;
    this.slots[slot] = undefined;
    this.retired.push(slot);
    this.share();
  }

  /** Native code has carried out what was requested, so slots of retired endpoints may be used again. */
  recycle(): void {
    while (this.retired.length !== 0) this.free.push(this.retired.pop()!);
  }

  /** The endpoint of a token; undefined when it is gone. */
  find(token: number): Endpoint | undefined {
    const slot = token & (MAX_ENDPOINTS - 1);
    return this.generations[slot] === token >>> SLOT_BITS ? this.slots[slot] : undefined;
  }

  /** A copy, so that endpoints may come and go while somebody walks through it. */
  all(): Endpoint[] {
    return this.slots.filter((endpoint) => endpoint !== undefined);
  }

  /** From now on `cells[index]` shows `count`. */
  shareCount(cells: Int32Array, index: number): void {
    this.shared = cells;
    this.sharedAt = index;
    this.share();
  }

  private share(): void {
    // Only a statistic, so it needs no order with anything else.
    if (this.shared !== undefined) Atomics.store(this.shared, this.sharedAt, this.count);
  }

  /** Closes each endpoint, even if a handler throws; the first error is thrown afterwards. */
  closeAll(): void {
    const errors: unknown[] = [];
    for (const endpoint of this.all()) {
      try {
        endpoint.close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length !== 0) throw errors[0];
  }

  /** Calls `pushPending` of each endpoint. True when one of them has taken bytes that the kernel has not taken yet. */
  pushPending(): boolean {
    let hasPending = false;
    for (const endpoint of this.slots) if (endpoint?.pushPending?.() === true) hasPending = true;
    return hasPending;
  }
}

export function tooManyEndpoints(): PercoreError {
  const text = `this thread has ${MAX_ENDPOINTS} endpoints already; close some`;
  return new PercoreError('ERR_PERCORE_TOO_LARGE', text, { allowed: String(MAX_ENDPOINTS) });
}
