/** What `percore trace` prints about a thread: its figures, and what happened in the worst case of each. */
import { plain } from './cells.js';
import {
  FIGURES, type FigureReport, type ThreadReport, type TraceEvent, type TracerSummary,
} from '../trace/internal.js';

const WHY: Readonly<Record<ThreadReport['why'], string>> = {
  ended: 'has ended', removed: 'is followed no longer', asked: 'up to now', closing: 'at the end',
};
const WIDTHS = [12, 9, 10, 10, 10, 10, 10, 10];

/** Times are in microseconds. */
export function formatReport(report: ThreadReport): string {
  const { tid, pid, name, why, followedNs, figures } = report;
  const rows = FIGURES.map((figure) => {
    const { count, minNs, p50Ns, p99Ns, maxNs, boundNs, violations } = figures[figure];
    const times = [minNs, p50Ns, p99Ns, maxNs].map((ns) => (count === 0 ? '-' : us(ns)));
    return row([figure, count, ...times, boundNs === undefined ? '-' : us(boundNs), violations]);
  });
  const traces = FIGURES.flatMap((figure) => {
    const { worst, maxNs } = figures[figure];
    return worst === undefined ? [] : ['', `  worst ${figure}, ${us(maxNs)} us:`, ...formatWorst(worst)];
  });
  return [
    `thread ${tid} ${plain(name)} of process ${pid}, ${WHY[why]}, after ${(followedNs / 1e9).toFixed(1)} s`,
    row(['us', 'count', 'min', 'p50', 'p99', 'max', 'bound', 'violations']), ...rows, ...traces, '', '',
  ].join('\n');
}

/** One line about the tracer itself. */
export function formatSummary({ events, lost, missed, threads, cpuNs, elapsedNs, removed }: TracerSummary): string {
  const parts = [
    `${threads} threads`, `${events} events`, `${lost} lost`, `${(100 * cpuNs / elapsedNs).toFixed(1)} % of a CPU`,
    ...(missed === 0 ? [] : [`${missed} new threads missed`]),
    ...(removed.length === 0 ? [] : [`removed what dead tracers had left: ${removed.join(', ')}`]),
  ];
  return `${parts.join(', ')}\n`;
}

/** The events of a worst case, as jerry_rt_module prints them, followed by the names. */
function formatWorst({ events, leftOut }: NonNullable<FigureReport['worst']>): string[] {
  const lines = events.map(formatEvent);
  if (leftOut > 0) lines.splice(events.length / 2, 0, `    ... ${leftOut} events ...`);
  return lines;
}

function formatEvent(event: TraceEvent): string {
  const at = `    [${String(Math.round(event.ns / 1e3)).padStart(6)} us] Event: ${event.event}, `;
  const flag = (is: boolean): number => (is ? 1 : 0);
  if (event.event === 'sched_waking')
    return `${at}pid: ${event.nextPid}, wake_cpu: ${event.wakeCpu}${by(event)}`;
  if (event.event !== 'sched_switch') return `${at}irq: ${event.irq}, on_cpu: ${event.cpu}`;
  return `${at}preemption: ${flag(event.isPreemption)}, voluntary: ${flag(event.isVoluntary)}, `
    + `prev_pid: ${event.prevPid} (priority: ${event.prevPriority}), `
    + `next_pid: ${event.nextPid} (priority: ${event.nextPriority}), on_cpu: ${event.cpu}`
    + `  ${plain(event.prevName)} -> ${plain(event.nextName)}`;
}

function by({ prevPid, prevName, cpu }: TraceEvent): string {
  if (prevPid < 0 && prevName === '') return '';
  return `  by ${[...(prevPid < 0 ? [] : [prevPid]), plain(prevName)].join(' ').trimEnd()} on CPU ${cpu}`;
}

function us(ns: number): string {
  return (ns / 1e3).toFixed(1);
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) => (i === 0 ? `  ${cell}`.padEnd(WIDTHS[0]!) : String(cell).padStart(WIDTHS[i]!)))
    .join(' ').trimEnd();
}
