import { describe, expect, it } from 'vitest';
import { partyLayout, words } from '../layout.js';
import { idleCode, idleName, setIdleStrategy, type IdleOptions, type IdleStrategy } from './idle-strategy.js';

const { idleStrategy, spinNs, ioIntervalNs, gatherNs } = partyLayout.fields;
const settings = (party: Int32Array) =>
  [idleStrategy, spinNs, ioIntervalNs, gatherNs].map((field) => party[field.at >> 2]);
const party = () => new Int32Array(new SharedArrayBuffer(partyLayout.bytes));

describe('an idle strategy', () => {
  it('has the code of the layout table, and back', () => {
    const codes: [IdleStrategy, number][] = [
      ['spin', words.idleStrategy.SPIN], ['backoff', words.idleStrategy.BACKOFF], ['park', words.idleStrategy.PARK],
      ['adaptive', words.idleStrategy.ADAPTIVE],
    ];
    for (const [name, code] of codes) expect([idleCode(name), idleName(code)]).toEqual([code, name]);
  });

  it('is stored with its limits; what is not given stays', () => {
    const shared = party();
    setIdleStrategy(shared, { strategy: 'park', spinNs: 500, ioIntervalNs: 2000, gatherNs: 40_000 });
    expect(settings(shared)).toEqual([words.idleStrategy.PARK, 500, 2000, 40_000]);
    setIdleStrategy(shared, { spinNs: 700 });
    expect(settings(shared)).toEqual([words.idleStrategy.PARK, 700, 2000, 40_000]);
    setIdleStrategy(shared, { gatherNs: 0 });
    expect(settings(shared)).toEqual([words.idleStrategy.PARK, 700, 2000, 0]);
    setIdleStrategy(shared, {});
    expect(settings(shared)).toEqual([words.idleStrategy.PARK, 700, 2000, 0]);
  });

  it('takes the ends of its ranges', () => {
    const shared = party();
    setIdleStrategy(shared, { strategy: 'spin', spinNs: 0, ioIntervalNs: 1000, gatherNs: 0 });
    setIdleStrategy(shared, { spinNs: 1e9, ioIntervalNs: 1e9, gatherNs: 1e6 });
    expect(settings(shared)).toEqual([words.idleStrategy.SPIN, 1e9, 1e9, 1e6]);
  });

  it('is refused whole when one part is wrong, with what is allowed', () => {
    const cases: [IdleOptions, string][] = [
      [
        { strategy: 'sleep' as IdleStrategy, spinNs: 5 },
        `idle.strategy must be 'spin', 'backoff', 'park', 'adaptive', not "sleep"`,
      ],
      [
        { strategy: 'toString' as IdleStrategy },
        `idle.strategy must be 'spin', 'backoff', 'park', 'adaptive', not "toString"`,
      ],
      [{ strategy: 'spin', spinNs: -1 }, 'idle.spinNs must be a whole number from 0 to 1000000000, not -1'],
      [{ strategy: 'spin', spinNs: 1.5 }, 'idle.spinNs must be a whole number from 0 to 1000000000, not 1.5'],
      [{ strategy: 'spin', spinNs: '5' as never }, 'idle.spinNs must be a whole number from 0 to 1000000000, not "5"'],
      [{ spinNs: 5, ioIntervalNs: 999 }, 'idle.ioIntervalNs must be a whole number from 1000 to 1000000000, not 999'],
      [{ spinNs: 5, gatherNs: 1e6 + 1 }, 'idle.gatherNs must be a whole number from 0 to 1000000, not 1000001'],
      [{ spinNs: 5, gatherNs: -1 }, 'idle.gatherNs must be a whole number from 0 to 1000000, not -1'],
      [{ spinNs: 5, ioIntervalNs: NaN }, 'idle.ioIntervalNs must be a whole number from 1000 to 1000000000, not NaN'],
    ];
    for (const [options, message] of cases) {
      const shared = party();
      expect(() => setIdleStrategy(shared, options)).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', message }),
      );
      expect(settings(shared), 'nothing is stored').toEqual([0, 0, 0, 0]);
    }
  });
});
