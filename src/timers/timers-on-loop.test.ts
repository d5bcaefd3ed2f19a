/** Timers in the event loop of their thread, how long a process with timers lives, and mistakes of callers. */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { create } from './index.js';
import { resultOf, start } from './fixtures/programs.js';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('timers on the loop of this thread', () => {
  it('are never early, and all 20,000 run in the order of their deadlines', async () => {
    using timers = create();
    let [ran, early, disordered, lastNs] = [0, 0, 0, 0];
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 20_000; i++) {
        const delayNs = (i * 7919 % 20_000) * 2000;
        const dueNs = timers.nowNs() + delayNs;
        timers.after({ delayNs }, (tick) => {
          if (timers.nowNs() < dueNs || tick.latenessNs < 0) early++;
          if (tick.expectedNs < lastNs) disordered++;
          lastNs = tick.expectedNs;
          if (++ran === 20_000) resolve();
        });
      }
    });
    expect({ early, disordered, count: timers.count }).toEqual({ early: 0, disordered: 0, count: 0 });
  });

  it('wake up for an earlier timer that is made while they sleep', async () => {
    using timers = create();
    timers.after({ delayNs: 60e9 }, () => undefined);
    await sleep(20);
    const lateNs = await new Promise<number>(
      (resolve) => void timers.after({ delayNs: 2e6 }, (tick) => resolve(tick.latenessNs)),
    );
    expect(lateNs).toBeLessThan(1e9);
  });

  it('let promises and sockets run between two turns', async () => {
    using timers = create();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      let left = 5;
      const again = (): void => {
        order.push('timer');
        void Promise.resolve().then(() => order.push('promise'));
        setImmediate(() => order.push('immediate'));
        if (--left > 0) timers.after({ delayNs: 0 }, again);
        else setTimeout(resolve, 5);
      };
      timers.after({ delayNs: 0 }, again);
    });
    expect(order.filter((what) => what === 'promise').length).toBe(5);
    for (let at = order.indexOf('timer', 1); at > 0; at = order.indexOf('timer', at + 1)) {
      expect(order[at - 1], 'what ran before the next timer').not.toBe('timer');
    }
  });

  it('may be closed within a callback, and leave nothing behind', async () => {
    const timers = create();
    let ran = 0;
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 10; i++) {
        timers.after({ delayNs: 1e6 }, () => {
          ran++;
          timers.close();
          setTimeout(resolve, 20);
        });
      }
    });
    expect([ran, timers.count]).toEqual([1, 0]);
  });
});

interface Lived { readonly ran: number; readonly ms: number; readonly switches: number }

describe('a process with timers', () => {
  it('lives as long as its timers, and no longer', async () => {
    const { ran, ms } = await resultOf<Lived>(start('alone-process', ['lives']));
    expect(ran).toBe(2);
    expect(ms).toBeGreaterThanOrEqual(50);
  });

  it('ends at once when its timers are unreferenced, cancelled or closed', async () => {
    for (const how of ['unref', 'cancel', 'close']) {
      const { ran, ms } = await resultOf<Lived>(start('alone-process', [how]));
      expect(ran, how).toBe(0);
      expect(ms, how).toBeLessThan(5000);
    }
  });

  it('is kept alive by a timer that is made after all others have ended, and by ref()', async () => {
    for (const how of ['again', 'ref']) expect((await resultOf<Lived>(start('alone-process', [how]))).ran, how).toBe(2);
  });

  it('is not woken by 100,000 timers that are due in an hour', async () => {
    const { switches } = await resultOf<Lived>(start('alone-process', ['sleep']));
    // It lives for two seconds, and one of the wake-ups is the timer that ends it.
    expect(switches).toBeLessThan(20);
  });

  it('dies of an uncaught error in a callback, as with setTimeout, unless it handles such errors', async () => {
    const dead = await start('alone-process', ['throws']).ended;
    expect(dead.code).toBe(1);
    expect(dead.stderr).toContain('Error: number 0');
    expect((await resultOf<Lived>(start('alone-process', ['catches']))).ran, 'and its handler gets each error').toBe(3);
  });

  it('may end a worker that has timers, by terminate() or because it has run to its end', async () => {
    const source = `
      import('percore/timers').then(({ create }) => {
        const timers = create();
        timers.every({ intervalNs: 100_000 }, () => undefined);
        for (let i = 0; i < 10_000; i++) timers.after({ delayNs: 1e9 + i }, () => undefined);
        require('node:worker_threads').parentPort.postMessage('armed');
        if (process.argv[2] === 'exit') setTimeout(() => process.exit(0), 20);
      });`;
    for (const how of ['terminate', 'exit', 'terminate', 'exit']) {
      const worker = new Worker(source, { eval: true, argv: [how] });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      const exit = new Promise((resolve) => worker.once('exit', resolve));
      await sleep(10);
      if (how === 'terminate') await worker.terminate();
      await exit;
    }
  });
});

describe('a mistake of a caller', () => {
  it('is refused and named: unknown options, options that are no object, and ids that are no numbers', () => {
    using timers = create({ clock: { nowNs: () => 0 } });
    for (const nothing of [undefined, null, 5, 'text', Symbol('x')]) {
      for (const make of [timers.after, timers.at, timers.every, timers.walk, timers.create]) {
        expect(() => make.call(timers, nothing as never, () => undefined)).toThrow(
          expect.objectContaining({ name: 'PercoreError' }),
        );
      }
    }
    for (const options of [
      { delayNs: 5, prioritty: 7 },
      { deadlineNs: 5, prioritty: 7 },
      { intervalNs: 5000, prioritty: 7 },
      { intervalsNs: [5000], order: 'linear', prioritty: 7 },
    ]) {
      expect(() => timers.create(options as never, () => undefined)).toThrow(
        /no option "prioritty"; did you mean "priority"\?/,
      );
    }
    expect(() => create({ tick: 5 } as never)).toThrow(/no option "tick"/);
    expect(() => create(null as never)).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT' }));
    for (const id of [5n, '5', null, undefined, {}, Symbol('x')]) {
      for (const use of [
        () => timers.cancel(id as never),
        () => timers.run(id as never),
        () => timers.reschedule(id as never, { delayNs: 1 }),
      ]) {
        expect(use).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'id' }));
      }
    }
    expect([timers.cancel(NaN), timers.cancel(-1), timers.cancel(1.5), timers.count]).toEqual([false, false, false, 0]);
  });

  it('does not affect later timers: a number that is made up for a free slot is invalid', () => {
    const clock = { ns: 0, nowNs: () => clock.ns };
    using timers = create({ clock });
    const first = timers.after({ delayNs: 1000 }, () => undefined);
    timers.cancel(first);
    const next = first + 2 ** 24;
    expect([
      timers.cancel(next), timers.reschedule(next, { delayNs: 5 }), timers.cancel(0),
      timers.reschedule(0, { delayNs: 5 }),
    ]).toEqual([false, false, false, false]);
    let ran = 0;
    const ids = [timers.after({ delayNs: 10 }, () => void ran++), timers.after({ delayNs: 10 }, () => void ran++)];
    expect(new Set(ids).size).toBe(2);
    clock.ns = 10;
    timers.turn();
    expect([ran, timers.count]).toEqual([2, 0]);
  });

  it("that fail in a callback get the callback's name in the error, and the other timers run", async () => {
    const clock = { ns: 0, nowNs: () => clock.ns };
    const told: string[] = [];
    using timers = create({
      clock,
      onError: (error, where) => void told.push(`${where}: ${(error as Error).message}`),
    });
    timers.after({ delayNs: 1, priority: 5 }, function expire() {
      throw new Error('thrown');
    });
    timers.after({ delayNs: 1 }, async function poll() {
      throw new Error('rejected');
    });
    timers.after({ delayNs: 1 }, (() =>
      Object.defineProperty({}, ['th', 'en'].join(''), {
        get() {
          throw new Error('lied');
        },
      })) as never);
    let ran = 0;
    timers.after({ delayNs: 1 }, () => void ran++);
    clock.ns = 1;
    timers.turn();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told.toSorted()).toEqual([
      'a timer of band 3: lied',
      'timer callback "expire" of band 5: thrown',
      'timer callback "poll" of band 3: rejected',
    ]);
    expect([ran, timers.errors]).toEqual([1, 3]);
  });
});
