import { describe, expect, it } from 'vitest';
import type { Reactor } from '../reactor/index.js';
import { simulate } from './index.js';

interface Town { calls: { add(n: number): number }; tasks: { adder: { n: number } } }

function start(reactor: Reactor<Town>): void {
  let sum = 0;
  reactor.handle('add', (n) => (sum += n));
  reactor.spawn({ name: 'adder' }, ({ n }) => void (sum += n));
}

describe('a simulated runtime', () => {
  it('answers calls, on 2 to 8 reactors', async () => {
    const report = await simulate<Town>({ entry: start, seeds: 20 }, async ({ runtime, rest, check }) => {
      for (let i = 0; i < 20; i++) {
        const sum = await runtime.call('add', 1, { reactor: i % runtime.reactors });
        check(sum >= 1, 'sum');
      }
      await rest();
    });
    expect(report).toMatchObject({ seeds: 20, deaths: 0 });
  });
});
