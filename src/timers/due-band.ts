/**
 * The timers of one band that are due, in the order of their deadlines. All of them together are one Ready, which runs
 * a few of them and then lets other tasks of its band run.
 *
 * The queue holds slots and not timers. The slot of a timer that was cancelled meanwhile is skipped when it comes to
 * the front, so cancelling takes constant time.
 */
import type { Ready } from '../scheduling/internal.js';

/** A quantum ends after so many timers, and begins no further timer after so many nanoseconds. */
const QUANTUM = 16;
const QUANTUM_NS = 5000;
/** The most entries that a quantum looks at, since many of them may belong to timers that were cancelled. */
const QUANTUM_ENTRIES = 256;
/** With no more entries than this, looking ahead gains nothing. */
const FEW = 4;
const FIRST_ENTRIES = 16;
const KEPT_ENTRIES = 4096;

/** What a band of due timers needs of its thread. */
export interface DueBandHost {
  nowNs(): number;
  /** Runs the timer of a slot if it is still due; false if it is not. Throws what its callback throws. */
  runSlot(slot: number, nowNs: number): boolean;
  /** Takes an error that runSlot() has thrown. The timers after it still run. */
  noteThrown(error: unknown): void;
  /** Reads what runSlot() will need, so that it is in the cache by then. What it returns has no meaning. */
  touch(slot: number): number;
  /** True if something above `band` is ready. */
  mustYield(band: number): boolean;
}

export class DueBand implements Ready {
  isReady = false;
  /** The number of entries, including those of cancelled timers. */
  count = 0;
  /** A growable ring; its length is a power of two. */
  private slots = new Int32Array(FIRST_ENTRIES);
  private first = 0;
  /** Holds what touch() returned, so that no compiler removes the calls. Nothing reads it. */
  touched = 0;

  constructor(private readonly host: DueBandHost, readonly band: number) {}

  push(slot: number): void {
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.first + this.count) & (this.slots.length - 1)] = slot;
    this.count++;
  }

  /** Removes the first entry and returns it; there must be one. */
  shift(): number {
    const slot = this.slots[this.first]!;
    this.first = (this.first + 1) & (this.slots.length - 1);
    this.count--;
    // After a burst, give back the memory that a million entries took.
    if (this.count === 0 && this.slots.length > KEPT_ENTRIES) this.clear();
    return slot;
  }

  run(): boolean {
    const host = this.host;
    let nowNs = host.nowNs();
    const endNs = nowNs + QUANTUM_NS;
    let steps = 0;
    if (this.count > FEW) this.lookAhead();
    for (let entries = 0; this.count !== 0 && entries < QUANTUM_ENTRIES; entries++) {
      try {
        if (!host.runSlot(this.shift(), nowNs)) continue;
      } catch (error) {
        host.noteThrown(error);
      }
      if (this.count === 0 || ++steps === QUANTUM || host.mustYield(this.band)) break;
      nowNs = host.nowNs();
      if (nowNs >= endNs) break;
    }
    return this.count !== 0;
  }

  /**
   * Reads the records of all timers of this quantum before the first one runs. Memory answers after 200 ns, but a dozen
   * such reads can be under way at once. Otherwise each timer would wait for its own read, which takes half of the time
   * when 10^6 timers are due.
   */
  private lookAhead(): void {
    const entries = Math.min(this.count, QUANTUM);
    let touched = 0;
    for (let i = 0; i < entries; i++) {
      touched += this.host.touch(this.slots[(this.first + i) & (this.slots.length - 1)]!);
    }
    this.touched = touched | 0;
  }

  /** Forgets every entry. */
  clear(): void {
    this.slots = new Int32Array(FIRST_ENTRIES);
    this.first = this.count = 0;
  }

  private grow(): void {
    const old = this.slots;
    const slots = new Int32Array(old.length * 2);
    slots.set(old.subarray(this.first));
    slots.set(old.subarray(0, this.first), old.length - this.first);
    this.slots = slots;
    this.first = 0;
  }
}
