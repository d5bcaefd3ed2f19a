/**
 * What one thread is doing, as told by the scheduler, and the figures that follow from it.
 *
 *                 waking             switch to it              switch away, it sleeps
 *      asleep ------------> woken -----------------> running ------------------------> asleep
 *         |   relief, if a timer      schedule-in      ^  |     response, irq
 *         |   has woken it                             |  | switch away, it could go on
 *         |                              switch to it  |  v
 *      unknown: at first, and after a hole          preempted
 *
 * A wake-up of a thread that is not yet asleep changes nothing. Either the thread goes on, or it is just going to sleep
 * on another CPU, in which case the next switch to it shows that this was the wake-up. A time is recorded only if its
 * beginning was seen, so figures are right from the first one on, and after holes.
 */
import { Episode } from './episode.js';
import { FIGURES, FigureRecord, type ThreadFigure, type FigureReport } from './figures.js';

const [UNKNOWN, ASLEEP, WOKEN, RUNNING, PREEMPTED] = [0, 1, 2, 3, 4];
const NONE = -1;

/** A thread that leaves a CPU, comes to it, or wakes another. */
export interface SwitchSide {
  pid: number;
  priority: number;
  name: string;
}

/** A change of the thread that runs on a CPU. The object is reused: copy what is to be kept. */
export interface Switch {
  timeNs: number;
  cpu: number;
  readonly prev: SwitchSide;
  readonly next: SwitchSide;
  /** How `prev` left: it could have gone on; it sleeps; it sleeps so that a signal would wake it, as for a timer. */
  isPreemption: boolean;
  isVoluntary: boolean;
  isInterruptible: boolean;
}

export function emptySwitch(): Switch {
  return {
    timeNs: 0, cpu: 0, prev: { pid: 0, priority: 0, name: '' }, next: { pid: 0, priority: 0, name: '' },
    isPreemption: false, isVoluntary: false, isInterruptible: false,
  };
}

export interface ThreadReport {
  readonly tid: number;
  readonly pid: number;
  readonly name: string;
  /** Why it is reported: it has ended, is no longer followed, was asked for, or the tracer ends. */
  readonly why: 'ended' | 'removed' | 'asked' | 'closing';
  /** For how long it was followed, in nanoseconds. */
  readonly followedNs: number;
  readonly figures: Readonly<Record<ThreadFigure, FigureReport>>;
}

export class FollowedThread {
  readonly figures: Readonly<Record<ThreadFigure, FigureRecord>> = {
    'schedule-in': new FigureRecord(), response: new FigureRecord(), relief: new FigureRecord(),
    irq: new FigureRecord(),
  };
  private readonly episode: Episode;
  private state = UNKNOWN;
  /** Whether the wake-up that led to its present work was seen. */
  private hasBegun = false;
  /** A wake-up before it slept, of which it is not yet known whether it counts. */
  private earlyNs = NONE;
  private earlyCpu = 0;
  private earlyWakeCpu = 0;
  private earlyIsTimer = false;
  /** Its last response, which becomes its relief if a timer ends this sleep. */
  private reliefNs = NONE;
  private ranNs = 0;
  private irqNs = 0;
  private irqBeganNs = NONE;

  /** Times are counted from `zeroNs`; it was first followed at `sinceNs`. */
  constructor(
    readonly tid: number, readonly pid: number, public name: string, zeroNs: bigint, private readonly sinceNs: number,
  ) {
    this.episode = new Episode(zeroNs);
  }

  /** `waker` ran on the CPU that woke it. `isTimer`: a hard interrupt woke it that does not belong to a device. */
  onWaking(timeNs: number, cpu: number, wakeCpu: number, waker: SwitchSide, isTimer: boolean): void {
    const { state } = this;
    if (state === RUNNING || state === PREEMPTED) {
      this.earlyNs = timeNs;
      this.earlyCpu = cpu;
      this.earlyWakeCpu = wakeCpu;
      this.earlyIsTimer = isTimer;
      return;
    }
    this.wake(timeNs, cpu, wakeCpu, waker, isTimer);
  }

  onSwitchIn(change: Switch): void {
    this.name = change.next.name;
    if (this.state === ASLEEP && this.earlyNs !== NONE)
      this.wake(this.earlyNs, this.earlyCpu, this.earlyWakeCpu, NOBODY, this.earlyIsTimer);
    this.earlyNs = NONE;
    const { state } = this;
    this.state = RUNNING;
    this.addSwitch(change);
    if (state === WOKEN) {
      this.hasBegun = true;
      this.ranNs = change.timeNs;
      this.irqNs = 0;
      this.figures['schedule-in'].record(change.timeNs - this.episode.beganNs, this.episode);
    } else if (state !== PREEMPTED) this.hasBegun = false;
  }

  onSwitchOut(change: Switch): void {
    const { timeNs, isVoluntary, isInterruptible } = change;
    const isWhole = this.state === RUNNING && this.hasBegun;
    this.addSwitch(change);
    this.irqBeganNs = NONE;
    if (!isVoluntary) {
      this.state = PREEMPTED;
      this.hasBegun = isWhole;
      return;
    }
    this.state = ASLEEP;
    this.hasBegun = false;
    this.reliefNs = NONE;
    if (!isWhole) return;
    const tookNs = timeNs - this.episode.beganNs;
    this.figures.response.record(tookNs, this.episode);
    const irqNs = this.name.startsWith('irq/') ? timeNs - this.ranNs : this.irqNs;
    if (irqNs > 0) this.figures.irq.record(irqNs, this.episode);
    if (isInterruptible) this.reliefNs = tookNs;
  }

  /** An interrupt handler begins or ends on the CPU where this thread runs. */
  onInterrupt(timeNs: number, cpu: number, irq: number, isEntry: boolean): void {
    if (this.state !== RUNNING || !this.hasBegun) return;
    this.episode.add(isEntry ? 'irq_handler_entry' : 'irq_handler_exit', timeNs, cpu).irq = irq;
    if (isEntry) this.irqBeganNs = timeNs;
    else if (this.irqBeganNs !== NONE) {
      this.irqNs += timeNs - this.irqBeganNs;
      this.irqBeganNs = NONE;
    }
  }

  /** Some of its events may have been missed: whatever is under way does not count. */
  forget(): void {
    this.state = UNKNOWN;
    this.hasBegun = false;
    this.earlyNs = NONE;
    this.reliefNs = NONE;
    this.irqBeganNs = NONE;
  }

  report(why: ThreadReport['why'], nowNs: number): ThreadReport {
    return {
      tid: this.tid, pid: this.pid, name: this.name, why, followedNs: Math.round(nowNs - this.sinceNs),
      figures: Object.fromEntries(FIGURES.map((figure) => [figure, this.figures[figure].report()])) as
        Record<ThreadFigure, FigureReport>,
    };
  }

  private wake(timeNs: number, cpu: number, wakeCpu: number, waker: SwitchSide, isTimer: boolean): void {
    if (this.reliefNs !== NONE && isTimer) this.figures.relief.record(this.reliefNs, this.episode);
    this.reliefNs = NONE;
    this.state = WOKEN;
    this.episode.begin(timeNs);
    const event = this.episode.add('sched_waking', timeNs, cpu);
    event.wakeCpu = wakeCpu;
    event.prevPid = waker.pid;
    event.prevName = waker.name;
    event.nextPid = this.tid;
    event.nextName = this.name;
  }

  private addSwitch({ timeNs, cpu, prev, next, isPreemption, isVoluntary }: Switch): void {
    const event = this.episode.add('sched_switch', timeNs, cpu);
    event.prevPid = prev.pid;
    event.prevPriority = prev.priority;
    event.prevName = prev.name;
    event.isPreemption = isPreemption;
    event.isVoluntary = isVoluntary;
    event.nextPid = next.pid;
    event.nextPriority = next.priority;
    event.nextName = next.name;
  }
}

const NOBODY: SwitchSide = { pid: -1, priority: -1, name: '' };
