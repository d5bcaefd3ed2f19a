/** Idle strategies of running reactors: a parked one rests, and none loses a message. */
import { describe, expect, it } from 'vitest';
import { errorOf, inside, sleep, within, withRuntime } from './fixtures/inside.js';

describe('idle', () => {
  it('parked reactors take no turn in a second', async () => {
    await withRuntime(2, { idle: { strategy: 'park' } }, async (runtime) => {
      await Promise.all([inside(runtime, 0, () => 1), inside(runtime, 1, () => 1)]);
      const counters = () => runtime.status().reactors.map(({ turns, parks, wakes }) => [turns, parks, wakes]);
      // V8 wakes a thread once more after its start, on Node 24: what is periodic would never come to rest.
      let before = counters();
      for (let tries = 0; tries < 10; tries++) {
        await sleep(500);
        if (JSON.stringify(before) === JSON.stringify(before = counters())) break;
      }
      await sleep(1000);
      expect(counters()).toEqual(before);
    });
  });

  it('can be changed while it runs: spinning reactors pass libuv without end, parked ones do not', async () => {
    await withRuntime(1, { idle: { strategy: 'park' } }, async (runtime) => {
      const passes = async () => {
        const before = runtime.status().reactors[0]!.libuvTurns;
        await sleep(100);
        return runtime.status().reactors[0]!.libuvTurns - before;
      };
      await sleep(20);
      expect(await passes()).toBeLessThan(10);
      runtime.setIdleStrategy({ strategy: 'spin' }, 0);
      // One in 170 µs at least, where it has the CPU.
      expect(await passes(), 'at once, also from its sleep').toBeGreaterThan(30);
      expect(runtime.status().reactors[0]!.idle.strategy).toBe('spin');
      runtime.setIdleStrategy({ strategy: 'park' });
      await sleep(20);
      expect(await passes()).toBeLessThan(10);
      runtime.setIdleStrategy({ strategy: 'backoff', spinNs: 1000 }, 0);
      expect(runtime.status().reactors[0]!.idle).toMatchObject({ strategy: 'backoff', spinNs: 1000 });
      expect((await errorOf(() => runtime.setIdleStrategy({}, 5))).message).toBe(
        'reactor must be a whole number from 0 to 0, not 5',
      );
    });
  });

  for (const strategy of ['spin', 'backoff', 'park', 'adaptive'] as const) {
    it(`${strategy}: 2,000 round trips between reactors, none is lost`, async () => {
      await withRuntime(2, { idle: { strategy } }, async (runtime) => {
        await inside(runtime, 1, (reactor) => void reactor.handle('echo', (n: number) => n));
        expect(await within(20_000, inside(runtime, 0, async (reactor) => {
          for (let i = 0; i < 2000; i++) if ((await reactor.call('echo', i, { reactor: 1 })) !== i) return i;
          return 'all';
        }), 'all round trips')).toBe('all');
      });
    });
  }
});
