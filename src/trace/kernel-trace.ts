/** Threads that are followed and the pages that tell of them: what the addon does of it, see native/kernel_trace.h. */
import { PercoreError } from '../errors.js';
import { native, type KernelTraceHandle, type NativeTraces, type PageWatchHandle } from '../native.js';
import { parseStates, wordOf, type EventFormat, type PageLayout } from './event-format.js';
import { FIGURES, figureReport, type FigureReport, type ThreadFigure } from './figures.js';

/** The events that are read, as folder and name below `events/`. */
export const EVENTS = {
  switch: 'sched/sched_switch', waking: 'sched/sched_waking', exit: 'sched/sched_process_exit',
  fork: 'sched/sched_process_fork', irqEntry: 'irq/irq_handler_entry', irqExit: 'irq/irq_handler_exit',
} as const;
export type EventName = keyof typeof EVENTS;

export interface ThreadReport {
  readonly tid: number;
  readonly pid: number;
  readonly name: string;
  /** Why it is reported: it has ended, is followed no longer, was asked for, or the tracer ends. */
  readonly why: 'ended' | 'removed' | 'asked' | 'closing';
  /** How long it was followed, in nanoseconds. */
  readonly followedNs: number;
  readonly figures: Readonly<Record<ThreadFigure, FigureReport>>;
}

/** What happened in a round besides the threads' own figures. */
export interface RoundEvents {
  onExit(tid: number): void;
  onFork(parentTid: number, childTid: number): void;
}

export interface RoundResult {
  /** The most that one CPU had. */
  readonly pages: number;
  /** Events were overwritten before they were read. */
  readonly hadHole: boolean;
  /** An urgent event is left that is younger than the round. */
  readonly isUrgent: boolean;
}

/** Words of what a round answers, and of a note. */
const NOTES = 0;
const PAGES = 1;
const HAD_HOLE = 2;
const ERROR = 3;
const IS_URGENT = 4;
const HEAD = 5;
const NOTE_WORDS = 3;
const IS_EXIT = 0;

export class KernelTrace {
  private readonly traces: NativeTraces;
  /** For a watch that takes rounds. */
  readonly handle: KernelTraceHandle;
  private readonly words = new Int32Array(HEAD + 256 * NOTE_WORDS);

  /** `zeroNs` is what times are told from. Throws ERR_PERCORE_NATIVE_UNAVAILABLE where there is no addon. */
  constructor(
    formats: Readonly<Record<EventName, EventFormat>>, layout: PageLayout, private readonly zeroNs: bigint,
  ) {
    const traces = nativeTraces();
    this.traces = traces;
    const places = Int32Array.from(placesOf(formats, layout));
    const handle = traces.create(places, Number(zeroNs >> 32n), Number(zeroNs & 0xffff_ffffn));
    if (typeof handle === 'number') {
      const where = places.join();
      throw new PercoreError('ERR_PERCORE_SYSTEM', `this kernel's events lie in a way not known here: ${where}`);
    }
    this.handle = handle;
  }

  /** When the last round ended, since zero. */
  get roundAtNs(): number {
    return this.traces.roundAt(this.handle);
  }

  /** Events of any kind, also of threads that are not followed. */
  get events(): number {
    return this.traces.count(this.handle);
  }

  /** Of these, those of mapped pages. */
  get mappedEvents(): number {
    return this.traces.mappedCount(this.handle);
  }

  /**
   * Pages of this CPU come from `fd`, whose read must not block. Of `isUrgent` events a round tells whether it has left
   * any for the next one. A CPU may have both kinds. With `isMapped` they are mapped, where the kernel does that;
   * returns whether they are.
   */
  addCpu(cpu: number, fd: number, isUrgent = false, isMapped = false): boolean {
    return this.traces.addCpu(this.handle, cpu, fd, isUrgent, isMapped) === 1;
  }

  /** Reads nothing any more, and unmaps what was mapped. What is known of threads stays. */
  close(): void {
    this.traces.close(this.handle);
  }

  follow(tid: number, pid: number, name: string, sinceNs: number): FollowedThread {
    return new FollowedThread(this.traces, this.handle, tid, pid, name, this.zeroNs, sinceNs);
  }

  /** Takes the events up to `untilNs` since zero. Throws ERR_PERCORE_SYSTEM when a read fails. */
  round(untilNs: number, events: RoundEvents): RoundResult {
    const { words } = this;
    let hadHole = false;
    for (let isMore = false; ; isMore = true) {
      const isCut = this.traces.round(this.handle, untilNs, isMore, words) === 1;
      hadHole ||= words[HAD_HOLE] !== 0;
      for (let at = HEAD; at < HEAD + words[NOTES]!; at += NOTE_WORDS) {
        if (words[at] === IS_EXIT) events.onExit(words[at + 1]!);
        else events.onFork(words[at + 1]!, words[at + 2]!);
      }
      if (isCut) continue;
      const error = words[ERROR]!;
      if (error !== 0)
        throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot read events of the scheduler: error ${-error}`);
      return { pages: words[PAGES]!, hadHole, isUrgent: words[IS_URGENT] !== 0 };
    }
  }
}

/** Tells once that there are pages to read, until it is armed again, or takes rounds itself. */
export class PageWatch {
  private readonly traces = nativeTraces();
  private readonly handle: PageWatchHandle;

  /** Throws ERR_PERCORE_SYSTEM. */
  constructor(descriptors: readonly number[], onReady: () => void) {
    const handle = this.traces.watch(Int32Array.from(descriptors), onReady);
    if (typeof handle === 'number') throw notWatching(handle);
    this.handle = handle;
  }

  /** Takes rounds of this trace, and tells only of those that somebody has to know of: see src/native/traces.ts. */
  takeRounds(
    { handle }: KernelTrace, leastPages: number, restNs: number, settledNs: number, lookEachNs: number,
  ): void {
    checkWatching(this.traces.takeRounds(this.handle, handle, leastPages, restNs, settledNs, lookEachNs));
  }

  /** Tells again. It takes no rounds itself unless it `isAlone`. Throws ERR_PERCORE_SYSTEM. */
  arm(isAlone = true): void {
    checkWatching(this.traces.arm(this.handle, isAlone));
  }

  close(): void {
    this.traces.unwatch(this.handle);
  }
}

const notWatching = (error: number): PercoreError =>
  new PercoreError('ERR_PERCORE_SYSTEM', `cannot wait for events of the scheduler: error ${-error}`);

function checkWatching(error: number): void {
  if (error < 0) throw notWatching(error);
}

/** Throws ERR_PERCORE_NATIVE_UNAVAILABLE where there is no addon. */
function nativeTraces(): NativeTraces {
  const { traces } = native();
  if (traces !== undefined) return traces;
  throw new PercoreError('ERR_PERCORE_NATIVE_UNAVAILABLE', 'percore trace needs the native addon, which is not '
    + 'loaded here: install the package of this platform, or unset PERCORE_BACKEND');
}

/** One thread: its bounds, and what is known of it. */
export class FollowedThread {
  private readonly slot: number;
  private readonly bounds = new Map<ThreadFigure, number>();

  constructor(
    private readonly traces: NativeTraces, private readonly handle: KernelTraceHandle, readonly tid: number,
    readonly pid: number, name: string, private readonly zeroNs: bigint, private readonly sinceNs: number,
  ) {
    this.slot = traces.follow(handle, tid, name);
  }

  /** In nanoseconds; Infinity takes it back. */
  setBound(figure: ThreadFigure, ns: number): void {
    this.bounds.set(figure, ns);
    this.traces.setBound(this.handle, this.slot, FIGURES.indexOf(figure), ns);
  }

  report(why: ThreadReport['why'], nowNs: number): ThreadReport {
    const { traces, handle, slot, bounds, zeroNs } = this;
    const figure = (name: ThreadFigure, at: number): [ThreadFigure, FigureReport] => {
      const bound = bounds.get(name) ?? Infinity;
      return [name, figureReport(
        (into) => traces.figure(handle, slot, at, into)!, bound === Infinity ? undefined : bound, zeroNs,
      )];
    };
    return {
      tid: this.tid, pid: this.pid, name: traces.nameOf(handle, slot), why,
      followedNs: Math.round(nowNs - this.sinceNs),
      figures: Object.fromEntries(FIGURES.map(figure)) as Record<ThreadFigure, FigureReport>,
    };
  }

  /** Nothing of it is told any more. */
  drop(): void {
    this.traces.drop(this.handle, this.slot);
  }
}

/** In the order of `TracePlaces` of the addon. */
function placesOf(formats: Readonly<Record<EventName, EventFormat>>, layout: PageLayout): number[] {
  const { switch: switches, waking, exit, fork, irqEntry, irqExit } = formats;
  return [
    layout.pageBytes, layout.timeAt, layout.commitAt, layout.dataAt,
    switches.id, waking.id, exit.id, fork.id, irqEntry.id, irqExit.id,
    ...['prev_pid', 'prev_prio', 'prev_comm', 'prev_state', 'next_pid', 'next_prio', 'next_comm']
      .map((field) => wordOf(switches, field)),
    wordOf(waking, 'pid'), wordOf(waking, 'target_cpu'), wordOf(exit, 'pid'), wordOf(fork, 'parent_pid'),
    wordOf(fork, 'child_pid'), wordOf(irqEntry, 'irq'), wordOf(irqExit, 'irq'), parseStates(switches).preempted,
  ];
}
