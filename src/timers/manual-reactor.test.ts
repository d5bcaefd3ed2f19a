import { describe, expect, it } from 'vitest';
import { sleep } from '../reactor/fixtures/inside.js';
import { createRuntime } from '../reactor/runtime.js';
import type { ManualServices } from './fixtures/manual-reactor.js';

describe('a reactor with a manual clock', () => {
  it('runs its timers when the clock is moved, and at no other time', async () => {
    const runtime = await createRuntime<{ calls: ManualServices }>({
      entry: new URL('./fixtures/manual-reactor.js', import.meta.url),
      reactors: 1,
      clock: 'manual',
    });
    await sleep(20);
    expect(await runtime.call('advance', 0)).toEqual([]);
    expect(await runtime.call('advance', 3_000_000)).toEqual([
      'every 0 at 1000000', 'rate 0 at 1500000', 'every 1 at 2000000', 'every 2 at 3000000', 'rate 1 at 3000000',
    ]);
    expect(await runtime.call('now', undefined as never)).toBe(3_000_000);
    expect(await runtime.call('advance', 999_999)).toEqual([]);
    const second = await runtime.call('advance', 1e9);
    expect(second.length).toBe(1000 + 667);
    // The rate timer is not in the wheel. The other timer ran three times before that, and once in each millisecond
    // since.
    expect(runtime.status().reactors[0]!.timers).toMatchObject({ fired: 1003, late: 0, missed: 0 });
    expect(await runtime.close()).toMatchObject({ drained: true, undelivered: 0 });
  });

  it('is refused with any other clock', async () => {
    await expect(
      createRuntime({
        entry: new URL('./fixtures/manual-reactor.js', import.meta.url),
        reactors: 1,
        clock: 'system' as never,
      }),
    ).rejects.toThrow(/^clock must be 'manual' or left out/);
  });
});
