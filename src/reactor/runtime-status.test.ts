/** What the status says of CPUs that were granted or refused, and of messages. */
import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { inside, until, withRuntime } from './fixtures/inside.js';
import type { Runtime } from './runtime.js';

describe('status', () => {
  it('says which CPUs were granted, as the kernel says it', async () => {
    const { allowed } = await import('../realtime/cpus.js').then(({ cpuBudget }) => cpuBudget());
    await withRuntime(2, {}, async (runtime) => {
      for (const { id, cpuAsked, cpuGranted, refusals, tid, timerSlackNs } of runtime.status().reactors) {
        expect([cpuAsked, cpuGranted, refusals]).toEqual([
          allowed[id % allowed.length], [allowed[id % allowed.length]], [],
        ]);
        const list = await inside(
          runtime,
          id,
          (_reactor, tid: number, { require }) =>
            /Cpus_allowed_list:\s*(.*)/.exec(
              (require('node:fs') as typeof import('node:fs')).readFileSync(`/proc/self/task/${tid}/status`, 'utf8'),
            )![1]!,
          tid,
        );
        expect(list).toBe(String(cpuGranted[0]));
        expect(timerSlackNs).toBe(1);
      }
    });
    expect(native().threads.getAffinity(), 'the main thread was not pinned with them').toEqual(allowed);
  });

  it('reports a CPU outside the mask as refused, and the reactor runs anyway', async () => {
    await withRuntime(1, { pin: [500] }, async (runtime) => {
      const [{ cpuAsked, cpuGranted, refusals }] = runtime.status().reactors as [
        ReturnType<Runtime['status']>['reactors'][0],
      ];
      expect(cpuAsked).toBe(500);
      expect(cpuGranted).toEqual(native().threads.getAffinity());
      expect(refusals).toEqual([expect.stringMatching(/^pin to CPU 500: EINVAL: .*; the cpuset allows 0/)]);
      expect(await inside(runtime, 0, () => 'runs')).toBe('runs');
    });
  });

  it('without pinning asks for nothing and says so', async () => {
    await withRuntime(1, { pin: false }, async (runtime) => {
      expect(runtime.status().reactors[0]).toMatchObject({
        cpuAsked: undefined, cpuGranted: native().threads.getAffinity(), refusals: [],
      });
    });
  });

  it('counts: sent equals received over all parties, steps by band, calls in flight back to zero', async () => {
    await withRuntime(2, {}, async (runtime) => {
      await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'sink' }, () => undefined));
      const before = runtime.status().reactors[0]!;
      for (let i = 0; i < 10; i++) runtime.send('sink', i, { reactor: 0, priority: 6 });
      await until(() => runtime.status().reactors[0]!.steps[6] === before.steps[6]! + 10, 'ten steps of band 6');
      const after = runtime.status().reactors[0]!;
      expect([
        after.received - before.received, after.stepErrors, after.dropped, after.callsInFlight, after.state,
      ]).toEqual([10, 0, 0, 0, 'ready']);
      expect(runtime.status()).toMatchObject({
        reactorsAsked: 2, node: process.version, cpus: { allowed: native().threads.getAffinity() },
      });
    });
  });
});
