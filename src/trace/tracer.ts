/** Follows threads of this machine by the events of its scheduler: who is followed, their bounds and their reports. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { checkInteger } from '../errors.js';
import { Collector } from './collector.js';
import type { ThreadFigure } from './figures.js';
import type { FollowedThread, ThreadReport } from './kernel-trace.js';

export const MOST_THREADS = 1024;
/** The kernel's memory for each CPU. */
export const MOST_BUFFER_KIB = 1_048_576;
/** After so long the next round looks who has gone: the kernel tells of each end, but may leave events out. */
const SWEEP_MS = 1500;

export interface TracerOptions {
  /** Memory of the kernel for each CPU's events, in KiB. */
  readonly bufferKiB: number;
  /** Called when a thread has ended, is dropped, or the tracer ends. */
  onReport(report: ThreadReport): void;
  /** Called when nobody is left to follow. */
  onEmpty(): void;
}

export interface TracerSummary {
  /** Events that were read, and those that were overwritten before they could be. */
  readonly events: number;
  readonly lost: number;
  /** Threads that were followed. */
  readonly threads: number;
  /** Threads of followed processes for which there was no room, or that had ended when they were found. */
  readonly missed: number;
  /** CPU time of this process since the tracer was made, and the time that has passed since. */
  readonly cpuNs: number;
  readonly elapsedNs: number;
  /** Instances of dead tracers that were removed at the start. */
  readonly removed: readonly string[];
}

export class Tracer {
  private readonly threads = new Map<number, FollowedThread>();
  /** Processes whose new threads are followed as well. */
  private readonly processes = new Set<number>();
  private readonly bounds = new Map<ThreadFigure, number>();
  private readonly collector: Collector;
  private readonly cpuAtStart = process.cpuUsage();
  private count = 0;
  private missed = 0;
  private hasChanged = false;
  private sweepAtMs = 0;

  /** Throws ERR_PERCORE_NO_CAPABILITY, which says how to get the missing right, or ERR_PERCORE_SYSTEM. */
  constructor(private readonly options: TracerOptions) {
    checkInteger('bufferKiB', options.bufferKiB, 8, MOST_BUFFER_KIB);
    this.collector = new Collector(options.bufferKiB, {
      onExit: (tid) => this.endOf(tid), onFork: (parent, child) => this.adopt(parent, child),
    }, (hadHole) => (hadHole || performance.now() > this.sweepAtMs ? this.sweep() : this.settle()));
  }

  /**
   * Follows these threads, besides those that are followed already. Returns how many are new. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for more than 1,024.
   */
  add(tids: readonly number[]): number {
    const fresh = tids.filter((tid) => !this.threads.has(tid) && nameOf(tid) !== undefined);
    checkInteger('threads', this.threads.size + fresh.length, 0, MOST_THREADS);
    for (const tid of fresh) this.start(tid, processOf(tid));
    this.settle();
    // A thread that ended before the filter was in place has told nobody.
    this.sweep();
    return fresh.length;
  }

  /** Follows all threads of a process, and those that it starts later. Returns how many are new. */
  addProcess(pid: number): number {
    const count = this.add(threadsOf(pid));
    if (!existsSync(`/proc/${pid}/task/${pid}`)) return count;
    this.processes.add(pid);
    // Look again, for threads that were started before the filter was in place.
    return count + this.add(threadsOf(pid));
  }

  /** Reports a thread, or all threads of a process, and follows them no longer. Returns how many there were. */
  drop(id: number): number {
    this.collector.round();
    const meant = this.threadsBy(id);
    this.processes.delete(id);
    for (const thread of meant) this.end(thread, 'removed');
    this.settle();
    return meant.length;
  }

  /**
   * Sets a bound in nanoseconds for one thread or process, or for all threads, including later ones; 0 removes it.
   * Returns how many threads it applies to.
   */
  setBound(figure: ThreadFigure, ns: number, id?: number): number {
    const boundNs = ns === 0 ? Infinity : ns;
    if (id === undefined) this.bounds.set(figure, boundNs);
    const meant = this.threadsBy(id);
    for (const thread of meant) thread.setBound(figure, boundNs);
    return meant.length;
  }

  /** What is known so far of all threads, or of one thread or process. */
  report(id?: number): ThreadReport[] {
    this.collector.round();
    return this.threadsBy(id).map((thread) => thread.report('asked', this.collector.nowNs()));
  }

  summary(): TracerSummary {
    const { user, system } = process.cpuUsage(this.cpuAtStart);
    const { events, lost, removed } = this.collector;
    return {
      events, lost, threads: this.count, missed: this.missed, cpuNs: (user + system) * 1e3,
      elapsedNs: this.collector.nowNs(), removed,
    };
  }

  /** Takes what there is, reports all that are followed, and removes the instance. A second call does nothing. */
  close(): void {
    try {
      this.collector.close();
      for (const thread of this.threads.values()) this.end(thread, 'closing');
    } finally {
      this.collector.remove();
    }
  }

  private start(tid: number, pid: number): void {
    const thread = this.collector.threadOf(tid, pid, nameOf(tid) ?? '');
    for (const [figure, ns] of this.bounds) thread.setBound(figure, ns);
    this.threads.set(tid, thread);
    this.count++;
    this.hasChanged = true;
  }

  private end(thread: FollowedThread, why: ThreadReport['why']): void {
    if (!this.threads.delete(thread.tid)) return;
    this.hasChanged = true;
    this.options.onReport(thread.report(why, this.collector.nowNs()));
    thread.drop();
  }

  private endOf(tid: number): void {
    const thread = this.threads.get(tid);
    if (thread !== undefined) this.end(thread, 'ended');
  }

  /** A thread that we follow has made another one: a thread of its process, or a process of its own. */
  private adopt(parentTid: number, childTid: number): void {
    const pid = this.threads.get(parentTid)?.pid;
    if (pid === undefined || !this.processes.has(pid) || this.threads.has(childTid)) return;
    const isThread = existsSync(`/proc/${pid}/task/${childTid}`);
    // A thread that has ended may have been either, and nobody looks for its process again.
    if (!isThread) this.missed += existsSync(`/proc/${childTid}`) ? 0 : 1;
    else if (this.threads.size >= MOST_THREADS) this.missed++;
    else this.start(childTid, pid);
  }

  /** Ends those that have gone without anybody having told of their end. */
  private sweep(): void {
    this.sweepAtMs = performance.now() + SWEEP_MS;
    for (const thread of this.threads.values()) if (!existsSync(`/proc/${thread.tid}`)) this.end(thread, 'ended');
    this.settle();
  }

  /** Makes the kernel's filters follow whoever is followed. */
  private settle(): void {
    if (!this.hasChanged) return;
    this.hasChanged = false;
    this.collector.follow(this.threads.keys());
    if (this.threads.size === 0) this.options.onEmpty();
  }

  private threadsBy(id: number | undefined): FollowedThread[] {
    const all = [...this.threads.values()];
    const one = id === undefined ? undefined : this.threads.get(id);
    if (id === undefined) return all;
    // The first thread of a process has its number. If the whole process is followed, the number means all its threads.
    return one !== undefined && !this.processes.has(id) ? [one] : all.filter(({ pid }) => pid === id);
  }
}

/** The threads of a process, or none. */
export function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    // It has gone.
    return [];
  }
}

/** All threads of the machine with this name; with a `*` at its end, all whose names begin with what precedes it. */
export function threadsNamed(name: string): number[] {
  const start = name.endsWith('*') ? name.slice(0, -1) : undefined;
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((pid) => threadsOf(Number(pid)))
    .filter((tid) => {
      const found = nameOf(tid);
      return start === undefined ? found === name : found?.startsWith(start) === true;
    });
}

function nameOf(tid: number): string | undefined {
  try {
    return readFileSync(`/proc/${tid}/comm`, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}

function processOf(tid: number): number {
  try {
    return Number(/^Tgid:\s*(\d+)/m.exec(readFileSync(`/proc/${tid}/status`, 'latin1'))?.[1] ?? tid);
  } catch {
    // It has just ended.
    return tid;
  }
}
