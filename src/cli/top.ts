/** `percore top`: what a running program counts, read from its counters page. */
import { parseArgs } from 'node:util';
import { readPage, type PageSnapshot } from '../monitor/internal.js';
import { DONE, FAILED, UsageError } from './command.js';
import { pathOf } from './choose-page.js';

export const summary = 'tasks and reactors of a running program, worst first';

export const usage = `
percore top [pid] [--once] [--json]

Shows reactors and tasks of a program that shows its counters (publishCounters of percore). Without a pid: the one
program that does. The page is read and nobody is asked, so a program that hangs is shown as well.

On the screen: s sorts, / filters, p pauses, arrows scroll, q ends.

  --once        print once and end
  --json        print JSON once: everything that is in the page
  --page PATH   a page at another place than /dev/shm/percore-<pid>

  percore top --once --json | jq '.tasks[] | {name, worst: .figures.response.maxNs, cause}'
`;

export async function run(args: string[]): Promise<number> {
  const { values: { once = false, json = false, page }, positionals } = parseArgs({
    args, allowPositionals: true,
    options: { once: { type: 'boolean' }, json: { type: 'boolean' }, page: { type: 'string' } },
  });
  if (positionals.length > 1) throw new UsageError(`one pid is read, not ${positionals.length}`);
  const isScreen = !once && !json;
  if (isScreen && !(process.stdout.isTTY && process.stdin.isTTY))
    throw new UsageError('this is no terminal: say --once');
  const path = page ?? pathOf('top', positionals[0]);
  if (path === undefined) return FAILED;
  if (isScreen) {
    // Loaded for the screen alone.
    const { follow } = await import('./top-screen.js');
    return follow(path);
  }
  const snapshot = readPage(path);
  process.stdout.write(json ? `${JSON.stringify(snapshot)}\n` : formatPage(snapshot));
  return DONE;
}

/** A page as text, at most 100 columns wide: tasks with violations first, then those that were slowest. */
export function formatPage({ pid, parties, tasks, isClosed, publishedNs }: PageSnapshot): string {
  const ageMs = (Number(process.hrtime.bigint()) - publishedNs) / 1e6;
  const main = parties.length - 1;
  const nameOf = (id: number): string => (id === main ? 'main' : String(id));
  const violationsOf = (task: (typeof tasks)[number]): number =>
    Object.values(task.figures).reduce((sum, { violations }) => sum + violations, 0);
  const sorted = [...tasks].sort((a, b) =>
    violationsOf(b) - violationsOf(a) || b.figures.response.maxNs - a.figures.response.maxNs);
  const rows = [
    `process ${pid}${isClosed ? ', closed' : ''}, as of ${ageMs.toFixed(0)} ms ago`, '',
    line(['reactor', 'turns', 'received', 'refused', 'dropped', 'errors', 'depth'], [8, 14, 14, 11, 9, 9, 9]),
    ...parties.map((party, id) => line([
      nameOf(id), party.turns, party.received, party.refused, party.dropped, party.stepErrors, party.taskDepth,
    ], [8, 14, 14, 11, 9, 9, 9])),
    '', line(['task', 'reactor', 'steps', 'p50', 'p99', 'worst', 'bound', 'over'], TASK_COLUMNS),
    ...sorted.flatMap((task) => {
      const { p50Ns, p99Ns, maxNs, boundNs } = task.figures.response;
      const row = line([
        task.name, nameOf(task.party), task.steps, time(p50Ns), time(p99Ns), time(maxNs),
        boundNs === undefined ? '-' : time(boundNs), violationsOf(task),
      ], TASK_COLUMNS);
      return task.cause === '' ? [row] : [row, `    ${task.cause}`];
    }),
  ];
  return `${rows.join('\n')}\n`;
}

const TASK_COLUMNS = [24, 8, 13, 9, 9, 9, 9, 8];

function line(cells: readonly (string | number)[], widths: readonly number[]): string {
  return cells.map((cell, i) => {
    const text = String(cell);
    const width = widths[i]!;
    return i === 0 ? text.slice(0, width).padEnd(width) : text.padStart(width);
  }).join(' ');
}

function time(ns: number): string {
  if (ns < 1e4) return `${ns.toFixed(0)} ns`;
  return ns < 1e7 ? `${(ns / 1e3).toFixed(0)} us` : `${(ns / 1e6).toFixed(0)} ms`;
}
