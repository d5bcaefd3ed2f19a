/** Which counters page a command is about. */
import { closedPages, findPages } from '../monitor/internal.js';
import { UsageError } from './command.js';

/** The path of the page of `pid`, or of the only program that has one. Undefined if there is none; it has said why. */
export function pathOf(command: string, pid: string | undefined): string | undefined {
  if (pid !== undefined && !/^[1-9]\d*$/.test(pid)) throw new UsageError(`"${pid}" is not the number of a process`);
  const pages = findPages();
  const ofPid = pid === undefined ? pages : pages.filter((page) => page.pid === Number(pid));
  // A runtime may have several, as `serveInspection` makes one: each shows the same.
  const meant = ofPid.filter((page, at) =>
    ofPid.findIndex((other) => other.pid === page.pid && other.originNs === page.originNs) === at);
  if (meant.length === 1) return meant[0]!.path;
  if (meant.length === 0) {
    const closed = closedPages().filter((path) => pid === undefined || /-(\d+)/.exec(path)?.[1] === pid);
    if (closed.length !== 0) {
      process.stderr.write(`percore ${command}: you may not read ${closed.join(', ')}: be its user, or root\n`);
      return undefined;
    }
    const who = pid === undefined ? 'no program shows its counters' : `process ${pid} does not show its counters`;
    process.stderr.write(`percore ${command}: ${who}. A program does by publishCounters(runtime)\n`);
    return undefined;
  }
  const named = meant.map((each) => `${each.pid} (--page ${each.path})`).join(', ');
  throw new UsageError(`${meant.length} runtimes show their counters: say which. ${named}`);
}
