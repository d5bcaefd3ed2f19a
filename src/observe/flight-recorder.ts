/**
 * The last notable things that happened on one thread: errors, drops, broken bounds, deaths of peers, the way to its
 * end, and what its own code has noted. Only cold paths write here. The ring is ringbufferjs, which overwrites its
 * oldest entry.
 */
import RingBuffer from 'ringbufferjs';

/** Something notable. */
export interface FlightEvent {
  /** Nanoseconds since the runtime's start. */
  readonly ns: number;
  /** 'stepError', 'messageDropped', 'sloViolated', 'phase', 'death', 'uncaught', or what `noteEvent` was given. */
  readonly what: string;
  /** What there is to say of it; its first 200 letters. */
  readonly detail: string;
}

const KEPT = 1024;
/** How many letters of a detail are kept. */
const MOST_LETTERS = 200;

export class FlightRecorder {
  private readonly ring = new RingBuffer<FlightEvent>(KEPT);

  constructor(private readonly nowNs: () => number) {}

  /** Allocates. */
  note(what: string, detail: string): void {
    this.ring.enq({ ns: this.nowNs(), what, detail: detail.slice(0, MOST_LETTERS) });
  }

  /** The last 1,024, the oldest first. */
  events(): readonly FlightEvent[] {
    return this.ring.size() === 0 ? [] : this.ring.peekN(this.ring.size());
  }
}
