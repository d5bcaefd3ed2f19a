/**
 * Carries events from the kernel to the reader, in rounds.
 *
 *      kernel: what threads do    --> a buffer of each CPU --is half full--.
 *              who ends or begins --> another one          --any event-----+--> a round
 *      here:   the streams of all CPUs --in the order of time--> threads
 *
 * A round of JavaScript costs 0.1 to 0.2 ms before it takes its first event, nearly all of it because the thread's code
 * has grown cold meanwhile. So the kernel says when one is worth it, and without that there is one in five seconds;
 * and one that nobody has to be told of is left to the addon. Ends and new threads have buffers of their own, since
 * they are to be known at once.
 *
 * Each round takes the events that are older than the round: what a CPU has not written yet is younger. That is done by
 * the addon, see native/kernel_trace.h.
 */
import type { EventFormat } from './event-format.js';
import { rangesOf } from './filters.js';
import { findTracefs, removeLeftovers } from './instance.js';
import {
  KernelTrace, PageWatch, type EventName, type FollowedThread, type RoundEvents, type RoundResult,
} from './kernel-trace.js';
import { Recording } from './recording.js';

/** There is another round so long after one at most. */
const MOST_ROUND_MS = 5000;
/**
 * How long rounds that the kernel asks for lie apart at least. It grows where a kernel tells of each event, whatever it
 * was told to, as those before Linux 6.1 do.
 */
const [LEAST_REST_MS, MOST_REST_MS] = [5, 100];
/** How old an event must be, at least, before it is taken: another CPU may just be writing an older one. */
const SETTLED_NS = 1e6;
/** A round with a smaller part of a buffer came too early. */
const LEAST_SHARE = 1 / 8;
/**
 * From this size on the pages of a CPU are mapped, where the kernel does that, instead of copied by it. It tells of
 * such pages once, and when it has gone round it would tell of each event, so from then on the addon looks so often
 * whether there is a quarter of a buffer. Two threads that do nothing but wake each other fill three quarters of one in
 * that time, at the least.
 */
const MAPPED_FROM_KIB = 4096;
const LOOK_EACH_NS = 45e6;
const MOST_LOOK_EACH_NS = 180e6;
const TOLD_AT_PERCENT = 50;
const LIVES_BUFFER_KIB = 64;

export class Collector {
  /** The moment from which times are counted (CLOCK_MONOTONIC). */
  readonly zeroNs: bigint = process.hrtime.bigint();
  /** Instances of dead tracers that were removed. */
  readonly removed: readonly string[];
  private readonly recordings: Recording[] = [];
  /** CPUs whose steps are mapped. */
  private readonly mapped = new Set<number>();
  private readonly trace: KernelTrace;
  private watch: PageWatch | undefined;
  private readonly pagesOfBuffer: number;
  private timer: NodeJS.Timeout | undefined;
  private restMs = LEAST_REST_MS;
  private hadHole = false;
  /** Events that were overwritten before they could be taken; known at the end. */
  lost = 0;
  private isRemoved = false;

  /** Makes the instances. Events come as soon as somebody is followed. Throws ERR_PERCORE_NO_CAPABILITY. */
  constructor(
    bufferKiB: number, private readonly told: RoundEvents,
    private readonly afterRound: (hadHole: boolean) => void,
  ) {
    const tracefs = findTracefs();
    this.removed = removeLeftovers(tracefs);
    process.once('exit', this.remove);
    try {
      const steps = new Recording(tracefs, {
        name: 'steps', events: ['switch', 'waking', 'irqEntry', 'irqExit'], bufferKiB, toldAtPercent: TOLD_AT_PERCENT,
      });
      this.recordings.push(steps);
      const lives = new Recording(tracefs, {
        name: 'lives', events: ['exit', 'fork'], bufferKiB: LIVES_BUFFER_KIB, toldAtPercent: 0,
      });
      this.recordings.push(lives);
      this.pagesOfBuffer = steps.pagesOfBuffer;
      const formats = Object.fromEntries([...steps.formats, ...lives.formats]) as Record<EventName, EventFormat>;
      this.trace = new KernelTrace(formats, steps.layout, this.zeroNs);
      for (const [cpu, fd] of steps.pages)
        if (this.trace.addCpu(cpu, fd, false, bufferKiB >= MAPPED_FROM_KIB)) this.mapped.add(cpu);
      for (const [cpu, fd] of lives.pages) this.trace.addCpu(cpu, fd, true);
      this.watch = new PageWatch([...steps.pages.values(), ...lives.pages.values()], () => this.onReady());
      const lookEachNs = Math.min(LOOK_EACH_NS * bufferKiB / MAPPED_FROM_KIB, MOST_LOOK_EACH_NS);
      const leastPages = Math.max(1, Math.floor(this.pagesOfBuffer * LEAST_SHARE));
      this.watch.takeRounds(this.trace, leastPages, LEAST_REST_MS * 1e6, SETTLED_NS,
        this.mapped.size === 0 ? 0 : Math.round(lookEachNs));
    } catch (error) {
      this.remove();
      throw error;
    }
    this.schedule(MOST_ROUND_MS);
  }

  get events(): number {
    return this.trace.events;
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
    for (const recording of this.recordings)
      if (ranges.length === 0) recording.pause();
      else recording.record(ranges);
  }

  /** Reads what there is and takes what is settled; the last round takes everything. */
  round(isLast = false): RoundResult {
    const result = this.trace.round(isLast ? Infinity : this.nowNs() - SETTLED_NS, this.told);
    this.hadHole ||= result.hadHole;
    // What was read but not taken is not told again.
    if (result.isUrgent && !this.isRemoved) this.schedule(this.restMs);
    return result;
  }

  /** Ends recording, takes what there is, and removes the instances. A second call does nothing. */
  close(): void {
    if (this.isRemoved) return;
    for (const recording of this.recordings) recording.pause();
    this.round(true);
    this.lost = this.countLost();
    this.remove();
  }

  private countLost(): number {
    const [steps] = this.recordings;
    let [overwritten, mapped] = [0, 0];
    for (const recording of this.recordings) {
      for (const cpu of recording.pages.keys()) {
        const counts = recording.countsOf(cpu);
        if (recording === steps && this.mapped.has(cpu)) mapped += counts.all;
        else overwritten += counts.overwritten;
      }
    }
    return overwritten + Math.max(0, mapped - this.trace.mappedEvents);
  }

  /** Removes the instances, as the end of the process does. A second call does nothing. */
  readonly remove = (): void => {
    this.isRemoved = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    process.off('exit', this.remove);
    this.watch?.close();
    // The kernel keeps an instance that is mapped. A constructor that throws may not have got so far.
    (this.trace as KernelTrace | undefined)?.close();
    for (const recording of this.recordings) recording.close();
  };

  /** There is something to read. */
  private onReady(): void {
    const restMs = (this.trace.roundAtNs - this.nowNs()) / 1e6 + this.restMs;
    if (restMs > 0) {
      this.schedule(restMs);
      return;
    }
    const { pages, isUrgent } = this.takeTurn();
    const share = pages / this.pagesOfBuffer;
    if (isUrgent || share > 1 / 4) this.restMs = Math.max(LEAST_REST_MS, this.restMs / 2);
    else if (share < LEAST_SHARE) this.restMs = Math.min(MOST_REST_MS, this.restMs * 1.25);
  }

  private takeTurn(): RoundResult {
    this.schedule(MOST_ROUND_MS);
    const result = this.round();
    const { hadHole } = this;
    this.hadHole = false;
    this.watch?.arm(this.restMs === LEAST_REST_MS);
    this.afterRound(hadHole);
    return result;
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.takeTurn(), ms);
  }
}
