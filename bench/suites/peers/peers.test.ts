/** The wiring of the suite `peers`: every name has a program, and where Boost is installed one really runs. */
import { cpuBudget } from 'percore';
import { describe, expect, it } from 'vitest';
import { rootUrl } from '../../context.js';
import suite from '../peers.js';
import { MANY_OF_THREE } from './mpsc.js';
import { contenders, peers, type PeerName } from './programs.js';
import { TRIPS } from './round-trip.js';
import { BATCHES, EACH } from './spsc.js';

const build = (await import(new URL('bench/peers/build.mjs', rootUrl).href)) as {
  programs: Record<string, { packages: string[]; needs: string[] }>;
  buildPeer(name: string): Promise<{ start?: string[]; missing?: string }>;
};

describe('peers', () => {
  it('has a row for each name that the issue gives', () => {
    expect(suite.benches.map(({ name }) => name)).toEqual([
      'spsc-single', 'spsc-lazy', 'spsc-batch64', 'mpsc-1', 'mpsc-3', 'round-trip',
    ]);
  });

  it('has a program for each peer, and no peer or program that no row runs', () => {
    const used = new Set<string>([...EACH, ...BATCHES, ...MANY_OF_THREE, ...TRIPS]);
    expect([...used].sort()).toEqual(Object.keys(peers).sort());
    expect([...new Set(Object.values(peers).map(({ program }) => program))].sort())
      .toEqual(Object.keys(build.programs).sort());
  });

  it('leaves a peer out that is not there, and says what to install', async () => {
    build.programs['boost'].needs.unshift('/nonexistent/header');
    try {
      const { start, missing } = await build.buildPeer('boost');
      expect(start).toBeUndefined();
      expect(missing).toMatch(/\/nonexistent\/header is not there; apt-get install .*libboost-dev/);
    } finally {
      build.programs['boost'].needs.shift();
    }
  });

  it('runs Boost, where it is installed, and checks its messages', { timeout: 60_000 }, async (context) => {
    const peer: PeerName = 'boost spsc';
    const { present } = await contenders<'rate'>([{ peer, pattern: 'batch', capacity: 2048 }]);
    if (present.length === 0 || cpuBudget().allowed.length < 2) return context.skip();
    expect(await present[0].run()).toEqual({ rate: expect.any(Number) as number });
  });
});
