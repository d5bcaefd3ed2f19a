/** What `percore top` draws: a page and what the user has chosen, as lines of a screen of a given size. */
import { styleText } from 'node:util';
import type { PageSnapshot } from '../monitor/internal.js';

export const SORTS = ['over', 'worst', 'p99', 'steps', 'depth', 'name'] as const;

export interface View {
  sort: (typeof SORTS)[number];
  filter: string;
  isTyping: boolean;
  isPaused: boolean;
  /** The first task that is shown. */
  from: number;
  hasColour: boolean;
}
export interface Size {
  readonly columns: number;
  readonly rows: number;
}
type Task = PageSnapshot['tasks'][number];
type Style = 'bold' | 'dim' | 'red' | 'green' | 'inverse';

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
export const violationsOf = ({ figures }: Task): number =>
  sum(Object.values(figures).map(({ violations }) => violations));

const RANKS: Readonly<Record<View['sort'], (task: Task) => number>> = {
  over: violationsOf,
  worst: ({ figures }) => figures.response.maxNs,
  p99: ({ figures }) => figures.response.p99Ns,
  steps: ({ steps }) => steps,
  depth: ({ depth }) => depth,
  name: () => 0,
};

/** The lines of one screen: exactly `rows` at most, none longer than `columns`. `before` gives the rates. */
export function frameOf(
  now: PageSnapshot, before: PageSnapshot | undefined, view: View, { columns, rows }: Size, ended: boolean,
): string {
  const paint = (style: Style, text: string): string =>
    (view.hasColour ? styleText(style, text) : text);
  const fit = (text: string): string => plain(text).slice(0, columns);
  const main = now.parties.length - 1;
  const nameOf = (id: number): string => (id === main ? 'main' : String(id));
  const seconds = before === undefined ? 0 : (now.publishedNs - before.publishedNs) / 1e9;
  const rate = (value: number, was: number | undefined): string =>
    (seconds <= 0 || was === undefined ? '-' : short(Math.max(0, value - was) / seconds));
  const state = ended ? 'ended' : view.isPaused ? 'paused' : 'running';
  const lines = [
    paint('bold', fit(`percore top  process ${now.pid}  ${state}`
      + `  ${main} reactors, ${now.tasks.length} tasks  by ${view.sort}`
      + (view.filter === '' && !view.isTyping ? '' : `  filter: ${view.filter}${view.isTyping ? '_' : ''}`))),
    paint('dim', fit(row(
      ['reactor', 'busy', 'steps/s', 'received/s', 'refused', 'errors', 'depth', 'timers', 'sockets'], PARTY_COLUMNS))),
  ];
  // Half of the screen at most; who is busiest comes first when there is no room for all.
  const parties = now.parties.map((party, id) => {
    const was = before?.parties[id];
    const busy = seconds <= 0 || was === undefined ? 0 : (party.busyNs - was.busyNs) / seconds / 1e7;
    return { id, busy, line: row([
      nameOf(id), seconds <= 0 ? '-' : `${Math.min(100, Math.max(0, busy)).toFixed(0)} %`,
      rate(sum(party.steps), was && sum(was.steps)), rate(party.received, was?.received), short(party.refused),
      short(party.stepErrors), short(party.taskDepth), short(party.timers.live), short(party.io.connections),
    ], PARTY_COLUMNS) };
  });
  const mostParties = Math.max(1, Math.floor((rows - 6) / 2));
  const shown = parties.length <= mostParties ? parties : [...parties].sort((a, b) => b.busy - a.busy);
  lines.push(...shown.slice(0, mostParties).map(({ line }) => fit(line)), '');
  const wide = Math.max(16, Math.min(60, columns - TASK_COLUMNS.reduce((all, width) => all + width + 1, 0)));
  const widths = [wide, ...TASK_COLUMNS];
  lines.push(paint('dim', fit(row(['task', 'in', 'b', 'steps/s', 'depth', 'p50', 'p99', 'worst', 'bound', 'over'],
    widths))));
  const rank = RANKS[view.sort];
  const filter = view.filter.toLowerCase();
  const tasks = now.tasks.filter(({ name, cause }) => `${name} ${cause}`.toLowerCase().includes(filter)).sort((a, b) =>
    rank(b) - rank(a) || b.figures.response.maxNs - a.figures.response.maxNs || a.name.localeCompare(b.name));
  if (view.sort === 'name') tasks.sort((a, b) => a.name.localeCompare(b.name));
  view.from = Math.max(0, Math.min(view.from, tasks.length - 1));
  const room = rows - 1;
  for (const task of tasks.slice(view.from)) {
    if (lines.length >= room) break;
    const { p50Ns, p99Ns, maxNs, boundNs } = task.figures.response;
    const was = before?.tasks.find(({ name, party, priority }) =>
      name === task.name && party === task.party && priority === task.priority);
    const over = violationsOf(task);
    const line = fit(row([
      task.name, nameOf(task.party), task.priority, rate(task.steps, was?.steps), short(task.depth), time(p50Ns),
      time(p99Ns), time(maxNs), boundNs === undefined ? '-' : time(boundNs), short(over),
    ], widths));
    lines.push(over > 0 ? paint('red', line) : line);
    if (task.cause !== '' && lines.length < room) lines.push(paint('dim', fit(`  ${task.cause}`)));
  }
  while (lines.length < room) lines.push('');
  lines.length = Math.max(1, room);
  lines.push(paint('inverse', fit(' q quit  s sort  / filter  p pause  up/down  ^Z suspend'.padEnd(columns))));
  return lines.join('\n');
}

const PARTY_COLUMNS = [7, 6, 9, 10, 8, 7, 7, 7, 8];
const TASK_COLUMNS = [4, 1, 8, 5, 7, 7, 7, 7, 6];

function row(cells: readonly (string | number)[], widths: readonly number[]): string {
  return cells.map((cell, i) => {
    const text = plain(String(cell));
    const width = widths[i]!;
    return i === 0 ? text.slice(0, width).padEnd(width) : text.padStart(width);
  }).join(' ');
}

/** A name may hold what a terminal would obey. */
// eslint-disable-next-line no-control-regex
const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');

function short(value: number): string {
  const units = [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']] as const;
  const unit = units.find(([least]) => value >= least);
  if (unit === undefined) return value.toFixed(0);
  const by = unit[1] === 'k' ? 1e3 : unit[0];
  return `${(value / by).toFixed(value / by < 10 ? 1 : 0)}${unit[1]}`;
}

function time(ns: number): string {
  if (ns < 1e4) return `${ns.toFixed(0)}ns`;
  if (ns < 1e7) return `${(ns / 1e3).toFixed(0)}us`;
  return ns < 1e10 ? `${(ns / 1e6).toFixed(0)}ms` : `${(ns / 1e9).toFixed(0)}s`;
}
