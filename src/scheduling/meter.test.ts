import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { BANDS } from '../layout.js';
import { native } from '../native.js';
import { logCollections } from './collection-log.js';
import { watchCollections } from './collections.js';
import { Meter, privateFigures } from './meter.js';
import { RoundRobin } from './round-robin.js';
import { Shares } from './shares.js';

class Recorder extends Shares {
  readonly told: [what: string, band: number, ...ns: number[]][] = [];
  override charge(band: number, ns: number): void { this.told.push(['charge', band, ns]); }
  override refund(band: number, collectedNs: number, chargedNs: number): void {
    this.told.push(['refund', band, collectedNs, chargedNs]);
  }
}

describe('the meter', () => {
  it('adds up the time of quanta, and charges it where the discipline wants that', () => {
    const figures = privateFigures();
    const meter = new Meter(figures, true);
    const discipline = new Recorder(new Array<number>(BANDS).fill(1));
    meter.note(discipline, 6, 100, 350);
    meter.note(new RoundRobin(), 6, 350, 400);
    expect([figures.stepNs[6], discipline.told]).toEqual([300, [['charge', 6, 250]]]);
  });

  it('gives a collection back to the band whose quantum it has met, though that is known later', () => {
    const figures = privateFigures();
    const meter = new Meter(figures, true);
    const discipline = new Recorder(new Array<number>(BANDS).fill(1));
    meter.note(discipline, 1, 0, 50_000);
    meter.note(discipline, 6, 50_000, 850_000);
    meter.note(discipline, 1, 850_000, 900_000);
    discipline.told.length = 0;
    meter.collected(discipline, 100_000, 500_000);
    meter.collected(discipline, 700_000, 100_000);
    // Outside of quanta: nobody's.
    meter.collected(discipline, 2_000_000, 300_000);
    expect(discipline.told).toEqual([['refund', 6, 500_000, 800_000], ['refund', 6, 100_000, 300_000]]);
    expect([figures.collectedNs[6], figures.collectorNs[0]]).toEqual([600_000, 900_000]);
  });

  it('never gives back more than a quantum took', () => {
    const figures = privateFigures();
    const meter = new Meter(figures, true);
    meter.note(new RoundRobin(), 3, 0, 100_000);
    for (let i = 0; i < 3; i++) meter.collected(new RoundRobin(), 10_000, 60_000);
    expect(figures.collectedNs[3]).toBe(100_000);
  });
});

describe('collections', () => {
  it('are told with the time that they took, by the clock that was given', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const nowNs = (): number => Number(process.hrtime.bigint() - originNs);
    const originNs = process.hrtime.bigint();
    const seen: [number, number][] = [];
    const end = watchCollections(nowNs, (beganNs, ns) => void seen.push([beganNs, ns]));
    const beganNs = nowNs();
    collect();
    const endedNs = nowNs();
    for (let i = 0; i < 200 && seen.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    end();
    const inside = seen.filter(([began, ns]) => began >= beganNs - 1e5 && began + ns <= endedNs + 1e5);
    expect(inside.length).toBeGreaterThan(0);
    expect(inside.reduce((sum, [, ns]) => sum + ns, 0)).toBeGreaterThan((endedNs - beganNs) / 4);
  });

  it('are in the log, of the backend or of what Node reports', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const originNs = Number(process.hrtime.bigint());
    const nowNs = (): number => Number(process.hrtime.bigint()) - originNs;
    for (const collections of [native().collections, undefined]) {
      const log = logCollections(collections, originNs, nowNs);
      const beganNs = nowNs();
      collect();
      const endedNs = nowNs();
      const found = () => log.between(beganNs, endedNs);
      // The backend's has it at once.
      for (let i = 0; i < (collections === undefined ? 200 : 0) && found().length === 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(found().map(({ what }) => what)).toContain('mark and sweep');
      const takenNs = found().reduce((sum, { fromNs, toNs }) => sum + toNs - fromNs, 0);
      expect(takenNs).toBeGreaterThan((endedNs - beganNs) / 4);
      log.close();
      const laterNs = nowNs();
      collect();
      expect(log.between(laterNs, nowNs())).toEqual([]);
    }
  });
});
