/**
 * Remembers what ran on its thread, and makes a case when a figure is above its bound: what happened from ready to
 * done, and why. Numbers come first, cases second. A value is counted before its case is made; beyond MOST_A_SECOND
 * cases, those that are not a new worst of their task are dropped, and the next case says how many. There is a next
 * one: the first that was too many is kept, and told when the second is over.
 * A case is made a few milliseconds later, because Node reports a collection only when it is over and the loop comes
 * round. Source of the idea: the trace of the worst case alone, in jerry_rt_module.
 */
import { causeOf, type Cause, type CauseKind, type Span } from './cause.js';
import { RunDelay, type Scheduled } from './run-delay.js';
import type { StallReport } from './stall.js';
import { FIGURES, RUN, SCHEDULE_IN, type FigureName, type FigureSlot } from './task-figures.js';

/** A value above its bound, and when it arose. */
export interface Excess {
  readonly figures: FigureSlot;
  readonly kind: number;
  readonly ns: number;
  readonly readyNs: number;
  readonly startNs: number;
  readonly endNs: number;
  /** The party that sent the message; -1 for its own thread. */
  readonly from: number;
}

/** A figure of a task that was above its bound, and why. Times are nanoseconds since the runtime's start. */
export interface SloViolation {
  /** The party whose task it is; the main thread comes after the last reactor. */
  readonly reactorId: number;
  /** The task that was late. */
  readonly task: string;
  /** Its band. */
  readonly priority: number;
  /** Which of its figures is above its bound. */
  readonly figure: FigureName;
  /** How long it took. */
  readonly ns: number;
  /** How long it may take. */
  readonly boundNs: number;
  /** The largest value of this task and figure so far. */
  readonly isWorst: boolean;
  /** What took the time. */
  readonly cause: Cause;
  /** How much of the time each kind of cause took. They may overlap. */
  readonly shares: Readonly<Record<CauseKind, number>>;
  /** When the task became ready, by the clock of the runtime. */
  readonly readyNs: number;
  /** When its first step began. */
  readonly startNs: number;
  /** When it was done. */
  readonly endNs: number;
  /** The party that sent the message; -1 if it came from this thread. */
  readonly from: number;
  /** The party that woke the thread from its sleep; -1 if the thread was awake and found the message by looking. */
  readonly wokenBy: number;
  /**
   * What the kernel did with the thread meanwhile, or up to 5 ms before: how often it gave it a CPU, and on which it
   * ran before and at the end. Two CPUs are a migration; -1 where that is not known.
   */
  readonly timesScheduled: number;
  readonly cpuBefore: number;
  readonly cpu: number;
  /** What held the thread meanwhile: the longest, in the order of time. */
  readonly ran: readonly Span[];
  /** Garbage collections of its thread between these. */
  readonly collections: readonly Span[];
  /** If `stall` watches: the stall that held the thread meanwhile, with its stack, if one was reported. */
  readonly stall: StallReport | undefined;
  /** Violations since the last case for which no case was made, of any task of this party. */
  readonly leftOut: number;
}

/** What is known of an excess at its moment. */
interface Evidence {
  readonly isWorst: boolean;
  readonly ran: readonly Span[];
  readonly scheduled: Scheduled;
  readonly wake: Wake;
}

/** When somebody woke the thread, which party that was, and when the thread was awake. */
export interface Wake {
  readonly askedNs: number;
  readonly by: number;
  readonly awakeNs: number;
}

/** What keeps spans: those of the last that overlap a time. */
export interface SpanLog {
  between(fromNs: number, toNs: number): readonly Span[];
  close(): void;
}

export interface WorstCasesHost {
  readonly id: number;
  readonly nowNs: () => number;
  lastWake(): Wake;
  /** Logs collections of this thread from now on. */
  logCollections(): SpanLog;
  /** Watches from now on for times in which the whole process stands still; returns what ends that. */
  watchHalts(): { readonly between: (fromNs: number, toNs: number) => number; readonly end: () => void };
  report(violation: SloViolation): void;
}

const KEPT = 256;
/** Runs of the same task that follow each other this closely are recorded as one. */
const JOIN_NS = 2000;
const MOST_A_SECOND = 20;
const MOST_SPANS = 16;
/** The loop has come round, and Node has reported its collections. */
const SETTLE_MS = 5;

export class WorstCases {
  private readonly whats: string[] = new Array<string>(KEPT).fill('');
  private readonly fromNs = new Float64Array(KEPT);
  private readonly toNs = new Float64Array(KEPT);
  /** The last place that was written, and what ran then. */
  private at = KEPT - 1;
  private what: string | undefined = undefined;
  private readonly collections: SpanLog;
  private readonly worst = new Map<FigureSlot, Float64Array>();
  private secondNs = 0;
  private reported = 0;
  private leftOut = 0;
  private kept: { readonly excess: Excess; readonly evidence: Evidence } | undefined;
  private keptTimer: NodeJS.Timeout | undefined;
  private readonly runDelay: RunDelay;
  private readonly halts: ReturnType<WorstCasesHost['watchHalts']>;

  constructor(private readonly host: WorstCasesHost) {
    this.runDelay = new RunDelay(host.nowNs());
    this.halts = host.watchHalts();
    this.collections = host.logCollections();
  }

  /** A turn begins. */
  look(nowNs: number): void {
    this.runDelay.look(nowNs);
  }

  /** Something has run, or has held the thread. Does not allocate. */
  note(what: string, fromNs: number, toNs: number): void {
    const { at, toNs: ends } = this;
    if (what === this.what && fromNs - ends[at]! < JOIN_NS) {
      ends[at] = toNs;
      return;
    }
    const next = (at + 1) % KEPT;
    this.at = next;
    this.whats[next] = this.what = what;
    this.fromNs[next] = fromNs;
    ends[next] = toNs;
  }

  exceeded(excess: Excess): void {
    const { figures, kind, ns, readyNs, endNs } = excess;
    let worst = this.worst.get(figures);
    if (worst === undefined) this.worst.set(figures, (worst = new Float64Array(FIGURES.length)));
    const isWorst = ns > worst[kind]!;
    if (isWorst) worst[kind] = ns;
    if (endNs - this.secondNs >= 1e9) {
      this.tellKept();
      [this.secondNs, this.reported] = [endNs, 0];
    }
    const isLeftOut = ++this.reported > MOST_A_SECOND && !(isWorst && this.reported <= 2 * MOST_A_SECOND);
    if (isLeftOut && this.kept !== undefined) {
      this.leftOut++;
      return;
    }
    const evidence: Evidence = {
      isWorst, ran: this.between(readyNs, endNs), scheduled: this.runDelay.since(readyNs, endNs),
      wake: this.host.lastWake(),
    };
    if (isLeftOut) {
      this.kept = { excess, evidence };
      const leftMs = (this.secondNs + 1e9 - endNs) / 1e6;
      this.keptTimer = setTimeout(() => this.tellKept(), Math.max(leftMs, SETTLE_MS)).unref();
      return;
    }
    const leftOut = this.takeLeftOut();
    setTimeout(() => this.report(excess, evidence, leftOut), SETTLE_MS).unref();
  }

  /** No bound is left. */
  close(): void {
    this.tellKept();
    this.collections.close();
    this.halts.end();
    this.runDelay.close();
  }

  private tellKept(): void {
    const { kept } = this;
    clearTimeout(this.keptTimer);
    this.kept = undefined;
    if (kept !== undefined) this.report(kept.excess, kept.evidence, this.takeLeftOut());
  }

  private takeLeftOut(): number {
    const { leftOut } = this;
    this.leftOut = 0;
    return leftOut;
  }

  private report(
    { figures, kind, ns, readyNs, startNs, endNs, from }: Excess, { isWorst, ran, scheduled, wake }: Evidence,
    leftOut: number,
  ): void {
    const collections = this.collections.between(readyNs, endNs);
    const hasSlept = wake.askedNs >= readyNs - 1 && wake.awakeNs > readyNs && wake.awakeNs <= endNs;
    const { cause, shares } = causeOf({
      task: figures.name,
      readyNs, endNs: kind === SCHEDULE_IN ? startNs : endNs, startNs: kind === RUN ? readyNs : startNs,
      ran, collections, runDelayNs: scheduled.delayNs,
      // Seen by another thread, and true of this one only for as long as it had no CPU.
      stoppedNs: Math.min(this.halts.between(readyNs, endNs), endNs - readyNs - scheduled.ranNs),
      wokenNs: hasSlept ? wake.askedNs : 0, awakeNs: hasSlept ? wake.awakeNs : 0,
    });
    const what = cause.what === '' ? '' : ` ${cause.what}`;
    figures.tellCause(`${FIGURES[kind]!} ${(ns / 1e3).toFixed(0)} us: ${cause.kind}${what}`);
    this.host.report({
      reactorId: this.host.id, task: figures.name, priority: figures.band, figure: FIGURES[kind]!, ns,
      boundNs: figures.boundNs(kind), isWorst, cause, shares, readyNs, startNs, endNs, from,
      wokenBy: hasSlept ? wake.by : -1,
      timesScheduled: scheduled.times, cpuBefore: scheduled.cpuBefore, cpu: scheduled.cpu,
      collections, stall: undefined, leftOut,
      ran: [...ran].sort((a, b) => b.toNs - b.fromNs - (a.toNs - a.fromNs)).slice(0, MOST_SPANS)
        .sort((a, b) => a.fromNs - b.fromNs),
    });
  }

  private between(fromNs: number, toNs: number): Span[] {
    const spans: Span[] = [];
    for (let i = 1; i <= KEPT; i++) {
      const at = (this.at + i) % KEPT;
      const [from, to] = [this.fromNs[at]!, this.toNs[at]!];
      if (to > fromNs && from < toNs) spans.push({ what: this.whats[at]!, fromNs: from, toNs: to });
    }
    return spans;
  }
}
