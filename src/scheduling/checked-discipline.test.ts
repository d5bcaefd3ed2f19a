import { describe, expect, it } from 'vitest';
import type { PercoreError } from '../errors.js';
import { CheckedDiscipline } from './checked-discipline.js';
import type { Discipline } from './discipline.js';
import type { Ready, ReadyView } from './ready.js';
import { RoundRobin } from './round-robin.js';
import { tryDiscipline } from './try-discipline.js';

/** Right, until a test takes a part of it away. */
class LastComeFirst implements Discipline {
  protected readonly waiting: ReadyView[] = [];
  get isEmpty(): boolean { return this.isNone; }
  get isNone(): boolean { return this.waiting.length === 0; }
  push(ready: ReadyView): void { this.waiting.push(ready); }
  select(): ReadyView | undefined { return this.waiting.pop(); }
  hasAbove(): boolean { return false; }
}
class Repeats extends LastComeFirst {
  private last: ReadyView | undefined;
  override select(): ReadyView | undefined { return (this.last ??= super.select()); }
}
class Loses extends LastComeFirst {
  override push(ready: ReadyView): void { if (ready.band !== 2) super.push(ready); }
}
class Invents extends LastComeFirst {
  override select(): ReadyView | undefined { return { band: 3 }; }
}
class InventsReady extends LastComeFirst {
  override select(): ReadyView { return { band: 3, isReady: true, run: () => false } as Ready; }
}
class ThrowsOn extends LastComeFirst {
  constructor(private readonly what: 'push' | 'select' | 'hasAbove' | 'charge') { super(); }
  private check(what: string): void { if (what === this.what) throw new Error(`no ${what}`); }
  override push(ready: ReadyView): void { this.check('push'); super.push(ready); }
  override select(): ReadyView | undefined { this.check('select'); return super.select(); }
  override hasAbove(): boolean { this.check('hasAbove'); return false; }
  charge(): void { this.check('charge'); }
}
class Lies extends LastComeFirst {
  override get isEmpty(): boolean { return false; }
}

const ready = (band: number): Ready => ({ band, isReady: true, run: () => false });

/** Pushes one of each band, asks everything, and takes all out again: what was selected, and the faults told of. */
function run(own: Discipline): { bands: number[]; faults: string[] } {
  const faults: PercoreError[] = [];
  const checked = new CheckedDiscipline(own, (error) => void faults.push(error));
  const all = [0, 1, 2, 3].map(ready);
  for (const one of all) checked.push(one);
  checked.hasAbove(0);
  const selected: Ready[] = [];
  for (let one = checked.select(); one !== undefined; one = checked.select()) {
    selected.push(one);
    checked.charge?.(one.band, 10);
  }
  expect(new Set(selected)).toEqual(new Set(all));
  expect(selected.length).toBe(all.length);
  expect(checked.isEmpty).toBe(true);
  for (const fault of faults) expect(fault).toMatchObject({ code: 'ERR_PERCORE_DISCIPLINE', argument: 'discipline' });
  return { bands: selected.map(({ band }) => band), faults: faults.map(({ message }) => message) };
}

describe('a discipline of a user\'s', () => {
  it('selects as it likes while it keeps its contract', () => {
    expect(run(new LastComeFirst())).toEqual({ bands: [3, 2, 1, 0], faults: [] });
  });

  it('is replaced by the strict one with all that waits, and told of once, when it breaks it', () => {
    const rest = '. The strict discipline has taken over all that waits';
    const one = 'returned one of band 3 that it had returned before, or was never given';
    expect([
      new Repeats(), new Loses(), new Invents(), new InventsReady(), new ThrowsOn('push'), new ThrowsOn('select'),
      new ThrowsOn('hasAbove'), new ThrowsOn('charge'),
    ].map(run)).toEqual([
      { bands: [3, 2, 1, 0], faults: [`discipline Repeats: select ${one}${rest}`] },
      { bands: [3, 1, 0, 2], faults: [`discipline Loses: select returned nothing, though 1 waits${rest}`] },
      {
        bands: [3, 2, 1, 0],
        faults: [`discipline Invents: select returned [object Object], which was never pushed${rest}`],
      },
      { bands: [3, 2, 1, 0], faults: [`discipline InventsReady: select ${one}${rest}`] },
      ...(['push', 'select', 'hasAbove', 'charge'] as const).map((what) => ({
        bands: [3, 2, 1, 0], faults: [`discipline ThrowsOn: ${what} threw: no ${what}${rest}`],
      })),
    ]);
  });

  it('is not timed unless it charges', () => {
    const checked = new CheckedDiscipline(new LastComeFirst(), () => undefined);
    expect([checked.charge, checked.refund]).toEqual([undefined, undefined]);
    expect(typeof new CheckedDiscipline(new ThrowsOn('charge'), () => undefined).charge).toBe('function');
  });
});

describe('tryDiscipline', () => {
  const tried = (make: () => Discipline): string => {
    try {
      tryDiscipline(make, { steps: 5_000, seed: 3 });
    } catch (error) {
      return (error as Error).message;
    }
    return 'right';
  };

  it('accepts what keeps the contract', () => {
    expect([tried(() => new LastComeFirst()), tried(() => new RoundRobin() as unknown as Discipline)])
      .toEqual(['right', 'right']);
  });

  it('says what is wrong with what does not', () => {
    expect(tried(() => new Repeats())).toMatch(/returned before/);
    expect(tried(() => new Loses())).toMatch(/returned nothing/);
    expect(tried(() => new Lies())).toMatch(/isEmpty was false while 0 waited/);
    expect(tried(() => new ThrowsOn('hasAbove'))).toMatch(/hasAbove threw: no hasAbove/);
    expect(tried(() => ({ select: () => undefined }) as never)).toMatch(/it lacks push, hasAbove, isEmpty/);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(tried(() => proxy as never)).toMatch(/make\(\) must be a discipline with push/);
    expect(tried(5 as never)).toMatch(/make must be a function/);
  });

  it('tells what any member throws, at whatever read of it, with the cause', () => {
    const members = ['push', 'select', 'isEmpty', 'hasAbove', 'charge', 'refund', 'constructor'] as const;
    for (const member of members) {
      for (const reads of [0, 1, 2, 9]) {
        const cause = new Error(`no ${member}`);
        let made = 0;
        const own = new Repeats();
        const value = own[member as 'push'];
        Object.defineProperty(own, member, {
          get() {
            if (made++ >= reads) throw cause;
            return member === 'isEmpty' ? (this as Repeats).isNone : value;
          },
        });
        let error = new Error('nothing was thrown');
        try {
          tryDiscipline(() => own, { steps: 5_000, seed: 3 });
        } catch (thrown) {
          error = thrown as Error;
        }
        expect(error, `${member}, read ${reads}`).toMatchObject({ code: 'ERR_PERCORE_DISCIPLINE' });
        // It breaks its contract besides, so that what is optional is not read for ever.
        if (!error.message.includes('returned before')) expect(error.cause, `${member}, read ${reads}`).toBe(cause);
      }
    }
    const liar = Object.defineProperty(new LastComeFirst(), 'isEmpty', { value: Object.create(null) as boolean });
    expect(tried(() => liar)).toMatch(/it lacks isEmpty/);
  });
});
