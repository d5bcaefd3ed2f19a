/**
 * Row `trace`: what `percore trace` costs, compared with `perf sched record` in the same seconds. Two threads wake each
 * other through a pipe as fast as they can, which makes hundreds of thousands of events a second. The tracer follows
 * either these two or a process that sleeps beside them; what the kernel filters out costs the reader nothing. The
 * bench checks that no event was lost. Neither figure includes what the kernel spends on writing events, and what each
 * took to start is a figure of its own. perf records the whole machine.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rootUrl } from '../../context.js';
import { check, compare, refusal, sleep, type Bench, type Finding } from '../../harness.js';
import { collect, parseLast } from '../../programs.js';

const RUNS = 3;
/**
 * The tracer may take events up to 5 s after they were recorded, so what it leaves at the end is to weigh little. Some
 * 9 s after its start V8 collects once: that belongs to the start, and is not in it.
 */
const SECONDS = 5;
const BUFFER_KIB = 16_384;
const program = fileURLToPath(new URL('dist/percore/cli.js', rootUrl));

interface Taken {
  readonly events: number;
  /** In percent of one CPU, from a second after it had begun to record. */
  readonly percent: number;
  /** CPU time until then. */
  readonly startMs: number;
}

let beside: Taken | undefined;

type Followed = 'the two' | 'one beside';

async function measure(followed: Followed): Promise<Taken> {
  const folder = mkdtempSync(join(tmpdir(), 'percore-bench-'));
  const children: ChildProcess[] = [];
  const start = (command: string, ...args: string[]) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    return { child, pid: child.pid!, text: collect(child), ended: once(child, 'close') };
  };
  try {
    const load = start('perf', 'bench', 'sched', 'pipe', '-T', '-l', '1000000000');
    await sleep(500);
    const periodic = start('python3', '-c', 'import time\nwhile True: time.sleep(0.001)');
    const pid = String(followed === 'the two' ? load.pid : periodic.pid);
    const tracer = start(process.execPath, program, 'trace', '--pid', pid, '--json', '--buffer', String(BUFFER_KIB));
    const perf = start('perf', 'sched', 'record', '-o', join(folder, 'perf.data'), 'sleep', '1000');
    for (let i = 0; i < 100 && !tracer.text.stderr.includes('follows'); i++) await sleep(100);
    check(tracer.text.stderr.includes('follows'), `percore trace has not begun: ${tracer.text.stderr}`);
    await sleep(1000);
    const before = [tracer.pid, perf.pid].map(cpuNs);
    await sleep(SECONDS * 1000);
    const [ours, theirs] = [tracer.pid, perf.pid].map((pid, i) => (cpuNs(pid) - before[i]) / (SECONDS * 1e7));
    perf.child.kill('SIGINT');
    tracer.child.kill('SIGINT');
    await Promise.all([perf.ended, tracer.ended]);
    const { events, lost, elapsedNs } = parseLast(tracer.text.stdout, 'percore trace') as Record<string, number>;
    check(lost === 0 && events > 1000, `percore trace lost ${lost} of ${events} events`);
    const samples = Number(/\((\d+) samples\)/.exec(perf.text.stderr)?.[1]);
    check(samples > 10_000 && theirs > 0, `perf has recorded ${samples} samples: ${perf.text.stderr.trim()}`);
    const [ourStartMs, theirStartMs] = before.map((ns) => ns / 1e6);
    beside = { events: samples / (elapsedNs / 1e9), percent: theirs, startMs: theirStartMs };
    return { events: events / (elapsedNs / 1e9), percent: ours, startMs: ourStartMs };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** For how long all threads of a process have run. */
function cpuNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, tid) =>
    sum + Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'latin1').split(' ')[0]), 0);
}

export const trace: Bench = {
  name: 'trace',
  run: async () => {
    const { status, stderr } = spawnSync('perf', ['sched', 'record', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
    const may = spawnSync(process.execPath, [program, 'trace', '--tid', String(process.pid), '--seconds', '1']);
    if (status !== 0 || may.status !== 0)
      return [refusal(`needs perf and tracefs: ${stderr ?? 'no perf'} ${may.stderr.toString()}`.trim())];
    const findings: Finding[] = [];
    for (const followed of ['the two', 'one beside'] as const) {
      findings.push(...await compare({
        runs: RUNS,
        ours: { name: 'percore trace', run: () => measure(followed) },
        // It was measured at the same time.
        baselines: [{ name: 'perf sched record', run: async () => beside! }],
        figures: [
          {
            of: 'percent', metric: 'CPU', unit: '% of a CPU', better: 'lower', params: { followed },
            targets: { 'perf sched record': { of: 'ratio', atMost: 0.5 } },
          },
          { of: 'startMs', metric: 'CPU of the start', unit: 'ms', better: 'lower', params: { followed } },
          { of: 'events', metric: 'events', unit: 'events/s', better: 'higher', params: { followed } },
        ],
      }));
    }
    return findings;
  },
};
