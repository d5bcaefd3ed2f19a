/** What is sent and asked while entries run, and to the main thread. */
import { describe, expect, it } from 'vitest';
import { OK } from '../queues/index.js';
import { errorOf, fixture, sleep, until, within } from './fixtures/inside.js';
import type { Entry } from './fixtures/scripted.js';
import type { MessageDrop } from './runtime-events.js';
import { createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

/** Starts a reactor for each of these entries, runs `use`, and closes. */
async function withEntries(
  entries: Entry[], options: Partial<RuntimeOptions>, use: (runtime: Runtime, drops: MessageDrop[]) => Promise<void>,
): Promise<void> {
  const drops: MessageDrop[] = [];
  const starting = createRuntime({
    entry: fixture('scripted'),
    reactors: entries.length,
    pin: false,
    data: entries.map((entry) => entry.toString()),
    laneBytes: 16_384,
    ...options,
    main: async (runtime) => {
      runtime.on('messageDropped', (drop) => void drops.push(drop));
      await options.main?.(runtime);
    },
  });
  const runtime = await within(10_000, starting, 'the start');
  try {
    await use(runtime, drops);
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

describe('what an entry sends to a reactor whose entry is still under way', () => {
  it('waits until the names are there, and arrives in order: values, bytes and calls', async () => {
    await withEntries(
      [
        async (reactor) => {
          for (let i = 0; i < 20; i++) {
            if (reactor.send('values', i, { reactor: 1 }) !== 0) throw new Error('not sent');
            if (reactor.send('bytes', Uint8Array.of(i), { reactor: 1, priority: 5 }) !== 0) throw new Error('not sent');
          }
          const answers = await Promise.all(
            Array.from({ length: 20 }, (_, i) => reactor.call('ask', i, { reactor: 1, priority: 2 })),
          );
          reactor.handle('answers', () => answers as never);
        },
        async (reactor, pause) => {
          const seen: { values: number[]; bytes: number[]; calls: number[] } = { values: [], bytes: [], calls: [] };
          await pause(60);
          reactor.spawn<number>({ name: 'values' }, (value) => void seen.values.push(value));
          await pause(30);
          reactor.spawnBytes({ name: 'bytes' }, ({ bytes, offset }) => void seen.bytes.push(bytes[offset]!));
          await pause(30);
          reactor.handle('ask', (i: number) => seen.calls.push(i) as never);
          reactor.handle('seen', () => seen as never);
        },
      ],
      {},
      async (runtime, drops) => {
        const order = Array.from({ length: 20 }, (_, i) => i);
        expect(await runtime.call('seen', null, { reactor: 1 })).toEqual({ values: order, bytes: order, calls: order });
        expect(await runtime.call('answers', null, { reactor: 0 })).toEqual(order.map((i) => i + 1));
        expect([drops, runtime.status().reactors[1]!.dropped]).toEqual([[], 0]);
      },
    );
  });

  it('waits also when it is more than the lane holds: the sender is told', async () => {
    await withEntries(
      [
        async (reactor, pause) => {
          let sent = 0;
          let refused = 0;
          while (sent < 2000) {
            if (reactor.send('sink', sent, { reactor: 1 }) === 0) {
              sent++;
              continue;
            }
            refused++;
            await pause(1);
          }
          reactor.handle('refused', () => refused as never);
        },
        async (reactor, pause) => {
          await pause(50);
          let got = 0;
          let wrong = 0;
          reactor.spawn<number>({ name: 'sink' }, (value) => void (value === got++ || wrong++));
          reactor.handle('sank', () => [got, wrong] as never);
        },
      ],
      {},
      async (runtime) => {
        expect(await runtime.call('refused', null, { reactor: 0 })).toBeGreaterThan(0);
        await until(
          async () => ((await runtime.call('sank', null, { reactor: 1 })) as number[])[0] === 2000, 'all of them',
        );
        expect(await runtime.call('sank', null, { reactor: 1 })).toEqual([2000, 0]);
      },
    );
  });

  it('is answered as soon as the handler is there: entries that ask each other come up', async () => {
    const entry: Entry = async (reactor) => {
      reactor.handle('id', () => reactor.id as never);
      const peer = 1 - reactor.id;
      const answer = await reactor.call('id', null, { reactor: peer });
      reactor.handle('answer', () => answer as never);
    };
    await withEntries([entry, entry], {}, async (runtime) => {
      expect([
        await runtime.call('answer', null, { reactor: 0 }), await runtime.call('answer', null, { reactor: 1 }),
      ]).toEqual([1, 0]);
    });
  });

  it('in one lane does not keep the answers from the entry that waits: they come in lanes of their own', async () => {
    await withEntries(
      [
        async (reactor, pause) => {
          reactor.handle('early', () => 'early' as never);
          await pause(30);
          await reactor.call('ready', null, { reactor: 1 });
          reactor.spawn({ name: 'late' }, () => undefined);
        },
        async (reactor) => {
          reactor.handle('ready', () => 1 as never);
          reactor.send('late', 1, { reactor: 0 });
          await reactor.call('early', null, { reactor: 0 });
        },
      ],
      {},
      async (runtime) => {
        expect(runtime.status().reactors.map(({ dropped }) => dropped)).toEqual([0, 0]);
      },
    );
  });

  it('is dropped when the entry has ended without the name, and reported once: who, what, what else', async () => {
    await withEntries(
      [
        (reactor) => {
          for (let i = 0; i < 3; i++) reactor.send('tsak', i, { reactor: 1 });
          reactor.handle('ask', () => reactor.call('no such', null, { reactor: 1 }) as never);
        },
        async (reactor, pause) => {
          reactor.spawn({ name: 'task' }, () => undefined);
          reactor.spawn({ name: 'other' }, () => undefined);
          await pause(30);
        },
      ],
      {},
      async (runtime, drops) => {
        await until(() => drops.length > 0, 'the report');
        for (let i = 0; i < 3; i++) runtime.send('tsak', i, { reactor: 1 });
        runtime.send('task ', 1, { reactor: 1 });
        await until(() => drops.length === 2 && runtime.status().reactors[1]!.dropped === 7, 'the second name');
        expect(
          drops.map(({ reactorId, error }) => [reactorId, (error as { code?: string }).code, error.message]),
        ).toEqual([
          [
            1, 'ERR_PERCORE_NO_TASK',
            'reactor 0 has sent a message to task "tsak" of reactor 1, which has no task of this name; it has "task", '
              + '"other". The message was dropped; further ones are counted in status() alone',
          ],
          [
            1, 'ERR_PERCORE_NO_TASK',
            'the main thread has sent a message to task "task " of reactor 1, which has no task of this name; it has '
              + '"task", "other". The message was dropped; further ones are counted in status() alone',
          ],
        ]);
        expect(runtime.status().reactors[1]!.droppedByReason).toEqual({
          noTask: 7, notBytes: 0, lateCalls: 0, lateAnswers: 0,
        });
        expect(runtime.status().reactors[1]!.stepErrors).toBe(0);
        const error = await errorOf(() => runtime.call('ask', null, { reactor: 0 }));
        expect([error.code, error.message]).toEqual([
          'ERR_PERCORE_NO_HANDLER',
          expect.stringContaining('call("no such"): reactor 1 has no handler by this name; it handles none'),
        ]);
      },
    );
  });

  it('is told what the name is, where it is a handler that was sent to, or a task that was called', async () => {
    await withEntries(
      [
        (reactor) => {
          reactor.spawn({ name: 'slow' }, () => undefined);
          reactor.handle('fast', () => 1 as never);
        },
      ],
      {},
      async (runtime, drops) => {
        const error = await errorOf(() => runtime.call('slow', null, { reactor: 0 }));
        expect([error.code, error.message]).toEqual([
          'ERR_PERCORE_NO_HANDLER', 'call("slow"): reactor 0 has no handler by this name; it is a task: send to it',
        ]);
        runtime.send('fast', 1, { reactor: 0 });
        await until(() => drops.length === 1, 'the report');
        expect(drops[0]!.error.message).toBe(
          'the main thread has sent a message to task "fast" of reactor 0, which has no task of this name; it is a '
            + 'handler: call it. The message was dropped; further ones are counted in status() alone',
        );
      },
    );
  });

  it('is dropped and reported when it is a value and the task takes bytes', async () => {
    await withEntries(
      [
        (reactor) => {
          const seen: unknown[] = [];
          reactor.spawnBytes({ name: 'bytes' }, (record) => void seen.push(record.length));
          reactor.handle('seen', () => seen as never);
        },
      ],
      {},
      async (runtime, drops) => {
        expect([
          runtime.send('bytes', 'text', { reactor: 0 }), runtime.send('bytes', Uint8Array.of(1, 2), { reactor: 0 }),
        ]).toEqual([OK, OK]);
        expect(await runtime.call('seen', null)).toEqual([2]);
        await until(() => drops.length === 1, 'the report');
        expect(drops[0]!.error.message).toContain(
          'the main thread has sent a value to task "bytes" of reactor 0, which takes bytes: send a Uint8Array',
        );
        expect(runtime.status().reactors[0]!.droppedByReason.notBytes).toBe(1);
      },
    );
  });
});

describe('the main thread', () => {
  const asking: Entry = (reactor) => {
    for (let i = 0; i < 3; i++) reactor.send('inbox', { from: reactor.id, i }, { reactor: 'main' });
    reactor.spawn(
      { name: 'echo' }, (message, from, priority) => void reactor.send('inbox', message, { reactor: from, priority }),
    );
    reactor.handle(
      'ask main', (argument) => reactor.call('double', argument, { reactor: 'main', priority: 6 }) as never,
    );
  };

  it('has tasks and handlers of its own, which entries may send to and ask from the start', async () => {
    const seen: unknown[] = [];
    const asked: unknown[] = [];
    await withEntries([async (reactor) => {
      const settings = await reactor.call('settings', reactor.id, { reactor: 'main' });
      reactor.send('inbox', settings, { reactor: 'main' });
    }], {
      main: (runtime) => {
        runtime.handle('settings', (id: number, { from, priority }) => {
          asked.push([id, from, priority]);
          return { level: 3 };
        });
        runtime.spawn({ name: 'inbox' }, (message, from, priority) => void seen.push([message, from, priority]));
      },
    }, async () => {
      await until(() => seen.length === 1, 'the message');
      expect([seen, asked]).toEqual([[[{ level: 3 }, 0, 3]], [[0, 0, 3]]]);
    });
  });

  it('has what entries have sent when its tasks are made right after the start, and answers by name and by '
    + 'number', async () => {
    await withEntries([asking, asking], {}, async (runtime, drops) => {
      const seen: [unknown, number, number][] = [];
      runtime.spawn<unknown>({ name: 'inbox' }, (message, from, priority) => void seen.push([message, from, priority]));
      runtime.handle('double', (value: number, { from, priority }) => [value * 2, from, priority]);
      await until(() => seen.length === 6, 'six messages');
      for (const id of [0, 1])
        expect(seen.filter(([, from]) => from === id)).toEqual([0, 1, 2].map((i) => [{ from: id, i }, id, 3]));
      seen.length = 0;
      runtime.send('echo', 'hello', { reactor: 1, priority: 5 });
      await until(() => seen.length === 1, 'the echo');
      expect(seen).toEqual([['hello', 1, 5]]);
      expect(await runtime.call('ask main', 21, { reactor: 0 })).toEqual([42, 0, 6]);
      expect([drops, runtime.status().main.dropped, runtime.status().main.stepErrors]).toEqual([[], 0, 0]);
    });
  });

  it('refuses at once what an entry asks and nobody there handles: the start does not hang', async () => {
    const error = await errorOf(() =>
      withEntries(
        [(reactor) => reactor.call('settngs', null, { reactor: 'main' }) as Promise<never>],
        { main: (runtime) => runtime.handle('settings', () => 1) }, async () => undefined,
      ),
    );
    expect([error.code, error.message]).toEqual([
      'ERR_PERCORE_ENTRY',
      expect.stringContaining('call("settngs"): the main thread has no handler by this name; it handles "settings"'),
    ]);
  });

  it('says what an entry waits for that has sent to a task that is made later, and then asks', async () => {
    const entry: Entry = async (reactor) => {
      reactor.send('inbox', 1, { reactor: 'main' });
      await reactor.call('settings', null, { reactor: 'main' });
    };
    const error = await errorOf(() =>
      withEntries(
        [entry], { main: (runtime) => runtime.handle('settings', () => 1), startTimeoutMs: 3000 }, async () => undefined,
      ),
    );
    expect([error.code, error.message]).toEqual([
      'ERR_PERCORE_TIMEOUT',
      expect.stringContaining(
        'A message for the task "inbox" of the main thread waits for that task, and calls that were sent after it '
          + 'wait behind it: make it in the option main',
      ),
    ]);
  });

  it('drops and reports what is for nobody there', async () => {
    await withEntries([(reactor) => void reactor.send('inbxo', 1, { reactor: 'main' })], {}, async (runtime, drops) => {
      runtime.spawn({ name: 'inbox' }, () => undefined);
      await until(() => drops.length === 1, 'the report');
      expect([drops[0]!.reactorId, drops[0]!.error.message]).toEqual([
        1,
        expect.stringContaining(
          'reactor 0 has sent a message to task "inbxo" of the main thread, which has no task of this name; it has '
            + '"inbox"',
        ),
      ]);
      expect(runtime.status().main.droppedByReason.noTask).toBe(1);
    });
  });

  it('sends through an address, hears of room, and publishes when it is told to', async () => {
    await withEntries(
      [
        (reactor) => {
          let count = 0;
          reactor.spawnBytes({ name: 'sink' }, () => void count++);
          reactor.handle('busy', (ms: number) => {
            for (const endMs = performance.now() + ms; performance.now() < endMs;) continue;
            return count as never;
          });
          reactor.handle('count', () => count as never);
        },
      ],
      {},
      async (runtime) => {
        const sink = runtime.address('sink', { reactor: 0 });
        const busy = runtime.call('busy', 50, { reactor: 0, priority: 6 });
        let sent = 0;
        while (sink.send(new Uint8Array(100)) === OK) sent++;
        const room = new Promise<void>((resolve) => runtime.whenRoom({ reactor: 0 }, resolve));
        await within(5000, room, 'room');
        await busy;
        expect(sink.send(new Uint8Array(100))).toBe(OK);
        runtime.flush();
        // Nothing of this thread's event loop has run since; the reactor has it all the same.
        for (
          const endMs = performance.now() + 2000;
          runtime.status().reactors[0]!.received < sent + 2 && performance.now() < endMs;
        )
          continue;
        expect(runtime.status().reactors[0]!.received).toBe(sent + 2);
        expect(await runtime.call('count', null)).toBe(sent + 1);
      },
    );
  });

  it('reports what its own steps throw, and goes on; a listener that throws does not hurt it', async () => {
    const uncaught: unknown[] = [];
    const others = process.rawListeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => void uncaught.push(error));
    try {
      await withEntries([() => undefined], {}, async (runtime) => {
        const reports: unknown[] = [];
        runtime.on('stepError', ({ error, where }) => {
          reports.push([error instanceof Error, where]);
          throw new Error('of the listener');
        });
        let ran = 0;
        runtime.spawn({ name: 'throws' }, (message) => {
          throw message;
        });
        runtime.spawn({ name: 'behind' }, () => void ran++);
        for (const thrown of [null, undefined, 5, 'text', {}, new Error('an error')]) {
          runtime.send('throws', thrown, { reactor: 'main' });
          runtime.send('behind', 0, { reactor: 'main' });
        }
        await until(() => ran === 6 && reports.length === 6 && uncaught.length === 6, 'six of each');
        expect(reports).toEqual(new Array(6).fill([true, 'task "throws"']));
        expect(uncaught.map((error) => (error as Error).message)).toEqual(new Array(6).fill('of the listener'));
        expect(runtime.status().main.stepErrors).toBe(6);
      });
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const other of others) process.on('uncaughtException', other as () => void);
    }
  });

  it('calls those who wait for room when the runtime closes, and those who begin to wait after that', async () => {
    let called = 0;
    let late: (() => void) | undefined;
    await withEntries([(reactor) => void reactor.spawnBytes({ name: 'sink' }, () => -1)], {}, async (runtime) => {
      while (runtime.send('sink', new Uint8Array(1000), { reactor: 0 }) === OK) continue;
      runtime.whenRoom({ reactor: 0 }, () => called++);
      late = () => runtime.whenRoom({ reactor: 0 }, () => called++);
      await runtime.close({ drainMs: 50 });
    });
    expect(called).toBe(1);
    late!();
    await until(() => called === 2, 'the second to be called');
  });

  it('takes `main` for a function alone, and what it throws ends the start', async () => {
    await sleep(0);
    expect((await errorOf(() => createRuntime({ entry: fixture('scripted'), main: 5 as never }))).message).toBe(
      'main must be a function, not 5',
    );
    const error = await errorOf(() =>
      withEntries([() => undefined], { main: () => Promise.reject(new Error('no settings')) }, async () => undefined),
    );
    expect(error.message).toBe('no settings');
  });
});
