/**
 * Carries events from the kernel to the reader, in rounds.
 *
 *      kernel: event --filter: is it about one of ours?--> buffer of the CPU
 *                                                             | pages, every 5 to 100 ms
 *      here:   streams of all CPUs --in the order of time--> reader --> threads
 *
 * Each round reads what there is and takes only the events that are older than the round, because a CPU may still be
 * writing younger ones. A hole in one stream is a hole in everything that is known, since the thread may have been
 * there meanwhile, so nothing is recorded until the hole is over.
 */
import { readFileSync } from 'node:fs';
import { CpuStream, takeInOrder } from './cpu-stream.js';
import { parseFormat, parsePageLayout, type EventFormat } from './event-format.js';
import { EVENTS, EventReader, type EventName, type ReaderEvents } from './event-reader.js';
import { filterOf, rangesOf } from './filters.js';
import type { FollowedThread } from './followed-thread.js';
import { findTracefs, removeLeftovers, TraceInstance } from './instance.js';

/** Which fields name the thread that an event is about. An interrupt is about the thread that it interrupts. */
const FILTER_FIELDS: Readonly<Record<EventName, readonly string[]>> = {
  switch: ['prev_pid', 'next_pid'], waking: ['pid'], exit: ['pid'], fork: ['parent_pid'], irqEntry: ['common_pid'],
  irqExit: ['common_pid'],
};
const NAMES = Object.keys(EVENTS) as EventName[];
const [LEAST_ROUND_MS, MOST_ROUND_MS] = [5, 100];
/** How old an event must be, at least, before it is taken: another CPU may just be writing an older one. */
const SETTLED_NS = 1e6;
/** How many pages of one CPU a round takes, so that a flood does not pile up in our memory. */
const MOST_PAGES = 4096;

export class Collector {
  /** The moment from which times are counted (CLOCK_MONOTONIC). */
  readonly zeroNs: bigint = process.hrtime.bigint();
  /** Instances of dead tracers that were removed. */
  readonly removed: readonly string[];
  private readonly instance: TraceInstance;
  private readonly streams: readonly CpuStream[];
  private readonly reader: EventReader;
  private readonly bufferPages: number;
  private timer: NodeJS.Timeout | undefined;
  private roundMs = LEAST_ROUND_MS;
  private blindUntilNs = -Infinity;
  private hasFilters = false;
  private hadHole = false;
  private lostAtEnd = 0;
  private isRemoved = false;

  /** Makes the instance. Events come as soon as somebody is followed. Throws ERR_PERCORE_NO_CAPABILITY. */
  constructor(
    bufferKiB: number, threads: ReadonlyMap<number, FollowedThread>, events: ReaderEvents,
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
      instance.write('buffer_size_kb', String(bufferKiB));
      const formats = Object.fromEntries(NAMES.map((name) =>
        [name, parseFormat(instance.read(`events/${EVENTS[name]}/format`))])) as Record<EventName, EventFormat>;
      const layout = parsePageLayout(readFileSync(`${tracefs}/events/header_page`, 'latin1'));
      this.bufferPages = Math.ceil(bufferKiB * 1024 / layout.pageBytes);
      const zero = { high: Number(this.zeroNs >> 32n), low: Number(this.zeroNs & 0xffff_ffffn) };
      this.streams = instance.cpus().map((cpu) => new CpuStream(cpu, layout, instance.openPages(cpu), zero));
      this.reader = new EventReader(formats, threads, events);
    } catch (error) {
      this.remove();
      throw error;
    }
    this.schedule();
  }

  get events(): number {
    return this.reader.count;
  }

  /** Events that were overwritten before they could be read, as counted by the kernel. */
  get lost(): number {
    if (this.isRemoved) return this.lostAtEnd;
    return this.streams.reduce((sum, { cpu }) => {
      const [, overrun] = /^overrun: (\d+)$/m.exec(this.instance.read(`per_cpu/cpu${cpu}/stats`)) ?? [];
      return sum + Number(overrun ?? 0);
    }, 0);
  }

  nowNs(): number {
    return Number(process.hrtime.bigint() - this.zeroNs);
  }

  /** From now on the kernel records what is about these threads, and about those with numbers between theirs. */
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
    let untilNs = isLast ? Infinity : this.nowNs() - SETTLED_NS;
    let most = 0;
    for (const stream of this.streams) {
      const pages = stream.fill(MOST_PAGES);
      most = Math.max(most, pages);
      if (pages === MOST_PAGES) untilNs = Math.min(untilNs, stream.lastPageNs);
    }
    takeInOrder(this.streams, untilNs, this.take);
    // Read sooner if a buffer was a quarter full, later if all were nearly empty.
    const share = most / this.bufferPages;
    if (share > 1 / 4) this.roundMs = Math.max(LEAST_ROUND_MS, this.roundMs / 2);
    else if (share < 1 / 16) this.roundMs = Math.min(MOST_ROUND_MS, this.roundMs * 1.25);
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

  private readonly take = (stream: CpuStream): void => {
    if (stream.isHole) {
      this.blindUntilNs = Math.max(this.blindUntilNs, stream.holeUntilNs);
      this.hadHole = true;
      this.reader.forgetAll();
    } else this.reader.take(stream, stream.timeNs < this.blindUntilNs);
  };
}
