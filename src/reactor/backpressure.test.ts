/** Whoever sends to a busy reactor is refused, told of room, and loses nothing. */
import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, OK } from '../queues/index.js';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';

describe('backpressure', () => {
  it('is BACK_PRESSURED while the receiver is busy; nothing taken is lost or out of order, in any band', async () => {
    // The receiver says that it is busy, and is until it is told.
    const phase = new Int32Array(new SharedArrayBuffer(4));
    await withRuntime(1, { laneBytes: 4096, data: phase }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['seen'] = Array.from({ length: 8 }, () => []);
        reactor.spawn(
          { name: 'count' }, (message: number, _from, priority) => void state['seen'][priority].push(message),
        );
      });
      const busy = inside(runtime, 0, (_reactor, _argument, { data }) => {
        Atomics.store(data as Int32Array, 0, 1);
        while (Atomics.load(data as Int32Array, 0) !== 2);
      });
      await until(() => Atomics.load(phase, 0) === 1, 'it is busy');
      const taken: number[][] = Array.from({ length: 8 }, () => []);
      const fill = () => {
        for (let band = 0; band < 8; band++) {
          for (let i = taken[band]!.length; ; i++) {
            const code = runtime.send('count', i, { reactor: 0, priority: band });
            if (code !== OK) {
              expect(code).toBe(BACK_PRESSURED);
              break;
            }
            taken[band]!.push(i);
          }
        }
      };
      fill();
      for (const list of taken) expect(list.length, '4 KiB of 32-byte records').toBeGreaterThan(50);
      for (const list of taken) expect(list.length).toBeLessThanOrEqual(128);
      Atomics.store(phase, 0, 2);
      await busy;
      for (let round = 0; round < 20; round++) {
        fill();
        await sleep(1);
      }
      const total = taken.reduce((sum, list) => sum + list.length, 0);
      await until(
        () =>
          inside(
            runtime,
            0,
            (_reactor, count: number, { state }) =>
              (state['seen'] as number[][]).reduce((sum, list) => sum + list.length, 0) === count,
            total,
          ),
        'all arrive',
      );
      const seen = await inside(runtime, 0, (_reactor, _argument, { state }) =>
        (state['seen'] as number[][]).map((list) => list.every((message, i) => message === i)),
      );
      expect(seen).toEqual(Array.from({ length: 8 }, () => true));
    });
  });

  it('runs through a chain A -> B -> C with a slow C: order kept, nothing lost, every sender told', async () => {
    await withRuntime(3, { laneBytes: 4096 }, async (runtime) => {
      const count = 5000;
      await inside(runtime, 2, (reactor, _argument, { state }) => {
        state['seen'] = [];
        reactor.spawnBytes({ name: 'last' }, (record) => {
          state['seen'].push(record.words[record.offset >> 2]);
          // Slow: so that both lanes behind it fill up.
          if (state['seen'].length % 50 === 0) {
            const end = performance.now() + 1;
            while (performance.now() < end);
          }
        });
      });
      await inside(runtime, 1, (reactor, _argument, { state, codes }) => {
        const next = reactor.address('last', { reactor: 2 });
        state['refused'] = 0;
        reactor.spawnBytes({ name: 'middle' }, (record) => {
          const at = next.tryClaim(64);
          if (at === codes.BACK_PRESSURED) {
            state['refused']++;
            return at;
          }
          next.words[at >> 2] = record.words[record.offset >> 2]!;
          return next.commit(64);
        });
      });
      const refused = await inside(
        runtime,
        0,
        async (reactor, most: number, { codes }) => {
          const next = reactor.address('middle', { reactor: 1 });
          let refusals = 0;
          for (let i = 0; i < most;) {
            const at = next.tryClaim(64);
            if (at === codes.BACK_PRESSURED) {
              refusals++;
              await new Promise<void>((resolve) => next.whenRoom(resolve));
              continue;
            }
            next.words[at >> 2] = i++;
            next.commit(64);
          }
          return refusals;
        },
        count,
        { timeoutMs: 30_000 },
      );
      await until(
        () => inside(runtime, 2, (_reactor, most: number, { state }) => state['seen'].length >= most, count),
        'all arrive',
      );
      expect(
        await inside(runtime, 2, (_reactor, _argument, { state }) =>
          (state['seen'] as number[]).filter((message, i) => message !== i),
        ),
      ).toEqual([]);
      expect(refused, 'A was held back').toBeGreaterThan(0);
      expect(
        await inside(runtime, 1, (_reactor, _argument, { state }) => state['refused'] as number), 'B was held back',
      ).toBeGreaterThan(0);
    });
  });

  it('goes on from within whenRoom, also when room comes just as it says that it waits', async () => {
    await withRuntime(2, { laneBytes: 8192, idle: { strategy: 'park' } }, async (runtime) => {
      const count = 60;
      await inside(runtime, 1, (reactor, _argument, { state }) => {
        state['got'] = 0;
        reactor.spawnBytes({ name: 'sink' }, () => void state['got']++);
      });
      await inside(
        runtime,
        0,
        (reactor, most: number, { codes, outletOf }) =>
          new Promise<void>((resolve) => {
            const sink = reactor.address('sink', { reactor: 1 });
            const { producer } = outletOf(sink) as unknown as {
              producer: Record<symbol, (length: number) => boolean>;
            };
            // The door ASK_FOR_ROOM, by the name of its key: this text runs where nothing can be imported.
            const door = Symbol.for('percore.askForRoom');
            const ask = producer[door]!.bind(producer);
            // The receiver empties the lane between the claim that found it full and the wish to be told: nobody will
            // tell then.
            producer[door] = (length) => {
              for (const endMs = performance.now() + 20; performance.now() < endMs;) continue;
              return ask(length);
            };
            let sent = 0;
            const goOn = (): void => {
              while (sent < most) {
                if (sink.tryClaim(1024) === codes.BACK_PRESSURED) return sink.whenRoom(goOn);
                sink.commit(1024);
                sent++;
              }
              resolve();
            };
            goOn();
          }),
        count,
        { timeoutMs: 30_000 },
      );
      await until(
        () => inside(runtime, 1, (_reactor, most: number, { state }) => state['got'] === most, count), 'all arrive',
      );
    });
  });
});
