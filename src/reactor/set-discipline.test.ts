/** Disciplines that are changed while reactors run, disciplines of a user's own, classes, and what is charged. */
import { describe, expect, it } from 'vitest';
import type { DisciplineChoice } from '../scheduling/index.js';
import { capacity } from './capacity.js';
import { errorOf, fixture, inside, remoteRuntime, until, withRuntime } from './fixtures/inside.js';
import type { Work } from './fixtures/remote.js';
import type { Runtime } from './runtime.js';
import { setDiscipline } from './set-discipline.js';

const own = (data?: unknown): DisciplineChoice =>
  ({ kind: 'own', module: fixture('last-come-first'), ...(data === undefined ? {} : { data }) });

/** Fills the mailboxes of two tasks of band 1, then of two of band 6, in one step: the order in which they run. */
const order: Work<undefined, string> = async (reactor, _argument, { state, until: comes }) => {
  let ran = '';
  const number = (state['orders'] = (state['orders'] ?? 0) + 1);
  const tasks = [1, 6].flatMap((priority) => ['a', 'b'].map((name) =>
    reactor.spawn({ name: `${name}${priority}-${number}`, priority }, () => void (ran += `${name}${priority} `))));
  for (const task of tasks) task.send(0);
  await comes(() => ran.length === 12);
  return ran.trim();
};
const STRICT = 'a6 b6 a1 b1';
const LAST_FIRST = 'b6 a6 b1 a1';
const FIRST_FIRST = 'a1 b1 a6 b6';

const kindsOf = (runtime: Runtime): string[] => {
  const { discipline, reactors, main } = runtime.status();
  return [discipline, ...reactors.map((one) => one.discipline), main.discipline].map(({ kind }) => kind);
};

describe('setDiscipline', () => {
  it('changes what all reactors and the main thread select by, and one alone', async () => {
    await withRuntime(2, {}, async (runtime) => {
      expect([await inside(runtime, 0, order), kindsOf(runtime)]).toEqual([STRICT, new Array(4).fill('strict')]);
      await setDiscipline(runtime, 'roundRobin');
      expect([await inside(runtime, 0, order), await inside(runtime, 1, order)]).toEqual([FIRST_FIRST, FIRST_FIRST]);
      expect(kindsOf(runtime)).toEqual(new Array(4).fill('roundRobin'));
      await setDiscipline(runtime, 'strict', { reactor: 1 });
      expect([await inside(runtime, 0, order), await inside(runtime, 1, order)]).toEqual([FIRST_FIRST, STRICT]);
      expect(kindsOf(runtime)).toEqual(['roundRobin', 'roundRobin', 'strict', 'roundRobin']);
      await setDiscipline(runtime, { kind: 'shares', shares: { 6: 3 } }, { reactor: 'main' });
      expect(runtime.status().main.discipline).toEqual({ kind: 'shares', shares: { 6: 3 } });
    });
  });

  it('changes it from within, and the main thread learns of it', async () => {
    await withRuntime(1, {}, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { setDiscipline: set }) => set(reactor, 'roundRobin'));
      expect(await inside(runtime, 0, order)).toBe(FIRST_FIRST);
      await until(() => runtime.status().reactors[0]!.discipline.kind === 'roundRobin', 'it is reported');
      expect(runtime.status().discipline.kind).toBe('strict');
    });
  });

  it('loses and repeats nothing while it changes without a pause under load', async () => {
    await withRuntime(2, {}, async (runtime) => {
      const choices: DisciplineChoice[] = [
        'roundRobin', 'weighted', 'shares', 'deadline', { kind: 'strict', ageing: 2 }, own(),
        { kind: 'shares', shares: { 6: 9 }, goalsNs: { 6: 1000 } }, { kind: 'shares', shares: { 1: 9 } }, 'strict',
      ];
      let isOver = false;
      const count: Work<undefined, number[][]> = async (reactor, _argument, { until: comes }) => {
        const perTask = 4000;
        const tasks = Array.from({ length: 16 }, (_, i) => {
          let next = 0;
          let wrong = 0;
          const task = reactor.spawn({ name: `t${i}`, priority: i & 7 }, (message) => {
            if (message !== next) wrong++;
            next++;
            if (next < perTask) task.send(next);
          });
          task.send(0);
          return { ran: () => next, wrong: () => wrong };
        });
        await comes(() => tasks.every(({ ran }) => ran() === perTask));
        return tasks.map(({ ran, wrong }) => [ran(), wrong()]);
      };
      const counts = Promise.all([0, 1].map((id) => inside(runtime, id, count)))
        .finally(() => void (isOver = true));
      let changes = 0;
      while (!isOver) await setDiscipline(runtime, choices[changes++ % choices.length]!);
      expect(await counts).toEqual(new Array(2).fill(new Array(16).fill([4000, 0])));
      expect(changes).toBeGreaterThan(5);
      expect(runtime.status().reactors.map(({ stepErrors }) => stepErrors)).toEqual([0, 0]);
    });
  });

  it('refuses what is none, before anything changes, and rejects for a reactor that has ended', async () => {
    await withRuntime(1, {}, async (runtime) => {
      expect(await errorOf(() => setDiscipline(runtime, 'fair' as never))).toMatchObject({ argument: 'discipline' });
      for (const wrong of [
        () => setDiscipline(runtime, 'strict', { reactor: 1 }), () => setDiscipline({} as Runtime, 'strict'),
      ]) {
        expect(await errorOf(wrong)).toMatchObject({ argument: 'reactor' });
      }
      const refused = await inside(runtime, 0, (reactor, _argument, { setDiscipline: set }) => {
        const tries: unknown[] = [{ push() {} }, { kind: 'own', module: '/x.js' }, 'fair'];
        return tries.map((one) => {
          try {
            set(reactor, one as 'strict');
          } catch (error) {
            return (error as { code: string }).code;
          }
          return 'taken';
        });
      });
      expect(refused).toEqual(new Array(3).fill('ERR_PERCORE_INVALID_ARGUMENT'));
      runtime.on('reactorDied', () => undefined);
      void inside(runtime, 0, () => process.exit(3)).catch(() => undefined);
      const death = await errorOf(async () => {
        for (;;) await setDiscipline(runtime, 'roundRobin', { reactor: 0 });
      });
      expect(death).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED', reactorId: 0 });
      // Those that live are all there are.
      await setDiscipline(runtime, 'weighted');
      expect(runtime.status().main.discipline.kind).toBe('weighted');
    });
  });
});

describe('a reactor that is started again', () => {
  it('selects by what the main thread has chosen for it', async () => {
    const restart = { most: 3, withinMs: 60_000, backoffMs: 0 };
    await withRuntime(2, { restart, discipline: 'weighted' }, async (runtime) => {
      let restarts = 0;
      runtime.on('reactorDied', () => undefined).on('reactorRestarted', () => void restarts++);
      await setDiscipline(runtime, 'roundRobin', { reactor: 1 });
      await inside(runtime, 1, (reactor, _argument, { setDiscipline: set }) => set(reactor, 'deadline'));
      for (const id of [0, 1]) {
        void inside(runtime, id, () => process.exit(3)).catch(() => undefined);
        await until(() => restarts === id + 1, 'the restart');
      }
      expect(kindsOf(runtime)).toEqual(['weighted', 'weighted', 'roundRobin', 'weighted']);
      expect(await inside(runtime, 1, order)).toBe(FIRST_FIRST);
    });
  });
});

describe('a discipline of one\'s own', () => {
  it('selects from the first step on, in reactors and on the main thread, and is called by its class', async () => {
    await withRuntime(1, { discipline: own() }, async (runtime) => {
      expect(await inside(runtime, 0, order)).toBe(LAST_FIRST);
      const { reactors, main } = runtime.status();
      const expected = { kind: 'own', name: 'LastComeFirst', module: fixture('last-come-first').href };
      await until(() => 'name' in reactors[0]!.discipline, 'it is reported');
      expect([reactors[0]!.discipline, main.discipline]).toEqual([expected, expected]);
    });
  });

  it('is given as it is from within', async () => {
    await withRuntime(1, {}, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { setDiscipline: set }) => {
        const waiting: unknown[] = [];
        set(reactor, {
          get isEmpty() { return waiting.length === 0; },
          push: (ready) => void waiting.push(ready), select: () => waiting.pop() as never, hasAbove: () => false,
        });
      });
      expect(await inside(runtime, 0, order)).toBe(LAST_FIRST);
    });
  });

  it('that breaks its contract is reported, and the strict one goes on with all that waits', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error, where }) => void errors.push(`${where}: ${error.message}`));
      await setDiscipline(runtime, own({ faultAfter: 50 }), { reactor: 0 });
      for (let i = 0; i < 30; i++) await inside(runtime, 0, order);
      expect(await inside(runtime, 0, order)).toBe(STRICT);
      await until(() => errors.length === 1, 'it is reported');
      expect(errors[0]).toBe('the discipline: discipline LastComeFirst: select threw: too many selections. '
        + 'The strict discipline has taken over all that waits');
      expect(runtime.status().reactors[0]!.discipline).toEqual({ kind: 'strict' });
    });
  });

  it('that cannot be had leaves the old one, or keeps the runtime from starting', async () => {
    await withRuntime(1, { discipline: 'roundRobin' }, async (runtime) => {
      for (const discipline of [
        own({ isMissing: true }), { kind: 'own', module: fixture('nothing-of-that-name') },
        { kind: 'own', module: fixture('no-default') },
      ] as const) {
        expect(await errorOf(() => setDiscipline(runtime, discipline as DisciplineChoice, { reactor: 0 })))
          .toMatchObject({ code: 'ERR_PERCORE_DISCIPLINE' });
      }
      expect(await inside(runtime, 0, order)).toBe(FIRST_FIRST);
    });
    const failed = await errorOf(() => remoteRuntime(1, { discipline: own({ isMissing: true }) }));
    expect(failed.message).toMatch(/cannot be had: discipline must be a discipline with push, select, isEmpty/);
  });
});

describe('classes', () => {
  const classes = {
    audio: { priority: 6, tasks: 2, polls: 3, isBounded: true }, bulk: { priority: 1, tasks: 1, averageNs: 1000 },
  } as const;

  it('name bands for tasks, readings and priorities, and are told of by name', async () => {
    await withRuntime(1, { classes, discipline: 'weighted' }, async (runtime) => {
      const told = await inside(runtime, 0, async (reactor, _argument, tools) => {
        const { until: comes, priorityOf: of, capacity: ask } = tools;
        let band = -1;
        const refusals: string[] = [];
        const attempt = (name: string, options: object): void => {
          try {
            reactor.spawn({ name, ...options }, (_message, _from, priority) => void (band = priority)).send(0);
          } catch (error) {
            refusals.push((error as { code: string }).code);
          }
        };
        attempt('one', { class: 'audio' });
        await comes(() => band === 6);
        attempt('two', { priority: 6 });
        attempt('three', { class: 'audio' });
        attempt('four', { class: 'video' });
        attempt('five', { class: 'bulk', priority: 1 });
        return {
          refusals, of: of(reactor, 'bulk'),
          spawned: ask(reactor).parties[0]!.classes.map(({ name, spawned }) => [name, spawned]),
        };
      });
      expect(told).toEqual({
        refusals: ['ERR_PERCORE_CAPACITY', 'ERR_PERCORE_INVALID_ARGUMENT', 'ERR_PERCORE_INVALID_ARGUMENT'],
        of: 1, spawned: [['audio', 2], ['bulk', 0]],
      });
      const { reactors: [reactor] } = runtime.status();
      expect(reactor!.discipline).toEqual({ kind: 'weighted', weights: { 6: 3, 1: 1 } });
      expect(reactor!.classes['audio']).toMatchObject({ priority: 6 });
      expect(reactor!.classes['audio']!.steps).toBeGreaterThanOrEqual(2);
      expect(reactor!.classes['audio']!.stepNs).toBeGreaterThan(0);
    });
  });

  it('are measured beside what they declare, over a time of one\'s choice', async () => {
    await withRuntime(1, { classes }, async (runtime) => {
      const before = capacity(runtime);
      expect(before).toMatchObject({ workload: 3, time: 4, capacity: 7, total: 16, verdict: 'fits', why: [] });
      await inside(runtime, 0, async (reactor, _argument, { until: comes }) => {
        let steps = 0;
        const task = reactor.spawn({ name: 'slow', class: 'bulk' }, () => {
          const endNs = reactor.nowNs() + 200_000;
          while (reactor.nowNs() < endNs);
          if (++steps < 200) task.send(0);
        });
        task.send(0);
        await comes(() => steps === 200);
      });
      expect(await errorOf(() => capacity(runtime, {} as typeof before))).toMatchObject({ argument: 'since' });
      expect(await errorOf(() => capacity(5 as never))).toMatchObject({ argument: 'of' });
      const { verdict, why, parties: [party] } = capacity(runtime, before);
      const bulk = party!.classes.find(({ name }) => name === 'bulk')!;
      expect([bulk.steps, bulk.averageNs, party!.sinceNs]).toEqual([200, 1000, before.parties[0]!.atNs]);
      expect(bulk.measuredNs).toBeGreaterThan(190_000);
      expect(bulk.share).toBeGreaterThan(0.8);
      expect(bulk.utilisation).toBeGreaterThan(0.1);
      expect(bulk.utilisation).toBeLessThanOrEqual(1);
      expect([verdict, why.length]).toEqual(['exceeds', 1]);
      expect(why[0]).toMatch(/^class "bulk" of party 0 takes \d+ ns a step and declares 1000$/);
    });
  });
});

describe('what a class is charged', () => {
  it('leaves out collections, which are counted apart', async () => {
    await withRuntime(1, { classes: { bulk: { priority: 2 } } }, async (runtime) => {
      await inside(runtime, 0, async (reactor, _argument, { require: load, sleep: rest }) => {
        (load('node:v8') as typeof import('node:v8')).setFlagsFromString('--expose-gc');
        const collect = (load('node:vm') as typeof import('node:vm')).runInNewContext('gc') as () => void;
        let left = 5;
        const task = reactor.spawn({ name: 'collects', priority: 2 }, () => {
          collect();
          if (--left > 0) task.send(0);
        });
        task.send(0);
        while (left > 0) await rest(1);
        await rest(20);
      });
      const { collectorNs, classes: { bulk } } = runtime.status().reactors[0]!;
      // Nearly all that its steps did was to collect.
      expect(bulk!.collectedNs / bulk!.stepNs).toBeGreaterThan(0.7);
      expect(bulk!.collectedNs).toBeLessThanOrEqual(bulk!.stepNs);
      expect(collectorNs).toBeGreaterThanOrEqual(bulk!.collectedNs);
    });
  });

  it('leaves out promises and Node\'s own callbacks, though a step of it has started them', async () => {
    await withRuntime(1, { classes: { bulk: { priority: 2 } } }, async (runtime) => {
      await inside(runtime, 0, async (reactor, _argument, { until: comes }) => {
        const busy = (): void => {
          const endNs = reactor.nowNs() + 5e6;
          while (reactor.nowNs() < endNs);
        };
        let left = 2;
        reactor.spawn({ name: 'starts', priority: 2 }, () => {
          void Promise.resolve().then(busy).then(() => left--);
          setImmediate(() => (busy(), left--));
        }).send(0);
        await comes(() => left === 0);
      });
      const { classes: { bulk }, busyNs } = runtime.status().reactors[0]!;
      expect(bulk!.stepNs).toBeLessThan(3e6);
      // The promise ran at the end of the turn, which is busy with it; no class is.
      expect(busyNs).toBeGreaterThan(5e6);
    });
  });
});
