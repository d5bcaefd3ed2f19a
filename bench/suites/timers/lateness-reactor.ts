/** A reactor that measures one of its own timers. */
import type { Reactor } from 'percore';
import { createRateTimer } from 'percore/timers';
import { thisThreadId } from '../../cpus.js';
import type { LatenessSample, LatenessWish } from './lateness-process.js';

/** One value for each tick, in shared memory. */
export interface TickValues {
  readonly latenessNs: Float64Array;
  readonly intervalJitterNs: Float64Array;
}
export type LatenessServices = { measure(wish: LatenessWish): Promise<Omit<LatenessSample, keyof TickValues>> };

interface AnyTick {
  readonly sequence: number;
  readonly expectedNs: number;
  readonly missed: number;
}

type LatenessReactor = Reactor<{ calls: LatenessServices }>;

export default function start(reactor: LatenessReactor, { latenessNs, intervalJitterNs }: TickValues): void {
  reactor.handle('measure', (wish) => new Promise((resolve) => {
    const { intervalNs, ticks, warmupTicks } = wish;
    let seen = -warmupTicks;
    let missed = 0;
    let lastNs = 0;
    let lastExpectedNs = 0;
    let first = { expectedNs: 0, sequence: 0 };
    let startNs = 0;
    let cpu = process.cpuUsage();
    const onTick = (tick: AnyTick): void => {
      const nowNs = reactor.nowNs();
      if (seen === 0) {
        first = { expectedNs: tick.expectedNs, sequence: tick.sequence };
        startNs = nowNs;
        cpu = process.cpuUsage();
      }
      if (seen > 0) {
        missed += tick.missed;
        latenessNs[seen - 1] = nowNs - tick.expectedNs + tick.missed * intervalNs;
        intervalJitterNs[seen - 1] = nowNs - lastNs - (tick.expectedNs - lastExpectedNs);
      }
      lastNs = nowNs;
      lastExpectedNs = tick.expectedNs;
      if (seen++ < ticks) return;
      stop();
      const { user, system } = process.cpuUsage(cpu);
      resolve({
        granted, threadId: thisThreadId(), missed,
        driftNs: nowNs - first.expectedNs - (tick.sequence - first.sequence) * intervalNs,
        cpuPercent: (user + system) / 10 / ((nowNs - startNs) / 1e6),
      });
    };
    let granted: string;
    let stop: () => void;
    if (wish.timer === 'reactor-timer') {
      granted = 'wheel';
      const id = reactor.timers.every({ intervalNs, priority: 7 }, onTick);
      stop = () => reactor.timers.cancel(id);
    } else {
      const timer = createRateTimer(
        {
          intervalNs,
          backend: wish.backend ?? 'auto',
          clock: reactor.clock,
          ...(wish.spinNs === undefined ? {} : { spinNs: wish.spinNs }),
        },
        onTick,
      );
      granted = timer.status().backend.granted;
      stop = () => timer.close();
    }
  }));
}
