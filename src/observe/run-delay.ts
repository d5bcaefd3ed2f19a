/**
 * How long the kernel let this thread wait for a CPU though it could have run: the second number of
 * /proc/thread-self/schedstat, read now and then while the thread works, and when somebody asks. Without that file (on
 * another system, or a kernel without CONFIG_SCHED_INFO) it is 0.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** How long the thread works between two readings, each of which takes some microseconds. */
const EVERY_NS = 20_000_000;
const KEPT = 8;

export class RunDelay {
  private fd = -1;
  private readonly bytes = Buffer.alloc(64);
  private readonly atNs = new Float64Array(KEPT);
  private readonly delayNs = new Float64Array(KEPT);
  private readings = 0;
  private nextNs = 0;

  constructor(nowNs: number) {
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

  /** For how many nanoseconds the thread has waited since `fromNs`, or since the last reading before that. */
  since(fromNs: number, nowNs: number): number {
    if (this.fd < 0) return 0;
    let before = (this.readings + KEPT - 1) % KEPT;
    const kept = Math.min(KEPT, this.readings);
    for (let i = 1; i < kept && this.atNs[before]! > fromNs; i++) before = (before + KEPT - 1) % KEPT;
    const delayNs = this.read() - this.delayNs[before]!;
    this.take(nowNs);
    return Math.min(nowNs - fromNs, delayNs);
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private take(nowNs: number): void {
    if (this.fd < 0) return;
    this.nextNs = nowNs + EVERY_NS;
    const at = this.readings++ % KEPT;
    this.atNs[at] = nowNs;
    this.delayNs[at] = this.read();
  }

  private read(): number {
    const count = readSync(this.fd, this.bytes, 0, this.bytes.length, 0);
    return Number(this.bytes.toString('latin1', 0, count).split(' ')[1]);
  }
}
