/** What is measured of a running program, and how it is told. */
export { onMetrics, type RuntimeMetrics } from './runtime-metrics.js';
export {
  metricsOf, relieved, type BoundedFigure, type ClassMetrics, type Figures, type FigureSummary, type LaneMetrics,
  type Metrics, type TaskMetrics,
} from './metrics.js';
export { setStall } from './stall.js';
export { setSlo, type SloBounds, type SloTarget } from './slo.js';
export { publishCounters, type CountersPage, type PageOptions } from './page.js';
export { prometheusText } from './prometheus.js';
export { flightEvents, noteEvent } from './flight.js';
