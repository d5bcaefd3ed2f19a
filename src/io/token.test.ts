import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from './endpoint.js';
import { EndpointTable, MAX_ENDPOINTS } from './token.js';

const source = (): Endpoint => ({ token: -1, onReadiness: () => undefined, close: () => undefined });

describe('tokens', () => {
  it('find their source until it is removed, and nobody afterwards', () => {
    const sources = new EndpointTable();
    const [a, b] = [source(), source()];
    const [tokenA, tokenB] = [sources.add(a), sources.add(b)];
    expect([sources.find(tokenA), sources.find(tokenB), sources.count]).toEqual([a, b, 2]);
    sources.remove(tokenA);
    expect([sources.find(tokenA), sources.find(tokenB), sources.count]).toEqual([undefined, b, 1]);
  });

  it('of a source that is gone do not find the one in its slot', () => {
    const sources = new EndpointTable();
    const old = sources.add(source());
    sources.remove(old);
    const young = source();
    const token = sources.add(young);
    expect(token % MAX_ENDPOINTS, 'the same slot').toBe(old % MAX_ENDPOINTS);
    expect([sources.find(old), sources.find(token)]).toEqual([undefined, young]);
    sources.remove(old);
    expect([sources.find(token), sources.count], 'nor do they remove it').toEqual([young, 1]);
  });

  it('are non-negative int32 numbers, also after all generations of a slot', () => {
    const sources = new EndpointTable();
    for (let i = 0; i < 5000; i++) {
      const token = sources.add(source());
      if (token < 0 || token !== (token | 0)) throw new Error(`token ${token} at ${i}`);
      sources.remove(token);
    }
    expect(sources.count).toBe(0);
  });

  it('agree with a map for any sequence of open, close and use again', () => {
    fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 400 }), (steps) => {
      const sources = new EndpointTable();
      const live = new Map<number, Endpoint>();
      const dead: number[] = [];
      for (const step of steps) {
        const tokens = [...live.keys()];
        if (step % 3 === 0 && tokens.length !== 0) {
          const token = tokens[step % tokens.length]!;
          sources.remove(token);
          live.delete(token);
          dead.push(token);
        } else {
          const opened = source();
          const token = sources.add(opened);
          expect(live.has(token)).toBe(false);
          live.set(token, opened);
        }
        for (const [token, expected] of live) expect(sources.find(token)).toBe(expected);
        // A slot has 2,047 generations: none comes round again in 400 steps.
        for (const token of dead) expect(sources.find(token)).toBeUndefined();
        expect(sources.count).toBe(live.size);
        expect(sources.all().length).toBe(live.size);
      }
    }), { numRuns: 100 });
  });
});
