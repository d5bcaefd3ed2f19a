/**
 * Row `process-ring`: messages of 64 bytes from process to process by a ring in a file, against the same ring between
 * two threads, a Unix socket and the channel of `child_process`; and records of 1 KiB that Python reads and writes.
 *
 * Each contender is a process of its own, `side.ts`, which starts the other side in the way that is measured. Ours and
 * the ring between threads look all the time, and pause for a microsecond when they find nothing. Sockets and the
 * channel wait in the event loop, as they are normally used.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { check, compare, type Bench, type Contender, type Finding } from '../../harness.js';
import { twoCpus } from '../../cpus.js';

export type Way =
  | 'file' | 'threads' | 'socket' | 'channel'
  | 'to-python' | 'to-python-place' | 'to-python-pipe' | 'from-python' | 'from-python-pipe';
export interface Side {
  readonly way: Way;
  readonly work: 'rate' | 'roundTrip';
  readonly isFirst: boolean;
  readonly folder: string;
  readonly cpus: readonly [number, number];
  readonly warmupMs: number;
  readonly measureMs: number;
}
/** The figure of a run: messages a second, or nanoseconds for a round trip. */
export interface SideResult {
  readonly value: number;
  readonly wrong: number;
}

const RUNS = 5;

function contender<Name extends string>(name: string, way: Way, work: Side['work'], figure: Name): Contender<Name> {
  return {
    name,
    async run() {
      const folder = mkdtempSync('/dev/shm/percore-bench-');
      try {
        const side: Side = {
          way, work, isFirst: true, folder, cpus: twoCpus(), warmupMs: 200, measureMs: 400,
        };
        const child = fork(new URL('./side.js', import.meta.url), [JSON.stringify(side)]);
        const [result] = (await Promise.race([
          once(child, 'message'),
          once(child, 'exit').then(([code]) => [{ value: NaN, wrong: `exit code ${code}` }]),
        ])) as [SideResult];
        child.kill('SIGKILL');
        check(result.wrong === 0, `${name}: ${result.wrong} messages were wrong`);
        return { [figure]: result.value } as Record<Name, number>;
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
}

export const socketPath = (folder: string): string => join(folder, 'socket');

export const processRing: Bench = {
  name: 'process-ring',
  async run(): Promise<Finding[]> {
    const rate = (name: string, way: Way): Contender<'rate'> => contender(name, way, 'rate', 'rate');
    const trip = (name: string, way: Way): Contender<'trip'> => contender(name, way, 'roundTrip', 'trip');
    return [
      ...(await compare({
        runs: RUNS,
        ours: rate('percore', 'file'),
        baselines: [
          rate('the same ring between threads', 'threads'), rate('Unix socket', 'socket'),
          rate('child_process IPC', 'channel'),
        ],
        figures: [{
          of: 'rate', metric: 'rate', unit: 'messages/s', better: 'higher', params: { bytes: 64 },
          targets: {
            'the same ring between threads': { of: 'ratio', atLeast: 0.5 },
            'Unix socket': { of: 'ratio', atLeast: 20 },
            'child_process IPC': { of: 'ratio', atLeast: 50 },
          },
        }],
      })),
      ...(await compare({
        runs: RUNS,
        ours: trip('percore', 'file'),
        baselines: [
          trip('the same ring between threads', 'threads'), trip('Unix socket', 'socket'),
          trip('child_process IPC', 'channel'),
        ],
        figures: [{
          of: 'trip', metric: 'p50', unit: 'ns', better: 'lower', params: { bytes: 64 },
          targets: {
            'the same ring between threads': { of: 'ratio', atMost: 2 },
            'Unix socket': { of: 'ratio', atMost: 1 / 20 },
            'child_process IPC': { of: 'ratio', atMost: 1 / 50 },
          },
        }],
      })),
      ...(await python({ reader: 'Python', reads: 'copies' }, 'to-python', 'to-python-pipe', 'os.read of a pipe')),
      ...(await python({ reader: 'Python', reads: 'in place' }, 'to-python-place', 'to-python-pipe',
        'os.read of a pipe')),
      ...(await python({ writer: 'Python' }, 'from-python', 'from-python-pipe', 'os.write to a pipe')),
    ];
  },
};

const python = (params: Record<string, string>, way: Way, pipe: Way, baseline: string): Promise<Finding[]> => compare({
  runs: RUNS,
  ours: contender('percore', way, 'rate', 'rate'),
  baselines: [contender(baseline, pipe, 'rate', 'rate')],
  figures: [{ of: 'rate', metric: 'rate', unit: 'GB/s', better: 'higher', params: { bytes: 1024, ...params } }],
});
