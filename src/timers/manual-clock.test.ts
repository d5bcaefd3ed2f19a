import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.js';

/** A follower with a list of deadlines, each of which it runs once. */
function follower(
  clock: ManualClock,
  deadlines: number[],
  onExpire: (deadlineNs: number) => void = () => undefined,
): { ran: [number, number][] } {
  const ran: [number, number][] = [];
  clock.follow({
    nextDeadlineNs: () => deadlines[0] ?? Infinity,
    expire() {
      const deadline = deadlines.shift()!;
      ran.push([deadline, clock.nowNs()]);
      onExpire(deadline);
    },
  });
  return { ran };
}

describe('manual clock', () => {
  it('moves only when told', () => {
    const clock = new ManualClock(5);
    expect([clock.nowNs(), clock.nowNs()]).toEqual([5, 5]);
    clock.advance(10);
    clock.setNs(100);
    expect(clock.nowNs()).toBe(100);
    expect(new ManualClock().nowNs()).toBe(0);
  });

  it('stops at each deadline on its way, in one order for all followers', () => {
    const clock = new ManualClock();
    const order: string[] = [];
    follower(clock, [10, 30, 99], (ns) => order.push(`a${ns}@${clock.nowNs()}`));
    follower(clock, [20, 30, 100], (ns) => order.push(`b${ns}@${clock.nowNs()}`));
    clock.advance(99);
    expect(order).toEqual(['a10@10', 'b20@20', 'a30@30', 'b30@30', 'a99@99']);
    expect(clock.nowNs()).toBe(99);
    expect(clock.nextDeadlineNs()).toBe(100);
  });

  it('can leap over deadlines, which then run late', () => {
    const clock = new ManualClock();
    const { ran } = follower(clock, [10, 20, 51]);
    clock.setNs(50);
    expect(ran).toEqual([[10, 50], [20, 50]]);
  });

  it('drives timers that are run by hand, turn after turn until nothing is due', () => {
    const clock = new ManualClock();
    const due = [10, 10, 10, 20, 45];
    const ran: number[] = [];
    // At most two run in a turn, as in a wheel with a budget.
    const stop = clock.drive({
      nextDeadlineNs: () => due[0] ?? Infinity,
      turn() {
        let count = 0;
        for (; count < 2 && due[0] !== undefined && due[0] <= clock.nowNs(); count++) ran.push(due.shift()!);
        return count;
      },
    });
    clock.advance(15);
    expect(ran).toEqual([10, 10, 10]);
    clock.setNs(30);
    expect(ran).toEqual([10, 10, 10, 20]);
    stop();
    clock.advance(100);
    expect(ran.length).toBe(4);
  });

  it('lets promises run between two deadlines', async () => {
    const clock = new ManualClock();
    let wake: (() => void) | undefined;
    const deadlines: number[] = [];
    const { ran } = follower(clock, deadlines, () => wake?.());
    const sleep = (ns: number): Promise<void> => {
      deadlines.push(clock.nowNs() + ns);
      return new Promise((resolve) => {
        wake = resolve;
      });
    };
    const seen: number[] = [];
    void (async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(10);
        seen.push(clock.nowNs());
      }
    })();
    await clock.advanceAsync(35);
    expect(seen).toEqual([10, 20, 30]);
    expect(ran).toEqual([[10, 10], [20, 20], [30, 30]]);
    expect(clock.nowNs()).toBe(35);
  });

  it('may be moved by what it runs, but never back', () => {
    const clock = new ManualClock();
    const { ran } = follower(clock, [10, 12, 40], (ns) => {
      if (ns === 10) clock.advance(25);
    });
    clock.advance(20);
    expect(ran).toEqual([[10, 10], [12, 12]]);
    expect(clock.nowNs()).toBe(35);
  });

  it('throws what a follower threw after all others have run', () => {
    const clock = new ManualClock();
    const errors = [new Error('first'), new Error('second')];
    follower(clock, [10, 20], () => {
      throw errors.shift();
    });
    const { ran } = follower(clock, [15, 25]);
    expect(() => clock.advance(10)).toThrow('first');
    expect(() => clock.advance(20)).toThrow('second');
    expect(ran).toEqual([[15, 15], [25, 25]]);
    follower(clock, [31, 32], (ns) => {
      throw new Error(String(ns));
    });
    expect(() => clock.advance(10)).toThrow(
      expect.objectContaining({
        errors: [expect.objectContaining({ message: '31' }), expect.objectContaining({ message: '32' })],
      }),
    );
    expect(clock.nowNs()).toBe(40);
  });

  it('does so with passes of the event loop in between as well', async () => {
    const clock = new ManualClock();
    follower(clock, [10, 20], (ns) => {
      throw new Error(String(ns));
    });
    const { ran } = follower(clock, [15, 25]);
    await expect(clock.advanceAsync(30)).rejects.toThrow(
      expect.objectContaining({
        errors: [expect.objectContaining({ message: '10' }), expect.objectContaining({ message: '20' })],
      }),
    );
    expect([ran, clock.nowNs()]).toEqual([[[15, 15], [25, 25]], 30]);
  });

  it('no longer runs a follower that has stopped following it', () => {
    const clock = new ManualClock();
    const unfollow = clock.follow({ nextDeadlineNs: () => 1, expire: () => expect.unreachable() });
    unfollow();
    clock.advance(10);
  });

  it('throws when a follower does not move on', { timeout: 60_000 }, () => {
    const clock = new ManualClock();
    clock.follow({ nextDeadlineNs: () => 1, expire: () => undefined });
    expect(() => clock.advance(1)).toThrow(/a follower does not move on/);
  });

  it('refuses to move back, or by anything but a finite number', () => {
    const clock = new ManualClock(50);
    for (const ns of [-1, NaN, Infinity, '1' as never]) {
      expect(() => clock.advance(ns)).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'ns' }),
      );
    }
    expect(() => clock.setNs(49)).toThrow(/^ns must be nanoseconds of 50 or more, not 49$/);
    expect(() => new ManualClock(NaN)).toThrow(/^startNs must be a finite number/);
  });
});
