/**
 * All counters and figures of a runtime as exporters see them: families of samples with labels, in units of the tables.
 * Each exporter gives them its own names.
 */
import type { Unit } from '../layout.js';
import { FIGURES } from '../observe/internal.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, partyCounters, partyFigures } from '../reactor/internal.js';
import { metricsOf, type FigureSummary } from './metrics.js';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Of a summary: the sum or the number of its values. Left out: a percentile, or the value itself. */
  readonly part?: 'sum' | 'count';
}
export interface Family {
  /** In the words of the tables: 'received', 'droppedByReason.noTask', 'task.response'. */
  readonly name: string;
  readonly unit: Unit;
  readonly kind: 'counter' | 'gauge' | 'summary';
  readonly means: string;
  readonly samples: readonly Sample[];
}

/** What there is now. Reads shared memory and blocks nobody; allocates. */
export function readFamilies(runtime: Runtime): Family[] {
  const { shared, main } = controllerOf(runtime);
  const parties = Array.from({ length: runtime.reactors }, (_, id) => id).concat(main.id);
  const reactorOf = (id: number): string => (id === main.id ? 'main' : String(id));
  const families = partyFigures.map(({ name, unit, isGauge, means, count, at }): Family => ({
    name, unit, means, kind: isGauge ? 'gauge' : 'counter',
    samples: parties.flatMap((id) => {
      const counters = partyCounters(shared.inboxes[id]!);
      return Array.from({ length: count }, (_, band) => ({
        labels: { reactor: reactorOf(id), ...(count === 1 ? {} : { band: String(band) }) },
        value: counters[(at >> 3) + band]!,
      }));
    }),
  }));
  if (shared.figures === undefined) return families;
  const { tasks, lanes } = metricsOf(runtime);
  const labelled = tasks.map((task) => ({
    task, labels: { reactor: reactorOf(task.party), task: task.name, band: String(task.priority) },
  }));
  for (const count of ['steps', 'messages', 'refused', 'errors'] as const) {
    families.push({
      name: `task.${count}`, unit: 'count', kind: 'counter', means: `${count} of the task`,
      samples: labelled.map(({ task, labels }) => ({ labels, value: task[count] })),
    });
  }
  for (const figure of FIGURES) {
    families.push({
      name: `task.${figure}`, unit: 'ns', kind: 'summary', means: `${figure} of the task; short ones by samples`,
      samples: labelled.flatMap(({ task, labels }) => summarySamples(labels, task.figures[figure])),
    }, {
      name: `task.${figure}.violations`, unit: 'count', kind: 'counter', means: `values of ${figure} above their bound`,
      samples: labelled.map(({ task, labels }) => ({ labels, value: task.figures[figure].violations })),
    });
  }
  families.push({
    name: 'lane.latency', unit: 'ns', kind: 'summary', means: 'from publishing to being taken, by samples',
    samples: lanes.flatMap(({ party, priority, isReturn, figure }) => summarySamples({
      reactor: reactorOf(party), band: String(priority), direction: isReturn ? 'answers' : 'messages',
    }, figure)),
  });
  return families;
}

/**
 * Reads them at most once for all readers of one moment: an exporter asks for each family on its own, one right behind
 * the other.
 */
export function sharedReading(runtime: Runtime): () => ReadonlyMap<string, Family> {
  let kept: ReadonlyMap<string, Family> | undefined;
  return () => {
    if (kept !== undefined) return kept;
    kept = new Map(readFamilies(runtime).map((family) => [family.name, family]));
    setImmediate(() => (kept = undefined)).unref();
    return kept;
  };
}

/** 'droppedByReason.noTask' as dropped_by_reason_no_task; a unit at the end of a name is told by other means. */
export function snake(name: string, separator = '_'): string {
  return name.replace(/Ns$|Bytes$/, '').replaceAll('.', separator)
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function summarySamples(labels: Sample['labels'], figure: FigureSummary): Sample[] {
  const { count, meanNs, p50Ns, p99Ns, p999Ns, maxNs } = figure;
  const quantiles = [['0.5', p50Ns], ['0.99', p99Ns], ['0.999', p999Ns], ['1', maxNs]] as const;
  return [
    ...quantiles.map(([quantile, value]) => ({ labels: { ...labels, quantile }, value })),
    { labels, value: meanNs * count, part: 'sum' }, { labels, value: count, part: 'count' },
  ];
}
