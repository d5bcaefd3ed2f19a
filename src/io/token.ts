/**
 * Who a readiness is for: slot and generation in 31 bits. A descriptor's number is used again at once after close; a token is
 * not, so an event that was on its way to the old owner reaches nobody.
 */
const SLOT_BITS = 20;
const GENERATIONS = 2 ** 11;
export const MAX_SOURCES = 2 ** SLOT_BITS;

/** Whatever readiness is delivered to. */
export interface Source {
  /** Given by register; -1 before. */
  token: number;
  /** `readiness` is a set of the bits in `layout.words.readiness`: a hint, so keep trying until would-block. */
  onReadiness(readiness: number): void;
  close(): void;
  /** A stream's, see `words.ioEvent`. */
  onReceived?(place: number, length: number): void;
  onEnded?(): void;
  onFailed?(errno: number, call: string): void;
  onUnsent?(place: number, length: number): void;
  /** Moves out of the pool what arrived before `beforeNs`; true when something that arrived later stays there. */
  relieve?(beforeNs: number): boolean;
  /** A listener's. */
  onAccepted?(fd: number): void;
}

/** Sources by token. One thread. */
export class Sources {
  private readonly slots: (Source | undefined)[] = [];
  private readonly generations: number[] = [];
  private readonly free: number[] = [];
  private readonly retired: number[] = [];
  /** Told whenever `count` changes. */
  onCount: ((count: number) => void) | undefined;

  get count(): number {
    return this.slots.length - this.free.length - this.retired.length;
  }

  /** A token for `source`, or -1 when 2^20 are open. */
  add(source: Source): number {
    const slot = this.free.pop() ?? this.slots.length;
    if (slot >= MAX_SOURCES) return -1;
    this.slots[slot] = source;
    this.onCount?.(this.count);
    this.generations[slot] = ((this.generations[slot] ?? 0) + 1) % GENERATIONS;
    return this.generations[slot]! * MAX_SOURCES + slot;
  }

  remove(token: number): void {
    const slot = token % MAX_SOURCES;
    if (this.find(token) === undefined) return;
    this.slots[slot] = undefined;
    this.free.push(slot);
    this.onCount?.(this.count);
  }

  /** The same for one whose descriptor native has still to close: its slot is used again after `recycle`. */
  retire(token: number): void {
    if (this.find(token) === undefined) return;
    const slot = token % MAX_SOURCES;
    this.slots[slot] = undefined;
    this.retired.push(slot);
    this.onCount?.(this.count);
  }

  /** Native has done what was requested. */
  recycle(): void {
    while (this.retired.length !== 0) this.free.push(this.retired.pop()!);
  }

  /** Undefined for a token whose source is gone. */
  find(token: number): Source | undefined {
    const slot = token & (MAX_SOURCES - 1);
    return this.generations[slot] === token >>> SLOT_BITS ? this.slots[slot] : undefined;
  }

  all(): Source[] {
    return this.slots.filter((source) => source !== undefined);
  }
}
