import { describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { errorOf, until } from '../reactor/fixtures/inside.js';
import { heard, trading } from './fixtures/trading.js';
import {
  controlEntry, defineTopology, formatDump, startTopology, takes, type Topology, type TopologyDeclaration,
} from './index.js';

const module = new URL('./fixtures/programs.js', import.meta.url);

async function withRuntime<R>(reactors: number, use: (runtime: Runtime) => Promise<R>): Promise<R> {
  const runtime = await createRuntime({ entry: controlEntry, reactors });
  try {
    return await use(runtime);
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

/** As a program in JavaScript has it. */
const define = (declaration: unknown): Topology => defineTopology(declaration as never);
const twoTasks = (more: object = {}): TopologyDeclaration => ({
  reactors: { one: 0 },
  tasks: { a: { on: 'one', module, export: 'note' }, b: { on: 'one', module, export: 'note' } },
  sends: {},
  ...more,
});

describe('a topology', () => {
  it('is started as it is written down, and its messages go where it says', async () => {
    await withRuntime(2, async (runtime) => {
      heard.length = 0;
      const running = await startTopology(runtime, trading);
      for (const text of ['2 3', '1 4']) expect(running.send('parse', text)).toBe(0);
      await until(() => heard.length === 2, 'both totals');
      expect(heard).toEqual(['total 6', 'total 10']);
      await running.sync();
      expect((await running.show('parse')).details).toMatchObject({ priority: 1, steps: 4, sends: ['match'] });
    });
  });

  it('is listed, shown and dumped while it runs', async () => {
    await withRuntime(2, async (runtime) => {
      const running = await startTopology(runtime, trading);
      expect(await running.list('task')).toEqual([
        { on: 'front', kind: 'task', name: 'parse', about: 'idle, band 1, 0 steps' },
        { on: 'book', kind: 'task', name: 'match', about: 'idle, band 6, 0 steps' },
        { on: 'main', kind: 'task', name: 'audit', about: 'idle, band 2, 0 steps' },
      ]);
      expect((await running.list()).map(({ name }) => name)).toEqual(
        ['front', 'parse', 'book', 'match', 'main', 'audit'],
      );
      expect(await running.show('match')).toMatchObject({ on: 'book', kind: 'task' });
      expect(await errorOf(() => running.show('nobody'))).toMatchObject({ code: 'ERR_PERCORE_UNKNOWN_NAME' });
      const dump = await running.dump();
      expect(dump.sends).toEqual(trading.declaration.sends);
      expect(dump.parties.map(({ name, id }) => [name, id])).toEqual([['front', 0], ['book', 1], ['main', 2]]);
      expect(await running.dumpText()).toBe(
        'front: reactor 0 of 2\n'
          + '  task parse: idle, band 1, 0 steps\n    priority 1, capacity 1024\n\n'
          + 'book: reactor 1 of 2\n'
          + '  task match: idle, band 6, 0 steps\n    priority 6, capacity 1024\n\n'
          + 'main: the main thread\n'
          + '  task audit: idle, band 2, 0 steps\n    priority 2, capacity 1024\n\n'
          + 'sends\n  main -> parse\n  parse -> match\n  match -> audit, parse',
      );
    });
  });

  it('refuses what is sent along an edge that it does not declare, from main and from tasks', async () => {
    await withRuntime(2, async (runtime) => {
      const running = await startTopology(runtime, trading);
      const error = await errorOf(() => running.send('match' as 'parse', 'x'));
      expect(error).toMatchObject({ code: 'ERR_PERCORE_UNDECLARED', value: 'match', allowed: '"parse"' });
      expect(error.message).toBe('"main" may not send to "match": it is declared to send to "parse"');
      const errors: Error[] = [];
      runtime.on('stepError', ({ error: thrown }) => void errors.push(thrown));
      running.send('parse', 'astray');
      await until(() => errors.length > 0, 'the error of the step');
      expect(errors[0]).toMatchObject({ code: 'ERR_PERCORE_UNDECLARED' });
      expect(errors[0]!.message).toBe('"parse" may not send to "audit": it is declared to send to "match"');
    });
  });

  it('has rings, cursors, splits, timers and sockets as well', async () => {
    await withRuntime(2, async (runtime) => {
      const topology = defineTopology({
        reactors: { one: 0, two: 1 },
        tasks: {
          a: { on: 'one', module, export: 'note' },
          b: { on: 'two', module, export: 'note', priority: 5 },
        },
        sends: {},
        rings: { in: { on: 'two', capacityBytes: 512, codec: 'value' } },
        cursors: { w: { on: 'main', ring: 'in', of: 'two' } },
        splits: { deal: { on: 'one', from: 'in', of: 'two', to: [{ task: 'a' }, { task: 'b' }], percent: [50, 50] } },
        timers: { tick: { on: 'one', everyNs: 1e6, task: 'a' } },
        io: { front: { on: 'two', listen: { port: 0 }, module: module.href, export: 'echo' } },
      });
      const running = await startTopology(runtime, topology);
      for (let i = 0; i < 10; i++) await running.control.ask('main', 'send', { cursor: 'w', message: i });
      await until(async () => {
        const { details } = await running.show('b');
        return details['steps'] === 5;
      }, 'the share of b');
      const targets = (await running.show('deal')).details['targets'];
      expect(targets).toMatchObject([{ to: 'task a of 0', sent: 5 }, { to: 'task b of 1', sent: 5 }]);
      expect((await running.list()).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
        'reactor one', 'task a', 'split deal', 'timer tick', 'reactor two', 'ring in', 'task b', 'io front',
        'reactor main', 'cursor w',
      ]);
    });
  });

  it('tells classes that the runtime has declared by their names, and refuses two bands for one', async () => {
    const classes = { few: { priority: 6, tasks: 1, isBounded: true } };
    const task = { on: 'one', module, export: 'note', class: 'few' };
    const runtime = await createRuntime({ entry: controlEntry, reactors: 1, classes });
    try {
      const two = define(twoTasks({ classes, tasks: { a: task, b: task } }));
      const error = await errorOf(() => startTopology(runtime, two));
      expect(error).toMatchObject({ argument: 'tasks.b', cause: { code: 'ERR_PERCORE_CAPACITY' } });
      const other = define(twoTasks({ classes: { few: { priority: 2 } } }));
      expect(await errorOf(() => startTopology(runtime, other))).toMatchObject({ argument: 'classes.few' });
    } finally {
      await runtime.close();
    }
  });

  it('has topics: who may publish to them, and which tasks hear them', async () => {
    await withRuntime(2, async (runtime) => {
      const topology = defineTopology({
        reactors: { one: 0, two: 1 },
        tasks: {
          feed: { on: 'one', module, export: 'announce', data: 'quotes', takes: takes<number>() },
          stray: { on: 'one', module, export: 'announce', data: 'quotes', takes: takes<number>() },
          local: { on: 'one', module, export: 'ending', takes: takes<never>() },
          remote: { on: 'two', module, export: 'ending', takes: takes<never>(), data: 'heard' },
          sum: { on: 'two', module, export: 'summing', takes: takes<never>(), process: true, data: 3 },
        },
        sends: { main: ['feed', 'stray'] },
        topics: {
          quotes: { from: ['main', 'feed'], to: ['local', 'remote', 'sum'], carries: takes<number | string>() },
        },
      });
      const running = await startTopology(runtime, topology);
      const sum = running.control.ask(1, 'join', { name: 'sum' });
      const ended = Promise.all(['local', 'remote'].map((name, to) => running.control.ask(to, 'join', { name })));
      expect(running.publish('quotes', 1)).toBe(0);
      running.send('feed', 2);
      running.send('feed', 3);
      expect(await sum).toEqual({ value: 6 });
      running.publish('quotes', 'end');
      expect(await ended).toEqual([{ value: undefined }, { value: 'heard' }]);
      expect((await running.show('local')).details).toMatchObject({ state: 'ended', subscribes: ['quotes'] });
      expect((await running.list('topic')).map(({ on, about }) => `${on}: ${about}`)).toEqual([
        'one: 2 published to 0 parties', 'main: 2 published to 0 parties',
      ]);
      expect(await running.list('subscription')).toEqual([]);
      const errors: Error[] = [];
      runtime.on('stepError', ({ error }) => void errors.push(error));
      running.send('stray', 4);
      await until(() => errors.length > 0, 'the error of the step');
      expect(errors[0]).toMatchObject({ code: 'ERR_PERCORE_UNDECLARED' });
      const undeclared = await errorOf(() => running.publish('other' as 'quotes', 1));
      expect(undeclared.message).toBe('"main" may not publish to "other": it is declared to publish to "quotes"');
    });
  });

  it.each([
    ['started again', async (runtime: Runtime) => {
      const died = await errorOf(() => runtime.call('died', undefined, { reactor: 1 }));
      expect(died).toMatchObject({ reactorId: 1 });
    }],
    ['taken away and added again', async (runtime: Runtime) => {
      await runtime.scale(1);
      await runtime.scale(2);
    }],
  ])('is made anew on a reactor that was %s', async (_, again) => {
    const restart = { most: 3, withinMs: 60_000 };
    const runtime = await createRuntime({ entry: module, reactors: 2, restart });
    runtime.on('reactorDied', () => undefined);
    try {
      const running = await startTopology(runtime, define({
        reactors: { one: 0, two: 1 },
        tasks: { a: { on: 'one', module, export: 'note' }, b: { on: 'two', module, export: 'note', priority: 5 } },
        sends: { main: ['a', 'b'] },
        timers: { tick: { on: 'two', everyNs: 1e9, task: 'b' } },
      }));
      await again(runtime);
      const isBack = async (): Promise<boolean> => {
        const names = (await running.list()).map(({ on, name }) => `${on} ${name}`);
        return names.includes('two tick') && names.includes('one a');
      };
      await until(() => isBack().catch(() => false), 'what was on the reactor');
      (running as { send(to: string, message: unknown): number }).send('b', 'again');
      await running.sync();
      expect(await runtime.call('seen', 'b', { reactor: 1 })).toEqual(['again']);
      expect((await running.show('b')).details).toMatchObject({ priority: 5, steps: 1 });
    } finally {
      await runtime.close();
    }
  });

  it('that cannot be started says which part, and why', async () => {
    await withRuntime(1, async (runtime) => {
      const missing = define(twoTasks({ tasks: { a: { on: 'one', module, export: 'nothing' } } }));
      const error = await errorOf(() => startTopology(runtime, missing));
      expect(error).toMatchObject({ code: 'ERR_PERCORE_TOPOLOGY', argument: 'tasks.a' });
      expect(error.message).toContain('tasks.a (on one) cannot be started: ');
      expect(error.cause).toMatchObject({ code: 'ERR_PERCORE_ENTRY' });
      expect(await errorOf(() => startTopology(runtime, trading))).toMatchObject({ argument: 'reactors.book' });
      expect(await errorOf(() => startTopology(runtime, {} as never))).toMatchObject({ argument: 'topology' });
    });
    const entry = new URL('../reactor/fixtures/remote.js', import.meta.url);
    const runtime = await createRuntime({ entry, reactors: 1 });
    const error = await errorOf(() => startTopology(runtime, define(twoTasks())));
    await runtime.close();
    expect(error.message).toContain('Its entry has not called openControl(reactor)');
  });
});

it.each([[undefined], [null], [{}], [{ sends: {}, parties: [5] }], [{ sends: { a: 5 }, parties: [] }]])(
  'a dump is written as text, and %j is no dump', (dump) => {
    expect(formatDump({ sends: { a: ['b'] }, parties: [] })).toContain('a -> b');
    expect(() => formatDump(dump as never)).toThrow(expect.objectContaining({ argument: 'dump' }));
  },
);

describe('a topology that does not fit together is refused before anything starts', () => {
  const task = { on: 'one', module };
  it.each<[string, unknown]>([
    ['topology', 5],
    ['topology', undefined],
    ['classes', twoTasks({ classes: null })],
    ['topics', twoTasks({ topics: 5 })],
    ['rings.r', twoTasks({ rings: { r: undefined } })],
    ['topology.task', twoTasks({ task: {} })],
    ['reactors', { tasks: {}, sends: {} }],
    ['reactors.one', twoTasks({ reactors: { one: -1 } })],
    ['reactors.main', twoTasks({ reactors: { one: 0, main: 1 } })],
    ['classes.urgent.priority', twoTasks({ classes: { urgent: { priority: 8 } } })],
    ['tasks.a.on', twoTasks({ tasks: { a: { on: 'two', module } } })],
    ['tasks.a.module', twoTasks({ tasks: { a: { on: 'one', module: './a.js' } } })],
    ['tasks.a.class', twoTasks({ tasks: { a: { ...task, class: 'none' } } })],
    ['tasks.a.priority', twoTasks({
      classes: { c: { priority: 1 } }, tasks: { a: { ...task, class: 'c', priority: 2 } },
    })],
    ['tasks.a.prioriti', twoTasks({ tasks: { a: { ...task, prioriti: 1 } } })],
    ['sends.c', twoTasks({ sends: { c: [] } })],
    ['sends.a', twoTasks({ sends: { a: 'b' } })],
    ['sends.a[1]', twoTasks({ sends: { a: ['b', 'c'] } })],
    ['topics.t.from[0]', twoTasks({ topics: { t: { from: ['c'], to: [] } } })],
    ['topics.t.to', twoTasks({ topics: { t: { from: ['a'] } } })],
    ['topics.t.to[0]', twoTasks({ topics: { t: { from: [], to: ['main'] } } })],
    ['topics.t.priority', twoTasks({ topics: { t: { from: [], to: [], priority: 9 } } })],
    ['topics.t.tos', twoTasks({ topics: { t: { from: [], tos: [] } } })],
    ['rings.r.on', twoTasks({ rings: { r: { on: 'nowhere', capacityBytes: 64 } } })],
    ['cursors.c.of', twoTasks({ cursors: { c: { on: 'one', ring: 'r', of: 'nowhere' } } })],
    ['timers.t.every', twoTasks({ timers: { t: { on: 'one', every: 5 } } })],
  ])('%s', async (argument, declaration) => {
    expect(await errorOf(() => define(declaration))).toMatchObject({ code: 'ERR_PERCORE_TOPOLOGY', argument });
  });
});
