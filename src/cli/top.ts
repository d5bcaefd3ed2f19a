/** `percore top`: what a running program counts, read from its counters page. */
import { parseArgs } from 'node:util';
import { readPage, type PageSnapshot } from '../monitor/internal.js';
import { DONE, FAILED, UsageError } from './command.js';
import { pathOf } from './choose-page.js';
import { plain } from './cells.js';
import { TABLES, TABLE_NAMES, linesOf, partyName, row, widthsOf, type TableName } from './top-tables.js';

export const summary = 'tasks and reactors of a running program, worst first';

export const usage = `
percore top [pid] [--once] [--json]

Shows reactors and tasks of a program that shows its counters (publishCounters of percore), and its classes, lanes with
their lag, queues, topics, timers and sockets, and what was dropped. Without a pid: the one program that does. The page
is read and nobody is asked, so a program that hangs is shown as well.

On the screen: tab shows the next table, s sorts, / filters, p pauses, arrows scroll, q ends.

  --once         print once and end
  --json         print JSON once: everything that is in the page
  --table NAME   ${TABLE_NAMES.join(', ')}; with --once this one alone
  --sort NAME    by a column of the table, as the screen names it
  --filter TEXT  rows alone that have it
  --page PATH    a page at another place than /dev/shm/percore-<pid>

  percore top --once --table lanes --sort lag
  percore top --once --json | jq '.tasks[] | {name, worst: .figures.response.maxNs, cause}'
`;

export async function run(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values: { once = false, json = false, page, table, sort, filter = '' }, positionals } = parseArgs({
    args, allowPositionals: true,
    options: {
      once: { type: 'boolean' }, json: { type: 'boolean' }, page: text, table: text, sort: text, filter: text,
    },
  });
  if (positionals.length > 1) throw new UsageError(`name one pid, not ${positionals.length}`);
  if (table !== undefined && !Object.hasOwn(TABLES, table))
    throw new UsageError(`--table ${table}: ${TABLE_NAMES.join(', ')}`);
  const chosen = (table ?? 'tasks') as TableName;
  const { sorts } = TABLES[chosen];
  if (sort !== undefined && !sorts.includes(sort)) throw new UsageError(`--sort ${sort}: ${sorts.join(', ')}`);
  const view = { table: chosen, sort: sort ?? sorts[0]!, filter };
  const isScreen = !once && !json;
  if (isScreen && !(process.stdout.isTTY && process.stdin.isTTY))
    throw new UsageError('this is not a terminal: use --once');
  const path = page ?? pathOf('top', positionals[0]);
  if (path === undefined) return FAILED;
  if (isScreen) {
    // Only the screen needs it.
    const { follow } = await import('./top-screen.js');
    return follow(path, view);
  }
  const first = readPage(path);
  const snapshot = json ? first : await next(path, first);
  const tables = table === undefined ? TABLE_NAMES : [chosen];
  process.stdout.write(json ? `${JSON.stringify(snapshot)}\n` : formatPage(snapshot, first, tables, sort, filter));
  return DONE;
}

const COLUMNS = 100;

const MOST_WAIT_MS = 1000;

/** The page after it was written next, for rates; the same page if that does not come soon. */
async function next(path: string, first: PageSnapshot): Promise<PageSnapshot> {
  const endMs = performance.now() + MOST_WAIT_MS;
  try {
    for (let now = first; performance.now() < endMs;) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(MOST_WAIT_MS, first.everyMs)));
      now = readPage(path);
      if (now.publishedNs > first.publishedNs) return now;
    }
  } catch {
    // Its program has ended meanwhile.
  }
  return first;
}

/** A page as text, at most 100 columns wide: all rows of each table. */
function formatPage(
  snapshot: PageSnapshot, before: PageSnapshot, tables: readonly TableName[], sort: string | undefined, filter: string,
): string {
  const { pid, parties, isClosed, publishedNs } = snapshot;
  const ageMs = (Number(process.hrtime.bigint()) - publishedNs) / 1e6;
  const widths = [8, 14, 14, 11, 9, 9, 9];
  const seen = { now: snapshot, before, seconds: (publishedNs - before.publishedNs) / 1e9 };
  const lines = [
    `process ${pid}${isClosed ? ', closed' : ''}, as of ${ageMs.toFixed(0)} ms ago`, '',
    row(['reactor', 'turns', 'received', 'refused', 'dropped', 'errors', 'depth'], widths),
    ...parties.map((party, id) => row([
      partyName(snapshot, id), party.turns, party.received, party.refused, party.dropped, party.stepErrors,
      party.taskDepth,
    ], widths)),
    ...tables.flatMap((name) => {
      const found = linesOf(name, sort ?? TABLES[name].sorts[0]!, filter, seen);
      if (found.length === 0) return [];
      const columns = widthsOf(TABLES[name], COLUMNS);
      return ['', row(TABLES[name].header, columns), ...found.flatMap(({ cells, note = '' }) =>
        [row(cells, columns), ...(note === '' ? [] : [plain(`    ${note}`)])])];
    }),
  ];
  return `${lines.map((line) => line.slice(0, COLUMNS)).join('\n')}\n`;
}
