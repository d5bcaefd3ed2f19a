/**
 * `lateness-process.js JSON`: a process with one timer at one rate, in a thread that is pinned to one CPU. Prints the
 * figures as JSON. Percore's timers run in a parked reactor, Node's in a worker. The scheduling policy is that of the
 * process, which `chrt` starts.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { createRuntime, type Runtime } from 'percore';
import { pinThisThread, thisThreadId } from '../../cpus.js';
import type { LatenessServices, TickValues } from './lateness-reactor.js';

export interface LatenessWish {
  readonly timer: 'rate-timer' | 'reactor-timer' | 'setTimeout' | 'setInterval';
  /** An option of rate timers. */
  readonly backend?: 'timerfd' | 'io_uring' | 'spin';
  readonly spinNs?: number;
  readonly cpu: number;
  readonly intervalNs: number;
  readonly ticks: number;
  readonly warmupTicks: number;
}

/** Times in nanoseconds, one value for each tick, as the callback reads them. */
export interface LatenessSample {
  readonly granted: string;
  readonly threadId: number;
  readonly missed: number;
  /** The lateness, counted from the first deadline that had passed, as in cyclictest. */
  readonly latenessNs: readonly number[];
  /** The interval from the last tick to this one, minus what it should have been. */
  readonly intervalJitterNs: readonly number[];
  /** By how much the last tick missed the deadline for its number, counted from the first tick. */
  readonly driftNs: number;
  readonly cpuPercent: number;
}
export interface LatenessReport extends LatenessSample {
  /** The policy of the thread that ticked, such as "SCHED_OTHER 0" or "SCHED_FIFO 80". */
  readonly policy: string;
}

async function ofPercore(wish: LatenessWish): Promise<LatenessSample> {
  // There are too many values for an answer. They are allocated beforehand, so that no tick has to grow an array.
  const values: TickValues = {
    latenessNs: new Float64Array(new SharedArrayBuffer(wish.ticks * 8)),
    intervalJitterNs: new Float64Array(new SharedArrayBuffer(wish.ticks * 8)),
  };
  const runtime: Runtime<{ calls: LatenessServices }> = await createRuntime<{ calls: LatenessServices }>({
    entry: new URL('./lateness-reactor.js', import.meta.url),
    reactors: 1,
    pin: [wish.cpu],
    idle: { strategy: 'park' },
    data: values,
  });
  const summary = await runtime.call('measure', wish);
  await runtime.close();
  return { ...summary, latenessNs: [...values.latenessNs], intervalJitterNs: [...values.intervalJitterNs] };
}

/**
 * Node's timers: a chain of setTimeout, or setInterval. Neither leaves out a tick, so ticks are never missed but late.
 */
function ofNode(wish: LatenessWish): Promise<LatenessSample> {
  pinThisThread(wish.cpu);
  const intervalMs = wish.intervalNs / 1e6;
  const latenessNs: number[] = [];
  const intervalJitterNs: number[] = [];
  let ticks = -wish.warmupTicks;
  let expectedMs = performance.now() + intervalMs;
  let startMs = 0;
  let lastMs = 0;
  let cpu = process.cpuUsage();
  return new Promise((resolve) => {
    const onTick = (): void => {
      const nowMs = performance.now();
      if (ticks === 0) {
        startMs = nowMs;
        cpu = process.cpuUsage();
      }
      if (ticks > 0) {
        latenessNs.push((nowMs - expectedMs) * 1e6);
        intervalJitterNs.push((nowMs - lastMs - intervalMs) * 1e6);
      }
      lastMs = nowMs;
      expectedMs = nowMs + intervalMs;
      if (ticks++ < wish.ticks) {
        if (wish.timer === 'setTimeout') setTimeout(onTick, intervalMs);
        return;
      }
      clearInterval(interval);
      const { user, system } = process.cpuUsage(cpu);
      resolve({
        granted: wish.timer,
        threadId: thisThreadId(),
        missed: 0,
        latenessNs,
        intervalJitterNs,
        driftNs: (nowMs - startMs - wish.ticks * intervalMs) * 1e6,
        cpuPercent: (user + system) / 10 / (nowMs - startMs),
      });
    };
    const interval = wish.timer === 'setInterval' ? setInterval(onTick, intervalMs) : setTimeout(onTick, intervalMs);
  });
}

/** What the kernel says about a thread, which must still exist. */
function policyOf(threadId: number): string {
  const text = execFileSync('chrt', ['-p', String(threadId)], { encoding: 'utf8' });
  return `${/policy: (\S+)/.exec(text)?.[1]?.split('|')[0]} ${/priority: (\d+)/.exec(text)?.[1]}`;
}

if (isMainThread) {
  const wish = JSON.parse(process.argv[2]!) as LatenessWish;
  // Every thread inherits the policy of the main thread.
  const policy = policyOf(process.pid);
  let sample: LatenessSample;
  if (wish.timer === 'setTimeout' || wish.timer === 'setInterval') {
    const worker = new Worker(new URL(import.meta.url), { workerData: wish });
    [sample] = (await once(worker, 'message')) as [LatenessSample];
  } else {
    sample = await ofPercore(wish);
  }
  process.stdout.write(`${JSON.stringify({ ...sample, policy } satisfies LatenessReport)}\n`);
} else {
  parentPort!.postMessage(await ofNode(workerData as LatenessWish));
}
