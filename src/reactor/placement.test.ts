/** Where reactors run, what was refused of it, and memory that is there beforehand: as `status()` tells it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { inboxBytes } from '../layout.js';
import { cpuTopology, lockedBytes, residentBytes } from '../realtime/index.js';
import { can, isRoot, where } from '../realtime/fixtures/privileges.js';
import { placeReactors } from '../realtime/internal.js';
import { controllerOf } from './runtime.js';
import { errorOf, fixture, inside, withRuntime } from './fixtures/inside.js';

const { allowed, cpus } = cpuTopology();
const last = allowed.at(-1)!;

interface Told {
  readonly reactors: { cpuAsked?: number; cpuGranted: number[]; refusals: string[] }[];
  readonly answers: string[];
}
function granted(prefix: string[], reactors: number, options: object): Told {
  const [command, ...rest] = [
    ...prefix, process.execPath, fileURLToPath(fixture('granted')), JSON.stringify({ reactors, options }),
  ];
  return JSON.parse(execFileSync(command!, rest, { encoding: 'utf8', timeout: 60_000 })) as Told;
}
const pinsOf = ({ reactors }: Told) => reactors.map(({ cpuAsked, cpuGranted, refusals }) =>
  [cpuAsked, cpuGranted, refusals.filter((text) => text.startsWith('pin'))]);

describe('a placement', () => {
  it.each(['pack', 'spread'] as const)('%s pins each reactor where the topology says', async (pin) => {
    const { cpus: expected } = placeReactors(pin, cpuTopology(), 3);
    await withRuntime(3, { pin }, async (runtime) => {
      expect(runtime.status().reactors.map(({ cpuGranted }) => cpuGranted)).toEqual(expected.map((cpu) => [cpu]));
      expect(await Promise.all(expected.map((_cpu, id) => inside(runtime, id, () => 'runs')))).toHaveLength(3);
    });
  });

  it('isolated says where no CPU is isolated, and runs', async () => {
    await withRuntime(1, { pin: 'isolated' }, async (runtime) => {
      const { cpuGranted, refusals } = runtime.status().reactors[0]!;
      const isolated = cpus.filter(({ isIsolated }) => isIsolated).length;
      const said = refusals.filter((text) => text.startsWith("pin 'isolated': no CPU is isolated, so it runs on CPU"));
      expect([cpuGranted.length, said.length]).toEqual([1, isolated > 0 ? 0 : 1]);
    });
  });

  it('is one of three words, or a list', async () => {
    const refused = async (pin: unknown): Promise<string> =>
      (await errorOf(() => withRuntime(1, { pin: pin as boolean }, async () => undefined))).message;
    expect(await refused('spred')).toMatch(/^pin must be 'pack', 'spread' or 'isolated', not "spred"; did you/);
    expect(await refused([0, 1])).toMatch(/^pin must be true, false, 'pack', .* or a list of 1 CPU numbers/);
  });

  it('puts several reactors on one CPU where a list says so', async () => {
    await withRuntime(2, { pin: [last, last] }, async (runtime) => {
      expect(runtime.status().reactors.map(({ cpuGranted }) => cpuGranted)).toEqual([[last], [last]]);
    });
  });

  it('in a narrowed mask keeps to it, and names the CPU that is beyond this machine', () => {
    expect(pinsOf(granted(['taskset', '-c', String(last)], 2, { pin: 'spread' }))).toEqual([
      [last, [last], []], [last, [last], []],
    ]);
    const { reactors, answers } = granted(['taskset', '-c', String(last)], 1, { pin: [8000] });
    expect(reactors[0]!.refusals[0]).toMatch(new RegExp(`^pin to CPU 8000: EINVAL.*; the cpuset allows ${last}$`));
    expect([reactors[0]!.cpuGranted, answers]).toEqual([[last], ['runs']]);
  });

  const cpusetV1 = '/sys/fs/cgroup/cpuset';
  where(isRoot && allowed.length > 1 && existsSync(`${cpusetV1}/cpuset.cpus`))(
    'in a cpuset of one CPU runs there, and says which CPU it could not have',
    () => {
      const folder = `${cpusetV1}/percore-place-${process.pid}`;
      mkdirSync(folder);
      try {
        writeFileSync(`${folder}/cpuset.mems`, readFileSync(`${cpusetV1}/cpuset.mems`));
        writeFileSync(`${folder}/cpuset.cpus`, String(last));
        const enter = ['sh', '-c', `echo $$ > ${folder}/cgroup.procs; exec "$@"`, 'sh'];
        expect(pinsOf(granted(enter, 2, { pin: 'pack' }))).toEqual([[last, [last], []], [last, [last], []]]);
        const first = allowed[0]!;
        const { reactors, answers } = granted(enter, 1, { pin: [first] });
        const refusal = new RegExp(`^pin to CPU ${first}: EINVAL.*; the cpuset allows ${last}$`);
        expect(reactors[0]!.refusals[0]).toMatch(refusal);
        expect([reactors[0]!.cpuGranted, answers]).toEqual([[last], ['runs']]);
      } finally {
        rmdirSync(folder);
      }
    },
  );
});

describe('a program of a real-time policy', () => {
  // Without the right to it chrt says so, and the program is never started.
  it('is granted all it asks for, if it may begin: its threads have no timer slack', () => {
    if (!can('chrt', '-r', '1', 'true')) return expect(() => granted(['chrt', '-r', '1'], 1, {})).toThrow();
    // Where there is one CPU alone, a spin on it is refused.
    const { reactors, answers } = granted(['chrt', '-r', '1'], 1, { idle: { strategy: 'park' } });
    expect([reactors[0]!.refusals, answers]).toEqual([[], ['runs']]);
  });
});

describe('the status', () => {
  it('tells what the machine grants, and the interrupts of each reactor\'s CPU', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const { machine, reactors } = runtime.status();
      const names = machine.checks.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['fifo', 'isolated', 'lock_memory']));
      for (const { isMet, fix } of machine.checks) expect(fix === undefined).toBe(isMet);
      const throttling = spawnSync('cat', ['/proc/sys/kernel/sched_rt_runtime_us'], { encoding: 'utf8' });
      if (throttling.status === 0) expect(machine.throttling?.runtimeUs).toBe(Number(throttling.stdout));
      for (const text of reactors[0]!.interrupts) expect(text).toMatch(/^IRQ \d+ \(/);
    });
  });

  it('tells what was asked of memory; nothing, unless it was', async () => {
    await withRuntime(1, {}, async (runtime) => {
      expect(runtime.status().memory).toEqual({
        asked: { lock: false, prefault: false, hugePages: false }, lockedBytes: lockedBytes(), refusals: [],
      });
    });
  });

  it('of lanes that were touched beforehand: all of them are there, and none without', async () => {
    const laneBytes = 2 ** 16;
    const bytes = inboxBytes(2, laneBytes);
    const resident = (prefault: boolean) => withRuntime(1, { laneBytes, memory: { prefault } }, async (runtime) => {
      expect(runtime.status().memory.refusals).toEqual([]);
      expect(runtime.status().reactors[0]!.refusals.filter((text) => text.startsWith('stack'))).toEqual([]);
      return residentBytes(new Uint8Array(controllerOf(runtime).shared.inboxes[0]!, 0, bytes));
    });
    expect(await resident(true)).toBeGreaterThanOrEqual(bytes);
    expect(await resident(false)).toBeLessThan(bytes / 2);
  });

  it('refuses an option of memory that is none', async () => {
    const error = await errorOf(() => withRuntime(1, { memory: { prefalt: true } as never }, async () => undefined));
    expect(error.message).toMatch(/^memory has no option "prefalt"; did you mean "prefault"/);
  });
});
