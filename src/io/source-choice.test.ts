import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { IoCore } from './core.js';
import { create, createPoller } from './index.js';
import { decideSource, type SourceFacts } from './source-choice.js';

const slow: SourceFacts = { kernel: '6.18.4-generic', callNs: 600, refusal: () => undefined };

describe("io 'auto'", () => {
  it('takes io_uring where system calls are dear, the kernel is new enough, and nobody refuses it', () => {
    expect(decideSource(slow)).toEqual({
      wanted: 'io_uring',
      decision: "io 'auto': io_uring, since a system call takes 0.60 us, and it gains from 0.25 us on",
    });
    expect(decideSource({ ...slow, kernel: '6.1.0' }).wanted).toBe('io_uring');
    expect(decideSource({ ...slow, kernel: '10.0' }).wanted).toBe('io_uring');
  });

  it.each<[string, Partial<SourceFacts>, RegExp]>([
    ['system calls are cheap', { callNs: 100 }, /epoll, since a system call takes 0\.10 us, less than the 0\.25 us/],
    ['the kernel is old', { kernel: '5.15.0-91' }, /epoll, since io_uring needs Linux 6\.1 and this is 5\.15\.0-91$/],
    ['the kernel is a little old', { kernel: '6.0.19' }, /needs Linux 6\.1/],
    ['it is refused', { refusal: () => 'EPERM' }, /epoll, since io_uring is refused here \(EPERM\), although/],
    ['the backend cannot tell', { callNs: undefined }, /epoll, the only source of this backend$/],
  ])('takes epoll where %s, and says so', (_why, facts, decision) => {
    const decided = decideSource({ ...slow, ...facts });
    expect(decided.wanted).toBe('epoll');
    expect(decided.decision).toMatch(decision);
  });

  it('does not ask for io_uring where it would not take it', () => {
    const refusal = (): string => {
      throw new Error('asked');
    };
    expect(decideSource({ ...slow, callNs: 100, refusal }).wanted).toBe('epoll');
    expect(decideSource({ ...slow, kernel: '5.4', refusal }).wanted).toBe('epoll');
    expect(() => decideSource({ ...slow, refusal })).toThrow('asked');
  });

  it('is the default, and tells what it has decided', () => {
    using io = create();
    using poller = createPoller();
    for (const { asked, granted, decision, refusals } of [io.status(), poller.status()]) {
      expect([asked, refusals]).toEqual(['auto', []]);
      expect(decision).toMatch(`io 'auto': ${granted}, `);
    }
    using asked = create({ source: 'epoll' });
    expect(asked.status()).toMatchObject({ asked: 'epoll', granted: 'epoll', decision: undefined });
  });

  it('lists no refusal where the kernel refuses io_uring after all', () => {
    const addon = native();
    const told: unknown[] = [];
    let driver;
    const core = new IoCore({
      source: { asked: 'auto', wanted: 'io_uring', decision: 'because' },
      nowNs: () => 0, turnNs: () => 0, schedule: () => undefined, keepAlive: () => undefined, report: () => undefined,
      open: (isUring, { block, pool, outbox, counters }) => {
        if (isUring) return -1;
        const made = addon.drivers.create(false, block, pool, outbox, counters, undefined);
        if (typeof made === 'number') return made;
        ({ driver } = made);
        return made.io;
      },
      onOtherSource: (granted, decision) => told.push(granted, decision),
    });
    core.begin();
    const decision = expect.stringMatching(/^io 'auto': io_uring: EPERM .*; epoll stands in$/);
    expect(core).toMatchObject({ asked: 'auto', granted: 'epoll', refusals: [], decision });
    expect(told).toEqual(['epoll', decision]);
    addon.drivers.close(driver!);
  });

  it('measures a call that the kernel really makes', () => {
    // Nothing that takes less than 20 ns is a system call, and none of ours takes a millisecond.
    const callNs = native().system.callNs?.() ?? 100;
    expect(callNs).toBeGreaterThan(20);
    expect(callNs).toBeLessThan(1e6);
  });
});
