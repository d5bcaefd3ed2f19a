/** What the types of calls take and refuse: tsc compiles this file, and complains of an error that is expected and does not come. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Runtime } from './runtime.js';
import { inside, withRuntime } from './fixtures/inside.js';

type Town = {
  size(): number;
  sum(pair: [number, number]): number;
  find(name?: string): string;
};

/** Never run. */
export function typed(runtime: Runtime<Town>): void {
  expectTypeOf(runtime.call('size')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(runtime.call('find')).toEqualTypeOf<Promise<string>>();
  void runtime.call('find', 'name', { reactor: 0 });
  void runtime.call('size', undefined, { reactor: 0 });
  // @ts-expect-error This one takes an argument.
  void runtime.call('sum');
  // @ts-expect-error And of another type.
  void runtime.call('sum', 'two');
  // @ts-expect-error Nobody has this name.
  void runtime.call('siez');
}

describe('a call without an argument', () => {
  it('hands the handler undefined', async () => {
    await withRuntime(1, {}, async (runtime) => {
      expect(await inside(runtime, 0, (reactor) => {
        reactor.handle('size', (argument: unknown) => [argument === undefined, 3]);
      })).toBeUndefined();
      expect(await runtime.call('size')).toEqual([true, 3]);
    });
  });
});
