/**
 * The suite `peers`: each name has a program, what is missing is named, and rows whose peers are installed really run.
 */
import { existsSync } from 'node:fs';
import { cpuBudget } from 'percore';
import { describe, expect, it } from 'vitest';
import { rootUrl } from '../../context.js';
import { where } from '../../../src/realtime/fixtures/privileges.js';
import { startServer } from '../io/servers.js';
import suite from '../peers.js';
import { BROADCAST } from './broadcast.js';
import { hasWrk, load, nodeHttp, percore as percoreHttp } from './http.js';
import { MANY_OF_THREE } from './mpsc.js';
import { byPackage } from './npm-queues.js';
import { packages } from './npm.js';
import { noteOf, peers, queues, type PeerName } from './programs.js';
import { TRIPS } from './round-trip.js';
import { BATCHES, EACH } from './spsc.js';
import { ASKED, percore as percoreCall, pools } from './task.js';
import { echo, SERVERS } from './tcp.js';
import { TIMERS } from './timers.js';
import { parked, WAKES } from './wake.js';

const build = (await import(new URL('bench/peers/build.mjs', rootUrl).href)) as {
  programs: Record<string, { packages: string[]; needs: string[] }>;
  buildPeer(name: string): Promise<{ start?: string[]; missing?: string }>;
};
const isLong = process.env['PERCORE_STRESS'] === '1';
const hasTwoCpus = cpuBudget().allowed.length >= 2;
const aRate = { rate: expect.any(Number) as number };

describe('peers', () => {
  it('have a row for each name in the issue', () => {
    expect(suite.benches.map(({ name }) => name)).toEqual([
      'spsc-single', 'spsc-lazy', 'spsc-batch64', 'mpsc-1', 'mpsc-3', 'broadcast-2', 'round-trip', 'await-wake',
      'timer-create', 'timer-cancel', 'timer-expire', 'tcp-echo-1', 'tcp-echo-64', 'tcp-echo-256',
      'tcp-echo-pipelined', 'http', 'task-with-answer',
    ]);
  });

  it('have a program each, and all peers and programs are run by a row', () => {
    const used = new Set<string>([...EACH, ...BATCHES, ...MANY_OF_THREE, ...BROADCAST, ...TRIPS, ...WAKES]);
    expect([...used].sort()).toEqual(Object.keys(peers).sort());
    const run = [...Object.values(peers), ...TIMERS, ...SERVERS, ...ASKED].map(({ program }) => program);
    expect([...new Set(run)].sort()).toEqual(Object.keys(build.programs).sort());
  });

  it('that are missing are left out, with a note that says what to install', async () => {
    build.programs['boost'].needs.unshift('/nonexistent/header');
    try {
      const { start, missing } = await build.buildPeer('boost');
      expect(start).toBeUndefined();
      expect(missing).toMatch(/\/nonexistent\/header is not there; apt-get install .*libboost-dev/);
    } finally {
      build.programs['boost'].needs.shift();
    }
  });

  it('that are left out are named in the note of the row', () => {
    const npm = packages<'rate'>([{ package: '@nxtedition/shared' }]);
    expect(noteOf(npm)).toMatch(/left out, .*: @nxtedition\/shared$/);
  });

  where(isLong)('builds a peer where all that it needs is there, and else leaves it out', async () => {
    const nng = await queues<'rate'>([{ peer: 'nng', pattern: 'each', capacity: 2048 }]);
    const isThere = build.programs['nng'].needs.every((file) => existsSync(file));
    expect([nng.present.length, [...nng.missing], nng.versions.size > 0]).toEqual(
      isThere ? [1, [], true] : [0, ['nng'], false],
    );
  });

  // Compiling the headers of Boost takes a quarter of a minute.
  where(isLong)('runs Boost, where it is installed, and checks its messages', { timeout: 120_000 }, async (context) => {
    const peer: PeerName = 'boost spsc';
    const trials = (['batch', 'broadcast'] as const).map((pattern) => (
      { peer, pattern, capacity: 2048, measureMs: 50 }));
    const { present } = await queues<'rate'>(trials);
    if (present.length === 0 || !hasTwoCpus) return context.skip();
    for (const contender of present) expect(await contender.run()).toEqual(aRate);
  });
});

describe.runIf(hasTwoCpus)('rows of peers', { timeout: 120_000 }, () => {
  it('run ringbuf.js, one by one and in batches', async () => {
    for (const batch of [1, 64]) {
      const npm = byPackage({ capacity: 2048, bytes: batch === 1 ? 8 : 64, batch, pauses: 2000 });
      const { present, versions } = packages(npm.filter((trial) => trial.package === 'ringbuf.js'));
      expect(noteOf({ versions, missing: new Set() })).toMatch(/^versions: ringbuf\.js \d/);
      expect(await present[0].run()).toEqual(aRate);
    }
  });

  it('run a consumer that sleeps in ready()', async () => {
    const { p50, p99 } = await parked(20).run();
    // If the thread were awake, a message would take less than a microsecond.
    expect(p50).toBeGreaterThan(1000);
    expect(p99).toBeGreaterThanOrEqual(p50);
  });

  it('load echo servers in turn', async () => {
    // On a busy machine a server may have to wait some hundred milliseconds for a CPU.
    const rows = await echo({ connections: 2, depth: 4, runMs: 800, warmUpMs: 800, runs: 1 }, []);
    expect(rows.filter(({ params }) => params['source'] === 'epoll').map(({ baseline, metric, verified }) => (
      [baseline.name, metric, verified]))).toEqual([
      ['node:net', 'rate', true], ['node:net corked', 'rate', true], ['node:net', 'p99', true],
      ['node:net corked', 'p99', true],
    ]);
  });

  it('run HTTP servers that give the same answer, if wrk is installed', async (context) => {
    if (!hasWrk()) return context.skip();
    for (const program of [percoreHttp, nodeHttp]) {
      const server = await startServer(program, 'http');
      try {
        expect(await load(server, 1)).toEqual({ ...aRate, p99: expect.any(Number) as number });
      } finally {
        await server.stop();
      }
    }
  });

  it('run a task with an answer, in ours and in the pools that are installed', async () => {
    const asking = { inFlight: 4, calls: 400 };
    const { present } = packages(pools(asking));
    expect(present.map(({ name }) => name)).toContain('piscina');
    for (const contender of [percoreCall(asking), ...present]) expect(await contender.run()).toEqual(aRate);
  });
});
