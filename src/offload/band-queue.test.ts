import fc from 'fast-check';
import { queueOptionsSymbol } from 'piscina';
import { describe, expect, it } from 'vitest';
import { BandQueue } from './band-queue.js';
import { Offloaded } from './offloaded.js';

type PoolTask = Parameters<BandQueue['push']>[0];

function task(id: number, band: number): PoolTask & { aborted?: boolean } {
  const request = { id, module: '', payload: 0, transfer: [], band, key: undefined, deadlineNs: 0 };
  return { [queueOptionsSymbol]: new Offloaded(request, 0, id) } as unknown as PoolTask;
}
const offloadedOf = (given: PoolTask): Offloaded => given[queueOptionsSymbol] as unknown as Offloaded;
const idOf = (given: PoolTask): number => offloadedOf(given).request.id;

describe('the queue of bands that piscina is given', () => {
  it('is a stable sort by band, whatever is given back or not wanted', () => {
    fc.assert(fc.property(
      fc.array(fc.record({ does: fc.nat(9), band: fc.nat(7) }), { maxLength: 200 }), (actions) => {
        const unwanted = new Set<number>();
        const queue = new BandQueue(({ request }) => !unwanted.has(request.id));
        queue.symbol = queueOptionsSymbol;
        let model: { id: number; band: number; given: PoolTask }[] = [];
        let next = 0;
        const first = () => {
          const top = Math.max(...model.map(({ band }) => band));
          return model.find(({ band }) => band === top);
        };
        for (const { does, band } of actions) {
          if (does < 5) {
            const given = task(next++, band);
            queue.push(given);
            model.push({ id: next - 1, band, given });
          } else if (does === 5) {
            const each = model[band % Math.max(1, model.length)];
            if (each === undefined) continue;
            if (band < 4) {
              unwanted.add(each.id);
            } else {
              // Its place is free at once, and nobody meets it any more.
              queue.giveUp(offloadedOf(each.given));
              model = model.filter((other) => other !== each);
            }
          } else {
            const expected = first();
            const got = queue.shift() as (PoolTask & { aborted?: boolean }) | null;
            expect(got === null ? undefined : idOf(got)).toBe(expected?.id);
            if (got !== null) expect(got.aborted === true).toBe(unwanted.has(expected!.id));
            // No thread was free: it goes back to where it was.
            if (does > 7 && got !== null && got.aborted !== true) queue.unshift(got);
            else model = model.filter((each) => each !== expected);
          }
          expect(queue.size).toBe(model.length);
        }
      },
    ), { numRuns: 500 });
  });

  it('keeps nothing of those that are given up, however many they are', () => {
    const queue = new BandQueue(() => true);
    queue.symbol = queueOptionsSymbol;
    const kept = task(-1, 0);
    queue.push(kept);
    for (let id = 0; id < 10_000; id++) {
      const given = task(id, id % 8);
      queue.push(given);
      queue.giveUp(offloadedOf(given));
      queue.giveUp(offloadedOf(given));
    }
    expect(queue.size).toBe(1);
    expect(idOf(queue.shift()!)).toBe(-1);
    expect([queue.size, queue.shift()]).toEqual([0, null]);
  });
});
