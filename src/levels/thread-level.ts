/**
 * The real-time priority of this thread: that of its level, or the ceiling of what it has locked.
 *
 *      raise(ceiling): shown to those above, who look before they begin --one has to wait?--> it raises this thread
 *                      several cores use the resource, or this is idle?--> raised at once, by one system call
 *      lower(rank):    shown; lowered by one system call if it was raised
 *
 * Source: sched(7): a thread that lowers its own priority goes to the front of its new one.
 */
import { native } from '../native.js';
import type { ShownCeiling } from './step-gate.js';

const OTHER = 0;
const FIFO = 1;
/** The numbers of a policy, in native order: policy, nice, priority, runtime, deadline, period. */
const numbers = (policy: number, nice: number, priority: number): Float64Array =>
  new Float64Array([policy, nice, priority, 0, 0, 0]);

/** How the system sees this thread: 0 or -errno of the refusal, and its SCHED_FIFO priority, 0 for none. */
export function fifoOfThread(): number {
  const found = numbers(OTHER, 0, 0);
  return (native().realtime?.getPolicy(0, found) ?? -1) === 0 && found[0] === FIFO ? found[2]! : 0;
}

/** Asks for SCHED_FIFO of this priority for this thread; 0 for none. Returns the granted priority, or -errno. */
export function askForFifo(priority: number): number {
  if (fifoOfThread() === priority) return priority;
  const { realtime } = native();
  const code = realtime?.setPolicy(0, priority === 0 ? numbers(OTHER, 0, 0) : numbers(FIFO, 0, priority)) ?? -38;
  return code === 0 ? fifoOfThread() : code;
}

/** A policy for each rank: `lowest` is the SCHED_FIFO priority of rank 1. */
function policiesOf(ranks: number, lowest: number): Float64Array[] {
  return Array.from({ length: ranks + 1 }, (_, rank) => (
    rank === 0 ? numbers(OTHER, 0, 0) : numbers(FIFO, 0, lowest + rank - 1)));
}

/** Gives the thread `tid` of this process the priority of a rank. A thread that has ended is left alone. */
export function raiserOf(ranks: number, lowest: number): (tid: number, rank: number) => void {
  const byRank = policiesOf(ranks, lowest);
  const { realtime } = native();
  return (tid, rank) => {
    if (tid > 0) realtime?.setPolicy(tid, byRank[rank]!);
  };
}

export class ThreadLevel {
  /** The rank at which it runs now: its own, or the ceiling of what it has locked. */
  rank: number;
  /** How often the system refused to change it, after it had granted it. */
  notRaised = 0;
  /** The rank for which the system was last asked here. Whoever waits for this level may have raised it further. */
  private asked: number;
  private readonly byRank: readonly Float64Array[];
  private readonly realtime = native().realtime;

  /** `lowest` is the SCHED_FIFO priority of rank 1. Without `shown` levels take turns, and it only counts. */
  constructor(readonly own: number, ranks: number, lowest: number, private readonly shown: ShownCeiling | undefined) {
    this.rank = this.asked = own;
    this.byRank = policiesOf(ranks, lowest);
  }

  /** No step up to this rank begins from now on. `isAtOnce`: and this thread has its priority. */
  raise(rank: number, isAtOnce: boolean): void {
    this.rank = rank;
    if (this.shown === undefined) return;
    this.shown.show(rank);
    // The idle of a core has no real-time priority of its own: any ordinary program could keep it from its end.
    if (isAtOnce || this.own === 0) this.ask(rank);
  }

  /** Ends what `raise` began: back to `rank`. */
  lower(rank: number): void {
    this.rank = rank;
    if (this.shown === undefined) return;
    const isAwaited = this.shown.show(rank > this.own ? rank : 0);
    // Those who are woken preempt it then, each by one switch.
    if (isAwaited || this.asked > rank) this.ask(rank);
    if (isAwaited) this.shown.wake();
  }

  /** Something of rank `rank` on this core is about to become ready: it need not preempt this thread only to wait. */
  beforeWaking(rank: number): void {
    if (this.shown !== undefined && rank <= this.rank && rank > this.asked) this.ask(this.rank);
  }

  private ask(rank: number): void {
    this.asked = rank;
    if (this.realtime!.setPolicy(0, this.byRank[rank]!) !== 0) this.notRaised++;
  }
}
