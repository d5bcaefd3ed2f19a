import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { partyLayout } from '../layout.js';
import { native } from '../native.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import {
  descriptors, errorOf, fixture, inside, leftBehind, remoteEntry, remoteRuntime, sleep, threads, until, within,
  withRuntime,
} from './fixtures/inside.js';
import type { StepError } from './runtime-events.js';
import { controllerOf, createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';
import { partyCounters } from './shared.js';

const entry = remoteEntry;

/** Calls of the main thread without an answer, read from its own counters. */
function mainCallsInFlight(runtime: Runtime): number {
  const { shared } = controllerOf(runtime);
  return partyCounters(shared.inboxes[shared.reactors]!)[partyLayout.fields.callsInFlight.at >> 3]!;
}

describe('createRuntime', () => {
  // What Node and libuv keep open for good, the thread pool too, is open after the first runtime; its own turn ends a
  // pass of the loop after close().
  beforeAll(async () => {
    await (await remoteRuntime(1)).close();
    await sleep(50);
  });

  it('refuses wrong options with argument, value and what is allowed', async () => {
    const aUrl = "a file URL such as new URL('./reactor.js', import.meta.url), or an absolute path";
    const cases: [unknown, string][] = [
      [undefined, 'options must be an object with an entry, not undefined'],
      [{}, `entry must be ${aUrl}, not undefined`],
      [{ entry: './reactor.js' }, `entry must be ${aUrl}, not "./reactor.js"`],
      [{ entry: new URL('https://example.org/a.js') }, `entry must be ${aUrl}, not "https://example.org/a.js"`],
      [{ entry, reactors: 0 }, 'reactors must be a whole number from 1 to 255, not 0'],
      [{ entry, reactors: 256 }, 'reactors must be a whole number from 1 to 255, not 256'],
      [{ entry, reactors: 1.5 }, 'reactors must be a whole number from 1 to 255, not 1.5'],
      [{ entry, reactors: '2' }, 'reactors must be a whole number from 1 to 255, not "2"'],
      [
        { entry, reactors: 2, pin: [0] },
        'pin must be true, false, or a list of 2 CPU numbers, one a reactor, not [object Array]',
      ],
      [{ entry, reactors: 1, pin: [-1] }, 'pin must be a whole number from 0 to 8191, not -1'],
      [
        { entry, reactors: 1, pin: 'yes' },
        'pin must be true, false, or a list of 1 CPU numbers, one a reactor, not "yes"',
      ],
      [{ entry, laneBytes: 2048 }, 'laneBytes must be a power of two from 4096 to 67108864, not 2048'],
      [{ entry, laneBytes: 5000 }, 'laneBytes must be a power of two from 4096 to 67108864, not 5000'],
      [{ entry, laneBytes: '8192' as never }, 'laneBytes must be a power of two from 4096 to 67108864, not "8192"'],
      [{ entry, laneBytes: 2 ** 32 + 4096 }, 'laneBytes must be a power of two from 4096 to 67108864, not 4294971392'],
      [{ entry, laneBytes: 2 ** 27 }, 'laneBytes must be a power of two from 4096 to 67108864, not 134217728'],
      [
        { entry, idle: { strategy: 'doze' } },
        `idle.strategy must be 'spin', 'backoff', 'park', 'adaptive', not "doze"`,
      ],
      [{ entry, idle: { spinNs: -1 } }, 'idle.spinNs must be a whole number from 0 to 1000000000, not -1'],
      [
        { entry, idle: { ioIntervalNs: 10 } },
        'idle.ioIntervalNs must be a whole number from 1000 to 1000000000, not 10',
      ],
      [{ entry, budget: { quanta: 0 } }, 'budget.quanta must be a whole number from 1 to 1000000, not 0'],
      [
        { entry, budget: { timeNs: 1000.5 } },
        'budget.timeNs must be a whole number from 1000 to 1000000000, not 1000.5',
      ],
      [{ entry, publishEvery: { records: 0 } }, 'publishEvery.records must be a whole number from 1 to 1048576, not 0'],
      [
        { entry, publishEvery: { timeNs: NaN } },
        'publishEvery.timeNs must be a whole number from 1000 to 1000000000, not NaN',
      ],
    ];
    const before: [string[], number] = [descriptors(), threads()];
    for (const [options, message] of cases) {
      const error = await errorOf(() => createRuntime(options as RuntimeOptions));
      expect([error.message, error.code]).toEqual([message, 'ERR_PERCORE_INVALID_ARGUMENT']);
    }
    expect([descriptors(), threads()], 'nothing is left behind').toEqual(before);
  });

  it('leaves no descriptor and no thread behind when its data cannot be cloned', async () => {
    const before: [string[], number] = [descriptors(), threads()];
    expect((await errorOf(() => createRuntime({ entry, reactors: 2, data: { f: () => 1 } }))).message).toMatch(
      /could not be cloned/,
    );
    await until(() => leftBehind(before).length === 0, 'as before', 10_000);
  });

  it('takes an absolute path and a file URL as text', async () => {
    for (const form of [fileURLToPath(entry), entry.href]) {
      const runtime = await createRuntime({ entry: form, reactors: 1 });
      expect(await inside(runtime, 0, () => 'here')).toBe('here');
      await runtime.close();
    }
  });

  describe('with an entry', () => {
    const folder = mkdtempSync(join(tmpdir(), 'percore-entry-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const failed = async (options: RuntimeOptions) => {
      const before: [string[], number] = [descriptors(), threads()];
      const error = await errorOf(() => createRuntime(options));
      expect(error.code).toBe('ERR_PERCORE_ENTRY');
      await until(() => leftBehind(before).length === 0, 'nothing is left behind', 10_000).catch(() =>
        expect(leftBehind(before)).toEqual([]),
      );
      return error as Error & { cause?: { name: string; message: string; code: string; stack: string } };
    };

    it('that is missing says which file', async () => {
      const path = join(folder, 'nowhere.js');
      expect((await failed({ entry: path })).message).toBe(`entry ${path} does not exist`);
    });

    it('that is missing and stands beside its TypeScript says to compile it', async () => {
      writeFileSync(join(folder, 'later.ts'), 'export default function start() {}');
      expect((await failed({ entry: pathToFileURL(join(folder, 'later.js')) })).message).toBe(
        `entry ${join(folder, 'later.js')} does not exist; there is a .ts file of that name: compile it first`,
      );
    });

    it('that is TypeScript runs where Node strips types, and says what to do where it does not', async () => {
      const path = join(folder, 'typed.ts');
      writeFileSync(
        path,
        'export default function start(reactor: { handle(name: string, f: () => number): void }): void { '
          + 'reactor.handle("one", () => 1); }',
      );
      if ((process.features as { typescript?: unknown }).typescript) {
        const runtime = await createRuntime({ entry: path, reactors: 1 });
        expect(await runtime.call('one', undefined)).toBe(1);
        await runtime.close();
      } else {
        expect((await failed({ entry: path })).message).toBe(
          `entry ${path} is TypeScript, which Node ${process.version} does not load: compile it and name the .js `
            + `file, or start node with --import tsx`,
        );
      }
    });

    it('without a default function says how to write one', async () => {
      const error = await failed({ entry: fixture('no-default'), reactors: 1 });
      expect(error.message).toBe(
        `reactor 0: ${fileURLToPath(fixture('no-default'))} failed: ${fixture('no-default').href} has no default `
          + `export that is a function; write "export default function start(reactor) { … }"`,
      );
    });

    it('that throws names the reactor and keeps what was thrown as the cause', async () => {
      const error = await failed({ entry: fixture('failing'), reactors: 2, data: { how: 'throw', reactor: 1 } });
      expect(error.message).toBe(`reactor 1: ${fileURLToPath(fixture('failing'))} failed: out of range`);
      expect([error.cause!.name, error.cause!.message, error.cause!.code]).toEqual([
        'RangeError', 'out of range', 'E_RANGE',
      ]);
      expect(error.cause!.stack).toContain('failing.');
    });

    it('that rejects later, or throws something that is no error, fails the same way', async () => {
      expect((await failed({ entry: fixture('failing'), reactors: 1, data: { how: 'reject' } })).cause!.name).toBe(
        'TypeError',
      );
      expect((await failed({ entry: fixture('failing'), reactors: 1, data: { how: 'string' } })).message).toMatch(
        /failed: only a text$/,
      );
    });

    it('that ends its process says with which exit code', async () => {
      expect((await failed({ entry: fixture('failing'), reactors: 1, data: { how: 'exit' } })).message).toBe(
        'reactor 0 ended with exit code 7 while it started',
      );
    });

    it('with a syntax error, or an import that is missing, says so', async () => {
      const [broken, lost] = [join(folder, 'broken.mjs'), join(folder, 'lost.mjs')];
      writeFileSync(broken, 'export default function (');
      writeFileSync(lost, 'import "./not-there.js"; export default function () {}');
      expect((await failed({ entry: broken, reactors: 1 })).cause!.name).toBe('SyntaxError');
      expect((await failed({ entry: lost, reactors: 1 })).cause!.code).toBe('ERR_MODULE_NOT_FOUND');
    });

    it('hands the data over as a structured copy, shared memory shared', async () => {
      const path = join(folder, 'data.mjs');
      writeFileSync(
        path,
        'export default function (reactor, data) { Atomics.store(data.words, reactor.id, 7); reactor.handle("data", '
          + '() => [data.by.get("k"), data.when]); }',
      );
      const words = new Int32Array(new SharedArrayBuffer(8));
      const runtime = await createRuntime({
        entry: path, reactors: 2, data: { words, by: new Map([['k', 1]]), when: new Date(5) },
      });
      expect([[...words], await runtime.call('data', undefined)]).toEqual([
        [7, 7], [1, new Date(5)],
      ]);
      await runtime.close();
    });
  });
});

describe('a call', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await remoteRuntime(2, { laneBytes: 65_536 });
    for (const id of [0, 1]) {
      await inside(runtime, id, (reactor, _argument, { sleep: pause }) => {
        reactor.handle('echo', (value: unknown) => value);
        reactor.handle('id', () => reactor.id);
        reactor.handle('from', (_value: unknown, context) => [context.from, context.priority]);
        reactor.handle('late', async (ms: number) => {
          await pause(ms);
          return ms;
        });
        reactor.handle('never', () => new Promise(() => undefined));
        reactor.handle('throw', (how: string) => {
          if (how === 'text') throw 'a text';
          const error = Object.assign(new RangeError('too far'), { code: 'E_FAR' });
          if (how === 'later') return Promise.reject(error);
          throw error;
        });
        reactor.handle('function', () => (() => 1) as never);
        reactor.handle('large', (bytes: number) => new Uint8Array(bytes));
        let begun = 0;
        reactor.handle('begin', () => ++begun);
      });
    }
  });
  afterAll(() => runtime.close({ drainMs: 0 }));

  it('is answered, with whatever structured clone knows', async () => {
    for (const value of [
      1, -0, 'text', '', null, undefined, true, { a: [1, { b: new Map([[1, new Set([2])]]) }] }, 10n, new Date(7),
      Uint8Array.of(1, 2),
    ]) {
      expect(await runtime.call('echo', value, { reactor: 0 })).toEqual(value);
    }
  });

  it('goes round the reactors, to the one that is named, or to the owner of a key', async () => {
    const around = await Promise.all(Array.from({ length: 10 }, () => runtime.call('id', undefined)));
    expect(around.filter((id) => id === 0).length).toBe(5);
    expect([
      await runtime.call('id', undefined, { reactor: 0 }), await runtime.call('id', undefined, { reactor: 1 }),
    ]).toEqual([0, 1]);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
      expect(await runtime.call('id', undefined, { key })).toBe(runtime.ownerOf(key));
    expect(new Set(Array.from({ length: 100 }, (_, i) => runtime.ownerOf(`key${i}`)))).toEqual(new Set([0, 1]));
    const asked = Array.from({ length: 20 }, (_, i) => `key${i}`);
    expect(
      await inside(runtime, 1, (reactor, keys: string[]) => keys.map((key) => reactor.ownerOf(key)), asked),
      'all agree',
    ).toEqual(asked.map((key) => runtime.ownerOf(key)));
  });

  it('tells its handler who asks and in what band', async () => {
    expect(await runtime.call('from', undefined, { reactor: 0, priority: 6 })).toEqual([2, 6]);
    expect(await runtime.call('from', undefined, { reactor: 0 })).toEqual([2, 3]);
  });

  it('to an asynchronous handler waits for it; others overtake', async () => {
    const order: string[] = [];
    await Promise.all([
      runtime.call('late', 50, { reactor: 0 }).then(() => order.push('late')),
      runtime.call('echo', 1, { reactor: 0 }).then(() => order.push('echo')),
    ]);
    expect(order).toEqual(['echo', 'late']);
  });

  it('rejects with what the handler threw: name, message, code, remote stack', async () => {
    for (const how of ['now', 'later']) {
      const error = await errorOf(() => runtime.call('throw', how, { reactor: 1 }));
      expect([error.name, error.message, error.code, error.reactorId], how).toEqual([
        'RangeError', 'too far', 'E_FAR', 1,
      ]);
      expect(error.stack).toMatch(/^RangeError: too far\n {4}--- reactor 1, "throw" ---\n {4}at /);
    }
    const error = await errorOf(() => runtime.call('throw', 'text', { reactor: 1 }));
    expect([error.message, error.code]).toEqual(['a text', 'ERR_PERCORE_REMOTE']);
  });

  it('by a name that nobody handles says what is handled', async () => {
    const error = await errorOf(() => runtime.call('ehco', 1, { reactor: 0 }));
    expect(error.code).toBe('ERR_PERCORE_NO_HANDLER');
    expect(error.message).toContain('reactor 0 has no handler by this name; it handles "run", "echo", "id"');
  });

  it('gives up after timeoutMs, not before; a late answer harms nobody', async () => {
    const from = performance.now();
    const error = await errorOf(() => runtime.call('late', 60, { reactor: 0, timeoutMs: 20 }));
    expect(performance.now() - from).toBeGreaterThanOrEqual(20);
    expect([error.code, error.message]).toEqual([
      'ERR_PERCORE_TIMEOUT', 'call("late") to reactor 0 had no answer within 20 ms',
    ]);
    await sleep(60);
    expect(await runtime.call('echo', 'after', { reactor: 0 })).toBe('after');
  });

  it('is not begun when its time was over before its turn came', async () => {
    const before = await runtime.call('begin', undefined, { reactor: 0 }) as number;
    const dropped = runtime.status().reactors[0]!.dropped;
    const busy = inside(runtime, 0, () => {
      const end = performance.now() + 60;
      while (performance.now() < end);
    });
    expect((await errorOf(() => runtime.call('begin', undefined, { reactor: 0, timeoutMs: 10 }))).code).toBe(
      'ERR_PERCORE_TIMEOUT',
    );
    await busy;
    expect(await runtime.call('begin', undefined, { reactor: 0 })).toBe(before + 1);
    expect(runtime.status().reactors[0]!.dropped).toBe(dropped + 1);
  });

  it('gives up when its signal aborts, with the reason; also one that was aborted before', async () => {
    const controller = new AbortController();
    const call = errorOf(() => runtime.call('late', 50, { reactor: 0, signal: controller.signal }));
    controller.abort(new Error('enough'));
    expect((await call).message).toBe('enough');
    expect((await errorOf(() => runtime.call('echo', 1, { reactor: 0, signal: controller.signal }))).message).toBe(
      'enough',
    );
    expect((await errorOf(() => runtime.call('echo', 1, { reactor: 0, signal: AbortSignal.abort() }))).name).toBe(
      'AbortError',
    );
  });

  it('refuses wrong options, and none of them stays counted as in flight', async () => {
    const cases: [object, string][] = [
      [{ reactor: 2 }, 'reactor must be a whole number from 0 to 1, not 2'],
      [{ reactor: -1 }, 'reactor must be a whole number from 0 to 1, not -1'],
      [{ reactor: 0, priority: 8 }, 'priority must be a whole number from 0 to 7, not 8'],
      [
        { reactor: 0, timeoutMs: -1 },
        'timeoutMs must be a number of milliseconds from 0 to 2147483647, or left out to wait for ever, not -1',
      ],
      [
        { reactor: 0, timeoutMs: NaN },
        'timeoutMs must be a number of milliseconds from 0 to 2147483647, or left out to wait for ever, not NaN',
      ],
    ];
    for (const [options, message] of cases)
      expect((await errorOf(() => within(1000, runtime.call('echo', 1, options), 'an answer'))).message).toBe(message);
    // Whatever these mean, nothing may be left waiting.
    const before = mainCallsInFlight(runtime);
    for (const options of [
      { reactor: 0, timeoutMs: Infinity }, { reactor: 0, timeoutMs: 1e300 }, { reactor: 0, signal: {} as AbortSignal },
    ])
      await within(1000, runtime.call('echo', 1, options), 'an answer').catch(() => undefined);
    expect(mainCallsInFlight(runtime)).toBe(before);
  });

  it('with an argument or an answer that cannot be sent names the path to it', async () => {
    const argument = await errorOf(() => runtime.call('echo', { a: [() => 1] }, { reactor: 0 }));
    expect([argument.code, argument.message]).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE',
      'value.a[0] (a function) cannot be sent to another thread. Send plain values, typed arrays, maps, sets, dates '
        + 'or errors',
    ]);
    const answer = await errorOf(() => runtime.call('function', undefined, { reactor: 0 }));
    expect([answer.code, answer.message]).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE',
      'the answer: value (a function) cannot be sent to another thread. Send plain values, typed arrays, maps, sets, '
        + 'dates or errors',
    ]);
  });

  it('with an argument or an answer that is too large says what fits and what to change', async () => {
    const argument = await errorOf(() => runtime.call('echo', new Uint8Array(70_000), { reactor: 0 }));
    expect([argument.code, argument.message]).toEqual([
      'ERR_PERCORE_TOO_LARGE',
      expect.stringMatching(
        /^call\("echo"\): the message is longer than 3\d{4} bytes; raise laneBytes \(now 65536\) in createRuntime$/,
      ),
    ]);
    const answer = await errorOf(() => runtime.call('large', 70_000, { reactor: 0 }));
    expect([answer.code, answer.message]).toEqual([
      'ERR_PERCORE_TOO_LARGE', expect.stringMatching(/^the answer: the message is longer than 3\d{4} bytes/),
    ]);
    expect(((await runtime.call('large', 30_000, { reactor: 0 })) as Uint8Array).length).toBe(30_000);
  });

  it('takes a text as long as what it says fits: plain letters count once', async () => {
    const text = 'x'.repeat(30_000);
    expect(await runtime.call('echo', text, { reactor: 0 })).toBe(text);
  });

  it('10,000 times in flight: each gets its own answer', async () => {
    const answers = await Promise.all(Array.from({ length: 10_000 }, (_, i) => runtime.call('echo', i)));
    expect(answers.every((answer, i) => answer === i)).toBe(true);
  });

  it('beyond 65,536 in flight is BACK_PRESSURED, and all others are answered', async () => {
    const room = 65_536 - mainCallsInFlight(runtime);
    const calls = Array.from({ length: room }, (_, i) => runtime.call('echo', i));
    const error = await errorOf(() => runtime.call('echo', 1));
    expect([error.code, error.message]).toEqual([
      'ERR_PERCORE_BACK_PRESSURED', 'call("echo"): 65536 calls wait for their answers already',
    ]);
    expect((await Promise.all(calls)).every((answer, i) => answer === i)).toBe(true);
    expect(await runtime.call('echo', 'again')).toBe('again');
  });

  it('goes from reactor to reactor, and to the asker itself', async () => {
    expect(
      await inside(runtime, 0, async (reactor) => [
        await reactor.call('from', undefined, { reactor: 1 }),
        await reactor.call('from', undefined, { reactor: 0, priority: 5 }),
      ]),
    ).toEqual([
      [0, 3], [0, 5],
    ]);
    expect(
      await inside(runtime, 1, (reactor) =>
        Promise.all(Array.from({ length: 5000 }, (_, i) => reactor.call('echo', i, { reactor: i % 2 }))).then((all) =>
          all.every((answer, i) => answer === i),
        ),
      ),
    ).toBe(true);
  });
});

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
    for (let i = 0; i < 50; i++) runtime.send('loop', i, { reactor: 2 });
    await until(() => errors.length === 21, 'twenty reports and one more');
    expect(errors.filter(({ error }) => error.message === 'again').length).toBe(20);
    expect(errors[20]).toMatchObject({
      reactorId: 2, where: 'reports', error: { code: 'ERR_PERCORE_NOT_REPORTED', value: 30 },
    });
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
      await inside(runtime, 0, async (reactor, _argument, { codes, sleep: pause }) => {
        const seen: unknown[] = [];
        const task = reactor.spawn<{ n: number }>({ name: 'here', capacity: 3 }, (message) => void seen.push(message));
        const messages = [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }];
        const answers = messages.map((message) => task.send(message));
        const depth = task.depth;
        await pause(5);
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
    await sleep(50);
    expect(await within(2000, inside(runtime, 1, () => 'alive'), 'an answer')).toBe('alive');
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

describe('backpressure', () => {
  it('is BACK_PRESSURED while the receiver is busy; nothing taken is lost or out of order, in any band', async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['seen'] = Array.from({ length: 8 }, () => []);
        reactor.spawn(
          { name: 'count' }, (message: number, _from, priority) => void state['seen'][priority].push(message),
        );
      });
      const busy = inside(runtime, 0, () => {
        const end = performance.now() + 150;
        while (performance.now() < end);
      });
      await sleep(20);
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
        (reactor, most: number, { codes }) =>
          new Promise<void>((resolve) => {
            const sink = reactor.address('sink', { reactor: 1 });
            const { producer } = (
              sink as unknown as { outlet: { producer: { askForRecord(length: number): boolean } } }
            ).outlet;
            const ask = producer.askForRecord.bind(producer);
            // The receiver empties the lane between the claim that found it full and the wish to be told: nobody will
            // tell
            // then.
            producer.askForRecord = (length) => {
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

describe('priority', () => {
  it('is strict: in one turn band 6 runs before all of band 1, whatever came first', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const order = await inside(runtime, 0, async (reactor, _argument, { sleep: pause }) => {
        const ran: number[] = [];
        const tasks = [1, 4, 6, 0, 7].map((band) =>
          reactor.spawn<number>({ name: `band ${band}`, priority: band }, () => void ran.push(band)),
        );
        for (let i = 0; i < 3; i++) for (const task of tasks) task.send(i);
        await pause(10);
        return ran;
      });
      expect(order).toEqual([7, 7, 7, 6, 6, 6, 4, 4, 4, 1, 1, 1, 0, 0, 0]);
    });
  });

  it('lets a message of band 6 in before the next step of a flood in band 1', async () => {
    await withRuntime(2, { laneBytes: 65_536 }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['low'] = 0;
        state['lowBefore'] = [];
        state['askedAt'] = [];
        const flood = reactor.spawn<number>({ name: 'flood', priority: 1, capacity: 4096 }, () => {
          state['low']++;
          // Each step refills: band 1 is never empty.
          flood.send(0);
          if (state['low'] % 1000 === 0 && state['askedAt'].length < 200) {
            state['askedAt'].push(state['low']);
            urgent.send(0);
          }
        });
        const urgent = reactor.spawn<number>(
          { name: 'urgent', priority: 6 }, () => void state['lowBefore'].push(state['low']),
        );
        for (let i = 0; i < 1000; i++) flood.send(i);
      });
      await until(
        () =>
          inside(runtime, 0, (_reactor, _argument, { state }) => state['lowBefore'].length === 200, undefined, {
            priority: 7,
          }),
        'all urgent ones',
      );
      const waited = await inside(
        runtime, 0,
        (_reactor, _argument, { state }) => (state['lowBefore'] as number[]).map((low, i) => low - state['askedAt'][i]),
        undefined, { priority: 7 },
      );
      // Sent in the middle of a step: not one further step of the flood runs before it.
      expect(Math.max(...waited)).toBe(0);
    });
  });

  it('lets a record of band 6 from another reactor in, while band 1 floods from there too', async () => {
    // Steps of the flood so far, where both can see it: the sender notes it as it publishes, the receiver when the
    // record runs.
    const low = new Int32Array(new SharedArrayBuffer(4));
    await withRuntime(2, { laneBytes: 65_536, data: low }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state, data }) => {
        state['waited'] = [];
        reactor.spawnBytes({ name: 'flood', priority: 1 }, () => {
          const end = performance.now() + 0.002;
          while (performance.now() < end);
          Atomics.add(data as Int32Array, 0, 1);
        });
        reactor.spawnBytes(
          { name: 'urgent', priority: 6 },
          (record) =>
            void state['waited'].push(Atomics.load(data as Int32Array, 0) - record.words[record.offset >> 2]!),
        );
        reactor.handle('done', () => 1);
      });
      await inside(
        runtime,
        1,
        async (reactor, _argument, { data }) => {
          const flood = reactor.address('flood', { reactor: 0, priority: 1 });
          const urgent = reactor.address('urgent', { reactor: 0, priority: 6 });
          for (let i = 0; i < 200; i++) {
            while (flood.send(new Uint8Array(8)) === 0);
            reactor.flush();
            const at = urgent.tryClaim(4);
            urgent.words[at >> 2] = Atomics.load(data as Int32Array, 0);
            urgent.commit(4);
            reactor.flush();
            await reactor.call('done', undefined, { reactor: 0, priority: 5 });
          }
        },
        undefined,
        { timeoutMs: 30_000, priority: 7 },
      );
      const waited = (
        await inside(runtime, 0, (_reactor, _argument, { state }) => state['waited'] as number[], undefined, {
          priority: 7,
        })
      ).sort((a, b) => a - b);
      expect(waited.length).toBe(200);
      console.log(
        `steps of the flood between an urgent record's publishing and its running: median ${waited[100]}, p90 `
          + `${waited[180]}, worst ${waited[199]}; the lane of the flood holds 2,000`,
      );
      // One that ran when it was published, and what the yield let pass: a turn runs at most 16 of a lane. The rest of
      // the 200 allows for the sender having lost its CPU between its look at the counter and its store.
      expect(waited[180], 'nine of ten wait for less than one quantum').toBeLessThanOrEqual(16);
    });
  });

  it('turns shouldYield true when something above the step comes from elsewhere, and when its time is up', async () => {
    await withRuntime(1, { budget: { timeNs: 1_000_000 } }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['log'] = [];
        reactor.spawn({ name: 'high', priority: 6 }, () => void state['log'].push('high'));
        reactor.spawn({ name: 'long', priority: 1 }, (limitMs: number) => {
          const end = performance.now() + limitMs;
          let asked = 0;
          while (!reactor.shouldYield() && performance.now() < end) asked++;
          state['log'].push(performance.now() < end ? 'yielded' : 'ran to its end', asked > 0);
        });
      });
      runtime.send('long', 2000, { reactor: 0, priority: 1 });
      await until(
        async () =>
          (await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'].length as number, undefined, {
            priority: 0,
          })) === 2,
        'the budget ends the long step',
      );
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'] as unknown[]), 'its time is up',
      ).toEqual(['yielded', true]);
    });
    await withRuntime(1, { budget: { timeNs: 1e9 } }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['log'] = [];
        reactor.spawn({ name: 'high', priority: 6 }, () => void state['log'].push('high'));
        reactor.spawn({ name: 'long', priority: 1 }, () => {
          const end = performance.now() + 900;
          while (!reactor.shouldYield() && performance.now() < end);
          state['log'].push(performance.now() < end ? 'yielded' : 'ran to its end');
        });
      });
      runtime.send('long', 0, { reactor: 0, priority: 1 });
      await sleep(50);
      runtime.send('high', 0, { reactor: 0, priority: 6 });
      await until(() => inside(runtime, 0, (_reactor, _argument, { state }) => state['log'].length === 2), 'both ran');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'] as string[])).toEqual([
        'yielded', 'high',
      ]);
    });
  });
});

describe('status', () => {
  it('says which CPUs were granted, as the kernel says it', async () => {
    const { allowed } = await import('../realtime/cpus.js').then(({ cpuBudget }) => cpuBudget());
    await withRuntime(2, {}, async (runtime) => {
      for (const { id, cpuAsked, cpuGranted, refusals, tid, timerSlackNs } of runtime.status().reactors) {
        expect([cpuAsked, cpuGranted, refusals]).toEqual([
          allowed[id % allowed.length], [allowed[id % allowed.length]], [],
        ]);
        const list = await inside(
          runtime,
          id,
          (_reactor, tid: number, { require }) =>
            /Cpus_allowed_list:\s*(.*)/.exec(
              (require('node:fs') as typeof import('node:fs')).readFileSync(`/proc/self/task/${tid}/status`, 'utf8'),
            )![1]!,
          tid,
        );
        expect(list).toBe(String(cpuGranted[0]));
        expect(timerSlackNs).toBe(1);
      }
    });
    expect(native().threads.getAffinity(), 'the main thread was not pinned with them').toEqual(allowed);
  });

  it('reports a CPU outside the mask as refused, and the reactor runs anyway', async () => {
    await withRuntime(1, { pin: [500] }, async (runtime) => {
      const [{ cpuAsked, cpuGranted, refusals }] = runtime.status().reactors as [
        ReturnType<Runtime['status']>['reactors'][0],
      ];
      expect(cpuAsked).toBe(500);
      expect(cpuGranted).toEqual(native().threads.getAffinity());
      expect(refusals).toEqual([expect.stringMatching(/^pin to CPU 500: EINVAL: .*; the cpuset allows 0/)]);
      expect(await inside(runtime, 0, () => 'runs')).toBe('runs');
    });
  });

  it('without pinning asks for nothing and says so', async () => {
    await withRuntime(1, { pin: false }, async (runtime) => {
      expect(runtime.status().reactors[0]).toMatchObject({
        cpuAsked: undefined, cpuGranted: native().threads.getAffinity(), refusals: [],
      });
    });
  });

  it('counts: sent equals received over all parties, steps by band, calls in flight back to zero', async () => {
    await withRuntime(2, {}, async (runtime) => {
      await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'sink' }, () => undefined));
      const before = runtime.status().reactors[0]!;
      for (let i = 0; i < 10; i++) runtime.send('sink', i, { reactor: 0, priority: 6 });
      await until(() => runtime.status().reactors[0]!.steps[6] === before.steps[6]! + 10, 'ten steps of band 6');
      const after = runtime.status().reactors[0]!;
      expect([
        after.received - before.received, after.stepErrors, after.dropped, after.callsInFlight, after.state,
      ]).toEqual([10, 0, 0, 0, 'ready']);
      expect(runtime.status()).toMatchObject({
        reactorsAsked: 2, node: process.version, cpus: { allowed: native().threads.getAffinity() },
      });
    });
  });
});

describe('idle', () => {
  it('parked reactors take no turn in a second', async () => {
    await withRuntime(2, { idle: { strategy: 'park' } }, async (runtime) => {
      await Promise.all([inside(runtime, 0, () => 1), inside(runtime, 1, () => 1)]);
      const counters = () => runtime.status().reactors.map(({ turns, parks, wakes }) => [turns, parks, wakes]);
      // V8 wakes a thread once more after its start, on Node 24: what is periodic would never come to rest.
      let before = counters();
      for (let tries = 0; tries < 10; tries++) {
        await sleep(500);
        if (JSON.stringify(before) === JSON.stringify(before = counters())) break;
      }
      await sleep(1000);
      expect(counters()).toEqual(before);
    });
  });

  it('can be changed while it runs: spinning reactors pass libuv without end, parked ones do not', async () => {
    await withRuntime(1, { idle: { strategy: 'park' } }, async (runtime) => {
      const passes = async () => {
        const before = runtime.status().reactors[0]!.libuvTurns;
        await sleep(100);
        return runtime.status().reactors[0]!.libuvTurns - before;
      };
      await sleep(20);
      expect(await passes()).toBeLessThan(10);
      runtime.setIdleStrategy({ strategy: 'spin' }, 0);
      expect(await passes(), 'at once, also from its sleep').toBeGreaterThan(200);
      expect(runtime.status().reactors[0]!.idle.strategy).toBe('spin');
      runtime.setIdleStrategy({ strategy: 'park' });
      await sleep(20);
      expect(await passes()).toBeLessThan(10);
      runtime.setIdleStrategy({ strategy: 'backoff', spinNs: 1000 }, 0);
      expect(runtime.status().reactors[0]!.idle).toMatchObject({ strategy: 'backoff', spinNs: 1000 });
      expect((await errorOf(() => runtime.setIdleStrategy({}, 5))).message).toBe(
        'reactor must be a whole number from 0 to 0, not 5',
      );
    });
  });

  for (const strategy of ['spin', 'backoff', 'park', 'adaptive'] as const) {
    it(`${strategy}: 2,000 round trips between reactors, none is lost`, async () => {
      await withRuntime(2, { idle: { strategy } }, async (runtime) => {
        await inside(runtime, 1, (reactor) => void reactor.handle('echo', (n: number) => n));
        expect(await within(20_000, inside(runtime, 0, async (reactor) => {
          for (let i = 0; i < 2000; i++) if ((await reactor.call('echo', i, { reactor: 1 })) !== i) return i;
          return 'all';
        }), 'all round trips')).toBe('all');
      });
    });
  }
});

describe('close', () => {
  it('lets everything run that was sent, over chains of reactors too', async () => {
    const counts = new Int32Array(new SharedArrayBuffer(8));
    const folder = mkdtempSync(join(tmpdir(), 'percore-close-'));
    const path = join(folder, 'chain.mjs');
    writeFileSync(path, `export default function (reactor, counts) {
      reactor.spawn({ name: 'first', capacity: 100000 }, (n) => {
        Atomics.add(counts, 0, 1);
        const code = reactor.send('second', n, { reactor: 1 });
        if (code >= 0) return;
        Atomics.sub(counts, 0, 1);
        return code;
      });
      reactor.spawn({ name: 'second' }, () => {
        const end = performance.now() + 0.01;
        while (performance.now() < end);
        Atomics.add(counts, 1, 1);
      });
    }`);
    const runtime = await createRuntime({ entry: path, reactors: 2, data: counts });
    let sent = 0;
    for (let i = 0; i < 5000; i++) if (runtime.send('first', i, { reactor: 0 }) === OK) sent++;
    const result = await runtime.close();
    rmSync(folder, { recursive: true });
    expect([result, [...counts]]).toEqual([
      { drained: true, undelivered: 0, leftBehind: [], stillRunning: [] }, [sent, sent],
    ]);
    expect(sent).toBeGreaterThan(1000);
  });

  it('twice is once; asyncDispose closes; nothing is left behind', async () => {
    // Whatever libuv and Node keep open for good is open after the first time.
    await (await remoteRuntime(1)).close();
    const before: [string[], number] = [descriptors(), threads()];
    const runtime = await remoteRuntime(2);
    const first = runtime.close();
    expect(runtime.close()).toBe(first);
    expect(await first).toEqual({ drained: true, undelivered: 0, leftBehind: [], stillRunning: [] });
    expect(await runtime.close()).toBe(await first);
    const other = await remoteRuntime(2);
    await other[Symbol.asyncDispose]();
    expect(other.status().reactors.map(({ state }) => state)).toEqual(['left', 'left']);
    await until(() => leftBehind(before).length === 0, 'as before', 10_000).catch(() =>
      expect(leftBehind(before)).toEqual([]),
    );
  });

  it('with drainMs 0 and a step that runs for 300 ms ends, and says that it had not drained', async () => {
    const runtime = await remoteRuntime(1);
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'busy' }, () => {
      const end = performance.now() + 300;
      while (performance.now() < end);
    }));
    for (let i = 0; i < 3; i++) runtime.send('busy', i, { reactor: 0 });
    await sleep(20);
    const result = await within(5000, runtime.close({ drainMs: 0 }), 'close');
    expect(result.drained).toBe(false);
    expect(result.undelivered).toBeGreaterThanOrEqual(2);
  });

  it('ends a reactor whose step never ends', async () => {
    const runtime = await remoteRuntime(2);
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'forever' }, () => {
      for (;;);
    }));
    runtime.send('forever', 0, { reactor: 0 });
    await sleep(20);
    expect((await within(10_000, runtime.close({ drainMs: 50 }), 'close')).drained).toBe(false);
  });

  it('rejects calls that wait when it ends, and calls that come later; sends are CLOSED', async () => {
    const runtime = await remoteRuntime(2);
    await inside(runtime, 0, (reactor) => void reactor.handle('never', () => new Promise<never>(() => undefined)));
    const waiting = errorOf(() =>
      within(5000, runtime.call('never', undefined, { reactor: 0 }), 'a rejection of the waiting call'),
    );
    await sleep(20);
    await runtime.close({ drainMs: 20 });
    expect((await waiting).code).toMatch(/^ERR_PERCORE_(CLOSED|REACTOR_DIED)$/);
    expect(
      (
        await errorOf(() =>
          within(2000, runtime.call('run', { source: '() => 1' }, { reactor: 1 }), 'a rejection of the later call'),
        )
      ).code,
    ).toMatch(/^ERR_PERCORE_(CLOSED|REACTOR_DIED)$/);
    expect(runtime.send('run', 1, { reactor: 1 })).toBe(CLOSED);
    // A task or handler that nothing would ever run.
    for (const make of [
      () => runtime.spawn({ name: 'late' }, () => undefined),
      () => runtime.spawnBytes({ name: 'late' }, () => undefined), () => runtime.handle('late', () => 1),
    ]) {
      const error = await errorOf(make);
      expect([error.code, error.message]).toEqual([
        'ERR_PERCORE_CLOSED', '"late": the runtime is closed, and nothing runs here any more',
      ]);
    }
  });

  it('runs the stop hooks first, and waits for them', async () => {
    const log = mkdtempSync(join(tmpdir(), 'percore-hook-'));
    const runtime = await remoteRuntime(1);
    await inside(runtime, 0, (reactor, file: string, { require, sleep: pause }) => {
      reactor.onStop(async () => {
        await pause(30);
        (require('node:fs') as typeof import('node:fs')).writeFileSync(file, 'ran');
      });
      reactor.onStop(() => {
        throw new Error('a bad hook');
      });
    }, join(log, 'hook'));
    const errors: string[] = [];
    runtime.on('stepError', ({ where, error }) => void errors.push(`${where}: ${error.message}`));
    expect((await runtime.close()).drained).toBe(true);
    expect([existsSync(join(log, 'hook')), errors]).toEqual([true, ['a stop hook: a bad hook']]);
    rmSync(log, { recursive: true });
  });

  it('refuses a wrong drainMs', async () => {
    const runtime = await remoteRuntime(1);
    expect((await errorOf(() => runtime.close({ drainMs: -1 }))).message).toBe(
      'drainMs must be a whole number from 0 to 2147483647, not -1',
    );
    await runtime.close();
  });
});
