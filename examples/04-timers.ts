/**
 * Timers: one tick every millisecond, by absolute deadlines. Each tick says how late it is and how many were missed,
 * and the grid never drifts.
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor, type Tick } from 'percore';

type Services = { tick(count: number): Promise<Tick[]> };
const INTERVAL_NS = 1_000_000;

export default function start(reactor: Reactor<{ calls: Services }>): void {
  reactor.handle('tick', (count) => new Promise((resolve) => {
    const ticks: Tick[] = [];
    const timer = reactor.timers.every({ intervalNs: INTERVAL_NS }, (tick) => {
      // The timer uses the object again at its next tick, so keep the figures and not the object.
      const { sequence, expectedNs, actualNs, latenessNs, missed } = tick;
      ticks.push({ sequence, expectedNs, actualNs, latenessNs, missed });
      if (ticks.length < count) return;
      reactor.timers.cancel(timer);
      resolve(ticks);
    });
  }));
}

if (isMainThread) {
  const runtime = await createRuntime<{ calls: Services }>({ entry: new URL(import.meta.url), reactors: 1 });
  const ticks = await runtime.call('tick', 500);
  const [first, last] = [ticks[0]!, ticks.at(-1)!];
  const medianNs = ticks.map(({ latenessNs }) => latenessNs).toSorted((a, b) => a - b)[ticks.length >> 1]!;
  const driftNs = last.expectedNs - first.expectedNs - (last.sequence - first.sequence) * INTERVAL_NS;
  const missed = ticks.reduce((sum, tick) => sum + tick.missed, 0);
  console.log(`${ticks.length} ticks at 1 kHz: median lateness ${(medianNs / 1000).toFixed(0)} µs`);
  console.log(`drift ${driftNs} ns, missed ${missed}`);
  await runtime.close();
}
