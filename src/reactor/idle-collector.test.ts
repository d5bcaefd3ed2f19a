/** Collections of a reactor: counted, and made while it is idle and not while it works. */
import { expect, it } from 'vitest';
import { collectGarbage } from '../realtime/index.js';
import { errorOf, inside, until, withRuntime } from './fixtures/inside.js';
import { collectWhenIdle } from './idle-collector.js';

interface Figures { count: number; atIdle: number; totalNs: number; longestNs: number; atIdleNs: number }

it('collects once the reactor has nothing to do and its heap has grown, and tells of it', async () => {
  await withRuntime(1, {}, async (runtime) => {
    await inside(runtime, 0, (reactor, _argument, { state, collectWhenIdle: begin }) => {
      state['collector'] = begin(reactor, { afterIdleNs: 1e6, leastBytes: 200_000 });
    });
    const figures = () => inside(runtime, 0, (_reactor, _argument, { state }): Figures => state['collector'].status());
    const garbage = () => inside(runtime, 0, (_reactor, _argument, { state }) => {
      state['garbage'] = Array.from({ length: 20_000 }, (_, i) => ({ i }));
      state['garbage'] = undefined;
    });
    const before = await figures();
    await garbage();
    // Asked seldom: what asks keeps it from being idle.
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return (await figures()).atIdle > before.atIdle;
    }, 'a collection at idle');
    await until(async () => (await figures()).count > 0, 'a collection that Node has told of');
    const { count, atIdle, totalNs, longestNs, atIdleNs } = await figures();
    expect(count).toBeGreaterThanOrEqual(1);
    expect([atIdleNs > 0, longestNs > 0, totalNs >= longestNs]).toEqual([true, true, true]);
    // Nothing is made for nothing: the heap has not grown since by what these questions make.
    await inside(runtime, 0, (_reactor, _argument, { state }) => state['collector'].stop());
    await garbage();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await figures()).atIdle).toBeLessThanOrEqual(atIdle + 1);
  });
});

it('collects by hand, without a flag of Node\'s', async () => {
  const reference = new WeakRef({});
  // What was referred to in this job is kept until it ends.
  await new Promise(setImmediate);
  expect(collectGarbage('major')).toBe(true);
  expect(reference.deref()).toBeUndefined();
});

it('refuses what it does not know', async () => {
  expect(() => collectGarbage('all' as never)).toThrow(/^kind must be 'minor' or 'major'/);
  expect((await errorOf(() => collectWhenIdle({} as never))).message).toMatch(/^reactor must be a reactor/);
});
