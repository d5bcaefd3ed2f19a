/** Timers: every millisecond by absolute deadlines; lateness is told, missed ticks are counted, nothing drifts. */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';

type Services = { tick(count: number): Promise<{ medianLatenessNs: number; driftNs: number; missed: number }> };

export default function start(reactor: Reactor<Services>): void {
  reactor.handle('tick', (count) => new Promise((resolve) => {
    const lateness: number[] = [];
    let missed = 0;
    let gridNs = 0;
    const timer = reactor.timers.every({ intervalNs: 1_000_000 }, (tick) => {
      // Where tick 0 was due, as the first tick that came says; it need not be tick 0.
      if (lateness.length === 0) gridNs = tick.expectedNs - tick.sequence * 1_000_000;
      lateness.push(tick.latenessNs);
      missed += tick.missed;
      if (lateness.length < count) return;
      reactor.timers.cancel(timer);
      const driftNs = tick.expectedNs - gridNs - tick.sequence * 1_000_000;
      resolve({ medianLatenessNs: lateness.toSorted((a, b) => a - b)[count >> 1]!, driftNs, missed });
    });
  }));
}

if (isMainThread) {
  const runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 1 });
  const { medianLatenessNs, driftNs, missed } = await runtime.call('tick', 500);
  console.log(
    `500 ticks at 1 kHz: median lateness ${(medianLatenessNs / 1000).toFixed(0)} µs, drift ${driftNs} ns, missed ${missed}`,
  );
  await runtime.close();
}
