/**
 * What happened to one thread since it was woken. The first and the last events are kept; when there are many, some of
 * those in between are left out. Event objects are reused, so whatever is worth keeping is copied.
 */
export interface TraceEvent {
  readonly event: 'sched_waking' | 'sched_switch' | 'irq_handler_entry' | 'irq_handler_exit';
  /** Since the thread was woken, in nanoseconds. */
  readonly ns: number;
  /** Where it happened: the CPU that switched or was interrupted, or that woke the thread. */
  readonly cpu: number;
  /** For sched_waking: the CPU that the thread is put on. Here and below, -1 and '' stand for what an event lacks. */
  readonly wakeCpu: number;
  /** Who ran before a switch, or who wakes (-1: an interrupt): the number, the kernel's priority, the name. */
  readonly prevPid: number;
  readonly prevPriority: number;
  readonly prevName: string;
  /** For sched_switch: whether `prev` could have gone on, or sleeps. Idling is neither. */
  readonly isPreemption: boolean;
  readonly isVoluntary: boolean;
  /** Who runs after it, or who is woken. */
  readonly nextPid: number;
  readonly nextPriority: number;
  readonly nextName: string;
  /** The number of the interrupt. */
  readonly irq: number;
}

export type MutableEvent = { -readonly [Key in keyof TraceEvent]: TraceEvent[Key] };

const NONE = -1;
const FIRST = 16;
const LAST = 16;

export class Episode {
  beganNs = 0;
  private count = 0;
  private readonly events: MutableEvent[] = Array.from({ length: FIRST + LAST }, emptyEvent);

  constructor(private readonly zeroNs: bigint) {}

  begin(timeNs: number): void {
    this.beganNs = timeNs;
    this.count = 0;
  }

  /** Adds an event of which only this much is known; the caller fills in the rest. Does not allocate. */
  add(event: TraceEvent['event'], timeNs: number, cpu: number): MutableEvent {
    const at = this.count++;
    const next = this.events[at < FIRST ? at : FIRST + ((at - FIRST) % LAST)]!;
    next.event = event;
    next.ns = timeNs - this.beganNs;
    next.cpu = cpu;
    next.wakeCpu = NONE;
    next.prevPid = NONE;
    next.prevPriority = NONE;
    next.prevName = '';
    next.isPreemption = false;
    next.isVoluntary = false;
    next.nextPid = NONE;
    next.nextPriority = NONE;
    next.nextName = '';
    next.irq = NONE;
    return next;
  }

  copy(): { beganNs: number; events: TraceEvent[]; leftOut: number } {
    const { count } = this;
    const kept: number[] = [];
    for (let at = 0; at < Math.min(count, FIRST); at++) kept.push(at);
    for (let at = Math.max(FIRST, count - LAST); at < count; at++) kept.push(at);
    return {
      beganNs: Number(this.zeroNs + BigInt(Math.round(this.beganNs))),
      events: kept.map((at) => ({ ...this.events[at < FIRST ? at : FIRST + ((at - FIRST) % LAST)]! })),
      leftOut: count - kept.length,
    };
  }
}

function emptyEvent(): MutableEvent {
  return {
    event: 'sched_switch', ns: 0, cpu: 0, wakeCpu: NONE, prevPid: NONE, prevPriority: NONE, prevName: '',
    isPreemption: false, isVoluntary: false, nextPid: NONE, nextPriority: NONE, nextName: '', irq: NONE,
  };
}
