/**
 * What is measured in a running program, and how it is reported.
 *
 * @module
 */
export { onMetrics, type RuntimeMetrics } from './runtime-metrics.js';
export {
  metricsOf, relieved, setMetrics, type BoundedFigure, type ClassMetrics, type Figures, type FigureSummary,
  type LaneMetrics, type Metrics, type TaskMetrics,
} from './metrics.js';
export { setStall } from './stall.js';
export { setSlo, type SloBounds, type SloTarget } from './slo.js';
export { publishCounters, type CountersPage, type PageOptions } from './page.js';
export { showQueue } from './shown.js';
export { serveInspection } from './inspection.js';
export type { Inspection, InspectionOptions } from './web-server.js';
export { prometheusText, registerMetrics, type MetricsRegistry, type RegisteredMetric } from './prometheus.js';
export {
  exportMetrics, type MeterInstrument, type MeterOptions, type MeterResult, type MetricsMeter,
} from './open-telemetry.js';
export {
  histogramsOf, type HistogramMetric, type HistogramPoint, type MetricsProducer, type MetricTime,
} from './open-telemetry-histograms.js';
export { chromeTrace, traceTasks, type ChromeTrace, type ChromeTraceEvent } from './chrome-trace.js';
export { cpuProfile, type ProfileOptions } from './cpu-profile.js';
export {
  dumpFlightOnSignal, flightsOf, type DumpOptions, type Flight, type FlightOptions,
} from './flight-dump.js';
export { flightEvents, noteEvent } from './flight.js';
