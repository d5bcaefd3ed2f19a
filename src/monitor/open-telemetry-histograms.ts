/**
 * Figures of tasks and lanes as histograms of OpenTelemetry, which no observable instrument can give: what is read is
 * counted already. A reader of the SDK takes them from a producer of metrics beside its own.
 *
 *      percore.task.response.histogram     s, cumulative     percore.reactor, percore.task, percore.band
 *
 * Their bounds are powers of two of nanoseconds, at which the counts of the tables are exact, from 1 µs to 17 s.
 * Source: MetricProducer of the specification of OpenTelemetry's SDK, and the classes of @opentelemetry/sdk-metrics.
 */
import { FIGURES } from '../observe/internal.js';
import { RETURN_LANES } from '../layout.js';
import type { Histogram } from '../observe/index.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf } from '../reactor/internal.js';
import { tablesOf } from './metrics.js';

/** Seconds since 1970, and nanoseconds of the second. */
export type MetricTime = [seconds: number, nanoseconds: number];

/** The counts of one task and figure, as `HistogramMetricData` of the SDK has it. */
export interface HistogramPoint {
  readonly startTime: MetricTime;
  readonly endTime: MetricTime;
  readonly attributes: Readonly<Record<string, string>>;
  readonly value: {
    /** Upper bounds in seconds, and one count more than there are bounds. */
    readonly buckets: { readonly boundaries: number[]; readonly counts: number[] };
    readonly sum: number;
    readonly count: number;
    readonly min: number;
    readonly max: number;
  };
}

/** One metric of a collection; all are histograms. */
export interface HistogramMetric {
  readonly descriptor: {
    readonly name: string; readonly description: string; readonly unit: 's'; readonly valueType: 1;
    readonly advice: object;
  };
  /** CUMULATIVE. */
  readonly aggregationTemporality: 1;
  /** HISTOGRAM. */
  readonly dataPointType: 0;
  readonly dataPoints: HistogramPoint[];
}

/** What a reader of OpenTelemetry's SDK asks besides its own instruments: one of its `metricProducers`. */
export interface MetricsProducer<R = unknown> {
  /** What there is now. */
  collect(): Promise<{
    resourceMetrics: {
      resource: R;
      scopeMetrics: { scope: { name: string }; metrics: HistogramMetric[] }[];
    };
    errors: unknown[];
  }>;
}

const [FIRST_BIT, LAST_BIT] = [10, 34];
/** In nanoseconds. */
const BOUNDS = Array.from({ length: LAST_BIT - FIRST_BIT + 1 }, (_, i) => 2 ** (FIRST_BIT + i));

/**
 * The figures of all tasks and lanes as histograms, for a reader of OpenTelemetry's SDK; the runtime was made with
 * `metrics`. It stands beside `exportMetrics`, whose gauges tell percentiles. Each collection reads shared memory and
 * blocks nobody; allocates. After the end of the runtime there is nothing to collect. `resource` is one of the SDK's,
 * which a reader replaces by that of its own provider. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const producer = histogramsOf(runtime, resourceFromAttributes({}));      // of @opentelemetry/resources
 *     const reader = new PeriodicExportingMetricReader({ exporter, metricProducers: [producer] });
 */
export function histogramsOf<R = unknown>(runtime: Runtime, resource: R): MetricsProducer<R> {
  const { main, closers } = controllerOf(runtime);
  tablesOf(main, runtime);
  const startTime = metricTime();
  let isOver = false;
  closers.push(async () => { isOver = true; });
  return {
    collect: async () => ({
      resourceMetrics: {
        resource,
        scopeMetrics: [{ scope: { name: 'percore' }, metrics: isOver ? [] : read(runtime, startTime) }],
      },
      errors: [],
    }),
  };
}

function read(runtime: Runtime, startTime: MetricTime): HistogramMetric[] {
  const { main } = controllerOf(runtime);
  const endTime = metricTime();
  const point = (histogram: Histogram, attributes: HistogramPoint['attributes']): HistogramPoint => {
    const counts = BOUNDS.map((bound, i) => histogram.countBelow(bound, i === 0 ? 0 : BOUNDS[i - 1]!));
    counts.push(histogram.countBelow(Infinity, BOUNDS.at(-1)!));
    const count = counts.reduce((sum, each) => sum + each, 0);
    return {
      startTime, endTime, attributes,
      value: {
        buckets: { boundaries: BOUNDS.map((ns) => ns / 1e9), counts }, count,
        sum: histogram.sum() / 1e9, min: histogram.min() / 1e9, max: histogram.max() / 1e9,
      },
    };
  };
  const tables = tablesOf(main, runtime);
  const reactorOf = (id: number): string => (id === main.id ? 'main' : String(id));
  const tasks = tables.flatMap(({ id, table }) => table.slots().map((slot) => ({
    slot, attributes: {
      'percore.reactor': reactorOf(id), 'percore.task': slot.name, 'percore.band': String(slot.band),
    },
  })));
  const lanes = tables.flatMap(({ id, table }) => table.lanes.map((lane, number) => point(lane, {
    'percore.reactor': reactorOf(id), 'percore.band': String(number % RETURN_LANES),
    'percore.direction': number >= RETURN_LANES ? 'answers' : 'messages',
  })));
  return [
    ...FIGURES.map((figure, kind) => metric(`percore.task.${figure.replace(/[A-Z]/g, (letter) =>
      `_${letter.toLowerCase()}`)}.histogram`, `${figure} of the task; short ones by samples`,
    tasks.map(({ slot, attributes }) => point(slot.histograms[kind]!, attributes)))),
    metric('percore.lane.latency.histogram', 'from publishing to being taken, by samples', lanes),
  ];
}

function metric(name: string, description: string, points: HistogramPoint[]): HistogramMetric {
  return {
    descriptor: { name, description, unit: 's', valueType: 1, advice: {} },
    aggregationTemporality: 1, dataPointType: 0, dataPoints: points.filter(({ value }) => value.count > 0),
  };
}

function metricTime(): MetricTime {
  const ms = Date.now();
  return [Math.floor(ms / 1e3), (ms % 1e3) * 1e6];
}
