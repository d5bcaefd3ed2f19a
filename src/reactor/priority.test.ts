/** Higher bands run first, within a turn and between reactors. */
import { describe, expect, it } from 'vitest';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';

describe('priority', () => {
  it('is strict: in one turn band 6 runs before all of band 1, whatever came first', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const order = await inside(runtime, 0, async (reactor, _argument, { sleep: pause }) => {
        const ran: number[] = [];
        const tasks = [1, 4, 6, 0, 7].map((band) =>
          reactor.spawn<number>({ name: `band ${band}`, priority: band }, () => void ran.push(band)),
        );
        for (let i = 0; i < 3; i++) for (const task of tasks) task.send(i);
        await pause(10);
        return ran;
      });
      expect(order).toEqual([7, 7, 7, 6, 6, 6, 4, 4, 4, 1, 1, 1, 0, 0, 0]);
    });
  });

  it('ends a quantum of long steps with the time of the turn, so that an urgent timer is not late', async () => {
    for (const [discipline, most] of [['strict', 4], [{ kind: 'shares' }, 2]] as const) {
      await withRuntime(1, { discipline }, async (runtime) => {
        const before = await inside(runtime, 0, (reactor) => new Promise<number>((resolve) => {
          let steps = 0;
          const bulk = reactor.spawn({ name: 'bulk', priority: 1 }, () => {
            if (++steps === 1) reactor.timers.after({ delayNs: 1000, priority: 7 }, () => resolve(steps));
            const beganNs = reactor.nowNs();
            while (reactor.nowNs() - beganNs < 1e6);
          });
          for (let i = 0; i < 16; i++) bulk.send(i);
        }));
        expect(before).toBeLessThanOrEqual(most);
      });
    }
  });

  it('lets a message of band 6 in before the next step of a flood in band 1', async () => {
    await withRuntime(2, { laneBytes: 65_536 }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['low'] = 0;
        state['lowBefore'] = [];
        state['askedAt'] = [];
        const flood = reactor.spawn<number>({ name: 'flood', priority: 1, capacity: 4096 }, () => {
          state['low']++;
          // Each step refills: band 1 is never empty.
          flood.send(0);
          if (state['low'] % 1000 === 0 && state['askedAt'].length < 200) {
            state['askedAt'].push(state['low']);
            urgent.send(0);
          }
        });
        const urgent = reactor.spawn<number>(
          { name: 'urgent', priority: 6 }, () => void state['lowBefore'].push(state['low']),
        );
        for (let i = 0; i < 1000; i++) flood.send(i);
      });
      await until(
        () =>
          inside(runtime, 0, (_reactor, _argument, { state }) => state['lowBefore'].length === 200, undefined, {
            priority: 7,
          }),
        'all urgent ones',
      );
      const waited = await inside(
        runtime, 0,
        (_reactor, _argument, { state }) => (state['lowBefore'] as number[]).map((low, i) => low - state['askedAt'][i]),
        undefined, { priority: 7 },
      );
      // Sent in the middle of a step: not one further step of the flood runs before it.
      expect(Math.max(...waited)).toBe(0);
    });
  });

  it('lets a record of band 6 from another reactor in, while band 1 floods from there too', async () => {
    // Steps of the flood so far, where both can see it: the sender notes it as it publishes, the receiver when the
    // record runs.
    const low = new Int32Array(new SharedArrayBuffer(4));
    await withRuntime(2, { laneBytes: 65_536, data: low }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state, data }) => {
        state['waited'] = [];
        reactor.spawnBytes({ name: 'flood', priority: 1 }, () => {
          const end = performance.now() + 0.002;
          while (performance.now() < end);
          Atomics.add(data as Int32Array, 0, 1);
        });
        reactor.spawnBytes(
          { name: 'urgent', priority: 6 },
          (record) =>
            void state['waited'].push(Atomics.load(data as Int32Array, 0) - record.words[record.offset >> 2]!),
        );
        reactor.handle('done', () => 1);
      });
      await inside(
        runtime,
        1,
        async (reactor, _argument, { data }) => {
          const flood = reactor.address('flood', { reactor: 0, priority: 1 });
          const urgent = reactor.address('urgent', { reactor: 0, priority: 6 });
          for (let i = 0; i < 200; i++) {
            while (flood.send(new Uint8Array(8)) === 0);
            reactor.flush();
            const at = urgent.tryClaim(4);
            urgent.words[at >> 2] = Atomics.load(data as Int32Array, 0);
            urgent.commit(4);
            reactor.flush();
            await reactor.call('done', undefined, { reactor: 0, priority: 5 });
          }
        },
        undefined,
        { timeoutMs: 30_000, priority: 7 },
      );
      const waited = (
        await inside(runtime, 0, (_reactor, _argument, { state }) => state['waited'] as number[], undefined, {
          priority: 7,
        })
      ).sort((a, b) => a - b);
      expect(waited.length).toBe(200);
      console.log(
        `steps of the flood between an urgent record's publishing and its running: median ${waited[100]}, p90 `
          + `${waited[180]}, worst ${waited[199]}; the lane of the flood holds 2,000`,
      );
      // One that ran when it was published, and what the yield let pass: a turn runs at most 16 of a lane. The rest of
      // the 200 allows for the sender having lost its CPU between its look at the counter and its store.
      expect(waited[180], 'nine of ten wait for less than one quantum').toBeLessThanOrEqual(16);
    });
  });

  it('turns shouldYield true when something above the step comes from elsewhere, and when its time is up', async () => {
    await withRuntime(1, { budget: { timeNs: 1_000_000 } }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['log'] = [];
        reactor.spawn({ name: 'high', priority: 6 }, () => void state['log'].push('high'));
        reactor.spawn({ name: 'long', priority: 1 }, (limitMs: number) => {
          const end = performance.now() + limitMs;
          let asked = 0;
          while (!reactor.shouldYield() && performance.now() < end) asked++;
          state['log'].push(performance.now() < end ? 'yielded' : 'ran to its end', asked > 0);
        });
      });
      runtime.send('long', 2000, { reactor: 0, priority: 1 });
      await until(
        async () =>
          (await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'].length as number, undefined, {
            priority: 0,
          })) === 2,
        'the budget ends the long step',
      );
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'] as unknown[]), 'its time is up',
      ).toEqual(['yielded', true]);
    });
    await withRuntime(1, { budget: { timeNs: 1e9 } }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['log'] = [];
        reactor.spawn({ name: 'high', priority: 6 }, () => void state['log'].push('high'));
        reactor.spawn({ name: 'long', priority: 1 }, () => {
          const end = performance.now() + 900;
          while (!reactor.shouldYield() && performance.now() < end);
          state['log'].push(performance.now() < end ? 'yielded' : 'ran to its end');
        });
      });
      runtime.send('long', 0, { reactor: 0, priority: 1 });
      await sleep(50);
      runtime.send('high', 0, { reactor: 0, priority: 6 });
      await until(() => inside(runtime, 0, (_reactor, _argument, { state }) => state['log'].length === 2), 'both ran');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'] as string[])).toEqual([
        'yielded', 'high',
      ]);
    });
  });
});
