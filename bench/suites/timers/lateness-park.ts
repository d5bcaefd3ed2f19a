/**
 * Row `lateness-park`: how late a 1 kHz timer of a parked reactor is in its callback, against cyclictest on the same
 * core with the same policy, and against setTimeout as Node users have it (a pinned worker, SCHED_OTHER). All run in
 * turn. `source` says which of our timers it is:
 *
 *   rate timer                  wakes early by the time that waking takes, rehearses, and fires at the deadline
 *   rate timer, woken at it     the same with spinNs: 0, to show what a wake-up and a cold call into JavaScript cost
 *   reactor.timers.every        the wheel, whose reactor wakes early by the time that waking takes, without a rehearsal
 *
 * With SCHED_OTHER the kernel lets cyclictest sleep up to 50 µs longer than it asked for (timer slack). That does not
 * apply to a timerfd.
 */
import { compare, finding, percentile, type Bench, type Contender, type Figure, type Finding } from '../../harness.js';
import { cyclictest, lastCpu, measureTimer, percentilesUs, type LatenessWish, type Policy } from './lateness.js';

const RUNS = 5;
const INTERVAL_NS = 1e6;
const TICKS = 2500;
const WARMUP_TICKS = 300;

type Figures = 'p50' | 'p99';

const CYCLICTEST: Record<Policy, Record<Figures, number>> = {
  other: { p50: 0.7, p99: 1 },
  fifo: { p50: 1.4, p99: 1.4 },
};
const SET_TIMEOUT_P99 = 0.25;
const FIRST = 'rate timer';
const OTHERS: Record<string, Pick<LatenessWish, 'timer' | 'backend' | 'spinNs'>> = {
  'rate timer, woken at it': { timer: 'rate-timer', backend: 'timerfd', spinNs: 0 },
  'reactor.timers.every': { timer: 'reactor-timer' },
};

export const latenessPark: Bench = {
  name: 'lateness-park',
  async run() {
    const findings: Finding[] = [];
    for (const policy of ['other', 'fifo'] as const) findings.push(...(await withPolicy(policy)));
    return findings;
  },
};

async function withPolicy(policy: Policy): Promise<Finding[]> {
  const cpu = lastCpu();
  const cpuPercents: Record<string, number[]> = {};
  const timer = (
    name: string, wish: Pick<LatenessWish, 'timer' | 'backend' | 'spinNs'>, itsPolicy: Policy,
  ): Contender<Figures> => ({
    name,
    async run() {
      const report = await measureTimer(
        { ...wish, cpu, intervalNs: INTERVAL_NS, ticks: TICKS, warmupTicks: WARMUP_TICKS }, itsPolicy,
      );
      (cpuPercents[name] ??= []).push(report.cpuPercent);
      const { p50, p99 } = percentilesUs(report.latenessNs);
      return { p50, p99 };
    },
  });
  const figure = (of: Figures, source: string): Figure<Figures> => ({
    of,
    metric: of,
    unit: 'us',
    better: 'lower',
    params: { policy, source, rateHz: 1000 },
    targets: {
      cyclictest: { of: 'ratio', atMost: CYCLICTEST[policy][of] },
      ...(of === 'p99' ? { setTimeout: { of: 'ratio', atMost: SET_TIMEOUT_P99 } } : {}),
    },
  });
  const note = (): string =>
    `CPU of the whole process with ${policy}, % of a core: ${Object.entries(cpuPercents)
      .map(
        ([name, values]) =>
          `${name} ${percentile(
            values.toSorted((a, b) => a - b),
            50,
          ).toFixed(1)}`,
      )
      .join(', ')}`;
  const findings = await compare<Figures>({
    runs: RUNS,
    ours: timer(FIRST, { timer: 'rate-timer', backend: 'timerfd' }, policy),
    baselines: [
      {
        name: 'cyclictest',
        run: () => cyclictest(cpu, policy, INTERVAL_NS, TICKS) as Promise<unknown> as Promise<Record<Figures, number>>,
      },
      timer('setTimeout', { timer: 'setTimeout' }, 'other'),
      ...Object.entries(OTHERS).map(([name, wish]) => timer(name, wish, policy)),
    ],
    hasOursAmongBaselines: true,
    figures: [figure('p50', FIRST), figure('p99', FIRST)],
    note,
  });
  // Our other timers were measured together with it, so compare their samples with the same baselines.
  const samplesOf = (metric: string, baseline: string): readonly number[] =>
    findings.find((one) => one.metric === metric && one.baseline.name === baseline)!.samples.baseline;
  const ofOthers = Object.keys(OTHERS).flatMap((source) =>
    (['p50', 'p99'] as const).flatMap((metric) =>
      ['cyclictest', 'setTimeout'].map((baseline) =>
        finding(figure(metric, source), samplesOf(metric, source), baseline, samplesOf(metric, baseline), note()),
      ),
    ),
  );
  return [...findings.filter(({ baseline }) => OTHERS[baseline.name] === undefined), ...ofOthers];
}
