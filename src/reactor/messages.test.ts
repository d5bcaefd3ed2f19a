/** Messages to tasks: as values and as bytes, refused, dropped and counted, and steps that throw. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BACK_PRESSURED, OK, TOO_LARGE } from '../queues/index.js';
import { errorOf, inside, remoteRuntime, until, within } from './fixtures/inside.js';
import type { PercoreError } from '../errors.js';
import type { StepError } from './runtime-events.js';
import type { Runtime } from './runtime.js';

describe('a message', () => {
  let runtime: Runtime;
  const errors: StepError[] = [];
  beforeAll(async () => {
    runtime = await remoteRuntime(3, { laneBytes: 4096 });
    runtime.on('stepError', (error) => void errors.push(error));
  });
  afterEach(() => void (errors.length = 0));
  afterAll(() => runtime.close());

  it('whose step throws too often is not reported each time, and how many were left out is', async () => {
    await inside(runtime, 2, (reactor) => {
      reactor.spawn({ name: 'loop' }, () => {
        throw new Error('again');
      });
    });
    const from = performance.now();
    for (let i = 0; i < 50; i++) runtime.send('loop', i, { reactor: 2 });
    const again = (): number => errors.filter(({ error }) => error.message === 'again').length;
    const others = (): StepError[] => errors.filter(({ error }) => error.message !== 'again');
    const leftOut = (): number => others().reduce((sum, { error }) => sum + Number((error as PercoreError).value), 0);
    await until(() => again() + leftOut() === 50, 'all reported or counted');
    // A machine so slow that the fifty take longer than a second may have twenty in each.
    expect(again()).toBeLessThanOrEqual(20 * Math.ceil((performance.now() - from) / 1000));
    expect(others().map(({ reactorId, where, error }) => [reactorId, where, (error as PercoreError).code])).toEqual(
      others().map(() => [2, 'reports', 'ERR_PERCORE_NOT_REPORTED']),
    );
  });

  it('is a value, or bytes as they lie, for a task of values; for a task of bytes it lies in the lane', async () => {
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['seen'] = [];
      reactor.spawn(
        { name: 'values' },
        (message: unknown, from, priority) => void state['seen'].push(['values', message, from, priority]),
      );
      reactor.spawnBytes(
        { name: 'bytes', priority: 5 },
        (record) =>
          void state['seen'].push([
            'bytes', record.bytes.slice(record.offset, record.offset + record.length), record.from, record.priority,
            record.offset % 8,
          ]),
      );
    });
    expect([
      runtime.send('values', { a: 1 }, { reactor: 0 }),
      runtime.send('values', Uint8Array.of(1, 2, 3), { reactor: 0, priority: 6 }),
      runtime.send('bytes', Uint8Array.of(4, 5), { reactor: 0 }),
      runtime.send('bytes', new Uint8Array(0), { reactor: 0, priority: 0 }),
    ]).toEqual([OK, OK, OK, OK]);
    const seen = await within(5000, (async () => {
      for (;;) {
        const list = await inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'] as unknown[][]);
        if (list.length === 4) return list;
      }
    })(), 'four messages');
    const sorted = [...seen].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
    expect(sorted).toEqual(
      [
        ['bytes', new Uint8Array(0), 3, 0, 0], ['bytes', Uint8Array.of(4, 5), 3, 3, 0], ['values', { a: 1 }, 3, 3],
        ['values', Uint8Array.of(1, 2, 3), 3, 6],
      ].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    );
  });

  it('within a reactor is handed over as it is; above the capacity it is BACK_PRESSURED', async () => {
    expect(
      await inside(runtime, 0, async (reactor, _argument, { codes, until: wait }) => {
        const seen: unknown[] = [];
        const task = reactor.spawn<{ n: number }>({ name: 'here', capacity: 3 }, (message) => void seen.push(message));
        const messages = [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }];
        const answers = messages.map((message) => task.send(message));
        const depth = task.depth;
        await wait(() => seen.length >= 3);
        return [
          answers, depth, task.depth, seen.length === 3 && seen.every((message, i) => message === messages[i]),
          codes.OK,
        ];
      }),
    ).toEqual([[OK, OK, OK, BACK_PRESSURED], 3, 0, true, OK]);
  });

  it('that is longer than the lane can hold is TOO_LARGE', () => {
    expect(runtime.send('values', new Uint8Array(4096), { reactor: 0 })).toBe(TOO_LARGE);
  });

  it('that cannot be cloned throws at its sender', async () => {
    expect((await errorOf(() => runtime.send('values', () => 1, { reactor: 0 }))).code).toBe(
      'ERR_PERCORE_UNSERIALIZABLE',
    );
  });

  it('to a reactor or band that is not there throws', async () => {
    expect((await errorOf(() => runtime.send('values', 1, { reactor: 3 }))).message).toBe(
      'reactor must be a whole number from 0 to 2, not 3',
    );
    expect((await errorOf(() => runtime.send('values', 1, { reactor: 0, priority: 9 }))).message).toBe(
      'priority must be a whole number from 0 to 7, not 9',
    );
  });

  it('for a task that nobody has is dropped and counted, and what follows it runs', async () => {
    const before = runtime.status().reactors[0]!.dropped;
    expect(runtime.send('nobody', 1, { reactor: 0 })).toBe(OK);
    expect(await inside(runtime, 0, () => 'goes on')).toBe('goes on');
    expect(runtime.status().reactors[0]!.dropped).toBe(before + 1);
  });

  it('whose step throws is gone and reported; its task and the others run', async () => {
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['ran'] = [];
      reactor.spawn({ name: 'throws' }, (message: number) => {
        state['ran'].push(message);
        if (message === 2) throw Object.assign(new TypeError('two'), { code: 'E_TWO' });
      });
      reactor.spawn({ name: 'rejects' }, async () => {
        await Promise.resolve();
        throw new Error('later');
      });
    });
    const before = runtime.status().reactors[0]!.stepErrors;
    for (const message of [1, 2, 3]) runtime.send('throws', message, { reactor: 0 });
    runtime.send('rejects', 0, { reactor: 0 });
    await until(() => errors.length === 2, 'both reports');
    expect(errors[0]!.error.stack).toMatch(/^TypeError: two\n {4}--- reactor 0, task "throws" ---\n {4}at /);
    expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['ran'] as number[])).toEqual([1, 2, 3]);
    expect(
      errors.map(({ reactorId, where, error }) => [
        reactorId, where, error.name, error.message, (error as { code?: string }).code,
      ]),
    ).toEqual([
      [0, 'task "throws"', 'TypeError', 'two', 'E_TWO'], [0, 'task "rejects"', 'Error', 'later', 'ERR_PERCORE_REMOTE'],
    ]);
    expect(runtime.status().reactors[0]!.stepErrors).toBe(before + 2);
  });

  it('whose error is odd in every field is reported too, and the reactor lives', async () => {
    await inside(runtime, 1, (reactor) => void reactor.spawn({ name: 'odd' }, () => {
      throw Object.assign(new Error('odd'), { name: Symbol('n'), code: () => 1 });
    }));
    runtime.send('odd', 1, { reactor: 1 });
    await until(() => errors.length === 1, 'the report');
    expect(await within(10_000, inside(runtime, 1, () => 'alive'), 'an answer')).toBe('alive');
    expect(errors.length).toBe(1);
  });

  it('names of tasks and handlers are taken once, empty ones never', async () => {
    const messages = await inside(runtime, 2, (reactor) => {
      const said = (run: () => unknown) => {
        try {
          run();
          return 'taken';
        } catch (error) {
          return `${(error as { code: string }).code}: ${(error as Error).message}`;
        }
      };
      reactor.spawn({ name: 'mine' }, () => undefined);
      return [
        said(() => reactor.spawn({ name: 'mine' }, () => undefined)),
        said(() => reactor.handle('mine', () => 1 as never)), said(() => reactor.spawn({ name: '' }, () => undefined)),
        said(() => reactor.spawn({ name: 'b', capacity: 0 }, () => undefined)),
        said(() => reactor.spawn({ name: 'b', priority: 8 }, () => undefined)),
        said(() => reactor.spawn({ name: 'b' }, 5 as never)), said(() => reactor.spawn({ name: 'b' }, () => undefined)),
      ];
    });
    expect(messages).toEqual([
      'ERR_PERCORE_NAME_TAKEN: name "mine" is taken in this reactor; choose another',
      'ERR_PERCORE_NAME_TAKEN: name "mine" is taken in this reactor; choose another',
      'ERR_PERCORE_INVALID_ARGUMENT: name must be a string that is not empty, not ""',
      'ERR_PERCORE_INVALID_ARGUMENT: capacity must be a whole number from 1 to 1048576, not 0',
      'ERR_PERCORE_INVALID_ARGUMENT: priority must be a whole number from 0 to 7, not 8',
      'ERR_PERCORE_INVALID_ARGUMENT: step must be a function, not 5', 'taken',
    ]);
  });
});
