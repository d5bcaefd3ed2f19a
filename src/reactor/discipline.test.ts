/** The discipline that a runtime is given is what its reactors select by. */
import { describe, expect, it } from 'vitest';
import { createRuntime } from './index.js';
import type { DisciplineChoice } from '../scheduling/index.js';
import { inside, withRuntime } from './fixtures/inside.js';

/** Fills the mailboxes of a low and a high task within one step, low first, and says in which order the steps ran. */
async function orderBy(discipline: DisciplineChoice | undefined, messages: number): Promise<string> {
  let order = '';
  await withRuntime(1, discipline === undefined ? {} : { discipline }, async (runtime) => {
    order = await inside(runtime, 0, async (reactor, count, { until: comes }) => {
      const ran: string[] = [];
      // Several tasks of a band, since what weights count is a quantum: a task with all its messages.
      const tasks = [1, 6].flatMap((priority) => Array.from({ length: count }, (_, i) =>
        reactor.spawn({ name: `${priority}-${i}`, priority }, () => void ran.push(priority === 1 ? 'l' : 'H'))));
      for (const task of tasks) task.send(0);
      await comes(() => ran.length === 2 * count);
      return ran.join('');
    }, messages);
  });
  return order;
}

describe('the discipline of a runtime', () => {
  it('decides what runs next', async () => {
    expect(await orderBy(undefined, 4)).toBe('HHHHllll');
    expect(await orderBy('strict', 4)).toBe('HHHHllll');
    expect(await orderBy('roundRobin', 4)).toBe('llllHHHH');
    expect(await orderBy({ kind: 'weighted', weights: { 6: 2 } }, 4)).toBe('HHlHHlll');
    expect(await orderBy({ kind: 'strict', ageing: 2 }, 6)).toBe('HHlHHlHHllll');
    expect(await orderBy({ kind: 'deadline', deadlinesNs: { 1: 0, 6: 1e9 } }, 4)).toBe('llllHHHH');
    expect(await orderBy({ kind: 'shuffled', seed: 5 }, 4)).toBe('HHHHllll');
  });

  it('shares time out by what each band has used of it', async () => {
    await withRuntime(1, { discipline: { kind: 'shares', shares: { 5: 3, 1: 1 }, debtNs: 1e9 } }, async (runtime) => {
      const used = await inside(runtime, 0, async (reactor, _argument, { until: comes }) => {
        const busyNs = { low: 0, high: 0 };
        const endNs = reactor.nowNs() + 15e8;
        const busy = (name: 'low' | 'high', priority: number, forNs: number): void => {
          const task = reactor.spawn({ name, priority }, () => {
            const beganNs = reactor.nowNs();
            if (beganNs > endNs) return;
            while (reactor.nowNs() - beganNs < forNs);
            busyNs[name] += reactor.nowNs() - beganNs;
            task.send(0);
          });
          task.send(0);
        };
        busy('low', 1, 300_000);
        busy('high', 5, 20_000);
        await comes(() => reactor.nowNs() > endNs + 1e7);
        return busyNs;
      });
      // A share of the time, whatever a step costs. The machine may take the thread away in either's step.
      expect(used.high / used.low).toBeGreaterThan(2);
      expect(used.high / used.low).toBeLessThan(4.5);
    });
  });

  it('is in the status, as plain data that nothing else rests on', async () => {
    const entry = new URL('./fixtures/remote.js', import.meta.url);
    const named = await createRuntime({ entry, reactors: 1 });
    expect(named.status().discipline).toEqual({ kind: 'strict' });
    await named.close();
    const given = { kind: 'shares', shares: { 5: 3, others: 1 } } as const;
    await withRuntime(1, { discipline: given }, async (runtime) => {
      const { discipline } = runtime.status();
      expect(discipline).toEqual(given);
      (discipline as { kind: string }).kind = 'changed';
      expect(runtime.status().discipline).toEqual(given);
    });
  });

  it('is checked before anything is started', async () => {
    const entry = new URL('./fixtures/remote.js', import.meta.url);
    await expect(createRuntime({ entry, reactors: 1, discipline: 'fair' as never })).rejects.toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'discipline', value: 'fair',
    });
  });
});
