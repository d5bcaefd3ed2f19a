/**
 * Row `migrate`: how long a bucket pauses when it moves with 10,000 messages queued, while it is being fed. The pause
 * goes from the last message that the old owner runs to the first one that the new owner runs. The baseline is handing
 * over by calls as a user would write it, with a sender that stops meanwhile; it is the first of its program in both
 * figures. The bench checks that every message was run once and in order, and that so many were queued.
 */
import { createBalancer, createRuntime, type Runtime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, sleep, type Bench, type Contender, type Finding } from '../../harness.js';
import type { MigrateServices } from './migrate-reactor.js';

const RUNS = 9;
const QUEUED = 10_000;
const FED_MS = 30;
/** An odd bucket, which reactor 1 owns at first. */
const BUCKET = 7;

/** So many moves there and back come before the one that is measured, so that the code is compiled. */
const WARM_UP = 15;

export const migrate: Bench = {
  name: 'migrate',
  run: async () => [...await row('after 30 others', WARM_UP), ...await row('the first of a program', 0)],
};

const row = (move: string, warmUp: number): Promise<Finding[]> => compare({
  runs: RUNS,
  ours: { name: 'percore', run: moved(warmUp) },
  baselines: [{ name: 'by calls', run: byCalls }],
  figures: [{
    of: 'pause', metric: 'pause', unit: 'ms', better: 'lower', params: { queued: QUEUED, move },
    targets: warmUp === 0 ? {} : { 'by calls': { of: 'value', atMost: 1 } },
  }],
});

type Run = Contender<'pause'>['run'];

/** Setting `free` ends the stall of reactor 1. */
const withRuntime = (
  use: (runtime: Runtime<{ calls: MigrateServices }>, free: () => void) => Promise<number>,
): ReturnType<Run> =>
  (async () => {
    const isFree = new Int32Array(new SharedArrayBuffer(4));
    await using runtime = await createRuntime<{ calls: MigrateServices }>({
      entry: new URL('./migrate-reactor.js', import.meta.url), reactors: 2, pin: twoCpus(), laneBytes: 2 ** 20,
      data: isFree,
    });
    const pause = await use(runtime, () => void Atomics.store(isFree, 0, 1));
    const { reactors } = runtime.status();
    check(reactors.every(({ dropped, stepErrors }) => dropped + stepErrors === 0), 'a message was dropped');
    return { pause };
  })();

const moved = (warmUp: number): Run => () => withRuntime(async (runtime, free) => {
  const balancer = createBalancer(runtime, { mostMoves: 0 });
  await runtime.call('feed', BUCKET, { reactor: 0 });
  for (let i = 0; i < warmUp; i++) {
    for (const to of [0, 1]) {
      await balancer.move(BUCKET, to);
      await sleep(2);
    }
  }
  const stalled = runtime.call('stall', null, { reactor: 1 });
  const atOnce = await runtime.call('burst', { bucket: BUCKET, messages: QUEUED }, { reactor: 0 });
  check(atOnce === QUEUED, `${atOnce} messages were taken at once`);
  const moving = balancer.move(BUCKET, 0);
  await sleep(1);
  free();
  await Promise.all([moving, stalled]);
  await sleep(FED_MS);
  return pauseOf(runtime, await runtime.call('stop', null, { reactor: 0 }));
});

const byCalls: Run = () => withRuntime(async (runtime, free) => {
  const stalled = runtime.call('stall', null, { reactor: 1 });
  const handingOver = runtime.call('byCalls', QUEUED, { reactor: 0 });
  await sleep(FED_MS);
  free();
  const sent = await handingOver;
  await stalled;
  return pauseOf(runtime, sent);
});

/** Returns the pause in milliseconds, once everything has been run. */
async function pauseOf(runtime: Runtime<{ calls: MigrateServices }>, sent: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    const sides = await Promise.all([0, 1].map((reactor) => runtime.call('report', null, { reactor })));
    const run = sides[0].run + sides[1].run;
    check(sides.every(({ wrong }) => wrong === 0), 'a message was run out of order, or without its state');
    check(run <= sent && tries < 1000, `${sent} messages were sent and ${run} run`);
    if (run === sent) {
      check(sides[1].run >= QUEUED && sides[0].run > 0, `${sides[1].run} were run before and ${sides[0].run} after`);
      return sides[0].pauseNs / 1e6;
    }
    await sleep(2);
  }
}
