import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from './endpoint.js';
import { EndpointTable, MAX_ENDPOINTS } from './token.js';

const endpoint = (): Endpoint => ({ token: -1, onReadiness: () => undefined, close: () => undefined });

describe('tokens', () => {
  it('find their endpoint until it is removed, and nobody afterwards', () => {
    const table = new EndpointTable();
    const [a, b] = [endpoint(), endpoint()];
    const [tokenA, tokenB] = [table.add(a), table.add(b)];
    expect([table.find(tokenA), table.find(tokenB), table.count]).toEqual([a, b, 2]);
    table.remove(tokenA);
    expect([table.find(tokenA), table.find(tokenB), table.count]).toEqual([undefined, b, 1]);
  });

  it('of an endpoint that is gone do not find the one in its slot', () => {
    const table = new EndpointTable();
    const old = table.add(endpoint());
    table.remove(old);
    const young = endpoint();
    const token = table.add(young);
    expect(token % MAX_ENDPOINTS, 'the same slot').toBe(old % MAX_ENDPOINTS);
    expect([table.find(old), table.find(token)]).toEqual([undefined, young]);
    table.remove(old);
    expect([table.find(token), table.count], 'nor do they remove it').toEqual([young, 1]);
  });

  it('are non-negative int32 numbers, also after all generations of a slot', () => {
    const table = new EndpointTable();
    for (let i = 0; i < 5000; i++) {
      const token = table.add(endpoint());
      if (token < 0 || token !== (token | 0)) throw new Error(`token ${token} at ${i}`);
      table.remove(token);
    }
    expect(table.count).toBe(0);
  });

  it('agree with a map for any sequence of open, close and use again', () => {
    fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 400 }), (steps) => {
      const table = new EndpointTable();
      const live = new Map<number, Endpoint>();
      const dead: number[] = [];
      for (const step of steps) {
        const tokens = [...live.keys()];
        if (step % 3 === 0 && tokens.length !== 0) {
          const token = tokens[step % tokens.length]!;
          table.remove(token);
          live.delete(token);
          dead.push(token);
        } else {
          const opened = endpoint();
          const token = table.add(opened);
          expect(live.has(token)).toBe(false);
          live.set(token, opened);
        }
        for (const [token, expected] of live) expect(table.find(token)).toBe(expected);
        // A slot has 2,047 generations: none comes round again in 400 steps.
        for (const token of dead) expect(table.find(token)).toBeUndefined();
        expect(table.count).toBe(live.size);
        expect(table.all().length).toBe(live.size);
      }
    }), { numRuns: 100 });
  });
});
