/**
 * Row `drift`: by how much tick 100,000 of a 1 kHz timer misses the deadline for its number, counted from the first
 * tick. The baseline is setInterval, which counts each interval from the last tick. Both run at the same time, each on
 * a CPU of its own, since they take a hundred seconds.
 */
import { check, compare, type Bench, type Contender } from '../../harness.js';
import { twoCpus } from '../../cpus.js';
import { measureTimer, type LatenessWish } from './lateness.js';

const INTERVAL_NS = 1e6;
const TICKS = 100_000;

type Figures = 'driftMs';

export const drift: Bench = {
  name: 'drift',
  run() {
    const [first, second] = twoCpus();
    let started: Promise<[number, number]> | undefined;
    const measure = async (wish: Pick<LatenessWish, 'timer' | 'backend'>, cpu: number): Promise<number> => {
      const report = await measureTimer(
        { ...wish, cpu, intervalNs: INTERVAL_NS, ticks: TICKS, warmupTicks: 100 }, 'other', 170_000,
      );
      check(Number.isFinite(report.driftNs), 'no drift was told');
      return Math.abs(report.driftNs) / 1e6;
    };
    const both = (): Promise<[number, number]> =>
      (started ??= Promise.all([
        measure({ timer: 'rate-timer', backend: 'timerfd' }, second), measure({ timer: 'setInterval' }, first),
      ]));
    const contender = (name: string, at: 0 | 1): Contender<Figures> => ({
      name,
      run: async () => ({ driftMs: (await both())[at] }),
    });
    return compare<Figures>({
      runs: 1,
      ours: contender('rate timer', 0),
      baselines: [contender('setInterval', 1)],
      figures: [
        {
          of: 'driftMs',
          metric: 'drift',
          unit: 'ms',
          better: 'lower',
          params: { rateHz: 1000, ticks: TICKS },
          targets: { setInterval: { of: 'value', atMost: INTERVAL_NS / 1e6 } },
        },
      ],
      note: () => 'of ours it is the lateness of the last tick: deadlines are counted from the first',
    });
  },
};
