import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { isWaker, ringsOf, sleep, wakers } from './wakers.js';

describe('portable wakers', () => {
  it('are rung from another thread, and a ring before the sleep ends it at once', async () => {
    const number = wakers.create();
    const seen = ringsOf(number);
    const rung = new Promise<void>((resolve) => sleep(number, seen, resolve));
    const source = `const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.url).then(({ wakers }) => {
        wakers.wake(workerData.number);
        parentPort.postMessage('rung');
      });`;
    const worker = new Worker(source, {
      eval: true, workerData: { number, url: new URL('./wakers.js', import.meta.url).href },
    });
    await once(worker, 'message');
    await rung;
    expect(ringsOf(number)).toBe(seen + 1);
    await new Promise<void>((resolve) => sleep(number, seen, resolve));
    wakers.close(number);
    await worker.terminate();
  });

  it('that are closed are nobody\'s, also when the place is used again', () => {
    const first = wakers.create();
    const numbers = new Set([first]);
    expect(isWaker(first)).toBe(true);
    wakers.close(first);
    // Round the whole table.
    for (let i = 0; i < 5000; i++) {
      const next = wakers.create();
      expect(numbers.has(next)).toBe(false);
      numbers.add(next);
      const rings = ringsOf(next);
      wakers.wake(first);
      expect(ringsOf(next)).toBe(rings);
      wakers.close(first);
      expect(isWaker(next)).toBe(true);
      wakers.close(next);
      expect(isWaker(next)).toBe(false);
    }
    for (const wrong of [NaN, 0, -1, 1.5, 2 ** 31]) {
      wakers.wake(wrong);
      wakers.close(wrong);
      expect(isWaker(wrong)).toBe(false);
    }
  });

  it('run out as descriptors do', () => {
    const open: number[] = [];
    let refusal: unknown;
    try {
      for (let i = 0; i < 10_000; i++) open.push(wakers.create());
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: 'EMFILE', syscall: 'eventfd' });
    for (const number of open) wakers.close(number);
    wakers.close(wakers.create());
  });
});
