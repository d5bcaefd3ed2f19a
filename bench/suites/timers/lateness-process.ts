/**
 * `lateness-process.js JSON`: one timer at one rate in a thread pinned to one CPU, in a process of its own, and what
 * came of it, as JSON. Percore's timers run in a parked reactor, Node's in a worker. The scheduling policy is that of
 * the process: `chrt` starts it.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { createRuntime, type Runtime } from 'percore';
import { pinThisThread, thisThreadId } from '../../cpus.js';
import type { LatenessServices, TickValues } from './lateness-reactor.js';

export interface LatenessWish {
  readonly timer: 'rate-timer' | 'reactor-timer' | 'setTimeout' | 'setInterval';
  /** Of a rate timer. */
  readonly backend?: 'timerfd' | 'io_uring' | 'spin';
  readonly spinNs?: number;
  readonly cpu: number;
  readonly intervalNs: number;
  readonly ticks: number;
  readonly warmupTicks: number;
}

/** Times in nanoseconds, one value a tick. Read by the timer's user, in its callback. */
export interface LatenessSample {
  readonly granted: string;
  readonly threadId: number;
  readonly missed: number;
  /** From the first deadline that had passed, as cyclictest counts. */
  readonly latenessNs: readonly number[];
  /** From the last tick to this one, less what it should have been. */
  readonly intervalJitterNs: readonly number[];
  /** By how much the last tick was off the deadline of its number, counted from the first. */
  readonly driftNs: number;
  readonly cpuPercent: number;
}
export interface LatenessReport extends LatenessSample {
  /** "SCHED_OTHER 0", "SCHED_FIFO 80": of the thread that ticked. */
  readonly policy: string;
}

async function ofPercore(wish: LatenessWish): Promise<LatenessSample> {
  // Too many for an answer, and allocated before it starts: growing is no part of a tick.
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
 * Node's timers: a chain of setTimeout, or setInterval. Neither leaves a tick out, so none is missed: they are late.
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

/** What the kernel says of a thread that is still there. */
function policyOf(threadId: number): string {
  const text = execFileSync('chrt', ['-p', String(threadId)], { encoding: 'utf8' });
  return `${/policy: (\S+)/.exec(text)?.[1]?.split('|')[0]} ${/priority: (\d+)/.exec(text)?.[1]}`;
}

if (isMainThread) {
  const wish = JSON.parse(process.argv[2]!) as LatenessWish;
  // The main thread's policy is inherited by every thread it makes.
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
