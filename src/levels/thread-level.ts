/**
 * The real-time priority of this thread: that of its level, or the ceiling of what it has locked. Raising it to a level
 * that it already has makes no system call. Source: sched(7): a thread that lowers its own priority goes to the front
 * of its new one.
 */
import { native } from '../native.js';

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

export class ThreadLevel {
  /** The rank at which it runs now: its own, or the ceiling of what it has locked. */
  rank: number;
  /** How often the system refused to change it, after it had granted it. */
  notRaised = 0;
  private readonly byRank: readonly Float64Array[];
  private readonly realtime = native().realtime;

  /** `lowest` is the SCHED_FIFO priority of rank 1. `isGranted` is false if levels take turns; then it only counts. */
  constructor(readonly own: number, ranks: number, lowest: number, private readonly isGranted: boolean) {
    this.rank = own;
    this.byRank = Array.from({ length: ranks + 1 }, (_, rank) => (
      rank === 0 ? numbers(OTHER, 0, 0) : numbers(FIFO, 0, lowest + rank - 1)));
  }

  /** Runs at this rank from now on. Makes one system call. */
  set(rank: number): void {
    this.rank = rank;
    if (this.isGranted && this.realtime!.setPolicy(0, this.byRank[rank]!) !== 0) this.notRaised++;
  }
}
