/**
 * Carries events from the kernel to the reader, in rounds.
 *
 *      kernel: event --filter: is it about one of ours?--> buffer of the CPU
 *                                                             | pages, every 5 to 100 ms
 *      here:   streams of all CPUs --in the order of time--> threads
 *
 * Each round takes the events that are older than the round: what a CPU has not written yet is younger. That is done by
 * the addon, see native/kernel_trace.h.
 */
import { parseFormat, parsePageLayout, type EventFormat } from './event-format.js';
import { filterOf, rangesOf } from './filters.js';
import { findTracefs, removeLeftovers, TraceInstance } from './instance.js';
import { EVENTS, KernelTrace, type EventName, type FollowedThread, type RoundEvents } from './kernel-trace.js';

/** Which fields name the thread that an event is about. An interrupt is about the thread that it interrupts. */
const FILTER_FIELDS: Readonly<Record<EventName, readonly string[]>> = {
  switch: ['prev_pid', 'next_pid'], waking: ['pid'], exit: ['pid'], fork: ['parent_pid'], irqEntry: ['common_pid'],
  irqExit: ['common_pid'],
};
const NAMES = Object.keys(EVENTS) as EventName[];
const [LEAST_ROUND_MS, MOST_ROUND_MS] = [5, 100];
/** How old an event must be, at least, before it is taken: another CPU may just be writing an older one. */
const SETTLED_NS = 1e6;
/** What the kernel gives at a time, in KiB: larger pages need fewer calls, and are a larger part of a small buffer. */
const MOST_PAGE_KIB = 16;
const PAGES_OF_BUFFER = 16;

export class Collector {
  /** The moment from which times are counted (CLOCK_MONOTONIC). */
  readonly zeroNs: bigint = process.hrtime.bigint();
  /** Instances of dead tracers that were removed. */
  readonly removed: readonly string[];
  private readonly instance: TraceInstance;
  private readonly cpus: readonly number[];
  private readonly trace: KernelTrace;
  private readonly bufferPages: number;
  private timer: NodeJS.Timeout | undefined;
  private roundMs = LEAST_ROUND_MS;
  private hasFilters = false;
  private hadHole = false;
  private lostAtEnd = 0;
  private isRemoved = false;

  /** Makes the instance. Events come as soon as somebody is followed. Throws ERR_PERCORE_NO_CAPABILITY. */
  constructor(
    bufferKiB: number, private readonly told: RoundEvents,
    private readonly afterRound: (hadHole: boolean) => void,
  ) {
    const tracefs = findTracefs();
    this.removed = removeLeftovers(tracefs);
    const instance = new TraceInstance(tracefs);
    this.instance = instance;
    process.once('exit', this.remove);
    try {
      instance.write('tracing_on', '0');
      // A clock that all CPUs and all programs share.
      instance.write('trace_clock', 'mono');
      askForPages(instance, bufferKiB);
      instance.write('buffer_size_kb', String(bufferKiB));
      const formats = Object.fromEntries(NAMES.map((name) =>
        [name, parseFormat(instance.read(`events/${EVENTS[name]}/format`))])) as Record<EventName, EventFormat>;
      const layout = parsePageLayout(instance.read('events/header_page'));
      this.bufferPages = Math.ceil(bufferKiB * 1024 / layout.pageBytes);
      this.trace = new KernelTrace(formats, layout, this.zeroNs);
      this.cpus = instance.cpus();
      for (const cpu of this.cpus) this.trace.addCpu(cpu, instance.openPages(cpu));
    } catch (error) {
      this.remove();
      throw error;
    }
    this.schedule();
  }

  get events(): number {
    return this.trace.events;
  }

  /** Events that were overwritten before they could be read, as counted by the kernel. */
  get lost(): number {
    if (this.isRemoved) return this.lostAtEnd;
    return this.cpus.reduce((sum, cpu) => {
      const [, overrun] = /^overrun: (\d+)$/m.exec(this.instance.read(`per_cpu/cpu${cpu}/stats`)) ?? [];
      return sum + Number(overrun ?? 0);
    }, 0);
  }

  nowNs(): number {
    return Number(process.hrtime.bigint() - this.zeroNs);
  }

  /** A thread that is known from now on. The kernel records what is about it once `follow` says so. */
  threadOf(tid: number, pid: number, name: string): FollowedThread {
    return this.trace.follow(tid, pid, name, this.nowNs());
  }

  /** From now on the kernel records what is about these threads, and about those whose numbers lie between them. */
  follow(tids: Iterable<number>): void {
    const ranges = rangesOf(tids);
    const { instance } = this;
    if (ranges.length === 0) {
      instance.write('tracing_on', '0');
      return;
    }
    for (const name of NAMES) instance.write(`events/${EVENTS[name]}/filter`, filterOf(FILTER_FIELDS[name], ranges));
    if (!this.hasFilters) for (const name of NAMES) instance.write(`events/${EVENTS[name]}/enable`, '1');
    this.hasFilters = true;
    instance.write('tracing_on', '1');
  }

  /** Reads what there is and takes what is settled; the last round takes everything. */
  round(isLast = false): void {
    const { pages, hadHole } = this.trace.round(isLast ? Infinity : this.nowNs() - SETTLED_NS, this.told);
    this.hadHole ||= hadHole;
    // A buffer that was a quarter full is read sooner, one that was nearly empty later: a round costs more than 100 µs
    // before it takes its first event.
    const share = pages / this.bufferPages;
    if (share > 1 / 4) this.roundMs = Math.max(LEAST_ROUND_MS, this.roundMs / 2);
    else if (share < 1 / 8) this.roundMs = Math.min(MOST_ROUND_MS, this.roundMs * 1.25);
  }

  /** Ends recording, takes what there is, and removes the instance. A second call does nothing. */
  close(): void {
    if (this.isRemoved) return;
    this.instance.write('tracing_on', '0');
    this.round(true);
    this.lostAtEnd = this.lost;
    this.remove();
  }

  /** Removes the instance, as the end of the process does. A second call does nothing. */
  readonly remove = (): void => {
    this.isRemoved = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    process.off('exit', this.remove);
    this.instance.close();
  };

  private schedule(): void {
    this.timer = setTimeout(() => {
      this.round();
      this.schedule();
      const { hadHole } = this;
      this.hadHole = false;
      this.afterRound(hadHole);
    }, this.roundMs);
  }
}

/**
 * Asks for pages that are a sixteenth of the buffer, 16 KiB at most. Before Linux 6.8 they have the size of the
 * system's own, and stay so.
 */
function askForPages(instance: TraceInstance, bufferKiB: number): void {
  const kib = Math.min(MOST_PAGE_KIB, 2 ** Math.floor(Math.log2(bufferKiB / PAGES_OF_BUFFER)));
  if (instance.has('buffer_subbuf_size_kb') && kib > Number(instance.read('buffer_subbuf_size_kb')))
    instance.write('buffer_subbuf_size_kb', String(kib));
}
