/**
 * Rows `top` and `page`: what it costs to look at a program from outside. The figures are the CPU of `percore top` on a
 * terminal of 80 by 24, and of `percore web` with one browser, each a process of its own. The watched program has two
 * reactors whose tasks work. The baseline is a Node that sleeps.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createRuntime, publishCounters } from 'percore';
import { rootUrl } from '../../context.js';
import { check, compare, sleep, type Bench, type Contender } from '../../harness.js';

const RUNS = 3;
const SETTLE_MS = 2000;
const WATCH_MS = 5000;
const TICKS_PER_SECOND = 100;
const cli = fileURLToPath(new URL('dist/percore/cli.js', rootUrl));
/** Gives a program a terminal, throws away what it draws, and ends with it. */
const TERMINAL = `
import fcntl, os, pty, struct, subprocess, sys, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)
print(child.pid, flush=True)
try:
    while os.read(master, 65536): pass
except OSError: pass
`;

type Figures = 'cpuPercent';
type Watcher = (page: string) => Promise<{ readonly pid: number; readonly children: readonly ChildProcess[] }>;

const watchers = (name: string, watcher: Watcher): Bench => ({
  name,
  run: () => compare({
    runs: RUNS,
    ours: watching('percore', watcher),
    baselines: [watching('sleeping node', async () => {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)'], { stdio: 'ignore' });
      return { pid: child.pid!, children: [child] };
    })],
    figures: [{
      of: 'cpuPercent', metric: 'cpu', unit: '% of a core', better: 'lower', params: { seconds: WATCH_MS / 1000 },
      targets: { 'sleeping node': { of: 'value', atMost: 1 } },
    }],
  }),
});

export const top: Bench = watchers('top', async (page) => {
  const terminal = spawn('python3', ['-c', TERMINAL, process.execPath, cli, 'top', '--page', page], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid] = (await once(createInterface({ input: terminal.stdout }), 'line')) as [string];
  return { pid: Number(pid), children: [terminal] };
});

export const page: Bench = watchers('page', async (path) => {
  const server = spawn(process.execPath, [cli, 'web', '--page', path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [url] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  get(url.replace('/?', '/events?'), (response) => response.resume()).on('error', () => undefined);
  return { pid: server.pid!, children: [server] };
});

function watching(name: string, watcher: Watcher): Contender<Figures> {
  return {
    name,
    async run() {
      const folder = mkdtempSync(join(tmpdir(), 'percore-watched-'));
      await using runtime = await createRuntime({
        entry: new URL('./watched-reactor.js', import.meta.url), reactors: 2, metrics: true,
      });
      const shown = publishCounters(runtime, { path: join(folder, 'page') });
      const { pid, children } = await watcher(shown.path);
      try {
        await sleep(SETTLE_MS);
        const before = cpuTicks(pid);
        await sleep(WATCH_MS);
        const used = cpuTicks(pid) - before;
        check(used >= 0, `process ${pid} has ended`);
        return { cpuPercent: used / TICKS_PER_SECOND / (WATCH_MS / 1000) * 100 };
      } finally {
        try {
          process.kill(pid, 'SIGTERM');
        } catch {
          // It has ended.
        }
        for (const child of children) child.kill('SIGKILL');
        shown.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

/** The CPU time of all threads of a process, user and system; -Infinity if there is no such process. */
function cpuTicks(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, tid) => {
      const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return sum + Number(fields[11]) + Number(fields[12]);
    }, 0);
  } catch {
    return -Infinity;
  }
}
