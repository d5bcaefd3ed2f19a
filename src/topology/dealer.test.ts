import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { Dealer, type DealTarget } from './dealer.js';

class Target implements DealTarget {
  readonly records: unknown[] = [];
  code: number = OK;

  constructor(readonly about: string) {}

  send(record: unknown): number {
    if (this.code === OK) this.records.push(record);
    return this.code;
  }
}

const targets = (count: number): Target[] => Array.from({ length: count }, (_, i) => new Target(`t${i}`));

describe('shares in percent', () => {
  it('are kept exactly in each hundred records in a row, and spread within it', () => {
    const shares = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 6 })
      .map((cuts) => [...cuts.toSorted((a, b) => a - b), 100].map((cut, i, all) => cut - (i === 0 ? 0 : all[i - 1]!)));
    fc.assert(fc.property(shares, fc.integer({ min: 1, max: 3 }), (percent, hundreds) => {
      const all = targets(percent.length);
      const dealer = new Dealer(all, percent);
      for (let record = 0; record < 100 * hundreds; record++) {
        if (dealer.deal(record) !== OK) throw new Error(`record ${record} was not taken`);
      }
      expect(all.map(({ records }) => records.length)).toEqual(percent.map((share) => share * hundreds));
    }));
    const [half, other] = targets(2) as [Target, Target];
    const dealer = new Dealer([half, other], [50, 50]);
    for (let record = 0; record < 4; record++) dealer.deal(record);
    expect([half.records, other.records]).toEqual([[0, 2], [1, 3]]);
  });

  it('hold the record for a target that is full, and give it to nobody else', () => {
    const [one, other] = targets(2) as [Target, Target];
    const dealer = new Dealer([one, other], [50, 50]);
    one.code = BACK_PRESSURED;
    expect([dealer.deal('a'), dealer.deal('a')]).toEqual([BACK_PRESSURED, BACK_PRESSURED]);
    one.code = OK;
    expect([dealer.deal('a'), dealer.deal('b')]).toEqual([OK, OK]);
    expect([one.records, other.records]).toEqual([['a'], ['b']]);
    expect(dealer.figures()[0]).toEqual({ to: 't0', percent: 50, sent: 1, refused: 2, isGone: false });
  });

  it('pass to the others when a target is gone, and answer CLOSED when none is left', () => {
    const [one, two, three] = targets(3) as [Target, Target, Target];
    const dealer = new Dealer([one, two, three], [50, 25, 25]);
    one.code = CLOSED;
    for (let record = 0; record < 100; record++) expect(dealer.deal(record)).toBe(OK);
    expect([one, two, three].map(({ records }) => records.length)).toEqual([0, 50, 50]);
    two.code = three.code = CLOSED;
    expect(dealer.deal('last')).toBe(CLOSED);
    expect(dealer.figures().map(({ isGone }) => isGone)).toEqual([true, true, true]);
  });

  it('say what could not be taken at all', () => {
    const [one] = targets(1) as [Target];
    one.code = TOO_LARGE;
    expect(new Dealer([one], [100]).deal('long')).toBe(TOO_LARGE);
  });
});

describe('copies', () => {
  it('go to each once, also when one of them is full in between', () => {
    const [one, two, three] = targets(3) as [Target, Target, Target];
    const dealer = new Dealer([one, two, three], undefined);
    two.code = BACK_PRESSURED;
    expect([dealer.deal('a'), dealer.deal('a')]).toEqual([BACK_PRESSURED, BACK_PRESSURED]);
    two.code = OK;
    expect([dealer.deal('a'), dealer.deal('b')]).toEqual([OK, OK]);
    for (const { records } of [one, two, three]) expect(records).toEqual(['a', 'b']);
  });

  it('leave out who is gone, and answer CLOSED when none is left', () => {
    const [one, two] = targets(2) as [Target, Target];
    const dealer = new Dealer([one, two], undefined);
    one.code = CLOSED;
    expect([dealer.deal('a'), dealer.deal('b')]).toEqual([OK, OK]);
    expect(two.records).toEqual(['a', 'b']);
    two.code = CLOSED;
    expect([dealer.deal('c'), dealer.deal('d')]).toEqual([CLOSED, CLOSED]);
  });

  it('answer what one of them could not take, when the others have theirs', () => {
    const [one, two, three] = targets(3) as [Target, Target, Target];
    two.code = TOO_LARGE;
    expect(new Dealer([one, two, three], undefined).deal('a')).toBe(TOO_LARGE);
    expect([one.records, three.records]).toEqual([['a'], ['a']]);
  });
});
