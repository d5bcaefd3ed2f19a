/**
 * All counters and figures as Prometheus reads them: the text format 0.0.4, names and units by its conventions
 * (`percore_` first, `_total` behind what only grows, seconds and bytes). Needs no library; whoever has a registry of
 * prom-client appends this text to its `metrics()`.
 */
import { FIGURES } from '../observe/internal.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, partyCounters, partyFigures } from '../reactor/internal.js';
import { metricsOf, type FigureSummary } from './metrics.js';

const UNITS = { count: ['', 1], bytes: ['_bytes', 1], ns: ['_seconds', 1e-9] } as const;

/**
 * The text of one scrape: every figure of `runtime.status()` for each reactor and the main thread, and those of tasks
 * where the runtime was made with `metrics`. Reads shared memory and blocks nobody; allocates. Throws
 * ERR_PERCORE_INVALID_ARGUMENT for what is no runtime.
 *
 *     createServer((_, response) => response.end(prometheusText(runtime))).listen(9464, '127.0.0.1');
 */
export function prometheusText(runtime: Runtime): string {
  const { shared, main } = controllerOf(runtime);
  const parties = Array.from({ length: runtime.reactors }, (_, id) => id).concat(main.id);
  const nameOf = (id: number): string => (id === main.id ? 'main' : String(id));
  const lines: string[] = [];
  const head = (name: string, kind: string, help: string): void =>
    void lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', ' ')}`, `# TYPE ${name} ${kind}`);
  for (const { name, unit, isGauge, means, count, at } of partyFigures) {
    const [suffix, factor] = UNITS[unit];
    const full = `percore_${snake(name)}${suffix}${isGauge ? '' : '_total'}`;
    head(full, isGauge ? 'gauge' : 'counter', means);
    for (const id of parties) {
      const counters = partyCounters(shared.inboxes[id]!);
      for (let band = 0; band < count; band++) {
        const label = count === 1 ? '' : `,band="${band}"`;
        lines.push(`${full}{reactor="${nameOf(id)}"${label}} ${counters[(at >> 3) + band]! * factor}`);
      }
    }
  }
  if (shared.figures === undefined) return `${lines.join('\n')}\n`;
  const { tasks } = metricsOf(runtime);
  const labels = (party: number, task: string, priority: number): string =>
    `reactor="${nameOf(party)}",task="${escaped(task)}",band="${priority}"`;
  for (const count of ['steps', 'messages', 'refused', 'errors'] as const) {
    const full = `percore_task_${count}_total`;
    head(full, 'counter', `${count} of the task`);
    for (const task of tasks) lines.push(`${full}{${labels(task.party, task.name, task.priority)}} ${task[count]}`);
  }
  for (const figure of FIGURES) {
    const full = `percore_task_${snake(figure)}_seconds`;
    head(full, 'summary', `${figure} of the task; short ones by samples`);
    for (const { party, name, priority, figures } of tasks) {
      lines.push(...summaryLines(full, labels(party, name, priority), figures[figure]));
    }
    head(`${full.replace('_seconds', '')}_violations_total`, 'counter', `values of ${figure} above their bound`);
    for (const { party, name, priority, figures } of tasks) {
      const where = labels(party, name, priority);
      lines.push(`${full.replace('_seconds', '')}_violations_total{${where}} ${figures[figure].violations}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function summaryLines(name: string, labels: string, figure: FigureSummary): string[] {
  const { count, meanNs, p50Ns, p99Ns, p999Ns, maxNs } = figure;
  const quantiles = [[0.5, p50Ns], [0.99, p99Ns], [0.999, p999Ns], [1, maxNs]] as const;
  return [
    ...quantiles.map(([share, ns]) => `${name}{${labels},quantile="${share}"} ${ns / 1e9}`),
    `${name}_sum{${labels}} ${meanNs * count / 1e9}`, `${name}_count{${labels}} ${count}`,
  ];
}

/** 'droppedByReason.noTask' as dropped_by_reason_no_task; the unit at the end of a name is a suffix of its own. */
function snake(name: string): string {
  return name.replace(/Ns$|Bytes$/, '').replaceAll('.', '_').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
