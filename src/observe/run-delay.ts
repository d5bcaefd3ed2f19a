/**
 * How long the kernel has made this thread wait for a CPU though it could run, how often it gave it one, and which: the
 * second and third number of /proc/thread-self/schedstat and the CPU, read now and then while the thread works, and
 * when somebody asks. Without that file (another system, a kernel without CONFIG_SCHED_INFO) it is 0.
 */
import { closeSync, openSync } from 'node:fs';
import { native } from '../native.js';

/** What the kernel has done with a thread in a time. */
export interface Scheduled {
  readonly delayNs: number;
  /** For how long it can have had a CPU at most. */
  readonly ranNs: number;
  /** How often it was given a CPU, up to 5 ms before that time included; 0 where it was never taken off. */
  readonly times: number;
  /** The CPU that it ran on before and at the end; -1 where that is not known. */
  readonly cpuBefore: number;
  readonly cpu: number;
}

/** How long the thread works between two readings, each of which takes some microseconds. */
const EVERY_NS = 5_000_000;
const KEPT = 64;

/**
 * How much of a delay belongs to a time of `wholeNs`, if it arose then or in the `earlierNs` before, and the thread ran
 * for `ranNs` in both: evenly, as far as that is possible.
 */
export function delayWithin(wholeNs: number, earlierNs: number, delayNs: number, ranNs: number): number {
  const evenly = (delayNs * wholeNs) / (wholeNs + earlierNs);
  const most = Math.min(delayNs, wholeNs, wholeNs + earlierNs - ranNs);
  return Math.max(0, Math.min(Math.max(evenly, delayNs - earlierNs), most));
}

export class RunDelay {
  private fd = -1;
  private readonly scheduled = native().threads.scheduled;
  /** What the kernel has said last. */
  private readonly read = new Float64Array(4);
  private readonly atNs = new Float64Array(KEPT);
  private readonly ranNs = new Float64Array(KEPT);
  private readonly delayNs = new Float64Array(KEPT);
  private readonly times = new Float64Array(KEPT);
  private readonly cpus = new Int32Array(KEPT);
  private readings = 0;
  private nextNs = 0;

  constructor(nowNs: number) {
    if (this.scheduled === undefined) return;
    try {
      this.fd = openSync('/proc/thread-self/schedstat', 'r');
    } catch {
      // Not granted here: nothing is ever put down to the kernel.
      return;
    }
    this.take(nowNs);
  }

  /** A turn begins. */
  look(nowNs: number): void {
    if (nowNs >= this.nextNs) this.take(nowNs);
  }

  /** What happened since `fromNs`, or since the last reading before that. Allocates. */
  since(fromNs: number, nowNs: number): Scheduled {
    if (this.fd < 0) return { delayNs: 0, ranNs: 0, times: 0, cpuBefore: -1, cpu: -1 };
    let before = (this.readings + KEPT - 1) % KEPT;
    const kept = Math.min(KEPT, this.readings);
    for (let i = 1; i < kept && this.atNs[before]! > fromNs; i++) before = (before + KEPT - 1) % KEPT;
    const [beforeNs, timesBefore, cpuBefore] = [this.delayNs[before]!, this.times[before]!, this.cpus[before]!];
    const ranBefore = this.ranNs[before]!;
    const earlierNs = Math.max(0, fromNs - this.atNs[before]!);
    const now = this.take(nowNs);
    return {
      delayNs: delayWithin(nowNs - fromNs, earlierNs, this.delayNs[now]! - beforeNs, this.ranNs[now]! - ranBefore),
      times: this.times[now]! - timesBefore, cpuBefore, cpu: this.cpus[now]!,
      ranNs: Math.min(nowNs - fromNs, this.ranNs[now]! - ranBefore),
    };
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  /** Where the reading is kept. */
  private take(nowNs: number): number {
    if (this.fd < 0) return 0;
    this.nextNs = nowNs + EVERY_NS;
    const at = this.readings++ % KEPT;
    const { read } = this;
    // In one call, since this code runs so seldom that it is in no cache, and V8 does not optimize it.
    this.scheduled!(this.fd, read);
    this.atNs[at] = nowNs;
    this.ranNs[at] = read[0]!;
    this.delayNs[at] = read[1]!;
    this.times[at] = read[2]!;
    this.cpus[at] = read[3]!;
    return at;
  }
}
