/** `percore web`: a running program in the browser, from its counters page. */
import { parseArgs } from 'node:util';
import { readPage, serveSnapshots } from '../monitor/internal.js';
import { pathOf } from './choose-page.js';
import { DONE, FAILED, UsageError } from './command.js';

export const summary = 'a running program in the browser, live';

export const usage = `
percore web [pid] [--port N] [--host ADDRESS]

Serves a page with live plots of a program that shows its counters (publishCounters of percore), and prints its address.
Whoever has the address may look: it holds a token. Without a pid: the one program that shows its counters. The program
itself is not asked, so one that hangs is shown as well. Ends with Ctrl-C.

  --port N         where it listens; default: a free one
  --host ADDRESS   default 127.0.0.1, this machine alone
  --page PATH      a page at another place than /dev/shm/percore-<pid>

  percore web --port 8080
`;

export async function run(args: string[]): Promise<number> {
  const { values: { port = '0', host, page }, positionals } = parseArgs({
    args, allowPositionals: true,
    options: { port: { type: 'string' }, host: { type: 'string' }, page: { type: 'string' } },
  });
  if (positionals.length > 1) throw new UsageError(`name one pid, not ${positionals.length}`);
  if (!/^\d{1,5}$/.test(port)) throw new UsageError(`"${port}" is not a port`);
  const path = page ?? pathOf('web', positionals[0]);
  if (path === undefined) return FAILED;
  readPage(path);
  const inspection = await serveSnapshots(
    () => readPage(path), { port: Number(port), ...(host === undefined ? {} : { host }) },
  );
  process.stdout.write(`${inspection.url}\n`);
  await new Promise<void>((resolve) => {
    const alive = setInterval(() => undefined, 60_000);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => {
      clearInterval(alive);
      resolve();
    });
  });
  await inspection.close();
  return DONE;
}
