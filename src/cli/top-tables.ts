/** The tables of `percore top`: the content of a page as rows that are sorted, filtered and cut to a width. */
import type { PageSnapshot } from '../monitor/internal.js';
import { padded, plain } from './cells.js';

/** A row of a table. */
export interface Line {
  readonly cells: readonly (string | number)[];
  /** What else there is to say about it, in lines below it. */
  readonly note?: string;
  readonly isBad?: boolean;
  /** The text that a filter looks at. */
  readonly text: string;
  /** By the names of the table's sorts, greatest first; 'name' sorts by the first cell. */
  readonly ranks: Readonly<Record<string, number>>;
}
export interface Table {
  /** The first one is the default. */
  readonly sorts: readonly string[];
  readonly header: readonly string[];
  /** The widths of all columns except the first, which takes what is left. */
  readonly widths: readonly number[];
  lines(seen: Seen): Line[];
}
/** A page, the one before it, and the time between them. */
export interface Seen {
  readonly now: PageSnapshot;
  readonly before: PageSnapshot | undefined;
  readonly seconds: number;
}
type Task = PageSnapshot['tasks'][number];

export const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
export const violationsOf = ({ figures }: Task): number =>
  sum(Object.values(figures).map(({ violations }) => violations));
export const partyName = ({ parties }: PageSnapshot, id: number): string =>
  (id === parties.length - 1 ? 'main' : String(id));

/** How many a second; undefined if nothing is known from before. */
export function rateOf({ seconds }: Seen, value: number, was: number | undefined): number | undefined {
  return seconds <= 0 || was === undefined ? undefined : Math.max(0, value - was) / seconds;
}
const showRate = (rate: number | undefined): string => (rate === undefined ? '-' : short(rate));

const tasks: Table = {
  sorts: ['over', 'worst', 'p99', 'steps', 'depth', 'name'],
  header: ['task', 'in', 'b', 'steps/s', 'depth', 'p50', 'p99', 'worst', 'bound', 'over'],
  widths: [4, 1, 8, 5, 7, 7, 7, 7, 6],
  lines(seen) {
    const before = new Map(seen.before?.tasks.map((task) => [`${task.party} ${task.priority} ${task.name}`, task]));
    return seen.now.tasks.map((task) => {
      const { party, priority, name, cause, steps, depth, figures: { response } } = task;
      const over = violationsOf(task);
      const was = before.get(`${party} ${priority} ${name}`);
      return {
        cells: [
          name, partyName(seen.now, party), priority, showRate(rateOf(seen, steps, was?.steps)), short(depth),
          time(response.p50Ns), time(response.p99Ns), time(response.maxNs),
          response.boundNs === undefined ? '-' : time(response.boundNs), short(over),
        ],
        ...(cause === '' ? {} : { note: cause }), isBad: over > 0, text: `${name} ${cause}`,
        ranks: { over, worst: response.maxNs, p99: response.p99Ns, steps, depth },
      };
    });
  },
};

const classes: Table = {
  sorts: ['priority', 'over', 'worst', 'steps', 'name'],
  header: ['class', 'b', 'tasks', 'steps/s', 'p50', 'p99', 'p99.9', 'worst', 'run worst', 'over'],
  widths: [1, 5, 8, 7, 7, 7, 7, 9, 6],
  lines: (seen) => seen.now.classes.map((each) => {
    const { name, priority, steps, violations, figures: { response, run } } = each;
    const was = seen.before?.classes.find((other) => other.name === name);
    return {
      cells: [
        name, priority, each.tasks, showRate(rateOf(seen, steps, was?.steps)), time(response.p50Ns),
        time(response.p99Ns), time(response.p999Ns), time(response.maxNs), time(run.maxNs), short(violations),
      ],
      isBad: violations > 0, text: name, ranks: { priority, over: violations, worst: response.maxNs, steps },
    };
  }),
};

const lanes: Table = {
  sorts: ['lag', 'rate', 'refused', 'name'],
  header: ['lane', 'b', 'kind', 'sent/s', 'taken/s', 'lag', 'full', 'most', 'refused'],
  widths: [1, 8, 8, 8, 7, 5, 5, 8],
  lines(seen) {
    const key = ({ from, to, priority, isReturn }: PageSnapshot['lanes'][number]): string =>
      `${from} ${to} ${priority} ${isReturn}`;
    const before = new Map(seen.before?.lanes.map((lane) => [key(lane), lane]));
    const percent = (bytes: number, of: number): string => `${of === 0 ? 0 : Math.round(bytes / of * 100)} %`;
    return seen.now.lanes.map((lane) => {
      const { from, to, priority, isReturn, published, taken, lag, waitingBytes, mostBytes, capacityBytes } = lane;
      const was = before.get(key(lane));
      const name = `${partyName(seen.now, from)} -> ${partyName(seen.now, to)}`;
      const rate = rateOf(seen, published, was?.published);
      return {
        cells: [
          name, priority, isReturn ? 'answers' : 'messages', showRate(rate),
          showRate(rateOf(seen, taken, was?.taken)), short(lag), percent(waitingBytes, capacityBytes),
          percent(mostBytes, capacityBytes), short(lane.refused),
        ],
        isBad: waitingBytes > capacityBytes / 2, text: `${name} ${isReturn ? 'answers' : 'messages'}`,
        ranks: { lag, rate: rate ?? published, refused: lane.refused },
      };
    });
  },
};

const queues: Table = {
  sorts: ['lag', 'rate', 'dropped', 'name'],
  header: ['queue, consumer', 'kind', 'in/s', 'depth', 'most', 'size', 'refused', 'dropped'],
  widths: [13, 8, 7, 7, 7, 8, 8],
  lines: (seen) => seen.now.queues.flatMap((queue) => {
    const { name, kind, published, depth, highWater, capacity, refused, isClosed, consumers } = queue;
    const was = seen.before?.queues.find((other) => other.name === name);
    const dropped = sum(Object.values(queue.dropped));
    const rate = rateOf(seen, published, was?.published);
    const ranks = { lag: depth, rate: rate ?? published, dropped };
    // A place that nobody has taken yet holds nothing up.
    const behind = consumers.filter(({ state, lag, consumed }) => state !== 'held' || lag > 0 || consumed > 0).map((
      { place, name: called, state, lag, whenSlow }) =>
      `${called === '' ? place : called} ${state}, lag ${short(lag)}, ${whenSlow}`);
    return [{
      cells: [name, kind, showRate(rate), short(depth), short(highWater), short(capacity), short(refused),
        short(dropped)],
      note: isClosed ? ['closed', ...behind].join('; ') : behind.join('; '),
      isBad: dropped > 0, text: `${name} ${kind} ${consumers.map(({ name: called }) => called).join(' ')}`, ranks,
    }];
  }),
};

const topics: Table = {
  sorts: ['lag', 'rate', 'dropped', 'name'],
  header: ['topic, pattern', 'in', 'b', 'role', 'msgs/s', 'messages', 'lag', 'refused', 'dropped'],
  widths: [4, 1, 10, 8, 8, 7, 8, 8],
  lines(seen) {
    const key = ({ party, role, name }: PageSnapshot['topics'][number]): string => `${party} ${role} ${name}`;
    const before = new Map(seen.before?.topics.map((topic) => [key(topic), topic]));
    return seen.now.topics.map((topic) => {
      const { party, name, role, priority, messages, lag, refused, isOver } = topic;
      const dropped = sum(Object.values(topic.dropped));
      const rate = rateOf(seen, messages, before.get(key(topic))?.messages);
      return {
        cells: [
          name, partyName(seen.now, party), priority < 0 ? '*' : priority, isOver ? 'ended' : role, showRate(rate),
          short(messages), short(lag), short(refused), short(dropped),
        ],
        isBad: dropped > 0, text: `${name} ${role}`, ranks: { lag, rate: rate ?? messages, dropped },
      };
    });
  },
};

const sockets: Table = {
  sorts: ['rate', 'name'],
  header: ['reactor', 'open', 'in/s', 'out/s', 'accepts', 'shed', 'waits', 'timers', 'fired/s', 'late', 'missed'],
  widths: [6, 8, 8, 8, 5, 6, 7, 8, 6, 7],
  lines: (seen) => seen.now.parties.map(({ io, timers }, id) => {
    const was = seen.before?.parties[id];
    const inRate = rateOf(seen, io.bytesReceived, was?.io.bytesReceived);
    const outRate = rateOf(seen, io.bytesSent, was?.io.bytesSent);
    const { state = '', source = '' } = seen.now.reactors[id] ?? {};
    const name = partyName(seen.now, id);
    return {
      cells: [
        [name, source].join(' '), short(io.connections), showRate(inRate), showRate(outRate), short(io.accepts),
        short(io.shed), short(io.poolWaits), short(timers.live),
        showRate(rateOf(seen, timers.fired, was?.timers.fired)), short(timers.late), short(timers.missed),
      ],
      isBad: io.shed > 0, text: `${name} ${state} ${source}`,
      ranks: { rate: (inRate ?? io.bytesReceived) + (outRate ?? io.bytesSent) },
    };
  }),
};

const drops: Table = {
  sorts: ['count', 'name'],
  header: ['what was lost or refused', 'where', 'count', 'a second'],
  widths: [8, 10, 9],
  lines: (seen) => seen.now.parties.flatMap((party, id) => {
    const was = seen.before?.parties[id];
    const where = partyName(seen.now, id);
    const of = (kind: string, reasons: Readonly<Record<string, number>>, before?: Readonly<Record<string, number>>) =>
      Object.entries(reasons).filter(([, count]) => count > 0).map(([reason, count]): Line => ({
        cells: [`${kind}: ${reason}`, where, short(count), showRate(rateOf(seen, count, before?.[reason]))],
        isBad: kind !== 'refused', text: `${kind} ${reason} ${where}`, ranks: { count },
      }));
    return [
      ...of('dropped', party.droppedByReason, was?.droppedByReason),
      ...of('refused', party.refusedByReason, was?.refusedByReason),
      ...of('lost', { 'at a death': party.lost }, was && { 'at a death': was.lost }),
      ...of('sockets', { shed: party.io.shed }, was && { shed: was.io.shed }),
    ];
  }),
};

export const TABLES = { tasks, classes, lanes, queues, topics, sockets, drops } as const;
export type TableName = keyof typeof TABLES;
export const TABLE_NAMES = Object.keys(TABLES) as TableName[];

/** The lines of a table that pass a filter, sorted. */
export function linesOf(name: TableName, sort: string, filter: string, seen: Seen): Line[] {
  const table: Table = TABLES[name];
  const by = table.sorts.includes(sort) ? sort : table.sorts[0]!;
  const wanted = filter.toLowerCase();
  const nameOf = (line: Line): string => String(line.cells[0]);
  const rank = (line: Line): number => line.ranks[by] ?? 0;
  return table.lines(seen).filter(({ text }) => text.toLowerCase().includes(wanted)).sort((a, b) =>
    (by === 'name' ? 0 : rank(b) - rank(a)) || (b.ranks['worst'] ?? 0) - (a.ranks['worst'] ?? 0)
    || nameOf(a).localeCompare(nameOf(b)));
}

/** Cells in columns: the first one to the left, the others to the right. */
export function row(cells: readonly (string | number)[], widths: readonly number[]): string {
  return cells.map((cell, i) => {
    const text = plain(String(cell));
    const width = widths[i]!;
    return i === 0 ? padded(text, width) : text.padStart(width);
  }).join(' ');
}

/** The widths of all columns if there are `columns` letters. */
export function widthsOf({ widths }: Table, columns: number): number[] {
  return [Math.max(12, Math.min(60, columns - widths.reduce((all, width) => all + width + 1, 0))), ...widths];
}

export function short(value: number): string {
  const units = [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']] as const;
  const unit = units.find(([least]) => value >= least);
  if (unit === undefined) return value.toFixed(0);
  const by = unit[1] === 'k' ? 1e3 : unit[0];
  return `${(value / by).toFixed(value / by < 10 ? 1 : 0)}${unit[1]}`;
}

export function time(ns: number): string {
  if (ns < 1e4) return `${ns.toFixed(0)}ns`;
  if (ns < 1e7) return `${(ns / 1e3).toFixed(0)}us`;
  return ns < 1e10 ? `${(ns / 1e6).toFixed(0)}ms` : `${(ns / 1e9).toFixed(0)}s`;
}
