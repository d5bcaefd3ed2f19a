/**
 * Measures the rows about levels in a process of its own: `node levels-process.js '{"row":"preempt", …}'` prints one
 * JSON object. One app has the tasks of all rows, and each row spawns those that it needs.
 */
import { readFile } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import { OK } from 'percore';
import { clearCore, defineApp, implementApp, startApp, takes } from 'percore/realtime';
import { ABOVE_PAUSE_NS, ACROSS_PAUSE_NS, LOWEST, SECTION_NS, type LevelsWish } from './levels-wish.js';

const PERIOD_NS = 1e6;

export const app = defineApp({
  cores: [{}, {}],
  resources: { shared: { endedNs: 'f64', isWanted: 'u32' }, high: { value: 'u32' }, both: { value: 'u32' } },
  tasks: {
    busy: { priority: 1, spawns: ['busy'] },
    tick: { priority: 2, schedules: ['tick'], takes: takes<number>() },
    ask: { priority: 1, spawns: ['above', 'across', 'ask'], takes: takes<{ left: number; isAcross: boolean }>() },
    above: { priority: 2, takes: takes<number>() },
    across: { core: 1, priority: 1, takes: takes<number>() },
    raise: { priority: 1, uses: ['shared', 'both'], takes: takes<number>() },
    top: { priority: 2, uses: ['high', 'shared'], takes: takes<number>() },
    topOfTwo: { priority: 2, uses: ['both'], takes: takes<number>() },
    hold: { priority: 1, uses: ['shared'], spawns: ['want', 'hold'], takes: takes<number>() },
    want: { priority: 2, uses: ['shared'], takes: takes<number>() },
    live: { core: 1, priority: 1, spawns: ['live'], takes: takes<number>() },
    alsoBusy: { priority: 1, spawns: ['alsoBusy'], takes: takes<number>() },
  },
  main: { spawns: ['busy', 'ask', 'raise', 'top', 'topOfTwo', 'hold', 'live', 'alsoBusy'], schedules: ['tick'] },
});

interface Shared {
  readonly stop: Int32Array; readonly makesGarbage: boolean;
  /**
   * Those before the warm-up's end included: a branch that is taken then for the first time makes V8 throw away what it
   * has optimized. Shared, since a list that grows is copied now and then.
   */
  readonly samples: Float64Array;
  /** `lock-blocking`: the longest gap between two readings of the clock, for each critical section. */
  readonly gaps: Float64Array;
}
let seen = 0;
let isWatching = false;
let garbage: object[] = [];

function spin(nowNs: () => number, ns: number): void {
  const endNs = nowNs() + ns;
  while (nowNs() < endNs) Math.sqrt(endNs);
}

/** The same; returns the longest gap between two readings. */
function spinForGap(nowNs: () => number, ns: number): number {
  let lastNs = nowNs();
  let gapNs = 0;
  for (const endNs = lastNs + ns; lastNs < endNs;) {
    const now = nowNs();
    if (now - lastNs > gapNs) gapNs = now - lastNs;
    lastNs = now;
  }
  return gapNs;
}

/** Collects samples, and says when there are as many as were asked for. */
function note(ns: number, { data, reactor }: { data: unknown; reactor: { send: Send } }): void {
  const { samples } = data as Shared;
  samples[seen++] = ns;
  if (seen === samples.length) reactor.send('end', undefined, { reactor: 'main' });
}
type Send = (name: string, message: unknown, options: { reactor: 'main' }) => number;

const LOCK_ROUNDS = 50;

/** The time that one lock takes, measured over many. */
function timeLocks(
  lock: () => void, count: number, context: { nowNs: () => number; data: unknown; reactor: { send: Send } },
): void {
  const { nowNs } = context;
  for (let round = 0; round < LOCK_ROUNDS; round++) {
    const beganNs = nowNs();
    for (let i = 0; i < count; i++) lock();
    note((nowNs() - beganNs) / count, context);
  }
}

export default implementApp(app, {
  tasks: {
    busy({ spawn, nowNs, data }) {
      const { stop, makesGarbage } = data as Shared;
      if (makesGarbage) {
        for (let i = 0; i < 2000; i++) garbage.push({ i });
        if (garbage.length > 1e5) garbage = [];
      }
      spin(nowNs, 500_000);
      if (Atomics.load(stop, 0) === 0) spawn('busy');
    },
    tick(context, left) {
      note(context.nowNs() - context.scheduledNs, context);
      if (left > 1) context.schedule('tick', context.scheduledNs + PERIOD_NS, left - 1);
    },
    ask({ spawn, nowNs }, { left, isAcross }) {
      spin(nowNs, isAcross ? ACROSS_PAUSE_NS : ABOVE_PAUSE_NS);
      // This is refused while the last one still runs, because its level has waited for something else, such as a
      // collection.
      const isSent = spawn(isAcross ? 'across' : 'above', nowNs()) === OK;
      if (left > 1 || !isSent) spawn('ask', { left: isSent ? left - 1 : left, isAcross });
    },
    above(context, sentNs) { note(context.nowNs() - sentNs, context); },
    across(context, sentNs) { note(context.nowNs() - sentNs, context); },
    raise(context, count) {
      const critical = (shared: { endedNs: number }): void => { shared.endedNs++; };
      timeLocks(() => context.lock('shared', critical), count, context);
    },
    top(context, count) {
      const critical = (high: { value: number }): void => { high.value = 1; };
      timeLocks(() => context.lock('high', critical), count, context);
    },
    topOfTwo(context, count) {
      const critical = (both: { value: number }): void => { both.value = 1; };
      timeLocks(() => context.lock('both', critical), count, context);
    },
    hold({ lock, spawn, nowNs, data }, left) {
      spin(nowNs, Math.random() * 5000);
      const isSent = lock('shared', (shared) => {
        // The time goes on while the one before has not run: a higher level that waits for something else is late too.
        if (shared.isWanted !== 0 || spawn('want', nowNs()) !== OK) return false;
        shared.isWanted = 1;
        const gapNs = spinForGap(nowNs, Math.random() * SECTION_NS);
        const { gaps } = data as Shared;
        gaps[gaps.length - left] = gapNs;
        shared.endedNs = nowNs();
        return true;
      });
      if (left > 1 || !isSent) spawn('hold', isSent ? left - 1 : left);
    },
    // How much longer it has waited than for the one critical section.
    want(context) {
      note(context.lock('shared', (shared) => {
        shared.isWanted = 0;
        return context.nowNs() - shared.endedNs;
      }), context);
    },
    live({ spawn, nowNs, data }, untilNs) {
      spin(nowNs, 1_000_000);
      if (nowNs() < untilNs && Atomics.load((data as Shared).stop, 0) === 0) spawn('live', untilNs);
      if (!isWatching) void watchInside(nowNs, untilNs, data as Shared);
    },
    alsoBusy({ spawn, nowNs, data }, untilNs) {
      spin(nowNs, 1_000_000);
      if (nowNs() < untilNs && Atomics.load((data as Shared).stop, 0) === 0) spawn('alsoBusy', untilNs);
    },
  },
});

/** How late promises, timers and files are in a reactor that never rests. The worst, in µs, is in stop[1]. */
async function watchInside(nowNs: () => number, untilNs: number, { stop }: Shared): Promise<void> {
  isWatching = true;
  while (nowNs() < untilNs) {
    const beganNs = nowNs();
    await new Promise((resolve) => setTimeout(resolve, 1));
    await readFile('/proc/self/stat');
    const worst = Math.round((nowNs() - beganNs - PERIOD_NS) / 1000);
    if (worst > Atomics.load(stop, 1)) Atomics.store(stop, 1, worst);
  }
}

async function main(wish: LevelsWish): Promise<void> {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => { end = resolve; });
  const stop = new Int32Array(new SharedArrayBuffer(8));
  const { row, count, warmUp = 0, cpus, restShare } = wish;
  const { makesGarbage = false, isPreemptive = true, onAllCores = false } = wish;
  const kept = row === 'lock' || row === 'lock-shared' ? LOCK_ROUNDS : count;
  const shared = (): Float64Array => new Float64Array(new SharedArrayBuffer(8 * (warmUp + kept)));
  let samples = shared();
  const gaps = shared();
  const running = await startApp(app, {
    entry: new URL(import.meta.url), cpus, lowestPriority: LOWEST, isPreemptive,
    ...(restShare === undefined ? {} : { restShare }),
    data: { stop, makesGarbage, samples, gaps } satisfies Shared,
    main: (runtime) => void runtime.spawn({ name: 'end' }, () => end()),
  });
  // The guide advises this for levels that saturate a core: V8's helpers starve there, and collections wait for them.
  if (!onAllCores) clearCore(cpus[row === 'main-liveness' ? 1 : 0]);
  if (row === 'preempt') {
    running.spawn('busy');
    running.schedule('tick', running.nowNs() + 2e7, warmUp + count);
  } else if (row === 'spawn-above' || row === 'spawn-across') {
    running.spawn('ask', { left: warmUp + count, isAcross: row === 'spawn-across' });
  } else if (row === 'lock') {
    running.spawn(makesGarbage ? 'raise' : 'top', count);
  } else if (row === 'lock-shared') {
    running.spawn('topOfTwo', count);
  } else if (row === 'lock-blocking') {
    running.spawn('hold', warmUp + count);
  } else {
    samples = Float64Array.from(await heartbeats(running.nowNs, count, () => {
      const untilNs = running.nowNs() + count * 1e9;
      running.spawn('live', untilNs);
      if (onAllCores) running.spawn('alsoBusy', untilNs);
    }));
    end();
  }
  await ended;
  const sorted = samples.subarray(warmUp).toSorted();
  Atomics.store(stop, 0, 1);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  console.log(JSON.stringify({
    p50: at(0.5), p99: at(0.99), max: sorted.at(-1), count: sorted.length, insideUs: Atomics.load(stop, 1),
    gap: gaps.subarray(warmUp).toSorted().at(-1),
    isPreemptive: running.status().cores[0]!.isPreemptive && running.status().levels[0]!.fifoGranted === LOWEST,
  }));
  await running.close();
}

/** By how much gaps between the beats of this thread, which should be 10 ms apart, are longer than that. */
async function heartbeats(nowNs: () => number, seconds: number, begin: () => void): Promise<number[]> {
  begin();
  const gaps: number[] = [];
  const endNs = nowNs() + seconds * 1e9;
  for (let lastNs = nowNs(); lastNs < endNs;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    gaps.push(nowNs() - lastNs - 1e7);
    lastNs = nowNs();
  }
  return gaps;
}

if (isMainThread) await main(JSON.parse(process.argv[2]!) as LevelsWish);
