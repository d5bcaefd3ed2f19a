/** Timers of a real reactor: their order, their lateness, and what they cost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';

describe('timers of a real reactor', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await remoteRuntime(1, { idle: { strategy: 'park' } });
  });
  afterAll(() => runtime.close());

  it('are never early, and run in the order of their deadlines', async () => {
    const ticks = await inside(runtime, 0, async (reactor) => {
      const seen: { asked: number; due: number; elapsed: number; lateness: number }[] = [];
      const delays = [3, 1, 0.2, 2, 0, 0.7, 0.05, 1.5].map((ms) => ms * 1e6);
      await Promise.all(delays.map((delayNs) => new Promise<void>((resolve) => {
        const from = reactor.nowNs();
        reactor.timers.after({ delayNs }, (tick) => {
          const elapsed = reactor.nowNs() - from;
          seen.push({ asked: delayNs, due: tick.expectedNs, elapsed, lateness: tick.latenessNs });
          resolve();
        });
      })));
      return seen;
    });
    expect(ticks.length).toBe(8);
    expect(ticks.filter(({ asked, elapsed, lateness }) => elapsed < asked || lateness < 0)).toEqual([]);
    // Not the order of the delays: on a busy machine a millisecond may pass between two of them.
    expect(ticks.map(({ due }) => due)).toEqual(ticks.map(({ due }) => due).sort((a, b) => a - b));
  });

  it('do not drift: 1,000 ticks at 1 kHz are due on their grid to the nanosecond', async () => {
    const { grid, early, order, ticks, missed } = await inside(
      runtime,
      0,
      (reactor) =>
        new Promise<{ grid: number; early: number; order: number; ticks: number; missed: number }>((resolve) => {
          const result = { grid: 0, early: 0, order: 0, ticks: 0, missed: 0 };
          let first = 0;
          let last = -1;
          const id = reactor.timers.every({ intervalNs: 1_000_000 }, (tick) => {
            if (last === -1) first = tick.expectedNs - tick.sequence * 1_000_000;
            if (tick.expectedNs !== first + tick.sequence * 1_000_000) result.grid++;
            if (reactor.nowNs() < tick.expectedNs || tick.latenessNs < 0) result.early++;
            if (tick.sequence !== last + 1 + tick.missed) result.order++;
            last = tick.sequence;
            result.ticks++;
            result.missed += tick.missed;
            if (tick.sequence < 999) return;
            reactor.timers.cancel(id);
            resolve(result);
          });
        }),
    );
    expect({ grid, early, order }).toEqual({ grid: 0, early: 0, order: 0 });
    expect(
      ticks + missed, 'each of the first 1,000 deadlines was a tick or is counted as missed',
    ).toBeGreaterThanOrEqual(1000);
  });

  it('wake a parked reactor, which nothing else wakes meanwhile', async () => {
    const before = runtime.status().reactors[0]!;
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['ran'] = 0;
      reactor.timers.after({ delayNs: 600e6 }, (tick) => void (state['ran'] = tick.latenessNs));
    });
    await sleep(100);
    const asleep = runtime.status().reactors[0]!;
    expect(asleep.parks).toBeGreaterThan(before.parks);
    await sleep(50);
    expect(runtime.status().reactors[0]!.turns, 'asleep').toBe(asleep.turns);
    await until(() => runtime.status().reactors[0]!.turns > asleep.turns, 'the timer');
    await until(() => runtime.status().reactors[0]!.parks > asleep.parks, 'it sleeps again');
    expect(runtime.status().reactors[0]!.turns, 'one turn for the timer').toBe(asleep.turns + 1);
    expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['ran'] as number)).toBeGreaterThan(0);
  });

  it('wake up for the earliest deadline, although a later one was armed first', async () => {
    const late = await inside(runtime, 0, (reactor) => new Promise<number>((resolve) => {
      reactor.timers.after({ delayNs: 60e9 }, () => undefined);
      // Made outside of a turn, while the reactor sleeps until the other one is due.
      setTimeout(() => reactor.timers.after({ delayNs: 5e6 }, (tick) => resolve(tick.latenessNs)), 20);
    }), undefined, { timeoutMs: 5000 });
    expect(late).toBeLessThan(1e9);
  });

  it('all run, in several turns, when a step makes 3,000 of them', async () => {
    const ran = await inside(runtime, 0, (reactor) => new Promise<number>((resolve) => {
      let count = 0;
      for (let i = 0; i < 3000; i++) {
        reactor.timers.after({ delayNs: (i % 3) * 1e6 }, () => {
          if (++count === 3000) resolve(count);
        });
      }
    }), undefined, { timeoutMs: 10_000 });
    expect(ran).toBe(3000);
  });

  it('may throw: the error is reported, and a periodic timer keeps its pace', async () => {
    const errors: string[] = [];
    const listen = ({ error, where }: { error: Error; where: string }) =>
      void errors.push(`${where}: ${error.message}`);
    runtime.on('stepError', listen);
    const { ticks, others, elapsedMs } = await inside(
      runtime,
      0,
      (reactor) =>
        new Promise<{ ticks: number; others: number; elapsedMs: number }>((resolve) => {
          let [ticks, others] = [0, 0];
          const from = reactor.nowNs();
          reactor.timers.every({ intervalNs: 10e6 }, () => void others++);
          const id = reactor.timers.every({ intervalNs: 10e6 }, (tick) => {
            ticks++;
            if (tick.sequence >= 9) {
              reactor.timers.cancel(id);
              resolve({ ticks, others, elapsedMs: (reactor.nowNs() - from) / 1e6 });
            }
            throw new Error('tick');
          });
        }),
      undefined,
      { timeoutMs: 10_000 },
    );
    runtime.off('stepError', listen);
    expect(ticks).toBeLessThanOrEqual(10);
    expect(elapsedMs).toBeGreaterThanOrEqual(100);
    expect(others).toBeGreaterThan(0);
    expect(errors[0]).toBe('a timer of band 3: tick');
  });
});
