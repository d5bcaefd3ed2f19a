import { describe, expect, it } from 'vitest';
import { Worker } from 'node:worker_threads';
import { remoteRuntime, inside } from '../reactor/fixtures/inside.js';
import { SystemClock, createClock, monotonicClock } from './clock.js';

describe('system clocks', () => {
  it('run forward, and show the time of the kernel clock that they name', () => {
    const monotonic = monotonicClock();
    const before = Number(process.hrtime.bigint());
    const now = monotonic.nowNs();
    const after = Number(process.hrtime.bigint());
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(after);
    expect(monotonicClock()).toBe(monotonic);

    // The boot-time clock counts suspended time too, so it is never behind the monotonic clock.
    expect(new SystemClock({ kind: 'boottime' }).nowNs()).toBeGreaterThanOrEqual(now);
    const wallBefore = Date.now();
    const wallMs = new SystemClock({ kind: 'realtime' }).nowNs() / 1e6;
    expect(wallMs).toBeGreaterThanOrEqual(wallBefore);
    expect(wallMs).toBeLessThanOrEqual(Date.now() + 1);
  });

  it('count exactly from their origin', () => {
    const originNs = monotonicClock().nowNs();
    const since = new SystemClock({ originNs });
    const [a, direct, b] = [since.nowNs(), monotonicClock().nowNs() - originNs, since.nowNs()];
    expect(a).toBeGreaterThanOrEqual(0);
    expect(direct).toBeGreaterThanOrEqual(a);
    expect(b).toBeGreaterThanOrEqual(direct);
    // Without an origin the wall clock is too large for single nanoseconds; with an origin it is not.
    const wall = new SystemClock({ kind: 'realtime', originNs: Date.now() * 1e6 });
    const readings = Array.from({ length: 50 }, () => wall.nowNs());
    expect(readings.some((ns) => ns % 256 !== 0)).toBe(true);
    expect(createClock(originNs)()).toBeGreaterThanOrEqual(b);
  });

  it('show the same time in all threads', async () => {
    const url = JSON.stringify(new URL('./clock.js', import.meta.url).href);
    const code = `import(${url}).then(({ monotonicClock }) => {
      require('node:worker_threads').parentPort.postMessage(monotonicClock().nowNs());
    })`;
    const worker = new Worker(code, { eval: true });
    const before = monotonicClock().nowNs();
    const there = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    expect(there).toBeGreaterThan(before);
    expect(there).toBeLessThan(monotonicClock().nowNs());
    await worker.terminate();
  });

  it('refuse unknown kinds and origins out of range', () => {
    expect(() => new SystemClock({ kind: 'tai' as never })).toThrow(
      /^kind must be one of realtime, monotonic, boottime, not "tai"$/,
    );
    for (const originNs of [NaN, Infinity, 2 ** 62]) {
      expect(() => new SystemClock({ originNs })).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'originNs' }),
      );
    }
  });
});

describe('the clock of a reactor', () => {
  it('is the same by each of its names, and turnNs stands still within a turn', async () => {
    const runtime = await remoteRuntime(1);
    const [a, b, c, turn, again] = await inside(runtime, 0, (reactor) => {
      const first = reactor.turnNs;
      const readings = [reactor.nowNs(), reactor.clock.nowNs(), reactor.timers.nowNs()];
      for (let i = 0; i < 1000; i++) reactor.nowNs();
      return [...readings, first, reactor.turnNs];
    });
    expect([turn, a, b, c].every((ns, i, all) => i === 0 || ns! >= all[i - 1]!)).toBe(true);
    expect(c! - a!).toBeLessThan(1e9);
    expect(again).toBe(turn);
    await runtime.close();
  });
});
