/** Figures of tasks in a real runtime, against what was done and what a clock beside says. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  metricsOf, onMetrics, setMetrics, setSlo, type RuntimeMetrics, type Runtime, type SloViolation,
} from '../index.js';
import { inside, remoteRuntime, until, within } from '../reactor/fixtures/inside.js';

describe('figures of tasks', () => {
  let runtime: Runtime | undefined;
  afterEach(async () => {
    await runtime?.close({ drainMs: 1000 });
    runtime = undefined;
  });
  const taskOf = (name: string) => metricsOf(runtime!).tasks.find((task) => task.name === name);

  it('counts every step, and records each long one', async () => {
    runtime = await remoteRuntime(1, { metrics: true, classes: { work: { priority: 5 } } });
    await inside(runtime, 0, (reactor) => new Promise<void>((resolve) => {
      let left = 1000;
      reactor.spawn<number>({ name: 'short', class: 'work', capacity: 1024 }, () => {
        if (--left === 0) resolve();
      });
      const short = reactor.address('short', { reactor: reactor.id, priority: 5 });
      for (let i = 0; i < 1000; i++) short.send(i);
    }));
    await inside(runtime, 0, (reactor) => {
      const long = reactor.spawn<number>({ name: 'long', class: 'work' }, (ms) => {
        const endNs = reactor.nowNs() + ms * 1e6;
        while (reactor.nowNs() < endNs);
      });
      for (let i = 0; i < 3; i++) long.send(2);
    });
    await until(() => taskOf('long')?.steps === 3, 'all have run');
    await until(() => taskOf('long')!.figures.run.count === 3, 'and are recorded by the next turn');
    const short = taskOf('short')!;
    expect([short.steps, short.messages, short.errors, short.priority]).toEqual([1000, 1000, 0, 5]);
    expect(short.figures.run.minNs).toBeLessThan(2e6);
    const { run, scheduleIn, response } = taskOf('long')!.figures;
    expect(run.minNs).toBeGreaterThanOrEqual(2e6);
    expect(run.p50Ns).toBeGreaterThanOrEqual(2e6);
    // Each step is longer than a turn may be, so each is a quantum of its own, and waits to be selected.
    expect(scheduleIn.count).toBe(3);
    // Ready once, and done after all three.
    expect(response.maxNs).toBeGreaterThanOrEqual(6e6);
    const work = metricsOf(runtime).classes.find(({ name }) => name === 'work')!;
    expect([work.tasks, work.steps]).toEqual([2, 1003]);
    expect(work.figures.run.maxNs).toBeGreaterThanOrEqual(run.maxNs);
    expect(work.figures.run.count).toBeGreaterThanOrEqual(3);
  });

  it('tells what turns have counted that follow each other closely, once none follows', async () => {
    for (const strategy of ['spin', 'park'] as const) {
      runtime = await remoteRuntime(1, { metrics: true, idle: { strategy } });
      await inside(runtime, 0, (reactor) => {
        let left = 20_000;
        reactor.spawn<number>({ name: 'again', priority: 3 }, () => void (--left > 0 && again.send(left)));
        const again = reactor.address('again', { reactor: reactor.id, priority: 3 });
        again.send(left);
      });
      // Nobody asks the reactor, and after the last message it has no turn of its own accord.
      await until(() => taskOf('again')?.steps === 20_000, `all have run, and it tells before it is idle: ${strategy}`);
      const { messages, figures: { response } } = taskOf('again')!;
      expect(messages).toBe(20_000);
      expect(Math.abs(response.count - 20_000)).toBeLessThanOrEqual(64);
      await runtime.close({ drainMs: 1000 });
    }
  });

  it('keeps what a task has waited in its mailbox behind another', async () => {
    runtime = await remoteRuntime(1, { metrics: true });
    await inside(runtime, 0, (reactor) => {
      const late = reactor.spawn({ name: 'late' }, () => undefined);
      reactor.spawn({ name: 'first' }, () => {
        const endNs = reactor.nowNs() + 3e6;
        late.send(0);
        while (reactor.nowNs() < endNs);
      }).send(0);
    });
    await until(() => (taskOf('late')?.figures.scheduleIn.count ?? 0) > 0, 'it has run');
    expect(taskOf('late')!.figures.scheduleIn.maxNs).toBeGreaterThanOrEqual(3e6);
    expect(taskOf('late')!.figures.run.maxNs).toBeLessThan(taskOf('late')!.figures.scheduleIn.maxNs);
  });

  it('takes a quantum that a step runs within itself for what it is, and the step for all of its time', async () => {
    runtime = await remoteRuntime(1, { metrics: true });
    await inside(runtime, 0, (reactor) => {
      const busy = (ms: number): void => {
        const endNs = reactor.nowNs() + ms * 1e6;
        while (reactor.nowNs() < endNs);
      };
      const inner = reactor.spawn<number>({ name: 'inner', priority: 5 }, busy);
      reactor.spawn({ name: 'outer', priority: 3 }, () => {
        for (let i = 0; i < 3; i++) {
          busy(20);
          inner.send(1);
          reactor.select()!.run();
        }
        busy(20);
      }).send(0);
    });
    await until(() => (taskOf('outer')?.figures.response.count ?? 0) > 0, 'it has run');
    const [outer, inner] = [taskOf('outer')!, taskOf('inner')!];
    expect([outer.steps, outer.messages, inner.steps, inner.messages]).toEqual([1, 1, 3, 3]);
    for (const figure of ['scheduleIn', 'run', 'response'] as const) {
      expect([figure, outer.figures[figure].count, inner.figures[figure].count]).toEqual([figure, 1, 3]);
    }
    // A busy machine adds to each of them, but seldom as much as the 20 ms that follow.
    expect(outer.figures.run.minNs).toBeGreaterThan(83e6);
    expect(inner.figures.run.minNs).toBeLessThan(20e6);
    expect(inner.figures.response.minNs).toBeLessThan(20e6);
  });

  it('tells how much waits for a task that does not run, and what that refuses', async () => {
    runtime = await remoteRuntime(1, { metrics: true });
    await inside(runtime, 0, (reactor) => {
      const starving = reactor.spawn({ name: 'starving', priority: 1, capacity: 8 }, () => undefined);
      const endNs = reactor.nowNs() + 5e9;
      const hog = reactor.spawn({ name: 'hog', priority: 6 }, () => {
        const stepNs = reactor.nowNs() + 1e6;
        while (reactor.nowNs() < stepNs);
        starving.send(0);
        if (starving.depth > 0 && reactor.nowNs() < endNs) hog.send(0);
      });
      hog.send(0);
    });
    await until(() => {
      const { steps = 0, depth = 0, refused = 0 } = taskOf('starving') ?? {};
      return steps === 0 && depth === 8 && refused > 0;
    }, 'its mailbox is full, and it has not run');
  });

  it('counts what a message has waited in its lane behind others, of a burst that takes many turns', async () => {
    runtime = await remoteRuntime(1, { metrics: true });
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'slow', priority: 3 }, () => {
      const endNs = reactor.nowNs() + 1e6;
      while (reactor.nowNs() < endNs);
    }));
    const slow = runtime.address('slow', { reactor: 0, priority: 3 });
    for (let i = 0; i < 60; i++) slow.send(i);
    runtime.flush();
    await until(() => taskOf('slow')?.steps === 60, 'all have run');
    // The last of them has waited for nearly all others; what was published after the first look counts from the next.
    expect(taskOf('slow')!.figures.response.maxNs).toBeGreaterThan(4e7);
    expect(taskOf('slow')!.figures.scheduleIn.p50Ns).toBeGreaterThan(1e7);
  });

  it('samples the way of messages in lanes', async () => {
    runtime = await remoteRuntime(2, { metrics: true });
    await until(async () => {
      await inside(runtime!, 1, () => undefined);
      return metricsOf(runtime!).lanes.some(({ party, figure }) => party === 1 && figure.count > 0 && figure.maxNs > 0);
    }, 'one was measured');
  });

  it('tells a violation, counts it, and no more once the bound is gone', async () => {
    runtime = await remoteRuntime(1, { metrics: { tasks: 8 } });
    await inside(runtime, 0, (reactor) => void reactor.spawn<number>({ name: 'slow' }, (ms) => {
      const endNs = reactor.nowNs() + ms * 1e6;
      while (reactor.nowNs() < endNs);
    }));
    expect(setSlo(runtime, { task: 'nobody' }, { runNs: 1 })).toBe(0);
    expect(setSlo(runtime, { task: 'slow', reactor: 0 }, { runNs: 1_000_000 })).toBe(1);
    const told = new Promise<SloViolation>((resolve) => void runtime!.once('sloViolated', resolve));
    const violations = () => taskOf('slow')!.figures.run.violations;
    await until(() => {
      runtime!.send('slow', 2, { reactor: 0 });
      return violations() > 0;
    }, 'the bound holds');
    const { reactorId, task, figure, ns, boundNs, isWorst, cause } = await within(10_000, told, 'the event');
    expect([reactorId, task, figure, boundNs, isWorst]).toEqual([0, 'slow', 'run', 1_000_000, true]);
    expect(ns).toBeGreaterThanOrEqual(2e6);
    expect(['longStep', 'notScheduled']).toContain(cause.kind);
    setSlo(runtime, { task: 'slow' }, { runNs: 0 });
    await until(async () => {
      const before = violations();
      await inside(runtime!, 0, () => new Promise((resolve) => setTimeout(resolve, 3)));
      runtime!.send('slow', 2, { reactor: 0 });
      await inside(runtime!, 0, () => undefined);
      return violations() === before;
    }, 'it holds no more');
    expect(taskOf('slow')!.figures.run.boundNs).toBe(undefined);
  });

  it('tells of all violations of a burst, one by one or as left out, when the second is over', async () => {
    runtime = await remoteRuntime(1, { metrics: { tasks: 8 } });
    const cases: SloViolation[] = [];
    runtime.on('sloViolated', (violation) => void cases.push(violation));
    await inside(runtime, 0, (reactor) => void reactor.spawn<number>({ name: 'slow' }, (ms) => {
      const endNs = reactor.nowNs() + ms * 1e6;
      while (reactor.nowNs() < endNs);
    }));
    expect(setSlo(runtime, { task: 'slow' }, { runNs: 500_000 })).toBe(1);
    // One after another: steps that follow each other at once are one case. The first may come before the bound holds.
    for (let i = 0; i < 90; i++) {
      runtime.send('slow', 1, { reactor: 0 });
      await inside(runtime, 0, () => undefined);
    }
    await until(() => taskOf('slow')!.steps === 90, 'all have run');
    const violations = (): number => taskOf('slow')!.figures.run.violations;
    const told = (): number => cases.reduce((sum, { leftOut }) => sum + 1 + leftOut, 0);
    await until(() => violations() > 60 && told() === violations(), 'all are told');
    expect(cases.length).toBeLessThan(violations());
  });

  it('finds a task by its whole name, of which figures keep the first 96 bytes', async () => {
    runtime = await remoteRuntime(1, { metrics: true });
    const name = 'ü'.repeat(100);
    await inside(runtime, 0, (reactor, long) => void reactor.spawn({ name: long }, () => undefined).send(0), name);
    await until(() => metricsOf(runtime!).tasks.length > 0, 'it has run');
    expect(setSlo(runtime, { task: name }, { runNs: 1e9 })).toBe(1);
    expect(taskOf('ü'.repeat(48))!.figures.run.boundNs).toBe(1e9);
  });

  it('takes tasks beyond its room together, and goes on', async () => {
    runtime = await remoteRuntime(1, { metrics: { tasks: 2 } });
    await inside(runtime, 0, (reactor) => {
      for (const name of ['a', 'b', 'c']) reactor.spawn({ name }, () => undefined).send(0);
    });
    await until(() => taskOf('(others)')?.steps === 2, 'the other two have run');
    expect(metricsOf(runtime).tasks.map(({ name, steps }) => [name, steps]).filter(([, steps]) => steps !== 0))
      .toEqual([['a', 1], ['(others)', 2]]);
  });

  it('gives four figures of the whole at intervals', async () => {
    runtime = await remoteRuntime(1, { metrics: true });
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'some' }, () => undefined));
    const told: RuntimeMetrics[] = [];
    const stop = onMetrics(runtime, { everyMs: 10 }, (metrics) => void told.push(metrics));
    for (let i = 0; i < 100; i++) runtime.send('some', i, { reactor: 0 });
    await until(() => told.at(-1)?.completed === 100, 'all are done');
    stop();
    const { scheduled, averageNs, p99Ns } = told.at(-1)!;
    expect(scheduled).toBe(100);
    expect(p99Ns).toBeGreaterThanOrEqual(averageNs);
  });

  it('takes figures only while they are switched on, and nothing that waited before', async () => {
    runtime = await remoteRuntime(2, { metrics: { isOn: false } });
    await inside(runtime, 0, (reactor) => void reactor.spawn<number>({ name: 'busy' }, (ms) => {
      const endNs = reactor.nowNs() + ms * 1e6;
      while (reactor.nowNs() < endNs);
    }));
    const cases: SloViolation[] = [];
    runtime.on('sloViolated', (violation) => void cases.push(violation));
    // Bounds may be set before anything is measured. High: on a busy machine a thread stops amid a short step too.
    expect(setSlo(runtime, { task: 'busy' }, { runNs: 100_000_000 })).toBe(1);
    const send = async (ms: number): Promise<void> => {
      runtime!.send('busy', ms, { reactor: 0 });
      await inside(runtime!, 0, () => undefined);
    };
    await send(120);
    expect([taskOf('busy')!.steps, cases.length]).toEqual([0, 0]);
    setMetrics(runtime, true);
    await inside(runtime, 0, () => undefined);
    await send(120);
    await until(() => taskOf('busy')!.figures.run.violations === 1 && cases.length === 1, 'the bound holds');
    expect(taskOf('busy')!.steps).toBe(1);
    // One that becomes ready while they are off, and runs when they are on, has waited since they are on.
    setMetrics(runtime, false);
    await inside(runtime, 0, () => undefined);
    const waitedNs = await inside(runtime, 0, async (reactor, path) => {
      // Not by a plain import(), which the test's own loader would replace.
      const load = new Function('path', 'return import(path)') as
        (path: string) => Promise<typeof import('../index.js')>;
      const own = await load(path);
      return new Promise<number>((resolve) => {
        let endedNs = 0;
        const late = reactor.spawn({ name: 'late', priority: 0 }, () => resolve(reactor.nowNs() - endedNs));
        reactor.spawn({ name: 'first', priority: 7 }, () => {
          late.send(0);
          endedNs = reactor.nowNs() + 30e6;
          while (reactor.nowNs() < endedNs);
          // They are on from the end of this turn.
          own.setMetrics(reactor, true);
        }).send(0);
      });
    }, new URL('../index.js', import.meta.url).href);
    setMetrics(runtime, true);
    await inside(runtime, 0, () => undefined);
    await send(0);
    await until(() => taskOf('busy')!.steps === 2, 'figures are taken again');
    const late = taskOf('late')!;
    expect(late.figures.scheduleIn.maxNs).toBeLessThanOrEqual(waitedNs);
    setMetrics(runtime, false);
    await inside(runtime, 0, () => undefined);
    await send(120);
    expect([taskOf('busy')!.steps, cases.length]).toEqual([2, 1]);
    // The message that came while they were off is in no count either.
    setMetrics(runtime, true);
    await inside(runtime, 0, () => undefined);
    await send(0);
    await until(() => taskOf('busy')!.steps === 3, 'figures are taken again');
    await until(() => taskOf('busy')!.messages === 3, 'and its messages');
  });

  it('a reactor switches its own figures alone', async () => {
    runtime = await remoteRuntime(2, { metrics: true });
    for (const id of [0, 1]) {
      await inside(runtime, id, (reactor, own) => void reactor.spawn({ name: own }, () => undefined), `some ${id}`);
    }
    await inside(runtime, 1, async (reactor, path) => {
      // Not by a plain import(), which the test's own loader would replace.
      const load = new Function('path', 'return import(path)') as
        (path: string) => Promise<typeof import('../index.js')>;
      (await load(path)).setMetrics(reactor, false);
    }, new URL('../index.js', import.meta.url).href);
    for (const id of [0, 1]) {
      runtime.send(`some ${id}`, 0, { reactor: id });
      await inside(runtime, id, () => undefined);
    }
    await until(() => taskOf('some 0')!.steps === 1, 'the other one takes figures');
    expect(taskOf('some 1')!.steps).toBe(0);
  });

  it('refuses what takes no figures, and bounds that mean nothing', async () => {
    runtime = await remoteRuntime(1);
    const code = 'ERR_PERCORE_INVALID_ARGUMENT';
    expect(() => metricsOf(runtime!)).toThrow(expect.objectContaining({ code, argument: 'reactor' }));
    for (const [target, bounds] of [
      [{}, { runNs: 1 }], [{ task: 'a', priority: 3 }, {}], [{ task: 'a' }, { runNs: -1 }], [{ task: 'a' }, { run: 1 }],
      [{ priority: 8 }, {}], [{ task: '' }, {}],
    ]) expect(() => setSlo(runtime!, target as object, bounds as object)).toThrow(expect.objectContaining({ code }));
    expect(() => setSlo(runtime!, { task: 'a' }, undefined as never)).toThrow(
      expect.objectContaining({ code, argument: 'bounds' }));
    const argument = 'metrics.tasks';
    await expect(remoteRuntime(1, { metrics: { tasks: 1 } })).rejects.toMatchObject({ code, argument });
    await expect(remoteRuntime(1, { metrics: { isOn: 1 as never } })).rejects
      .toMatchObject({ code, argument: 'metrics.isOn' });
    expect(() => setMetrics(runtime!, true)).toThrow(expect.objectContaining({ code, argument: 'reactor' }));
    expect(() => setMetrics(runtime!, 'yes' as never)).toThrow(expect.objectContaining({ code, argument: 'isOn' }));
  });
});
