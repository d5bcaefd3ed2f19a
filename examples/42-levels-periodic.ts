/** A periodic task that does not drift, above a task that never rests on the same core. */
import { isMainThread } from 'node:worker_threads';
import { defineApp, implementApp, startApp, takes } from 'percore/realtime';

const PERIOD_NS = 1_000_000;
const TICKS = 200;

const app = defineApp({
  cores: [{}],
  tasks: {
    busy: { priority: 1, spawns: ['busy'] },
    tick: { priority: 2, schedules: ['tick'], takes: takes<number>() },
  },
  main: { spawns: ['busy'], schedules: ['tick'] },
});

let firstNs = 0;
const lateness: number[] = [];

export default implementApp(app, {
  tasks: {
    busy({ spawn, nowNs, data }) {
      const endNs = nowNs() + 200_000;
      while (nowNs() < endNs) Math.sqrt(endNs);
      if (Atomics.load(data as Int32Array, 0) === 0) spawn('busy');
    },
    tick({ schedule, scheduledNs, nowNs, reactor }, tick) {
      if (tick === 0) firstNs = scheduledNs;
      lateness.push(nowNs() - scheduledNs);
      if (tick < TICKS) return void schedule('tick', scheduledNs + PERIOD_NS, tick + 1);
      lateness.sort((a, b) => a - b);
      const result = { drift: scheduledNs - firstNs - TICKS * PERIOD_NS, median: lateness[TICKS >> 1] };
      reactor.send('end', result, { reactor: 'main' });
    },
  },
});

if (isMainThread) {
  interface Result { readonly drift: number; readonly median: number }
  let end = (_result: Result): void => undefined;
  const ended = new Promise<Result>((resolve) => { end = resolve; });
  const isOver = new Int32Array(new SharedArrayBuffer(4));
  const running = await startApp(app, {
    entry: new URL(import.meta.url), data: isOver,
    main: (runtime) => void runtime.spawn<Result>({ name: 'end' }, (all) => end(all)),
  });
  running.spawn('busy');
  running.schedule('tick', running.nowNs() + PERIOD_NS, 0);
  const { drift, median } = await ended;
  Atomics.store(isOver, 0, 1);
  console.log(`${TICKS} ticks above a busy task: drift ${drift} ns, median lateness ${Math.round(median / 1e3)} µs`);
  const [core] = running.status().cores;
  console.log(core?.isPreemptive === true ? 'preemptive' : `by turns, later: ${core?.why}`);
  await running.close();
}
