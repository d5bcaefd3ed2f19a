import { describe, expect, it } from 'vitest';
import { partyLayout, words } from '../layout.js';
import { notify, summon, summonAfterDeath } from './parking.js';

const ATTENTION = partyLayout.fields.attention.at >> 2;
const YIELD = partyLayout.fields.yieldRequested.at >> 2;
const { PARKED, AWAKE } = words.attention;

function party(attention: number): { words: Int32Array; wakes: () => number; wake: () => void } {
  const shared = new Int32Array(new SharedArrayBuffer(partyLayout.bytes));
  shared[ATTENTION] = attention;
  let wakes = 0;
  return { words: shared, wakes: () => wakes, wake: () => void wakes++ };
}
const state = (p: ReturnType<typeof party>) => ({
  attention: p.words[ATTENTION], yieldRequested: p.words[YIELD], wakes: p.wakes(),
});

describe('notify', () => {
  it('does nothing to a party that is awake: it looks at its lanes by itself', () => {
    for (const band of [0, 7]) {
      const p = party(AWAKE);
      notify(p.words, band, p.wake);
      expect(state(p)).toEqual({ attention: AWAKE, yieldRequested: 0, wakes: 0 });
    }
  });

  it('wakes a parked party, whatever the band, and marks it awake', () => {
    for (const band of [0, 7]) {
      const p = party(PARKED);
      notify(p.words, band, p.wake);
      expect(state(p)).toEqual({ attention: AWAKE, yieldRequested: 0, wakes: 1 });
    }
  });

  it('writes the eventfd once, however many wakers there are', () => {
    const p = party(PARKED);
    for (let i = 0; i < 5; i++) notify(p.words, 3, p.wake);
    expect(p.wakes()).toBe(1);
  });

  it('has swapped the word before it writes the eventfd, so that the woken does not find itself parked', () => {
    const p = party(PARKED);
    let seen = PARKED as number;
    notify(p.words, 3, () => void (seen = p.words[ATTENTION]!));
    expect(seen).toBe(AWAKE);
  });

  it('asks for a yield only above the band that runs', () => {
    for (let running = 0; running < 8; running++) {
      for (let band = 0; band < 8; band++) {
        const p = party(running);
        notify(p.words, band, p.wake);
        expect(state(p), `band ${band} while ${running} runs`).toEqual({
          attention: running, yieldRequested: band > running ? 1 : 0, wakes: 0,
        });
      }
    }
  });
});

describe('summon', () => {
  it('asks for a look at everything whatever runs', () => {
    for (const attention of [0, 3, 7, AWAKE]) {
      const p = party(attention);
      summon(p.words, p.wake);
      expect(state(p)).toEqual({ attention, yieldRequested: 1, wakes: 0 });
    }
  });

  it('wakes a parked party once, after its request is stored', () => {
    const p = party(PARKED);
    let requested = 0;
    summon(p.words, () => {
      requested = p.words[YIELD]!;
      p.wake();
    });
    summon(p.words, p.wake);
    expect(requested).toBe(1);
    expect(state(p)).toEqual({ attention: AWAKE, yieldRequested: 1, wakes: 1 });
  });
});

describe('summonAfterDeath', () => {
  it('writes the eventfd whatever the word says: the dead one may have swapped it and not written', () => {
    for (const attention of [PARKED, 0, 7, AWAKE]) {
      const p = party(attention);
      let requested = 0;
      summonAfterDeath(p.words, () => {
        requested = p.words[YIELD]!;
        p.wake();
      });
      expect([requested, p.wakes()], `attention ${attention}`).toEqual([1, 1]);
    }
  });
});
