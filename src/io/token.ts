/**
 * Who a readiness is for: slot and generation in 31 bits. A descriptor's number is used again at once after close; a
 * token is not, so an event that was on its way to the old owner reaches nobody.
 */
import { PercoreError } from '../errors.js';
import type { Endpoint } from './endpoint.js';

const SLOT_BITS = 20;
const GENERATIONS = 2 ** 11;
export const MAX_ENDPOINTS: number = 2 ** SLOT_BITS;

/** Endpoints by token. For one thread. */
export class EndpointTable {
  private readonly slots: (Endpoint | undefined)[] = [];
  private readonly generations: number[] = [];
  private readonly free: number[] = [];
  private readonly retired: number[] = [];
  /** Where `count` is shared, and at which index; nowhere yet. */
  private shared: Int32Array | undefined;
  private sharedAt = 0;

  get count(): number {
    return this.slots.length - this.free.length - this.retired.length;
  }

  /** A token for `endpoint`, or -1 when 2^20 are open. */
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

  /** The same for one whose descriptor native has still to close: its slot is used again after `recycle`. */
  retire(token: number): void {
    if (this.find(token) === undefined) return;
    const slot = token % MAX_ENDPOINTS;
    this.slots[slot] = undefined;
    this.retired.push(slot);
    this.share();
  }

  /** Native has done what was requested. */
  recycle(): void {
    while (this.retired.length !== 0) this.free.push(this.retired.pop()!);
  }

  /** Undefined for a token whose endpoint is gone. */
  find(token: number): Endpoint | undefined {
    const slot = token & (MAX_ENDPOINTS - 1);
    return this.generations[slot] === token >>> SLOT_BITS ? this.slots[slot] : undefined;
  }

  /** A copy, so that endpoints may come and go while somebody walks over it. */
  all(): Endpoint[] {
    return this.slots.filter((endpoint) => endpoint !== undefined);
  }

  /** `cells[index]` is `count`, from now on. */
  shareCount(cells: Int32Array, index: number): void {
    this.shared = cells;
    this.sharedAt = index;
    this.share();
  }

  private share(): void {
    // A statistic: no order with anything else is needed.
    if (this.shared !== undefined) Atomics.store(this.shared, this.sharedAt, this.count);
  }

  /** Closes each, also when a handler throws; the first error is thrown afterwards. */
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

  /** Calls `pushPending` of each; true when one of them has taken bytes that the kernel has not. */
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
