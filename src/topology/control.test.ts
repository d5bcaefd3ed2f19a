import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { CLOSED } from '../queues/index.js';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { errorOf, until, within } from '../reactor/fixtures/inside.js';
import { FIELDS, VERBS } from './messages.js';
import { openControl, type Control, type ControlMessages, type ControlVerb } from './index.js';

const programs = new URL('./fixtures/programs.js', import.meta.url);
const module = programs.href;

interface Town {
  readonly runtime: Runtime;
  readonly control: Control;
  /** What a task of that reactor has been given. */
  seen(name: string, reactor?: number): Promise<unknown[]>;
}

async function withTown<R>(use: (town: Town) => Promise<R>, reactors = 2): Promise<R> {
  const runtime = await createRuntime({ entry: programs, reactors });
  runtime.on('reactorDied', () => undefined);
  const seen = (name: string, reactor = 1) => runtime.call('seen', name, { reactor }) as Promise<unknown[]>;
  try {
    return await use({ runtime, control: openControl(runtime), seen });
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

const spawn = (control: Control, to: number, name: string, exported: string, more = {}) =>
  control.ask(to, 'spawn', { name, module, export: exported, ...more });

describe('the control of a party', () => {
  it('says who it is, and takes a name', async () => {
    await withTown(async ({ control }) => {
      expect(await control.ask(1, 'reactor', {})).toMatchObject({ id: 1, name: 'reactor 1', reactors: 2 });
      expect(await control.ask(1, 'reactor', { name: 'book' })).toMatchObject({ id: 1, name: 'book' });
      expect(await control.ask(1, 'reactor', {})).toMatchObject({ name: 'book' });
      expect(await control.ask('main', 'reactor', {})).toMatchObject({ id: 2, name: 'main', threadId: 0 });
    });
  });

  it('knows the main thread, however many reactors there are and may be', async () => {
    const runtime = await createRuntime({ entry: programs, reactors: 1, maxReactors: 3 });
    try {
      const control = openControl(runtime);
      expect(await control.ask('main', 'reactor', {})).toMatchObject({ id: 3, name: 'main', reactors: 1 });
      await control.ask('main', 'spawn', { name: 'own', module, export: 'note' });
      expect(await control.ask('main', 'send', { task: 'own', message: 1 })).toEqual({ code: 0 });
      await control.ask('main', 'sync', {});
      expect(await control.ask('main', 'list', { what: 'reactor' })).toEqual([
        { kind: 'reactor', name: 'main', about: 'the main thread' },
      ]);
      await runtime.scale(3);
      expect(await control.ask(2, 'list', { what: 'reactor' })).toMatchObject([{ about: 'reactor 2' }]);
    } finally {
      await runtime.close({ drainMs: 1000 });
    }
  });

  it('does for a reactor what it does for the main thread: any may ask any', async () => {
    await withTown(async ({ runtime, control, seen }) => {
      const ask = (from: number, to: number | 'main', verb: ControlVerb, fields: object) =>
        runtime.call('ask', { to, verb, fields }, { reactor: from });
      await ask(0, 1, 'spawn', { name: 'notes', module, export: 'note' });
      expect(await ask(0, 1, 'send', { task: 'notes', message: 'from 0' })).toEqual({ code: 0 });
      expect(await ask(1, 1, 'send', { task: 'notes', message: 'from itself' })).toEqual({ code: 0 });
      expect(await control.ask(1, 'send', { task: 'notes', message: 'from main' })).toEqual({ code: 0 });
      await ask(0, 1, 'sync', {});
      expect(await seen('notes')).toEqual(['from 0', 'from itself', 'from main']);
      expect(await ask(1, 'main', 'reactor', {})).toMatchObject({ name: 'main' });
      expect(openControl(runtime)).toBe(control);
    });
  });

  it('spawns programs that are registered, or named by their module, and waits for those that take time', async () => {
    await withTown(async ({ control, seen }) => {
      await control.ask(1, 'register', { name: 'noting', module, export: 'note' });
      await control.ask(1, 'spawn', { name: 'one', program: 'noting', priority: 6, capacity: 4 });
      await spawn(control, 1, 'two', 'late');
      await spawn(control, 1, 'three', 'noteBytes', { takesBytes: true });
      for (const task of ['one', 'two']) await control.ask(1, 'send', { task, message: { n: 1 } });
      await control.ask(1, 'send', { task: 'three', message: new Uint8Array([1, 2, 3]) });
      await control.ask(1, 'sync', {});
      expect([await seen('one'), await seen('two')]).toEqual([[{ n: 1 }], [{ n: 1 }]]);
      expect(await seen('three')).toEqual([[1, 2, 3]]);
      expect((await control.ask(1, 'show', { name: 'one' })).details).toMatchObject({
        state: 'idle', priority: 6, program: 'program noting', steps: 1, capacity: 4,
      });
    });
  });

  it('answers join when the program has ended, and drops what comes later', async () => {
    await withTown(async ({ control, seen }) => {
      await spawn(control, 1, 'job', 'ending', { data: { sum: 42 } });
      const joined = control.ask(1, 'join', { name: 'job' });
      for (const message of ['go', 'end']) await control.ask(1, 'send', { task: 'job', message });
      expect(await joined).toEqual({ value: { sum: 42 } });
      expect(await control.ask(1, 'join', { name: 'job' })).toEqual({ value: { sum: 42 } });
      expect(await control.ask(1, 'send', { task: 'job', message: 'more' })).toEqual({ code: CLOSED });
      expect(await seen('job')).toEqual(['go', 'end']);
      expect((await control.ask(1, 'show', { name: 'job' })).details).toMatchObject({ state: 'ended' });
      // Its name is free again.
      await spawn(control, 1, 'job', 'note');
      expect((await control.ask(1, 'show', { name: 'job' })).details).toMatchObject({ state: 'idle' });
    });
  });

  it('spawns processes, whose end is joined: what they return, or what they threw', async () => {
    await withTown(async ({ runtime, control }) => {
      const errors: unknown[] = [];
      runtime.on('stepError', ({ error }) => void errors.push(error.message));
      await spawn(control, 1, 'sum', 'summing', { process: true, data: 3 });
      const sum = control.ask(1, 'join', { name: 'sum' });
      for (const message of [1, 2, 3]) await control.ask(1, 'send', { task: 'sum', message });
      expect(await sum).toEqual({ value: 6 });
      await spawn(control, 1, 'async', 'summingAsync', { process: true, data: 2 });
      const later = control.ask(1, 'join', { name: 'async' });
      for (const message of [4, 5]) await control.ask(1, 'send', { task: 'async', message });
      expect(await later).toEqual({ value: 9 });
      await spawn(control, 1, 'sum', 'summing', { process: true, data: 1 });
      const failed = errorOf(() => control.ask(1, 'join', { name: 'sum' }));
      await control.ask(1, 'send', { task: 'sum', message: 'five' });
      expect(await failed).toMatchObject({ name: 'TypeError', message: 'no number: five', reactorId: 1 });
      const supervise = { policy: 'restart' } as const;
      await spawn(control, 1, 'again', 'summing', { process: true, data: 1, supervise });
      const again = control.ask(1, 'join', { name: 'again' });
      for (const message of ['five', 7]) await control.ask(1, 'send', { task: 'again', message });
      expect(await again).toEqual({ value: 7 });
      expect(errors).toEqual(['no number: five', 'no number: five']);
    });
  });

  it('answers sync when everything that was sent before in any band has been run', async () => {
    await withTown(async ({ runtime, control, seen }) => {
      await spawn(control, 1, 'slow', 'slow');
      for (let round = 1; round <= 5; round++) {
        for (let i = 0; i < 100; i++) runtime.send('slow', i, { reactor: 1, priority: i % 8 });
        await control.ask(1, 'sync', {});
        expect(await seen('slow')).toHaveLength(100 * round);
      }
      await spawn(control, 1, 'from 0', 'slow');
      expect(await runtime.call('slowly', { task: 'from 0', count: 200 }, { reactor: 0 })).toHaveLength(200);
    });
  });

  it('makes identifiers, each one once', async () => {
    await withTown(async ({ control }) => {
      const all = await Promise.all([0, 1, 0, 1, 'main' as const].map((to) => control.ask(to, 'seq', { count: 500 })));
      expect(new Set(all.flatMap(({ ids }) => ids)).size).toBe(2500);
      expect((await control.ask(1, 'seq', {})).ids).toHaveLength(1);
    });
  });

  it('sends messages by timers, once or again and again, until they are cancelled', async () => {
    await withTown(async ({ control, seen }) => {
      await spawn(control, 1, 'notes', 'note');
      await control.ask(1, 'timer', { name: 'once', afterNs: 1e6, task: 'notes', message: 'once' });
      await control.ask(1, 'timer', { name: 'often', everyNs: 1e6, task: 'notes' });
      await until(async () => (await seen('notes')).length >= 4, 'four messages of timers');
      expect(await control.ask(1, 'timer', { name: 'often', cancel: true })).toEqual({ name: 'often' });
      expect(await control.ask(1, 'list', { what: 'timer' })).toEqual([]);
      await control.ask(1, 'sync', {});
      const notes = await seen('notes');
      expect(notes.filter((each) => each === 'once')).toHaveLength(1);
      expect(notes.filter((each) => each !== 'once')).toEqual(
        Array.from({ length: notes.length - 1 }, (_, i) => ({ timer: 'often', tick: i + 1 })),
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await seen('notes')).toHaveLength(notes.length);
    });
  });

  it('listens, runs a program for each connection, and closes the port', async () => {
    await withTown(async ({ control }) => {
      const { port } = await control.ask(1, 'io', {
        name: 'front', listen: { port: 0 }, module, export: 'echo', data: 'hello ',
      });
      const said = await new Promise<string>((resolve, reject) => {
        const socket = connect(port!, '127.0.0.1', () => void socket.write('world'));
        let text = '';
        socket.on('error', reject);
        socket.on('data', (bytes) => {
          text += bytes.toString();
          if (text.length < 11) return;
          socket.destroy();
          resolve(text);
        });
      });
      expect(said).toBe('hello world');
      expect((await control.ask(1, 'show', { name: 'front' })).details).toMatchObject({ port, connections: 1 });
      await control.ask(1, 'io', { name: 'front', close: true });
      await control.ask(0, 'io', { name: 'front', listen: { port: port! }, module, export: 'echo' });
      await control.ask(0, 'io', { name: 'front', close: true });
    });
  });

  it('tells what a program of connections rejects with, and its reactor goes on', async () => {
    await withTown(async ({ runtime, control }) => {
      const told: string[] = [];
      runtime.on('stepError', ({ reactorId, error }) => void told.push(`${reactorId} ${error.message}`));
      const { port } = await control.ask(1, 'io', { name: 'front', listen: { port: 0 }, module, export: 'rejecting' });
      await new Promise((resolve) => connect(port!, '127.0.0.1').on('error', resolve).on('close', resolve).resume());
      await expect.poll(() => told, { timeout: 20_000 }).toEqual(['1 a program of connections']);
      expect(runtime.status().reactors[1]!.state).toBe('ready');
    });
  });

  it('lists, shows and dumps what there is, tasks of the entry included', async () => {
    await withTown(async ({ runtime, control }) => {
      runtime.spawn({ name: 'own', priority: 2 }, () => undefined);
      await control.ask('main', 'ring', { name: 'ring', capacity: 8, recordBytes: 8 });
      expect(await control.ask('main', 'list', {})).toEqual([
        { kind: 'reactor', name: 'main', about: 'the main thread' },
        { kind: 'ring', name: 'ring', about: 'spsc, 8 records of 8 bytes' },
        { kind: 'task', name: 'own', about: 'idle, band 2, 0 steps' },
      ]);
      expect(await control.ask('main', 'list', { what: 'ring' })).toHaveLength(1);
      const dump = await control.ask('main', 'dump', {});
      expect(dump.things.map(({ name }) => name)).toEqual(['main', 'ring', 'own']);
      expect(dump.things[1]).toEqual(await control.ask('main', 'show', { name: 'ring' }));
      expect(structuredClone(dump)).toEqual(dump);
    }, 1);
  });
});

describe('a message of the protocol that is wrong', () => {
  const cases: [verb: string, fields: unknown, expected: object][] = [
    ['fetch', {}, { code: 'ERR_PERCORE_UNKNOWN_VERB', value: 'fetch' }],
    ['toString', {}, { code: 'ERR_PERCORE_UNKNOWN_VERB' }],
    ['constructor', {}, { code: 'ERR_PERCORE_UNKNOWN_VERB' }],
    ['take', {}, { code: 'ERR_PERCORE_UNKNOWN_VERB' }],
    ['ring', 5, { argument: 'ring' }],
    ['ring', { name: '' }, { argument: 'ring.name' }],
    ['ring', { name: 'a', capacty: 8 }, { argument: 'ring.capacty' }],
    ['ring', { name: 'a', capacity: 7, recordBytes: 8 }, { argument: 'capacity' }],
    ['ring', { name: 'a', capacityBytes: 64, codec: 5 }, { argument: 'ring.codec' }],
    ['cursor', { name: 'a', ring: 'nothing' }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'cursor.ring' }],
    ['cursor', { name: 'a', ring: 'r', priority: 5 }, { argument: 'cursor.priority' }],
    ['cursor', { name: 'a', ring: 'r', task: 'nobody' }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'cursor.task' }],
    ['cursor', { name: 'a', ring: 'r', of: 7 }, { argument: 'reactor' }],
    ['split', { name: 'a', from: 'r', to: [] }, { argument: 'split.to' }],
    ['split', { name: 'a', from: 'r', to: [{ task: 'nobody' }], percent: [100] }, {
      code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'split.to[0].task',
    }],
    ['split', { name: 'a', from: 'r', to: [{ task: 't' }], percent: [99] }, { argument: 'split.percent' }],
    ['split', { name: 'a', from: 'r', to: [{ task: 't' }], percent: [50, 50] }, { argument: 'split.percent' }],
    ['split', { name: 'a', from: 'r', to: [{ task: 't' }], overlapped: 1 }, { argument: 'split.overlapped' }],
    ['split', { name: 'a', from: 'r', to: [{ cursor: 'c' }], overlapped: true }, {
      code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'split.to[0].cursor',
    }],
    ['register', { name: 'a', module: './relative.js' }, { argument: 'register.module' }],
    ['register', { name: 'a', module: '/nowhere/at-all.js' }, { code: 'ERR_PERCORE_ENTRY' }],
    ['register', { name: 'a', module, export: 'nothing' }, { code: 'ERR_PERCORE_ENTRY', argument: 'register.export' }],
    ['register', { name: 'a', module, export: 'notAFunction' }, { code: 'ERR_PERCORE_ENTRY' }],
    ['spawn', { name: 'a' }, { argument: 'spawn.module' }],
    ['spawn', { name: 'a', program: 'p', module }, { argument: 'spawn.module' }],
    ['spawn', { name: 'a', program: 'nothing' }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'spawn.program' }],
    ['spawn', { name: 'a', module, export: 'note', priority: 9 }, { argument: 'priority' }],
    ['spawn', { name: 'a', module, export: 'note', sends: [] }, { argument: 'spawn.sends' }],
    ['spawn', { name: 'a', module, export: 'failing' }, { name: 'RangeError', message: 'no program today' }],
    ['spawn', { name: 'a', module, export: 'noStep' }, { code: 'ERR_PERCORE_ENTRY' }],
    ['spawn', { name: 'r', module, export: 'note' }, { code: 'ERR_PERCORE_NAME_TAKEN' }],
    ['spawn', { name: 'a', module, export: 'note', class: 'none' }, { argument: 'class' }],
    ['spawn', { name: 'a', module, export: 'note', supervise: {} }, { argument: 'spawn.supervise' }],
    ['spawn', { name: 'a', module, export: 'note', process: true, takesBytes: true }, { argument: 'spawn.takesBytes' }],
    ['join', { name: 'r' }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'join.name' }],
    ['send', { message: 1 }, { argument: 'send.task' }],
    ['send', { task: 'nobody', message: 1 }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'send.task' }],
    ['send', { cursor: 'r', message: 1 }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'send.cursor' }],
    ['seq', { count: 0 }, { argument: 'seq.count' }],
    ['timer', { name: 'a', task: 't' }, { argument: 'timer.afterNs' }],
    ['timer', { name: 'a', task: 't', everyNs: 5 }, { code: 'ERR_PERCORE_TIMER_INVALID_INTERVAL' }],
    ['timer', { name: 'a', task: 'nobody', afterNs: 1 }, {
      code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'timer.task',
    }],
    ['timer', { name: 'a', cancel: true }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'timer.name' }],
    ['io', { name: 'a', module, export: 'echo' }, { argument: 'io.listen' }],
    ['io', { name: 'a', module, export: 'echo', listen: { port: -1 } }, { argument: 'port' }],
    ['io', { name: 'a', close: true }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'io.name' }],
    ['close', { name: 'a' }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'close.name' }],
    ['list', { what: 'rings' }, { argument: 'list.what' }],
    ['show', { name: 'nothing' }, { code: 'ERR_PERCORE_UNKNOWN_NAME', argument: 'show.name' }],
    ['dump', { all: true }, { argument: 'dump.all' }],
  ];

  it('is refused to its sender, by name, and leaves nothing behind', async () => {
    await withTown(async ({ control }) => {
      await control.ask(1, 'ring', { name: 'r', capacity: 8, recordBytes: 8 });
      await spawn(control, 1, 't', 'note');
      for (const [verb, fields, expected] of cases) {
        const error = await errorOf(() => control.ask(1, verb as 'dump', fields as ControlMessages['dump']));
        expect(error, `${verb} ${JSON.stringify(fields)}`).toMatchObject(
          'code' in expected || 'name' in expected ? expected : { code: 'ERR_PERCORE_INVALID_ARGUMENT', ...expected },
        );
      }
      expect((await control.ask(1, 'list', {})).map(({ name }) => name)).toEqual(['reactor 1', 'r', 't']);
      // And what was refused can be made under its name afterwards.
      await control.ask(1, 'ring', { name: 'a', capacity: 8, recordBytes: 8 });
    });
  });

  it('covers every verb, and every verb knows its fields', () => {
    const tried = new Set(cases.map(([verb]) => verb));
    expect(VERBS.filter((verb) => !tried.has(verb))).toEqual(['reactor', 'sync']);
    expect(Object.keys(FIELDS)).toEqual(VERBS);
  });
});

describe('a reactor that dies while it is asked', () => {
  const died = { code: 'ERR_PERCORE_REACTOR_DIED', reactorId: 1 };

  it('is an error for whoever waits, by every verb, and never a hang', async () => {
    await withTown(async ({ runtime, control }) => {
      await spawn(control, 1, 'job', 'ending');
      await control.ask(1, 'ring', { name: 'ring', capacityBytes: 1024 });
      await control.ask(0, 'spawn', { name: 'notes', module, export: 'note' });
      const waiting = [
        errorOf(() => control.ask(1, 'join', { name: 'job' })),
        errorOf(() => runtime.call('ask', { to: 1, verb: 'join', fields: { name: 'job' } }, { reactor: 0 })),
      ];
      const dying = errorOf(() => runtime.call('died', undefined, { reactor: 1 }));
      for (const each of [...waiting, dying]) {
        expect(await within(10_000, each, 'the end of a wait')).toMatchObject(died);
      }
      for (const verb of VERBS) {
        const error = await within(10_000, errorOf(() => control.ask(1, verb as 'dump', {})), verb);
        expect(error, verb).toMatchObject(died);
      }
      // Reactor 0 asks for a ring of the dead on behalf of whoever asks it.
      const fetched = errorOf(() => control.ask(0, 'cursor', { name: 'c', ring: 'ring', of: 1, task: 'notes' }));
      expect(await within(10_000, fetched, 'a ring of the dead')).toMatchObject(died);
      expect((await control.ask(0, 'list', {})).map(({ name }) => name)).toEqual(['reactor 0', 'notes']);
    });
  });

  it('is told as having no control when its entry opens none', async () => {
    const runtime = await createRuntime({
      entry: new URL('../reactor/fixtures/remote.js', import.meta.url), reactors: 1,
    });
    try {
      const error = await errorOf(() => openControl(runtime).ask(0, 'dump', {}));
      expect(error).toMatchObject({ code: 'ERR_PERCORE_NO_HANDLER', value: 'percore:control' });
    } finally {
      await runtime.close();
    }
  });

  it('gives up by a time-out and by a signal', async () => {
    await withTown(async ({ control }) => {
      await spawn(control, 1, 'job', 'ending');
      const late = errorOf(() => control.ask(1, 'join', { name: 'job' }, { timeoutMs: 5 }));
      expect(await late).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
      const signal = AbortSignal.abort(new Error('enough'));
      expect(await errorOf(() => control.ask(1, 'sync', {}, { signal }))).toMatchObject({ message: 'enough' });
    });
  });
});
