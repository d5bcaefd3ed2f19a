/** `percore trace` on threads of this machine, beside `perf sched timehist`, and what it leaves behind. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, closeSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { until } from '../reactor/fixtures/inside.js';
import { can, isRoot, where } from '../realtime/fixtures/privileges.js';
import { cpuBudget } from '../realtime/index.js';
import type { FigureReport, ThreadReport, TracerSummary } from '../trace/internal.js';
import { parseCommand, run } from './trace.js';

const program = fileURLToPath(new URL('./main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'percore-trace-'));
const mounted = (): string | undefined =>
  readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' '))
    .find(([, , type]) => type === 'tracefs')?.[1];
/** Mounted by this test, where the machine has not. */
const own = isRoot && mounted() === undefined && can('mount', '-t', 'tracefs', 'tracefs', folder) ? folder : undefined;
const tracefs = mounted();
const probe = `${tracefs}/instances/probe-${process.pid}`;
const canTrace = tracefs !== undefined && can('mkdir', probe) && can('rmdir', probe);
const canFifo = isRoot && can('chrt', '-f', '10', 'true');
const [major, minor] = release().split('.').map(Number);
const canMap = major! > 6 || (major === 6 && minor! >= 10);
const hasPerf = canTrace && can('perf', 'sched', 'record', '-q', '-o', join(folder, 'probe'), 'true');

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  if (own !== undefined) spawnSync('umount', [own]);
  rmSync(folder, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  out: string;
  err: string;
  readonly ended: Promise<number | null>;
  /** The reports so far, of `--json`. */
  reports(): (ThreadReport & { kind: string })[];
}

function start(command: string, args: readonly string[], stdout: 'pipe' | number = 'pipe'): Running {
  const child = spawn(command, args, { stdio: ['pipe', stdout, 'pipe'] });
  children.push(child);
  const running: Running = {
    child, out: '', err: '', ended: new Promise((resolve) => child.on('close', resolve)),
    reports: () => running.out.split('\n').filter((line) => line.startsWith('{')).map((line) =>
      JSON.parse(line) as ThreadReport & { kind: string }),
  };
  child.stdout?.on('data', (text: Buffer) => { running.out += text.toString(); });
  child.stderr!.on('data', (text: Buffer) => { running.err += text.toString(); });
  child.stdin!.on('error', () => undefined);
  return running;
}

const trace = (...args: string[]): Running => start(process.execPath, [program, 'trace', ...args]);
const instances = (): string[] => readdirSync(`${tracefs}/instances`).filter((name) => name.startsWith('percore-'));
/** Each tracer has two. */
const instancesOf = ({ child }: Running): string[] =>
  instances().filter((name) => name.startsWith(`percore-${child.pid}-`)).sort();
const last = <T>(all: readonly T[]): T => all.at(-1)!;
const summaryOf = (running: Running): TracerSummary => last(running.reports()) as unknown as TracerSummary;

/** Sleeps in two threads, called `steady` and `other`. A line starts one more, `short`, and another one ends it. */
const SLEEPER = `
import ctypes, sys, threading, time
name = lambda text: ctypes.CDLL(None).prctl(15, text, 0, 0, 0)
def steady():
    name(b'steady')
    while True: time.sleep(0.002)
def short():
    name(b'short')
    while not ends: time.sleep(0.002)
ends = False
threading.Thread(target=steady, daemon=True).start()
name(b'other')
print('ready', flush=True)
sys.stdin.readline()
threading.Thread(target=short, daemon=True).start()
sys.stdin.readline()
ends = True
sys.stdin.readline()
`;

/** A line starts a thread that ends after 0.1 s. */
const SHORT_LIVES = `
import sys, threading, time
def short():
    for i in range(20): time.sleep(0.005)
for line in sys.stdin: threading.Thread(target=short, daemon=True).start()
`;

/** Waits for another process and wakes it, as often as it can. */
const PING_PONG = `
import os
(hereIn, thereOut), (thereIn, hereOut) = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(thereOut)
    while os.write(hereOut, os.read(hereIn, 1)): pass
os.close(hereIn)
print('ready', flush=True)
while True:
    os.write(thereOut, b'x')
    os.read(thereIn, 1)
`;

async function sleeper(program: string = SLEEPER): Promise<Running> {
  const running = start('python3', ['-c', program]);
  await until(() => running.out.includes('ready'), 'the sleeper is there');
  return running;
}

describe('percore trace', () => {
  where(canTrace && canFifo)('of a periodic thread and a rival: four numbers, as perf tells them too', async () => {
    // Where the machine is so busy that perf says it has lost something, there is nothing to compare. And there are
    // virtual machines where the kernel leaves out what a CPU does after it was idle: there the four numbers are those
    // of perf, and what the thread has seen itself is compared on another CPU, if there is one that tells all.
    const results: string[] = [];
    const { allowed } = cpuBudget();
    while (results.length < 4 && !results.includes('whole')) {
      results.push(await jerry(allowed.at(-1 - results.length % allowed.length)!));
    }
    expect(results).toContainEqual(expect.stringMatching(/whole|as perf/));
  }, 120_000);

  where(canTrace)('adds and removes threads, sets bounds and reports, by lines on its input', async () => {
    const { child: { pid } } = await sleeper();
    const tracer = trace('--stay', '--json');
    const say = async (line: string, answer: string): Promise<void> => {
      tracer.child.stdin!.write(`${line}\n`);
      await until(() => tracer.err.includes(`${line}: ${answer}\n`), `${line}: ${tracer.err}`);
    };
    const reports = () => tracer.reports().map(({ name, why, figures }) => ({ name, why, ...figures }));
    await say('bound schedule-in 1s', '0 threads');
    await say('add name none such', '0 threads');
    await say(`add pid ${pid}`, '2 threads');
    await say('add name stead*', '0 threads');
    const steady = last(readdirSync(`/proc/${pid}/task`));
    await say(`bound ${steady} response 1ns`, '1 thread');
    await until(() => {
      tracer.child.stdin!.write(`report ${steady}\n`);
      return tracer.reports().some(({ figures }) => figures.response.violations > 5);
    }, 'its bound is broken');
    const { name, why, response, relief, 'schedule-in': scheduleIn } = last(reports());
    expect([name, why, scheduleIn.boundNs, response.boundNs]).toEqual(['steady', 'asked', 1e9, 1]);
    expect([response.violations <= response.count, relief.count > 0]).toEqual([true, true]);
    await say(`bound ${steady} response 0`, '1 thread');
    await say(`remove ${steady}`, '1 thread');
    expect([last(reports()).why, last(reports()).response.boundNs]).toEqual(['removed', undefined]);
    await say(`remove ${steady}`, '0 threads');
    await say(`add tid ${steady}`, '1 thread');
    for (const wrong of ['add', 'add pid x', 'bound response 5', 'bound fast 5ms', 'remove', 'fly', 'x'.repeat(1e5)]) {
      const before = tracer.err.length;
      tracer.child.stdin!.write(`${wrong}\n`);
      await until(() => tracer.err.slice(before).includes('percore trace: '), wrong);
    }
    await say(`remove ${pid}`, '2 threads');
    tracer.child.kill('SIGTERM');
    expect([await tracer.ended, instancesOf(tracer)]).toEqual([0, []]);
    expect(summaryOf(tracer).threads).toBe(3);
  }, 60_000);

  where(canTrace)('finds the new threads of a process, and reports each that ends', async () => {
    const { child } = await sleeper();
    const tracer = trace('--pid', String(child.pid));
    await until(() => tracer.err.includes('follows 2 threads'), `it follows: ${tracer.err}`);
    child.stdin!.write('\n');
    await until(() => {
      tracer.child.stdin!.write('report\n');
      return /^thread \d+ short of process \d+, up to now/m.test(tracer.out);
    }, 'the new one is followed');
    child.stdin!.write('\n');
    await until(() => /^thread \d+ short of process \d+, has ended/m.test(tracer.out), 'the new one has ended');
    expect(tracer.out).not.toMatch(/steady of process \d+, has ended/);
    child.kill('SIGKILL');
    expect(await tracer.ended).toBe(0);
    expect(tracer.out).toMatch(/thread \d+ steady of process \d+, has ended/);
    // A worst case as the fourth seed prints it.
    expect(tracer.out).toMatch(/^ {4}\[ {5}0 us\] Event: sched_waking, pid: \d+, wake_cpu: \d+ {2}by an interrupt/m);
    expect(tracer.out).toMatch(new RegExp('^ {4}\\[ *\\d+ us\\] Event: sched_switch, preemption: 0, voluntary: 1, '
      + 'prev_pid: \\d+ \\(priority: \\d+\\), next_pid: \\d+ \\(priority: \\d+\\), on_cpu: \\d+', 'm'));
    expect(tracer.out).toMatch(/\n3 threads, \d+ events, 0 lost, [\d.]+ % of a CPU\n$/);
  }, 60_000);

  where(canTrace)('knows of ends and of new threads at once, also where nothing else happens', async () => {
    const { child } = start('python3', ['-c', SHORT_LIVES]);
    const tracer = trace('--pid', String(child.pid), '--json');
    await until(() => tracer.err.includes('follows 1 thread'), `it follows: ${tracer.err}`);
    const delays: number[] = [];
    for (let i = 1; i <= 5; i++) {
      const beganMs = performance.now();
      child.stdin!.write('\n');
      await until(() => tracer.reports().length === i, `thread ${i} has ended`);
      delays.push(performance.now() - beganMs);
    }
    child.kill('SIGKILL');
    expect(await tracer.ended).toBe(0);
    const reports = tracer.reports().slice(0, 5);
    expect(reports.map(({ why }) => why)).toEqual(Array(5).fill('ended'));
    // They live for 0.1 s, and wait for one time after another in it. Without any hurry there is a round in 5 s.
    expect(Math.min(...delays)).toBeLessThan(500);
    expect(Math.max(...reports.map(({ figures }) => figures.response.count))).toBeGreaterThan(5);
  }, 60_000);

  where(canTrace)('leaves nothing after Ctrl-C; what a killed one leaves goes when the next one starts', async () => {
    const { child: { pid } } = await sleeper();
    const first = trace('--name', 'steady', '--json');
    await until(() => first.err.includes('follows'), `it follows: ${first.err}`);
    const left = instancesOf(first);
    // What nobody asks for is not recorded either.
    for (const name of left)
      expect(readFileSync(`${tracefs}/instances/${name}/trace_options`, 'latin1')).toContain('norecord-cmd');
    first.child.kill('SIGKILL');
    await first.ended;
    expect([left.length, instancesOf(first)]).toEqual([2, left]);
    const second = trace('--pid', String(pid), '--json');
    await until(() => second.err.includes('follows'), `it follows: ${second.err}`);
    expect([instancesOf(first), instancesOf(second).length]).toEqual([[], 2]);
    // That of one that lives stays.
    const third = trace('--pid', String(pid), '--seconds', '1', '--json');
    expect(await third.ended).toBe(0);
    expect(instancesOf(second).length).toBe(2);
    second.child.kill('SIGINT');
    expect([await second.ended, instancesOf(second), instancesOf(third)]).toEqual([0, [], []]);
    expect(second.reports().map(({ why, kind }) => why ?? kind)).toEqual(['closing', 'closing', 'end']);
    expect(summaryOf(second).removed).toEqual(expect.arrayContaining(left));
  }, 60_000);

  where(canTrace)('leaves nothing when a signal ends it before it follows anybody, whichever it is', async () => {
    const { child: { pid } } = await sleeper();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
      const tracer = trace('--pid', String(pid), '--json');
      // Looks without a rest: what is to be hit takes some hundredths of a second.
      const untilMs = performance.now() + 20_000;
      while (instancesOf(tracer).length === 0 && performance.now() < untilMs);
      tracer.child.kill(signal);
      expect([signal, await tracer.ended, instancesOf(tracer)]).toEqual([signal, 0, []]);
    }
  }, 60_000);

  where(canTrace)('that cannot write what it finds says so and leaves nothing', async () => {
    const { child: { pid } } = await sleeper();
    const full = openSync('/dev/full', 'w');
    const tracer = start(process.execPath, [program, 'trace', '--pid', String(pid)], full);
    closeSync(full);
    await until(() => tracer.err.includes('follows'), `it follows: ${tracer.err}`);
    expect(instancesOf(tracer).length).toBe(2);
    tracer.child.stdin!.write('report\n');
    expect([await tracer.ended, instancesOf(tracer)]).toEqual([1, []]);
    expect(tracer.err).toContain('ENOSPC');
  }, 60_000);

  // Pages of small buffers are read, those of large ones are mapped, where the kernel does that.
  for (const [kind, load, buffer] of [['small', SLEEPER, 8], ['large', PING_PONG, 4096]] as const) {
    where(canTrace)(`counts what was overwritten in ${kind} buffers while it could not read, and goes on`, async () => {
      const { child: { pid } } = await sleeper(load);
      const tracer = trace('--pid', String(pid), '--buffer', String(buffer), '--json');
      await until(() => tracer.err.includes('follows'), `it follows: ${tracer.err}`);
      const maps = readFileSync(`/proc/${tracer.child.pid}/maps`, 'latin1').split('trace_pipe_raw').length - 1;
      expect(maps).toBe(kind === 'large' && canMap ? readdirSync(`${tracefs}/per_cpu`).length : 0);
      tracer.child.kill('SIGSTOP');
      const steps = instancesOf(tracer).find((name) => name.endsWith('steps'));
      const perCpu = `${tracefs}/instances/${steps}/per_cpu`;
      const counts = (): number[] => readdirSync(perCpu).map((name) =>
        Number(/^overrun: (\d+)$/m.exec(readFileSync(`${perCpu}/${name}/stats`, 'utf8'))?.[1]));
      // Of what is mapped that counts as overwritten which was taken before; an event takes 40 bytes at least.
      const before = counts();
      const most = kind === 'large' ? buffer * 1024 / 40 : 0;
      await until(() => counts().some((count, cpu) => count - before[cpu]! > most), 'it has gone round', 30_000);
      tracer.child.kill('SIGCONT');
      const threads = kind === 'large' ? 1 : 2;
      tracer.child.stdin!.write('report\n');
      await until(() => tracer.reports().length === threads, 'it reports');
      tracer.child.kill('SIGINT');
      expect(await tracer.ended).toBe(0);
      expect(summaryOf(tracer).lost).toBeGreaterThan(0);
    }, 60_000);
  }

  where(canTrace)('takes all that comes, by rounds of its own, where buffers fill up in no time', async () => {
    const { child: { pid } } = await sleeper(PING_PONG);
    const tracer = trace('--pid', String(pid), '--seconds', '4', '--json');
    expect(await tracer.ended).toBe(0);
    const { events, lost } = summaryOf(tracer);
    // A buffer has room for about 75,000.
    expect([lost, events > 200_000]).toEqual([0, true]);
  }, 60_000);

  it('without the right says in one line which one and how to get it, and ends with 3', async () => {
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const tracer = isRoot ? start('setpriv', [...nobody, process.execPath, program, 'trace', '--tid', '1'])
      : trace('--tid', '1');
    expect([await tracer.ended, tracer.out]).toEqual([3, '']);
    expect(tracer.err)
      .toMatch(/^percore trace: events of the scheduler need root, or write access to tracefs: .*sudo.*\n$/);
  }, 60_000);

  it('says what was typed wrongly', async () => {
    for (const [typed, message] of [
      ['', 'say whom'], ['--pid x', '"x" is not the number'], ['--tid 0', '"0" is not the number'],
      ['--name', 'argument missing'],
      ['--tid 1 --response 5', 'response 5: a time such as 500us'],
      ['--tid 1 --seconds 0', '--seconds 0: a whole number from 1 to'],
      ['--tid 1 --buffer 7', '--buffer 7: a whole number from 8 to'],
      ['--fast', "Unknown option '--fast'"], ['1', 'positional'],
    ] as const) await expect(run(typed.split(' ').filter((word) => word !== ''))).rejects.toThrow(message);
    await expect(run(['--name', ''])).rejects.toThrow('--name is empty');
    expect(() => parseCommand(`add ${'y'.repeat(500)}\u001b`)).toThrow(/^"add y{76}": add pid/);
  });

  where(canTrace)('of nobody who is there fails', async () => {
    const tracer = trace('--tid', '4194305');
    expect([await tracer.ended, instancesOf(tracer)]).toEqual([1, []]);
    expect(tracer.err).toBe('percore trace: there is no thread of --tid 4194305\n');
  }, 60_000);
});

/**
 * The scenario of the fourth seed. 'lost' where perf has lost events, so that its figures are others; 'as perf' where
 * the kernel has told neither of all sleeps.
 */
async function jerry(cpu: number): Promise<'whole' | 'as perf' | 'lost'> {
  const periodic = start('python3', [
    fileURLToPath(new URL('../../../src/trace/fixtures/periodic.py', import.meta.url)), String(cpu), '100',
  ]);
  await until(() => periodic.out.includes('ready'), `the thread is there: ${periodic.err}`);
  const { pid } = periodic.child;
  const file = join(folder, 'perf.data');
  const perf = hasPerf ? start('perf', ['sched', 'record', '-m', '4096', '-r', '5', '-o', file, 'sleep', '60'])
    : undefined;
  // It begins when it has started what it is given.
  const sleeps = (): boolean => spawnSync('pgrep', ['-P', String(perf!.child.pid), 'sleep']).status === 0;
  if (perf !== undefined) await until(sleeps, 'perf records');
  const tracer = trace('--pid', String(pid), '--response', '2ms', '--json');
  await until(() => tracer.err.includes('follows 1 thread'), `it follows: ${tracer.err}`);
  periodic.child.stdin!.write('\n');
  // The thread has ended, so it is reported, and nobody is left.
  expect(await tracer.ended).toBe(0);
  perf?.child.kill('SIGINT');
  await perf?.ended;
  const [report] = tracer.reports();
  expect([report!.tid, report!.name, report!.why]).toEqual([pid, 'python3', 'ended']);
  expect(summaryOf(tracer)).toMatchObject({ kind: 'end', lost: 0, threads: 1 });
  const { 'schedule-in': scheduleIn, response, relief } = report!.figures;
  const seen = JSON.parse(last(periodic.out.trim().split('\n'))) as {
    rival: number; min: number; max: number; slept: number;
  };
  const told = hasPerf ? timehist(file, pid!) : undefined;
  if (told !== undefined) {
    if (/lost/i.test(told.said + perf!.err) && told.delays.length !== scheduleIn.count) return 'lost';
    const count = told.delays.length;
    // Where events are missing, the two count what they cannot tell in different ways.
    if (count < 0.9 * seen.slept && Math.abs(scheduleIn.count - count) <= 3) return 'as perf';
    expect([scheduleIn.count, response.count]).toEqual([told.delays.length, told.responses.length]);
    const near = (figure: FigureReport, values: readonly number[]): void => {
      expect(Math.abs(figure.maxNs - Math.max(...values))).toBeLessThan(10_000);
      expect(Math.abs(figure.minNs - Math.min(...values))).toBeLessThan(10_000);
    };
    near(scheduleIn, told.delays);
    near(response, told.responses);
  }

  // What it has seen itself lies within what the kernel saw.
  expect(response.minNs).toBeGreaterThan(seen.min);
  expect(response.maxNs).toBeGreaterThan(seen.max);
  // On a busy machine it is late now and then, and has no time to sleep.
  expect(Math.min(scheduleIn.count, response.count, relief.count)).toBeGreaterThan(20);
  expect(relief.maxNs).toBeLessThanOrEqual(response.maxNs);
  // The rival's 2 ms, amid its work or before it has the CPU.
  expect([response.violations > 0, response.maxNs > 2.4e6]).toEqual([true, true]);
  const { events } = scheduleIn.worst!;
  expect(events.map(({ event }) => event)).toEqual(['sched_waking', 'sched_switch']);
  expect(events[1]!.nextPid).toBe(pid);
  expect(last(response.worst!.events)).toMatchObject({ event: 'sched_switch', prevPid: pid, isVoluntary: true });

  return 'whole';
}

/** Delays and responses of a thread, as `perf sched timehist` tells them, in nanoseconds. */
function timehist(file: string, tid: number): { said: string; delays: number[]; responses: number[] } {
  const { stdout, stderr } = spawnSync('perf', ['sched', 'timehist', '-i', file, `--tid=${tid}`, '--state'], {
    encoding: 'utf8',
  });
  const delays: number[] = [];
  const responses: number[] = [];
  const pattern = /^ +\d+\.\d+ \[\d+\] .*? +([\d.]+) +([\d.]+) +([\d.]+) +(\S+)/gm;
  let took = 0;
  let goesOn = false;
  for (const [, wait, delay, run, state] of stdout.matchAll(pattern)) {
    const [waitNs, delayNs, runNs] = [wait, delay, run].map((ms) => Number(ms) * 1e6) as [number, number, number];
    // Without a delay it has not seen the wake-up; that of a rest after a preemption is not told anew.
    if (!goesOn && delayNs > 0) delays.push(delayNs);
    took = goesOn ? took + waitNs + runNs : delayNs > 0 ? delayNs + runNs : NaN;
    goesOn = state!.startsWith('R');
    if (/^[SDI]/.test(state!) && !Number.isNaN(took)) responses.push(took);
  }
  return { said: stderr + stdout, delays, responses };
}
