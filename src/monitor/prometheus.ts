/**
 * All counters and figures as Prometheus reads them: the text format 0.0.4, with names and units by its conventions
 * (`percore_` first, `_total` at the end of what only grows, seconds and bytes). The text needs no library;
 * `registerMetrics` puts the same into a registry of prom-client.
 */
import { checkFunction, invalidArgument } from '../errors.js';
import type { Runtime } from '../reactor/index.js';
import { readFamilies, sharedReading, snake, type Family, type Sample } from './families.js';

const UNITS = { count: ['', 1], bytes: ['_bytes', 1], ns: ['_seconds', 1e-9] } as const;

/** The part of a registry of prom-client that is used. */
export interface MetricsRegistry {
  /** Adds one. */
  registerMetric(metric: RegisteredMetric): void;
  /** Removes one. */
  removeSingleMetric(name: string): void;
}
/** A metric as a registry of prom-client reads it. */
export interface RegisteredMetric {
  /** Promises its values now. */
  get(): Promise<unknown>;
  /** Does nothing here: the runtime goes on counting. */
  reset(): void;
}

/**
 * The text of one scrape: every figure of `runtime.status()` for each reactor and the main thread, and those of tasks
 * and lanes if the runtime was made with `metrics`. Reads shared memory and blocks nobody; allocates. Throws
 * ERR_PERCORE_INVALID_ARGUMENT if it is not a runtime.
 *
 *     createServer((_, response) => response.end(prometheusText(runtime))).listen(9464, '127.0.0.1');
 */
export function prometheusText(runtime: Runtime): string {
  const lines: string[] = [];
  // A task has thirty samples, and its labels are most of their text.
  const texts = new Map<Sample['labels'], string>();
  const labelsOf = (labels: Sample['labels']): string => {
    let text = texts.get(labels);
    if (text === undefined) texts.set(labels, (text = textOf(labels)));
    return text;
  };
  for (const family of readFamilies(runtime)) {
    const name = nameOf(family);
    const help = family.means.replaceAll('\\', '\\\\').replaceAll('\n', ' ');
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${family.kind}`);
    for (const sample of family.samples) {
      const { labels, quantile } = sample;
      const last = quantile === undefined ? '' : `,quantile="${quantile}"`;
      lines.push(`${name}${suffixOf(sample)}{${labelsOf(labels)}${last}} ${valueOf(family, sample)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Adds the same figures to a registry of prom-client, which reads them with each scrape. The returned function removes
 * them again. Throws ERR_PERCORE_INVALID_ARGUMENT, and what the registry throws for a name that it already has.
 *
 *     registerMetrics(runtime, register);                       // import { register } from 'prom-client'
 */
export function registerMetrics(runtime: Runtime, registry: MetricsRegistry): () => void {
  const names: string[] = [];
  const read = sharedReading(runtime);
  const families = [...read().values()];
  if (typeof registry !== 'object' || registry === null) throw invalidArgument('registry', registry, 'a Registry');
  checkFunction('registry.registerMetric', registry.registerMetric);
  const remove = (): void => names.splice(0).forEach((name) => registry.removeSingleMetric(name));
  try {
    for (const family of families) {
      const { name: key, kind, means } = family;
      const name = nameOf(family);
      registry.registerMetric(new FamilyMetric(name, means, kind, () => read().get(key)!));
      names.push(name);
    }
  } catch (error) {
    // All or none: with some of them there, the next attempt would fail as well.
    remove();
    throw error;
  }
  return remove;
}

/** A family in the shape that prom-client gives its own metrics. */
class FamilyMetric implements RegisteredMetric {
  readonly aggregator = 'sum';

  constructor(
    readonly name: string, readonly help: string, readonly type: Family['kind'], private readonly read: () => Family,
  ) {}

  async get(): Promise<unknown> {
    const { name, help, type, aggregator } = this;
    const family = this.read();
    const values = family.samples.map((sample) => ({
      labels: sample.quantile === undefined ? sample.labels : { ...sample.labels, quantile: sample.quantile },
      value: valueOf(family, sample),
      ...(sample.part === undefined ? {} : { metricName: `${name}${suffixOf(sample)}` }),
    }));
    return { name, help, type, values, aggregator };
  }

  /** The runtime counts, and goes on counting. */
  reset(): void {}
}

function nameOf(family: Family): string {
  return `percore_${snake(family)}${UNITS[family.unit][0]}${family.kind === 'counter' ? '_total' : ''}`;
}

const suffixOf = ({ part }: Sample): string => (part === undefined ? '' : `_${part}`);
const valueOf = ({ unit }: Family, { part, value }: Sample): number =>
  (part === 'count' ? value : value * UNITS[unit][1]);
const textOf = (labels: Sample['labels']): string =>
  Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`).join(',');
const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
