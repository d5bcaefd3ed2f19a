/**
 * The timers of one band whose deadline has come, in the order of their deadlines. One Ready for all of them: it runs a
 * few, then lets other tasks of its band run.
 *
 * Slots wait here, not timers: one that was cancelled meanwhile is passed over when it comes to the front, which keeps
 * cancelling constant.
 */
import type { Ready } from '../scheduling/internal.js';

/** Timers run before other tasks of the band may run, and nanoseconds after which no further one begins. */
const QUANTUM = 16;
const QUANTUM_NS = 5000;
/** Entries looked at for a quantum: most may be of timers that were cancelled. */
const QUANTUM_ENTRIES = 256;
/** With fewer waiting, looking ahead gains nothing. */
const FEW = 4;
const FIRST_ENTRIES = 16;
const KEPT_ENTRIES = 4096;

export interface DueBandHost {
  nowNs(): number;
  /** Runs the timer if it is due still; false if it is not. Throws what its callback throws. */
  runSlot(slot: number, nowNs: number): boolean;
  /** What runSlot() has thrown. The timers after it go on. */
  noteThrown(error: unknown): void;
  /** Looks at what runSlot() will need, so that the memory brings it; returns anything. */
  touch(slot: number): number;
  /** True when something above `band` is ready. */
  mustYield(band: number): boolean;
}

export class DueBand implements Ready {
  isReady = false;
  /** Entries, those of cancelled timers included. */
  count = 0;
  /** A growable ring; its length is a power of two. */
  private slots = new Int32Array(FIRST_ENTRIES);
  private first = 0;
  /** Keeps what touch() answered, so that no compiler removes the calls. Nothing reads it. */
  touched = 0;

  constructor(private readonly host: DueBandHost, readonly band: number) {}

  push(slot: number): void {
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.first + this.count) & (this.slots.length - 1)] = slot;
    this.count++;
  }

  /** Takes the first entry; there must be one. */
  shift(): number {
    const slot = this.slots[this.first]!;
    this.first = (this.first + 1) & (this.slots.length - 1);
    this.count--;
    // After a burst: what a million took is given back.
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
   * Touches the timers of this quantum, one after the other without waiting for any: the memory answers after 200 ns,
   * but a dozen such answers can be under way at once. Running them one by one would wait for each: with 10^6 timers
   * due, half of the time.
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
