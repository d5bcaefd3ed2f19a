/**
 * Some of the kernel's events, recorded in an instance of their own, of those threads alone that are followed.
 *
 *      kernel: event --filter: is it about one of ours?--> buffer of the CPU, read as pages
 */
import { parseFormat, parsePageLayout, type EventFormat, type PageLayout } from './event-format.js';
import { filterOf, type Range } from './filters.js';
import { TraceInstance } from './instance.js';
import { EVENTS, type EventName } from './kernel-trace.js';

/** Which fields name the thread that an event is about. An interrupt is about the thread that it interrupts. */
const FILTER_FIELDS: Readonly<Record<EventName, readonly string[]>> = {
  switch: ['prev_pid', 'next_pid'], waking: ['pid'], exit: ['pid'], fork: ['parent_pid'], irqEntry: ['common_pid'],
  irqExit: ['common_pid'],
};
/** What the kernel gives at a time, in KiB: larger pages need fewer calls, and are a larger part of a small buffer. */
const MOST_PAGE_KIB = 16;
const PAGES_OF_BUFFER = 16;

export interface RecordingOptions {
  /** What the instance is called, after the process. */
  readonly name: string;
  readonly events: readonly EventName[];
  /** Memory of the kernel for each CPU. */
  readonly bufferKiB: number;
  /** How full a buffer is, in percent, when the kernel tells whoever waits for its pages; 0: each event is told. */
  readonly toldAtPercent: number;
}

export class Recording {
  readonly layout: PageLayout;
  readonly formats: ReadonlyMap<EventName, EventFormat>;
  readonly pagesOfBuffer: number;
  /** The descriptor of each CPU's pages. */
  readonly pages: ReadonlyMap<number, number>;
  private readonly instance: TraceInstance;
  private isFiltered = false;

  /** Makes the instance, and records nothing yet. Throws ERR_PERCORE_NO_CAPABILITY. */
  constructor(tracefs: string, { name, events, bufferKiB, toldAtPercent }: RecordingOptions) {
    const instance = new TraceInstance(tracefs, name);
    this.instance = instance;
    try {
      instance.write('tracing_on', '0');
      // A clock that all CPUs and all programs share.
      instance.write('trace_clock', 'mono');
      // The kernel would note the name of each thread that it records, beside the events, which have it anyway.
      instance.ask('trace_options', 'norecord-cmd');
      askForPages(instance, bufferKiB);
      instance.write('buffer_size_kb', String(bufferKiB));
      // Before Linux 4.20 each event is told.
      if (instance.has('buffer_percent')) instance.write('buffer_percent', String(toldAtPercent));
      this.formats = new Map(events.map((event) =>
        [event, parseFormat(instance.read(`events/${EVENTS[event]}/format`))]));
      this.layout = parsePageLayout(instance.read('events/header_page'));
      this.pagesOfBuffer = Math.ceil(bufferKiB * 1024 / this.layout.pageBytes);
      this.pages = new Map(instance.cpus().map((cpu) => [cpu, instance.openPages(cpu)]));
    } catch (error) {
      instance.close();
      throw error;
    }
  }

  /**
   * Events of a CPU, as counted by the kernel: all, and those that were overwritten before they were read, which of
   * mapped pages are none.
   */
  countsOf(cpu: number): { readonly all: number; readonly overwritten: number } {
    const stats = this.instance.read(`per_cpu/cpu${cpu}/stats`);
    const count = (what: string): number => Number(new RegExp(`^${what}: (\\d+)$`, 'm').exec(stats)?.[1] ?? 0);
    const overwritten = count('overrun');
    return { all: count('entries') + overwritten + count('read events'), overwritten };
  }

  /** From now on the kernel records what is about threads in these ranges, of which there is at least one. */
  record(ranges: readonly Range[]): void {
    const { instance } = this;
    const events = [...this.formats.keys()];
    for (const name of events) instance.write(`events/${EVENTS[name]}/filter`, filterOf(FILTER_FIELDS[name], ranges));
    if (!this.isFiltered) for (const name of events) instance.write(`events/${EVENTS[name]}/enable`, '1');
    this.isFiltered = true;
    instance.write('tracing_on', '1');
  }

  /** Records nothing any more, until `record` is called again. */
  pause(): void {
    this.instance.write('tracing_on', '0');
  }

  /** Removes the instance. A second call does nothing. */
  close(): void {
    this.instance.close();
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
