/** Alone on its machine, since it measures how long calls take. */
import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { fixture, inside, remoteRuntime, withRuntime } from './fixtures/inside.js';

const library = new URL('../../percore/index.js', import.meta.url).href;
const entry = fixture('double').href;

describe('reactors that share a CPU', () => {
  const cpu = (): string =>
    String(
      /\d+/.exec(execFileSync('sh', ['-c', 'grep Cpus_allowed_list /proc/self/status'], { encoding: 'utf8' }))![0],
    );

  it('do not spin, whatever is asked: status says so, and calls do not wait for a slice of the scheduler', () => {
    const text = `import { createRuntime } from ${JSON.stringify(library)};
      const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 2, idle: { strategy: 'spin' } });
      const times = [];
      for (let i = 0; i < 200; i++) {
        const from = performance.now();
        await runtime.call('double', i);
        times.push(performance.now() - from);
      }
      const [first] = runtime.status().reactors;
      runtime.setIdleStrategy({ strategy: 'backoff' });
      const [later, median] = [runtime.status().reactors[1].refusals, times.sort((a, b) => a - b)[100]];
      console.log(JSON.stringify({ refusals: first.refusals, idle: first.idle.strategy, later, median }));
      await runtime.close();`;
    const { stdout, stderr, status } = spawnSync(
      'taskset', ['-c', cpu(), process.execPath, '--input-type=module', '-e', text],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const seen = JSON.parse(stdout) as { refusals: string[]; idle: string; later: string[]; median: number };
    expect(seen.refusals).toEqual([
      `idle 'spin': CPU ${cpu()} is also that of reactor 1, where a spin would only delay what it waits for; it parks`,
    ]);
    expect(seen.idle).toBe('park');
    expect(seen.later[0]).toMatch(/^idle 'backoff': CPU \d+ is also that of reactor 0/);
    // With spins each of a call's two ways waits for the end of a slice, three to ten milliseconds.
    expect(seen.median).toBeLessThan(3);
  });

  it('are told apart by their pins: two on one CPU, or more than there are CPUs', async () => {
    const first = Number(cpu());
    await withRuntime(2, { pin: [first, first], idle: { strategy: 'adaptive' } }, async (runtime) => {
      for (const { refusals, idle } of runtime.status().reactors)
        expect([refusals.length, idle.strategy]).toEqual([1, 'park']);
    });
    await withRuntime(availableParallelism() + 1, { pin: false }, async (runtime) => {
      expect(runtime.status().reactors[0]!.refusals[0]).toMatch(/^idle 'adaptive': .*(reactors share|main thread)/);
    });
    await withRuntime(2, { pin: [first, first], idle: { strategy: 'park' } }, async (runtime) => {
      expect(runtime.status().reactors[0]!.refusals, 'nothing was refused').toEqual([]);
    });
  });

  it('that are pinned to a CPU which is not there run elsewhere, with a warning', async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => void warnings.push(warning.message);
    process.on('warning', note);
    const runtime = await remoteRuntime(1, { pin: [700] });
    await new Promise(setImmediate);
    process.off('warning', note);
    expect(warnings).toEqual([expect.stringMatching(/^reactor 0: pin to CPU 700: EINVAL: .*; the cpuset allows \d/)]);
    expect(await inside(runtime, 0, () => 'runs')).toBe('runs');
    await runtime.close();
  });
});
