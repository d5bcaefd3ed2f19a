/** What `percore top` draws: a page and what the user has chosen, as lines of a screen of a given size. */
import { styleText } from 'node:util';
import type { PageSnapshot } from '../monitor/internal.js';
import { cut, plain } from './cells.js';
import {
  TABLES, linesOf, partyName, rateOf, row, short, sum, widthsOf, type Seen, type Table, type TableName,
} from './top-tables.js';

export interface View {
  table: TableName;
  /** One of the sorts of the table. */
  sort: string;
  filter: string;
  isTyping: boolean;
  isPaused: boolean;
  /** The first line of the table that is visible. */
  from: number;
  hasColour: boolean;
}
export interface Size {
  readonly columns: number;
  readonly rows: number;
}
type Style = 'bold' | 'dim' | 'red' | 'green' | 'inverse';

/** The lines of one screen: at most `rows`, none longer than `columns`. `before` is needed for rates. */
export function frameOf(
  now: PageSnapshot, before: PageSnapshot | undefined, view: View, { columns, rows }: Size, ended: boolean,
): string {
  const paint = (style: Style, text: string): string =>
    (view.hasColour ? styleText(style, text) : text);
  const fit = (text: string): string => cut(plain(text), columns);
  const seen: Seen = { now, before, seconds: before === undefined ? 0 : (now.publishedNs - before.publishedNs) / 1e9 };
  const state = ended ? 'ended' : view.isPaused ? 'paused' : 'running';
  const lines = [
    paint('bold', fit(`percore top  process ${now.pid}  ${state}`
      + `  ${view.table} by ${view.sort}`
      + (view.filter === '' && !view.isTyping ? '' : `  filter: ${view.filter}${view.isTyping ? '_' : ''}`))),
    ...partyLines(seen, rows).map((line, i) => (i === 0 ? paint('dim', fit(line)) : fit(line))), '',
  ];
  const table: Table = TABLES[view.table];
  const widths = widthsOf(table, columns);
  lines.push(paint('dim', fit(row(table.header, widths))));
  const shown = linesOf(view.table, view.sort, view.filter, seen);
  view.from = Math.max(0, Math.min(view.from, shown.length - 1));
  const room = rows - 1;
  for (const { cells, note = '', isBad = false } of shown.slice(view.from)) {
    if (lines.length >= room) break;
    const line = fit(row(cells, widths));
    lines.push(isBad ? paint('red', line) : line);
    if (note !== '' && lines.length < room) lines.push(paint('dim', fit(`  ${note}`)));
  }
  while (lines.length < room) lines.push('');
  lines.length = Math.max(1, room);
  const help = ' q quit  tab lanes, queues, …  s sort  / filter  p pause  up/down  ^Z suspend';
  lines.push(paint('inverse', fit(help.padEnd(columns))));
  return lines.join('\n');
}

const PARTY_COLUMNS = [7, 6, 9, 10, 8, 7, 7, 7, 8];

/** Takes half of the screen at most; the busiest come first if there is no room for all. */
function partyLines(seen: Seen, rows: number): string[] {
  const { now, before, seconds } = seen;
  const rate = (value: number, was: number | undefined): string => {
    const found = rateOf(seen, value, was);
    return found === undefined ? '-' : short(found);
  };
  const isThere = (id: number): boolean => now.reactors[id]?.state !== 'absent';
  const parties = now.parties.map((party, id) => {
    const was = before?.parties[id];
    const busy = seconds <= 0 || was === undefined ? 0 : (party.busyNs - was.busyNs) / seconds / 1e7;
    return { id, busy, line: row([
      partyName(now, id), seconds <= 0 ? '-' : `${Math.min(100, Math.max(0, busy)).toFixed(0)} %`,
      rate(sum(party.steps), was && sum(was.steps)), rate(party.received, was?.received), short(party.refused),
      short(party.stepErrors), short(party.taskDepth), short(party.timers.live), short(party.io.connections),
    ], PARTY_COLUMNS) };
  }).filter(({ id }) => isThere(id));
  const most = Math.max(1, Math.floor((rows - 6) / 2));
  const shown = parties.length <= most ? parties : [...parties].sort((a, b) => b.busy - a.busy);
  const header = row(
    ['reactor', 'busy', 'steps/s', 'received/s', 'refused', 'errors', 'depth', 'timers', 'sockets'], PARTY_COLUMNS);
  return [header, ...shown.slice(0, most).map(({ line }) => line)];
}
