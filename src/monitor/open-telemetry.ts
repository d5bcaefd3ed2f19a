/**
 * All counters and figures as metrics of OpenTelemetry: names with dots, units by UCUM, no `_total`. The meter is the
 * program's own, so this needs no package.
 *
 *      percore.received              counter, 1    percore.reactor
 *      percore.task.response         gauge, s      percore.reactor, percore.task, percore.band, percore.quantile
 *      percore.task.response.count   counter, 1    values behind these percentiles
 *
 * Percentiles are gauges, since no observable instrument is a histogram: what is read has already been counted.
 */
import { checkFunction, invalidArgument } from '../errors.js';
import type { Runtime } from '../reactor/index.js';
import { checkOpen, controllerOf } from '../reactor/internal.js';
import { sharedReading, snake, type Family, type Sample } from './families.js';
import { untilClosed } from './until-closed.js';

/** The part of a `Meter` of @opentelemetry/api that is used. */
export interface MetricsMeter {
  /** Makes an instrument for what only grows. */
  createObservableCounter(name: string, options: MeterOptions): MeterInstrument;
  /** Makes an instrument for what goes up and down. */
  createObservableGauge(name: string, options: MeterOptions): MeterInstrument;
}
export interface MeterOptions {
  /** One sentence about the instrument. */
  readonly description: string;
  /** 's', 'By', or '1' for a count. */
  readonly unit: string;
}
export interface MeterInstrument {
  /** From now on the callback runs with each collection. */
  addCallback(callback: (result: MeterResult) => void): void;
  /** Ends that. */
  removeCallback(callback: (result: MeterResult) => void): void;
}
export interface MeterResult {
  /** Reports one value. */
  observe(value: number, attributes: Record<string, string>): void;
}

const UNITS = { count: ['1', 1], bytes: ['By', 1], ns: ['s', 1e-9] } as const;

/**
 * Gives every figure of `runtime.status()`, and those of tasks and lanes if the runtime was made with `metrics`, to a
 * meter of OpenTelemetry, which reads them with each collection. The returned function ends that; so does the end of
 * the runtime. Reading blocks nobody; allocates. Throws ERR_PERCORE_CLOSED or ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     exportMetrics(runtime, metrics.getMeter('percore'));      // import { metrics } from '@opentelemetry/api'
 */
export function exportMetrics(runtime: Runtime, meter: MetricsMeter): () => void {
  const controller = controllerOf(runtime);
  if (typeof meter !== 'object' || meter === null) throw invalidArgument('meter', meter, 'a Meter');
  checkFunction('meter.createObservableCounter', meter.createObservableCounter);
  checkFunction('meter.createObservableGauge', meter.createObservableGauge);
  checkOpen(controller, 'exportMetrics');
  const read = sharedReading(runtime);
  const endings: (() => void)[] = [];
  const observe = (
    family: Family, suffix: string, isMeant: (sample: Sample) => boolean,
  ): void => {
    const { name: key, means, unit, kind } = family;
    const [symbol, factor] = suffix === '' ? UNITS[unit] : UNITS.count;
    const name = `percore.${snake(family, '.')}${suffix}`;
    const options = { description: means, unit: symbol };
    const isCounter = kind === 'counter' || suffix !== '';
    const instrument = isCounter
      ? meter.createObservableCounter(name, options) : meter.createObservableGauge(name, options);
    checkFunction(`the instrument ${name} of meter: addCallback`, instrument?.addCallback);
    const callback = (result: MeterResult): void => {
      for (const sample of read().get(key)!.samples) {
        if (!isMeant(sample)) continue;
        const { quantile } = sample;
        const all = quantile === undefined ? sample.labels : { ...sample.labels, quantile };
        const labels = Object.entries(all).map(([label, value]) => [`percore.${label}`, value]);
        result.observe(sample.value * factor, Object.fromEntries(labels));
      }
    };
    instrument.addCallback(callback);
    endings.push(() => instrument.removeCallback(callback));
  };
  for (const family of read().values()) {
    observe(family, '', ({ part }) => part === undefined);
    if (family.kind === 'summary') observe(family, '.count', ({ part }) => part === 'count');
  }
  return untilClosed(controller, () => endings.forEach((each) => each()));
}
