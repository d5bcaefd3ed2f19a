/** `percore/timers`, and what stands alone in `percore`: histograms, budgets, errors. */
import * as percore from 'percore';
import * as timers from 'percore/timers';
import { aFunction, aText, int, oneOf, options, wait, type Hints, type Make, type World } from '../fuzzer.js';

const band = { priority: int(0, 7) };
const ns = int(0, 200_000);
const interval = int(1000, 500_000);
const clock: Make = (fuzzer) => fuzzer.ofClass(/^ManualClock$/, () => timers.monotonicClock());
const timerId: Make = ({ chance }) => chance.one([0, 2 ** 24, 2 ** 24 + 1, 2 ** 25, 2 ** 25 + 1, 2 ** 24 + 2]);
const rate = {
  backend: oneOf('auto', 'timerfd', 'spin', 'io_uring', 'manual'), catchUp: oneOf('skip', 'burst', 'delay'), clock,
  spinNs: int(0, 1000), firstNs: ns,
};
const intervals: Make = (fuzzer) => Array.from({ length: 1 + fuzzer.chance.below(4) }, () => fuzzer.arg(interval));

const hints: Hints = {
  after: [options({ delayNs: ns }, band), aFunction],
  at: [options({ deadlineNs: ns }, band), aFunction],
  every: [options({ intervalNs: interval }, { ...band, firstNs: ns }), aFunction],
  walk: [options({ intervalsNs: intervals, order: oneOf('round-robin', 'linear') }, band), aFunction],
  create: [options({}, { delayNs: ns, deadlineNs: ns, intervalNs: interval, ...band }), aFunction],
  cancel: [timerId],
  reschedule: [timerId, options({}, { delayNs: ns, deadlineNs: ns })],
  run: [timerId],
  'timers.create': [
    options(
      {}, { tickNs: int(1, 1e6), expiriesPerTurn: int(1, 64), budgetNs: int(1000, 1e5), onError: aFunction, clock },
    ),
  ],
  'timers.createRateTimer': [options({ rateHz: int(100, 10_000) }, { ...rate, onError: aFunction }), aFunction],
  'timers.createRateTimer by interval': [options({ intervalNs: interval }, { ...rate, onError: aFunction })],
  'timers.RateController': [
    options(
      {
        surface: (fuzzer) => fuzzer.ofClass(/^RateSurface$/, () => new timers.RateSurface({ targetHz: 1000 })),
        tokens: oneOf([1, 2, 3], 'text', new Set([1])), emit: aFunction,
      },
      { ...rate, toleranceNs: ns, statsEvery: int(1, 20) },
    ),
  ],
  'timers.RateSurface': [options({ targetHz: int(1, 1000) }, { minimumHz: int(1, 1000), maximumHz: int(1, 1000) })],
  'timers.JitterRecorder': [options({}, { toleranceNs: ns, exactSamples: int(0, 100) })],
  'timers.JitterMeasurement': [ns, ns, ns],
  'timers.SystemClock': [options({}, { kind: oneOf('monotonic', 'boottime', 'realtime'), originNs: ns })],
  'timers.ManualClock': [ns],
  'timers.JitterStats.from': [
    (fuzzer) => [fuzzer.arg(() => new timers.JitterMeasurement(1, 2, 3))],
    options({}, { toleranceNs: ns, exactSamples: int(0, 100) }),
  ],
  'timers.JitterMeasurement.of': [() => ({ expectedIntervalNs: 1, actualIntervalNs: 2, actualNs: 3 })],
  'timers.rateToIntervalNs': [int(1, 1000)],
  'timers.intervalNsToRate': [interval],
  'percore.Histogram': [() => new Uint32Array(percore.HISTOGRAM_WORDS)],
  'percore.nameOfCode': [int(-8, 1)],
  'percore.hashKey': [aText],
  'percore.bucketOf': [int(0, 1e6)],
  'percore.PercoreError': [oneOf('ERR_PERCORE_TIMEOUT'), aText],
  tick: [wait],
  ticks: [wait],
  setRate: [int(100, 5000)],
  setIntervalNs: [interval],
  adjust: [oneOf(0.5, 1, 2)],
  set: [int(1, 1000)],
  'Histogram.record': [int(0, 1e6), int(1, 100)],
  'Histogram.add': [(fuzzer) => fuzzer.ofClass(/^Histogram$/)],
  percentile: [oneOf(0, 0.5, 0.99, 1)],
  'JitterRecorder.record': [ns],
  isWithinTolerance: [ns],
  advance: [ns],
  advanceAsync: [ns],
  setNs: [int(0, 1e9)],
  follow: [() => ({ nextDeadlineNs: () => Infinity, expire: () => undefined })],
  drive: [(fuzzer) => fuzzer.ofClass(/^LocalTimers$/)],
};

export const world: World = {
  hints,
  makers: [
    ['timers.create', timers.create],
    ['timers.create', timers.create],
    ['timers.createRateTimer', timers.createRateTimer],
    ['timers.createRateTimer by interval', timers.createRateTimer],
    ['timers.monotonicClock', timers.monotonicClock],
    ['timers.rateToIntervalNs', timers.rateToIntervalNs],
    ['timers.intervalNsToRate', timers.intervalNsToRate],
    ['timers.JitterStats.from', timers.JitterStats.from],
    ['timers.JitterMeasurement.of', timers.JitterMeasurement.of],
    ...(
      [
        'RateController', 'RateSurface', 'JitterRecorder', 'JitterMeasurement', 'SystemClock', 'ManualClock',
        'ManualClock',
      ] as const
    ).map(
      (name) =>
        [`timers.${name}`, (...args: any[]) => new (timers[name] as new (...args: any[]) => object)(...args)] as const,
    ),
    ['percore.Histogram', (...args: any[]) => new (percore.Histogram as new (...args: any[]) => object)(...args)],
    ['percore.nameOfCode', percore.nameOfCode],
    ['percore.hashKey', percore.hashKey],
    ['percore.bucketOf', percore.bucketOf],
    ['percore.cpuBudget', percore.cpuBudget],
  ],
  // What a follower of a clock adds to it by hand would have to be right: a fuzzer's deadline of 0 would never move on,
  // as documented.
  leftOut: [],
  bound(name, args) {
    // So many deadlines of a microsecond are right, and minutes of work.
    if (/advance|setNs/.test(name) && typeof args[0] === 'number' && args[0] > 1e6) args[0] = 1e6;
    return args;
  },
};
