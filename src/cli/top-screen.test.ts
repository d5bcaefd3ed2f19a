/** The screen of `percore top` on a real terminal: Python's pty, driven by steps of what to wait for and what to do. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishCounters, setSlo, type CountersPage, type Runtime } from '../index.js';
import { inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';

const program = fileURLToPath(new URL('./main.js', import.meta.url));

/** Each step: a pattern that what was written since the step before must show, and what is done then. */
const DRIVER = `
import fcntl, json, os, pty, re, resource, select, signal, struct, subprocess, sys, termios, time
steps, command, env = json.loads(sys.argv[1])
master, slave = pty.openpty()
def resize(columns, rows):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
resize(80, 24)
before = termios.tcgetattr(slave)
def begin():
    # Some signals would have it leave a file of its memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
# What a machine for tests sets to say that nobody looks at colours is not for the child, which has a terminal.
around = {name: value for name, value in os.environ.items() if name not in ('CI', 'NO_COLOR', 'FORCE_COLOR', 'TMUX')}
child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=begin, env={**around, **env})
written, seen, said = '', [], []
def read(pattern, limit):
    global written
    start = len(written)
    end = time.time() + limit
    while time.time() < end:
        if pattern is not None and re.search(pattern, written[start:]): break
        if select.select([master], [], [], 0.05)[0]:
            try: written += os.read(master, 65536).decode('utf8', 'replace')
            except OSError: break
        elif pattern is None and child.poll() is not None: break
    seen.append(written[start:])
    return pattern is None or re.search(pattern, written[start:]) is not None
def state():
    with open('/proc/%d/stat' % child.pid) as file: return file.read().rsplit(')', 1)[1].split()[0]
for pattern, action, value in steps:
    if not read(pattern, 20):
        said.append('never saw ' + pattern)
        break
    if action == 'keys': os.write(master, value.encode())
    if action == 'size':
        resize(*value)
        os.killpg(child.pid, signal.SIGWINCH)
    if action == 'mark': open(value, 'w').close()
    if action == 'signal': os.kill(child.pid, getattr(signal, value))
    if action == 'stopped':
        end = time.time() + 10
        while state() != 'T' and time.time() < end: time.sleep(0.01)
        said.append(state())
        said.append(termios.tcgetattr(slave)[3] == before[3])
        os.kill(child.pid, signal.SIGCONT)
read(None, 10)
if child.poll() is None:
    said.append('still there')
    child.kill()
code = child.wait()
is_restored = termios.tcgetattr(slave)[:4] == before[:4]
print(json.dumps({'seen': seen, 'said': said, 'code': code, 'isRestored': is_restored, 'written': written}))
`;
type Step = readonly [pattern: string, action: string, value?: unknown];
interface Outcome { seen: string[]; said: unknown[]; code: number; isRestored: boolean; written: string }

async function onTerminal(args: string[], steps: Step[], env: Record<string, string> = {}): Promise<Outcome> {
  const command = [process.execPath, program, 'top', ...args];
  const all = steps.map(([pattern, action, value = '']) => [pattern, action, value]);
  const child = spawn('python3', ['-c', DRIVER, JSON.stringify([all, command, { TERM: 'xterm-256color', ...env }])]);
  let out = '';
  let wrong = '';
  child.stdout.on('data', (text: Buffer) => void (out += text));
  child.stderr.on('data', (text: Buffer) => void (wrong += text));
  await new Promise((resolve) => child.on('close', resolve));
  if (out === '') throw new Error(wrong);
  return JSON.parse(out) as Outcome;
}
// eslint-disable-next-line no-control-regex
const bare = (text: string): string => text.replace(/\u001b\[[?\d;]*[A-Za-z]/g, '').replaceAll('\r', '');
const LEFT = '\u001b[?1049l';

describe('percore top on a terminal', () => {
  let folder: string;
  let runtime: Runtime;
  let page: CountersPage;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'percore-screen-'));
    runtime = await remoteRuntime(1, { metrics: { tasks: 16 } });
    await inside(runtime, 0, (reactor) => {
      for (const [name, ns] of [['settlement', 2e6], ['alpha \u001b[31m quotes', 1e4]] as const) {
        const task = reactor.spawn({ name }, () => {
          const endNs = reactor.nowNs() + ns;
          while (reactor.nowNs() < endNs);
        });
        reactor.timers.every({ intervalNs: 5e7 }, () => void task.send(0));
      }
    });
    page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 100 });
    await until(() => setSlo(runtime, { task: 'settlement' }, { responseNs: 1e6 }) === 1, 'it is there');
  }, 30_000);
  afterAll(async () => {
    await runtime?.close({ drainMs: 1000 });
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows, sorts, filters, pauses and fits, and gives the terminal back', async () => {
    const { seen, said, code, isRestored, written } = await onTerminal(['--page', page.path], [
      ['running[\\s\\S]*longStep settlement[\\s\\S]*q quit', 'keys', 's'],
      ['by worst', 'keys', '/alp'],
      ['filter: alp_', 'keys', '\r'],
      ['filter: alp(?!_)', 'keys', 'p'],
      ['paused', 'keys', 'p'],
      ['running', 'keys', '/\u007f\u007f\u007f\r\t\t'],
      ['lanes by lag[\\s\\S]*main -> 0', 'size', [120, 40]],
      ['q quit[^\\n]{90,}', 'keys', 'q'],
    ]);
    expect([said, code, isRestored]).toEqual([[], 0, true]);
    const first = bare(seen[0]!);
    for (const text of ['percore top', 'settlement', 'reactor', 'sockets', 'main']) expect(first).toContain(text);
    expect(written).toContain('\u001b[31m');
    // A name cannot say anything to the terminal.
    expect(written).toContain('alpha ?[31m quotes');
    expect(bare(seen[3]!)).not.toContain('settlement ');
    const lines = bare(seen.slice(0, 6).join('')).split('\n');
    expect(lines.filter((line) => line.length > 80 && !line.includes('q quit'))).toEqual([]);
    expect(written.endsWith(LEFT) || written.includes(LEFT)).toBe(true);
  }, 60_000);

  it('is suspended and comes back, and leaves the terminal when it is ended by a signal', async () => {
    const { said, code, isRestored, written } = await onTerminal(['--page', page.path], [
      ['q quit', 'keys', '\u001a'],
      ['\\[\\?1049l', 'stopped'],
      ['\\[\\?1049h[\\s\\S]*q quit', 'signal', 'SIGTERM'],
    ], { NO_COLOR: '1' });
    expect([said, code, isRestored]).toEqual([['T', true], -15, true]);
    // Without colours nothing is painted.
    expect(written).not.toContain('\u001b[31m');
    expect(written.split(LEFT).length).toBe(3);
  }, 60_000);

  const ends = [['SIGINT', -2], ['SIGHUP', -1], ['SIGQUIT', -3]] as const;
  it.each(ends)('leaves the terminal as it was on %s', async (signal, by) => {
    const { said, code, isRestored, written } = await onTerminal(['--page', page.path], [['q quit', 'signal', signal]]);
    expect([said, code, isRestored, written.includes(LEFT)]).toEqual([[], by, true, true]);
  }, 60_000);

  it('says that the program has ended, and stays', async () => {
    const other = await remoteRuntime(1);
    const shown = publishCounters(other, { path: join(folder, 'other') });
    const mark = join(folder, 'mark');
    const watching = onTerminal(['--page', shown.path], [['running', 'mark', mark], ['ended', 'keys', 'q']]);
    await until(() => existsSync(mark), 'it is shown', 20_000);
    await other.close();
    const { said, code, isRestored } = await watching;
    expect([said, code, isRestored]).toEqual([[], 0, true]);
  }, 60_000);
});
