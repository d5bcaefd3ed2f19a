/** Cancelling timers, callbacks that throw, and more requests than one array holds. */
import { describe, expect, it } from 'vitest';
import { timerRequestsLayout } from '../layout.js';
import { noTimer, type TimerId } from './index.js';
import { COUNT, IDS, ManualHost } from './fixtures/manual-host.js';

describe('cancel', () => {
  it('ends a timer before it runs; a second call is false', () => {
    const host = new ManualHost();
    let runs = 0;
    const id = host.timers.after({ delayNs: 100 }, () => void runs++);
    expect([host.timers.cancel(id), host.timers.cancel(id), host.timers.count]).toEqual([true, false, 0]);
    host.pass(1000);
    expect(runs).toBe(0);
    expect(host.wheel.size).toBe(0);
  });

  it('ends a timer that has expired and waits in its band', () => {
    const host = new ManualHost();
    const ran: string[] = [];
    let second: TimerId = noTimer;
    host.timers.after({ delayNs: 100 }, () => {
      ran.push('first');
      ran.push(`cancelled ${host.timers.cancel(second)}`);
    });
    second = host.timers.after({ delayNs: 100 }, () => void ran.push('second'));
    host.pass(100);
    expect(ran).toEqual(['first', 'cancelled true']);
  });

  it('in its own callback ends a periodic timer, and is false for one with a single tick', () => {
    const host = new ManualHost();
    let ticks = 0;
    const every: TimerId = host.timers.every({ intervalNs: 1000 }, () => {
      ticks++;
      expect(host.timers.cancel(every)).toBe(true);
    });
    const once: TimerId = host.timers.after({ delayNs: 1000 }, () => expect(host.timers.cancel(once)).toBe(false));
    for (let i = 0; i < 3; i++) host.pass(1000);
    expect([ticks, host.timers.count, host.errors]).toEqual([1, 0, []]);
  });

  it('of a timer that is over does not touch the timer that has its slot now', () => {
    const host = new ManualHost();
    const stale = host.timers.after({ delayNs: 100 }, () => undefined);
    host.pass(100);
    let runs = 0;
    const young = host.timers.after({ delayNs: 100 }, () => void runs++);
    expect(young).not.toBe(stale);
    expect(host.timers.cancel(stale)).toBe(false);
    host.pass(100);
    expect(runs).toBe(1);
  });

  it('is false for numbers that are those of no timer', () => {
    const host = new ManualHost();
    host.timers.after({ delayNs: 100 }, () => undefined);
    for (const id of [noTimer, -1, 0.5, NaN, Infinity, 2 ** 53, 12345]) expect(host.timers.cancel(id)).toBe(false);
    expect(host.timers.count).toBe(1);
  });

  it('of an expired timer does not fire the timer that takes its slot at once', () => {
    const host = new ManualHost();
    const ran: string[] = [];
    const old = host.timers.after({ delayNs: 100 }, () => void ran.push('old'));
    // The wheel has expired it and it lies in the delivery, but it was not polled yet.
    host.drainTimerRequests();
    host.clockNs += 100;
    host.delivery[IDS] = 0;
    host.delivery[COUNT] = 1;
    host.wheel.clear();
    expect(host.timers.cancel(old)).toBe(true);
    host.timers.after({ delayNs: 50 }, () => void ran.push('young'));
    host.timers.poll();
    host.delivery[COUNT] = 0;
    host.run();
    expect(ran).toEqual([]);
    host.pass(50);
    expect(ran).toEqual(['young']);
  });
});

describe('a callback', () => {
  it('that throws does not affect other timers', () => {
    const host = new ManualHost();
    const ran: string[] = [];
    host.timers.after({ delayNs: 100 }, () => void ran.push('a'));
    host.timers.after({ delayNs: 100 }, () => {
      throw new Error('b');
    });
    host.timers.after({ delayNs: 100 }, () => void ran.push('c'));
    host.pass(100);
    host.pass(1e9);
    expect(ran).toEqual(['a', 'c']);
    expect(host.errors.length).toBe(1);
    expect(host.timers.count).toBe(0);
  });
});

describe('requests', () => {
  it('beyond 1,024 in one step are handed over before the array overflows', () => {
    const host = new ManualHost();
    const most = timerRequestsLayout.fields.pair.count / 2;
    const ran = new Set<number>();
    for (let i = 0; i < 3 * most + 5; i++) host.timers.after({ delayNs: 100 + i }, () => void ran.add(i));
    expect(host.drains).toBe(3);
    host.pass(100 + 3 * most + 5);
    expect(ran.size).toBe(3 * most + 5);
  });
});
