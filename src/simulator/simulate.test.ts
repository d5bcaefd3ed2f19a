/** The simulator itself: it is a whole runtime, its time is virtual, and a seed says how to have a failure again. */
import { AsyncLocalStorage, executionAsyncResource } from 'node:async_hooks';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { offload } from '../offload/index.js';
import { createProcess } from '../tasks/index.js';
import { setDiscipline, type Reactor } from '../reactor/index.js';
import { OK, VariableConsumer } from '../queues/index.js';
import { ON_ROOM } from '../queues/internal.js';
import { simulate, type Simulation } from './index.js';

interface Town {
  calls: { add(n: number): number; count(): number; never(): Promise<number> };
  tasks: { adder: { n: number }; broken: number };
}

function start(reactor: Reactor<Town>): void {
  let [sum, ticks] = [0, 0];
  reactor.handle('add', (n) => (sum += n));
  reactor.handle('count', () => ticks);
  reactor.handle('never', () => new Promise(() => undefined));
  reactor.spawn({ name: 'adder' }, ({ n }) => void (sum += n));
  reactor.spawn({ name: 'broken' }, () => {
    throw new Error('on purpose');
  });
  reactor.timers.every({ intervalNs: 1e9 }, () => void ticks++);
}

const run = (
  options: Partial<Parameters<typeof simulate<Town>>[0]>, scenario: (simulation: Simulation<Town>) => unknown,
) => simulate<Town>({ entry: start, seeds: 5, ...options }, scenario);

describe('a simulated runtime', () => {
  it('sends, calls, drains, grows and shrinks as a real one does', async () => {
    const report = await run({ maxReactors: 10, seeds: 10 }, async ({ runtime, rest, check }) => {
      for (let id = 0; id < runtime.reactors; id++) {
        expect(runtime.send('adder', { n: 3 }, { reactor: id })).toBe(0);
        await rest();
        check(await runtime.call('add', 4, { reactor: id }) === 7, 'the sum');
      }
      const { reactors } = await runtime.scale(10);
      check(reactors === 10 && await runtime.call('add', 1, { reactor: 9 }) === 1, 'a reactor that was added');
      await runtime.drain(9);
      await runtime.scale(2);
      expect(runtime.status().reactors.map(({ state }) => state)).toEqual(['ready', 'ready']);
    });
    expect(report).toMatchObject({ seeds: 10, deaths: 0, unpublished: 0 });
  });

  it('leaves no context behind: promises would have to carry one for each seed that has ever run', async () => {
    // Node 20 and 22 write each context that is in use into the resource of each promise; later ones have no such list.
    const contexts = (): Promise<number> => new AsyncLocalStorage<number>().run(1, async () => {
      await Promise.resolve();
      return Object.getOwnPropertySymbols(executionAsyncResource()).length;
    });
    await run({ seeds: 1 }, () => undefined);
    const before = await contexts();
    await run({ seeds: 5 }, () => undefined);
    // The one more is the context of this test itself, which is made anew.
    expect(await contexts()).toBeLessThanOrEqual(before + 1);
  });

  it('lets go of each seed, also of reactors that have died, and is told of no collection of the process', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const living: WeakRef<Reactor>[] = [];
    let collections = 0;
    const restart = { most: 10, withinMs: 1000 };
    const entry = (reactor: Reactor): void => {
      living.push(new WeakRef(reactor));
      setDiscipline(reactor, 'shares');
      new PerformanceObserver(() => void collections++).observe({ entryTypes: ['gc'] });
      reactor.spawn({ name: 'idle' }, () => undefined);
    };
    const seeds = 5;
    await simulate({ entry, seeds, reactors: 2, restart }, async ({ runtime, kill, rest }) => {
      kill(0);
      await rest();
      collect();
      runtime.send('idle', 1, { reactor: 0 });
      await rest();
    });
    expect(living.length).toBe(3 * seeds);
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      collect();
    }
    expect(collections).toBe(0);
    // The last seed may still be held by a promise that nobody has needed since.
    expect(living.filter((reactor) => reactor.deref() !== undefined).length).toBeLessThanOrEqual(3);
  });

  it('lets ten minutes pass in no time, for Node\'s timers and for those of reactors', async () => {
    const before = process.hrtime.bigint();
    await run({ seeds: 1, reactors: 2 }, async ({ runtime, nowNs }) => {
      const from = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 600_000));
      expect(performance.now() - from).toBeGreaterThanOrEqual(600_000);
      expect(nowNs).toBeLessThan(1e9);
      expect(Math.abs(await runtime.call('count', undefined, { reactor: 1 }) - 600)).toBeLessThanOrEqual(1);
    });
    expect(Number(process.hrtime.bigint() - before) / 1e9).toBeLessThan(300);
  });

  it('has virtual clocks and timers in every form that Node has for the globals', async () => {
    await run({ seeds: 2, reactors: 2 }, async ({ runtime }) => {
      const [date, hrtime, from] = [new Date(), process.hrtime.bigint(), Date.now()];
      expect(date).toBeInstanceOf(Date);
      expect(date.getTime()).toBeLessThanOrEqual(from);
      expect(new Date(5).getTime()).toBe(5);
      expect(await promisify(setTimeout)(3_600_000, 'an hour')).toBe('an hour');
      expect(Date.now() - from).toBeGreaterThanOrEqual(3_600_000);
      expect(Date.now() - from).toBeLessThan(3_601_000);
      expect(new Date().getTime() - date.getTime()).toBeGreaterThanOrEqual(3_600_000);
      expect(process.hrtime.bigint() - hrtime).toBeGreaterThanOrEqual(3_600_000_000_000n);
      expect(process.hrtime()[0]).toBeGreaterThanOrEqual(3600);
      expect(await promisify(setImmediate)('now')).toBe('now');
      const reason = await runtime.call('never', undefined, { reactor: 0, signal: AbortSignal.timeout(50) }).catch(
        (error: Error) => error.name,
      );
      expect(reason).toBe('TimeoutError');
      let calls = 0;
      const timer = setTimeout(() => calls++, 5);
      clearTimeout(`${Number(timer)}`);
      clearTimeout(undefined);
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(calls).toBe(0);
      expect(() => setTimeout('text' as never)).toThrow(/"callback" argument must be of type function/);
    });
    expect(Math.abs(new Date().getTime() - Date.now()), 'the real ones are back').toBeLessThan(1000);
    expect(Date.now()).toBeGreaterThan(Date.UTC(2026, 6));
  });

  it('refuses what is offloaded, at both sides, and says why', async () => {
    const module = new URL('../offload/fixtures/work.js', import.meta.url);
    await simulate({
      entry: (reactor: Reactor) => reactor.handle('offloads', () => offload(reactor, module, 1)), seeds: 1, reactors: 2,
    }, async ({ runtime }) => {
      const asked = [offload(runtime, module, 1), runtime.call('offloads', undefined, { reactor: 1 })];
      for (const each of asked) {
        await expect(each).rejects.toMatchObject({
          code: 'ERR_PERCORE_OFFLOAD', message: expect.stringMatching('a simulation has none'),
        });
      }
    });
  });

  it('tells who waits for room in a lane once it can go on, and not after each quantum', async () => {
    const right = VariableConsumer.prototype[ON_ROOM];
    let told = 0;
    VariableConsumer.prototype[ON_ROOM] = function (then, least) {
      right.call(this, () => (told++, then()), least);
    };
    const messages = 16_384;
    let [sent, taken, refused] = [0, 0, 0];
    // It fills its own lane faster than it reads there. A record takes 32 bytes, and a quantum 16 records.
    const entry = (reactor: Reactor): void => {
      reactor.spawnBytes({ name: 'takes' }, () => void taken++);
      const task = reactor.spawn({ name: 'sends' }, (): number => {
        for (let i = 0; i < 64 && sent < messages; i++, sent++) {
          const code = reactor.send('takes', new Uint8Array(16), { reactor: 0 });
          if (code === OK) continue;
          refused++;
          return code;
        }
        return sent < messages ? task.send(1) : OK;
      });
      task.send(1);
    };
    try {
      await simulate({ entry, reactors: 1, seeds: 1, laneBytes: 32_768 }, async ({ rest }) => {
        await rest();
        expect(taken).toBe(messages);
      });
    } finally {
      VariableConsumer.prototype[ON_ROOM] = right;
    }
    expect(refused).toBeGreaterThan(10);
    expect(told).toBeLessThanOrEqual(refused);
  });

  it('delivers what the main thread asks of a thread that does not listen yet', async () => {
    const restart = { most: 100, withinMs: 1000, backoffMs: 0 };
    await run({ reactors: 3, restart, seeds: 5 }, async ({ runtime, kill, rest }) => {
      for (const choice of ['roundRobin', 'weighted', 'strict'] as const) {
        const again = new Promise((resolve) => void runtime.once('reactorDied', resolve));
        kill(1);
        await again;
        await setDiscipline(runtime, choice);
        await rest();
        expect(runtime.status().reactors.map(({ discipline }) => discipline.kind)).toEqual([choice, choice, choice]);
      }
    });
  });

  it('starts reactors again, and its processes run', async () => {
    let lives = 0;
    const report = await simulate({
      entry: (reactor: Reactor) => {
        createProcess(reactor, { name: 'life' }, async () => void lives++);
        reactor.handle('id', () => reactor.id);
      },
      reactors: 3, seeds: 5, restart: { most: 100, withinMs: 1000 },
    }, async ({ runtime, kill, rest, check }) => {
      for (let i = 0; i < 5; i++) {
        check(kill(1), 'it lived');
        check(!kill(1), 'it lives no more');
        await rest();
      }
      check(await runtime.call('id', undefined, { reactor: 1 }) === 1, 'it answers');
    });
    expect(report.deaths).toBe(25);
    expect(lives).toBe(5 * (3 + 5));
  });
});

describe('a seed that fails', () => {
  const failing = (options: object) => run(options, async ({ random, check, runtime }) => {
    for (let i = 0; i < 10; i++) await runtime.call('add', i, { reactor: random(runtime.reactors) });
    check(random(4) !== 0, 'the die has shown 0');
  }).then(() => '', (error: Error) => error.message);

  it('is named with what was run last, and fails in the same way again', async () => {
    const message = await failing({ seeds: 100 });
    const [, seed] = /^seed (\d+), with \d reactors: the die has shown 0\n/.exec(message)!;
    expect(message).toContain(`PERCORE_SEED=${seed} in the environment, or simulate({ seed: ${seed}, … })`);
    expect(message).toMatch(/What was run last:\n {2}[\d.]+ us {2}party \d+ {2}/);
    expect(await failing({ seed: Number(seed) })).toBe(message);
    process.env['PERCORE_SEED'] = seed;
    try {
      expect(await failing({})).toBe(message);
    } finally {
      delete process.env['PERCORE_SEED'];
    }
  });

  it('is one in which a step has thrown, a message had no task, or somebody waits for ever', async () => {
    const failed = (scenario: (simulation: Simulation<Town>) => unknown) => expect(run({ seeds: 1 }, scenario)).rejects;
    await failed(async ({ runtime, rest }) => {
      runtime.send('broken', 1, { reactor: 0 });
      await rest();
    }).toThrow(/task "broken" has thrown: on purpose/);
    await failed(async ({ runtime, rest }) => {
      runtime.send('nobody' as 'adder', { n: 1 }, { reactor: 0 });
      await rest();
    }).toThrow(/"nobody"/);
    await failed(() => new Promise(() => undefined)).toThrow(/deadlock/);
    await run({ seeds: 1 }, async ({ runtime, rest, stepErrors }) => {
      runtime.send('broken', 1, { reactor: 0 });
      await rest();
      expect(stepErrors.splice(0)).toHaveLength(1);
    });
  });

  it('is one in which a rejection is handled by nobody, or an exception caught by nobody', async () => {
    const failed = (step: () => void) => expect(simulate({
      entry: (reactor: Reactor) => void reactor.spawn({ name: 'careless' }, step), seeds: 3, reactors: 2,
    }, async ({ runtime, rest }) => {
      runtime.send('careless', 1, { reactor: 1 });
      await rest();
      await new Promise((resolve) => setTimeout(resolve, 10));
    })).rejects;
    const listeners = process.listeners('unhandledRejection').length;
    await failed(() => void Promise.reject(new Error('left alone'))).toMatchObject({
      code: 'ERR_PERCORE_SIMULATION',
      message: expect.stringMatching(/^seed 1, .*: a rejection that nobody handles: left alone\n/),
    });
    await failed(() => queueMicrotask(() => { throw new Error('let go'); })).toThrow(/nobody catches: let go/);
    await failed(() => void setTimeout(() => { throw new Error('later'); }, 1)).toThrow(/later/);
    expect(process.listeners('unhandledRejection')).toHaveLength(listeners);
  });

  it('is not one that was asked for wrongly', async () => {
    await expect(simulate(undefined as never, () => undefined)).rejects.toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'options.entry', value: undefined,
    });
    await expect(run({ seeds: 0 }, () => undefined)).rejects.toThrow(/seeds/);
    await expect(run({ laneBytes: 100 }, () => undefined)).rejects.toThrow(/laneBytes/);
    await expect(run({ reactors: [5, 2] }, () => undefined)).rejects.toThrow(/reactors/);
    await expect(run({ seed: 1 }, () => run({}, () => undefined))).rejects.toThrow(/runs in this thread already/);
  });
});
