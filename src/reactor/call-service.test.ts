/** Calls under pressure: whose answer it is, what is sent, and what cannot be read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, fixture, inside, remoteRuntime, sleep, until, within } from './fixtures/inside.js';
import { createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await remoteRuntime(2, { laneBytes: 65_536, pin: false });
  for (const id of [0, 1]) {
    await inside(runtime, id, (reactor, _argument, { state, sleep: pause }) => {
      reactor.handle('echo', (value) => value as never);
      reactor.handle('first', (bytes: Uint8Array) => bytes[0] as never);
      reactor.handle('field', ({ number }: { number: number }) => number as never);
      reactor.handle('busy', (ms: number) => {
        for (const endMs = performance.now() + ms; performance.now() < endMs;) continue;
      });
      reactor.handle('who', async (ms: number, context) => {
        await pause(ms);
        return [context.from, context.priority] as never;
      });
      reactor.handle('held', (key: string) => new Promise((resolve) => {
        state[key] = resolve;
      }) as never);
      reactor.handle('release', ([key, value]: [string, unknown]) => state[key](value) as never);
      reactor.handle('nest', (depth: number) => {
        let nested: unknown[] = [];
        for (let i = 0; i < depth; i++) nested = [nested];
        return nested as never;
      });
    });
  }
});
afterAll(() => runtime.close({ drainMs: 1000 }));

describe('one signal', () => {
  it('ends thousands of calls, and Node warns of no leak meanwhile', async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => void warnings.push(warning.name);
    process.on('warning', note);
    const controller = new AbortController();
    const held = Array.from({ length: 2000 }, (_, i) =>
      runtime.call('held', `signal ${i}`, { reactor: 0, signal: controller.signal }).catch((error: unknown) => error),
    );
    await runtime.call('release', ['signal 7', 'seven'], { reactor: 0 });
    expect(await within(2000, held[7]!, 'the answer')).toBe('seven');
    controller.abort('enough');
    expect((await Promise.all(held)).filter((end) => end === 'enough').length).toBe(1999);
    expect(runtime.status().main.callsInFlight).toBe(0);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});

describe('an answer', () => {
  it('that comes when its call was given up is dropped and counted, however many calls later', async () => {
    const before = runtime.status().main;
    const abort = new AbortController();
    const first = errorOf(() => runtime.call('held', 'late', { reactor: 0, signal: abort.signal }));
    await until(
      () => inside(runtime, 0, (_reactor, _argument, { state }) => state['late'] !== undefined), 'the handler runs',
    );
    abort.abort();
    expect((await first).name).toBe('AbortError');
    // The next call takes the slot of the first, and waits.
    const second = runtime.call('held', 'second', { reactor: 0 });
    await runtime.call('release', ['late', 'answer to the first'], { reactor: 0 });
    await runtime.call('release', ['second', 'answer to the second'], { reactor: 0 });
    expect(await within(2000, second, 'the second answer')).toBe('answer to the second');
    const after = runtime.status().main;
    expect([
      after.droppedByReason.lateAnswers - before.droppedByReason.lateAnswers, after.dropped - before.dropped,
    ]).toEqual([1, 1]);
  });

  it('of a thenable that calls back twice is the first alone', async () => {
    await inside(runtime, 0, (reactor) => {
      // Of a class, as thenables of libraries are.
      class Thenable {
        constructor(private readonly run: (resolve: (value: number) => void) => void) {}
        // oxlint-disable-next-line unicorn/no-thenable
        then(resolve: (value: number) => void): void {
          this.run(resolve);
        }
      }
      reactor.handle('twice', () => new Thenable((resolve) => {
        resolve(1);
        resolve(2);
      }) as never);
      reactor.handle('throws late', () => new Thenable((resolve) => {
        resolve(3);
        throw new Error('later');
      }) as never);
    });
    const { lateAnswers } = runtime.status().main.droppedByReason;
    expect([
      await runtime.call('twice', null, { reactor: 0 }), await runtime.call('throws late', null, { reactor: 0 }),
    ]).toEqual([1, 3]);
    expect(await runtime.call('echo', 5, { reactor: 0 })).toBe(5);
    expect(runtime.status().main.droppedByReason.lateAnswers).toBe(lateAnswers);
  });

  it('that this thread cannot read rejects its call, and nothing stays pending', async () => {
    const outcomes: string[] = [];
    for (const depth of [10, 100, 1000, 2000, 4000, 8000, 16_000]) {
      outcomes.push(
        await within(
          3000,
          runtime.call('nest', depth, { reactor: 0 }).then(
            () => 'answered', (error: { code: string }) => error.code,
          ),
          `depth ${depth}`,
        ),
      );
    }
    expect(outcomes[0]).toBe('answered');
    expect(new Set(outcomes)).toContain('ERR_PERCORE_UNSERIALIZABLE');
    expect(runtime.status().main.callsInFlight).toBe(0);
  });

  it('or argument that was scribbled on is an error for its own call alone', async () => {
    const error = await inside(runtime, 1, async (reactor) => {
      // What stands in the lane to itself, before it is read: the tag of the value says that it was serialized, the
      // bytes are no such thing.
      const call = reactor.call('echo', 'some text', { reactor: 1, priority: 1 });
      const { bytes } = reactor.address('x', { reactor: 1, priority: 1 });
      const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('some text');
      new DataView(bytes.buffer, bytes.byteOffset).setInt32(at - 8, 7, true);
      return call.then(
        () => 'answered', ({ code, message }: { code: string; message: string }) => [code, message],
      ) as Promise<unknown>;
    });
    expect(error).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE',
      expect.stringContaining('the argument of call("echo"), which reactor 1 has sent, cannot be read on this thread'),
    ]);
    expect(await runtime.call('echo', 5, { reactor: 1 })).toBe(5);
  });

  it('that failed brings fields, cause and errors; one that is longer than the lane takes is shortened', async () => {
    await inside(runtime, 0, (reactor) => {
      reactor.handle('fails', () => {
        throw Object.assign(new AggregateError([new TypeError('one')], 'several', { cause: new RangeError('why') }), {
          retryAfterMs: 5, action: () => 1,
        });
      });
      reactor.handle('fails at length', () => {
        throw Object.assign(new TypeError(`long ${'x'.repeat(100_000)}`), { code: 'E_LONG' });
      });
    });
    const error = (await errorOf(() => runtime.call('fails', null, { reactor: 0 }))) as unknown as AggregateError & {
      retryAfterMs: number;
      reactorId: number;
    };
    expect([
      error instanceof AggregateError, error.message, error.errors[0] instanceof TypeError,
      (error.cause as Error).message, error.retryAfterMs, error.reactorId,
    ]).toEqual([true, 'several', true, 'why', 5, 0]);
    const long = await errorOf(() => runtime.call('fails at length', null, { reactor: 0 }));
    expect([long.code, long.name, long.message.startsWith('long xxx'), long.message.length < 1000]).toEqual([
      'E_LONG', 'TypeError', true, true,
    ]);
  });
});

describe('the context of a call', () => {
  it('is its own, also after an await', async () => {
    const mine = runtime.call('who', 60, { reactor: 0, priority: 1 });
    await sleep(10);
    const theirs = inside(
      runtime, 1, (reactor) => reactor.call('who', 20, { reactor: 0, priority: 6 }) as Promise<unknown>,
    );
    expect([await mine, await theirs]).toEqual([
      [2, 1], [1, 6],
    ]);
  });
});

describe('a call that waits for room', () => {
  const MANY = 3000;

  it('carries what its argument held when it was made: bytes and objects', async () => {
    const buffer = new Uint8Array(200);
    const object = { number: 0, text: 'x'.repeat(150) };
    void runtime.call('busy', 60, { reactor: 0 });
    const answers = await Promise.all(
      Array.from({ length: MANY }, (_, i) => {
        buffer[0] = i;
        object.number = i;
        return i % 2 === 0
          ? runtime.call('first', buffer, { reactor: 0 })
          : runtime.call('field', object, { reactor: 0 });
      }),
    );
    expect(answers.filter((answer, i) => answer !== (i % 2 === 0 ? i & 255 : i))).toEqual([]);
    expect(runtime.status().main.waitingBytes).toBe(0);
  });

  it('is answered in the order of the calls, large ones among small ones, and serialized once', async () => {
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['order'] = [];
      reactor.handle('order', ({ i }: { i: number }) => void state['order'].push(i));
    });
    let reads = 0;
    const ask = (i: number) => runtime.call('order', {
      i,
      filler: new Uint8Array(i % 50 === 7 ? 20_000 : 20),
      get counted() {
        reads++;
        return 1;
      },
    }, { reactor: 0 });
    await ask(-1);
    /** What it takes to serialize such an argument once. */
    const once = reads;
    await inside(runtime, 0, (_reactor, _argument, { state }) => void (state['order'].length = 0));
    void runtime.call('busy', 60, { reactor: 0 });
    const answers = Array.from({ length: 1000 }, (_, i) => ask(i));
    expect(runtime.status().main.waitingBytes, 'some of them wait').toBeGreaterThan(100_000);
    await Promise.all(answers);
    expect(reads).toBe(once * 1001);
    expect(
      await inside(
        runtime,
        0,
        (_reactor, _argument, { state }) =>
          (state['order'] as number[]).every((each, i) => each === i) && state['order'].length,
      ),
    ).toBe(1000);
  });

  it('is not begun when it was given up before its turn', async () => {
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['begun'] = 0;
      reactor.handle('begin', () => void state['begun']++);
    });
    void runtime.call('busy', 60, { reactor: 0 });
    const fillers = Array.from({ length: 10 }, () => runtime.call('first', new Uint8Array(20_000), { reactor: 0 }));
    const abort = new AbortController();
    const waiting = Array.from({ length: 10 }, () =>
      runtime.call('begin', null, { reactor: 0, signal: abort.signal }).catch(() => 'aborted'),
    );
    abort.abort();
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => 'aborted'));
    await Promise.all(fillers);
    expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['begun'] as number)).toBe(0);
    expect([runtime.status().main.waitingBytes, runtime.status().main.callsInFlight]).toEqual([0, 0]);
  });

  it('or answer that waits was copied too: the handler may go on using its object', async () => {
    const answered = await inside(
      runtime,
      0,
      async (reactor, many: number, { state }) => {
        const shared = { number: 0, text: 'y'.repeat(400) };
        const open: ((value: unknown) => void)[] = [];
        state['open'] = open;
        reactor.handle('later', () => new Promise((resolve) => void open.push(resolve)) as never);
        reactor.handle('all at once', () => {
          open.forEach((resolve, i) => {
            shared.number = i;
            resolve({ ...shared });
          });
          // Promises are followed after this step; the answers below are given within one.
          return open.length as never;
        });
        return many;
      },
      500,
    );
    const later = Array.from(
      { length: answered }, () => runtime.call('later', null, { reactor: 0 }) as Promise<unknown>,
    );
    await until(
      () => inside(runtime, 0, (_reactor, most: number, { state }) => state['open'].length === most, answered),
      'all handlers run',
    );
    const settled = Promise.all(later);
    void runtime.call('all at once', null, { reactor: 0 });
    const endMs = performance.now() + 60;
    // The main thread reads nothing meanwhile, so that the return lane fills up.
    while (performance.now() < endMs) continue;
    expect(((await within(5000, settled, 'all answers')) as { number: number }[]).map(({ number }) => number)).toEqual(
      later.map((_, i) => i),
    );
    expect(runtime.status().reactors[0]!.waitingBytes).toBe(0);
  });

  it('counts its bytes; above 64 MiB the next is BACK_PRESSURED, and all that were taken are answered', async () => {
    const wide = await createRuntime({
      entry: fixture('remote'), reactors: 1, pin: false, laneBytes: 2 ** 22,
    } satisfies RuntimeOptions);
    try {
      await inside(wide, 0, (reactor) => {
        reactor.handle('length', ({ length }: Uint8Array) => length as never);
        reactor.handle('busy', (ms: number) => {
          for (const endMs = performance.now() + ms; performance.now() < endMs;) continue;
        });
      });
      void wide.call('busy', 200);
      const mebibyte = new Uint8Array(2 ** 20);
      const outcomes = Array.from({ length: 75 }, () =>
        wide.call('length', mebibyte).then(
          (length) => length as unknown, (error: { code: string }) => error.code,
        ),
      );
      const { waitingBytes } = wide.status().main;
      expect(waitingBytes).toBeGreaterThan(60 * 2 ** 20);
      expect(waitingBytes).toBeLessThanOrEqual(2 ** 26);
      const counts = new Map<unknown, number>();
      for (const outcome of await Promise.all(outcomes)) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      expect([...counts.keys()].sort()).toEqual([2 ** 20, 'ERR_PERCORE_BACK_PRESSURED']);
      expect([wide.status().main.waitingBytes, wide.status().main.callsInFlight]).toEqual([0, 0]);
    } finally {
      await wide.close({ drainMs: 1000 });
    }
  });
});

describe('wrong arguments', () => {
  it('of call, send, address, ownerOf, spawn and handle are named, with what is allowed', async () => {
    const inReactor = await inside(runtime, 0, (reactor) => {
      const said = (run: () => unknown) => {
        try {
          return `taken: ${String(run())}`;
        } catch (error) {
          return `${(error as { code: string }).code}: ${(error as Error).message}`;
        }
      };
      const any = reactor as unknown as Record<string, (...args: unknown[]) => any>;
      return [
        said(() => any['send']!('a', 1)), said(() => any['send']!(5, 1, { reactor: 0 })),
        said(() => any['send']!('a', 1, { reactor: 0, prio: 5 })), said(() => any['send']!('a', 1, { reactor: '0' })),
        said(() => any['send']!('a', 1, { reactor: 0, priority: '3' })), said(() => any['address']!('a')),
        said(() => any['address']!('a', { reactor: 0, isReturn: 1 })), said(() => any['whenRoom']!({ reactor: 0 })),
        said(() => any['ownerOf']!(5)), said(() => any['ownerOf']!({})), said(() => any['ownerOfHash']!('a')),
        said(() => any['spawn']!()), said(() => any['spawn']!({ nmae: 'x' }, () => undefined)),
        said(() => any['spawnBytes']!({ name: 'y', capacity: 5 }, () => undefined)),
        said(() => any['handle']!('z', 'no function')), said(() => any['handle']!(Symbol('s'), () => 1)),
        said(() => any['spawnBytes']!({ name: 'bytes of mine' }, () => undefined).send('text')),
      ];
    });
    expect(inReactor).toEqual([
      'ERR_PERCORE_INVALID_ARGUMENT: options of send("a") must be an object with reactor (and priority if wanted), '
        + 'not undefined',
      'ERR_PERCORE_INVALID_ARGUMENT: name must be a string that is not empty, not 5',
      'ERR_PERCORE_INVALID_ARGUMENT: send("a") has no option "prio"; did you mean "priority"? It takes reactor, '
        + 'priority',
      'ERR_PERCORE_INVALID_ARGUMENT: reactor must be a whole number from 0 to 1, or \'main\', not "0"',
      'ERR_PERCORE_INVALID_ARGUMENT: priority must be a whole number from 0 to 7, not "3"',
      'ERR_PERCORE_INVALID_ARGUMENT: options of address("a") must be an object with reactor (and priority, isReturn '
        + 'if wanted), not undefined',
      'ERR_PERCORE_INVALID_ARGUMENT: isReturn must be true or false, not 1',
      'ERR_PERCORE_INVALID_ARGUMENT: then must be a function, not undefined',
      'ERR_PERCORE_INVALID_ARGUMENT: key must be a string or a Uint8Array (of a number: String(5)), not 5',
      'ERR_PERCORE_INVALID_ARGUMENT: key must be a string or a Uint8Array, not [object Object]',
      'ERR_PERCORE_INVALID_ARGUMENT: hash must be a whole number from 0 to 4294967295, not "a"',
      'ERR_PERCORE_INVALID_ARGUMENT: options of spawn must be an object with name (and priority, class, capacity, '
        + 'concurrency if wanted), not undefined',
      'ERR_PERCORE_INVALID_ARGUMENT: spawn has no option "nmae"; did you mean "name"? It takes name, priority, '
        + 'class, capacity, concurrency',
      'ERR_PERCORE_INVALID_ARGUMENT: capacity must be left out for a task of bytes: its messages wait in the lanes, '
        + 'whose bound is laneBytes, not 5',
      'ERR_PERCORE_INVALID_ARGUMENT: handler must be a function, not "no function"',
      'ERR_PERCORE_INVALID_ARGUMENT: name must be a string that is not empty, not Symbol(s)',
      'ERR_PERCORE_INVALID_ARGUMENT: message must be a Uint8Array (of text: Buffer.from(text); of another view: new '
        + 'Uint8Array(view.buffer, view.byteOffset, view.byteLength)), not "text"',
    ]);
  });

  it('of a call reject it, and nothing stays in flight', async () => {
    const cases: [unknown, unknown, string][] = [
      [Symbol('s'), {}, 'name must be a string that is not empty, not Symbol(s)'],
      [
        'echo', null,
        'options of call("echo") must be an object with reactor, key, priority, timeoutMs, signal, or left out, '
          + 'not null',
      ],
      [
        'echo', { reactr: 1 },
        'call("echo") has no option "reactr"; did you mean "reactor"? It takes reactor, key, priority, timeoutMs, '
          + 'signal',
      ],
      [
        'echo', { reactor: 0, key: 'a' },
        'key must be left out where reactor is given: the two may name different reactors, not "a"',
      ],
      ['echo', { key: 5 }, 'key must be a string or a Uint8Array (of a number: String(5)), not 5'],
      [
        'echo', { timeoutMs: '5' },
        'timeoutMs must be a number of milliseconds from 0 to 2147483647, or left out to wait for ever, not "5"',
      ],
      ['echo', { signal: {} }, 'signal must be an AbortSignal, not [object Object]'],
      ['echo', { reactor: 0.5 }, 'reactor must be a whole number from 0 to 1, not 0.5'],
    ];
    for (const [name, options, message] of cases) {
      const error = await errorOf(() =>
        within(
          1000, (runtime.call as (...args: unknown[]) => Promise<unknown>).call(runtime, name, 1, options), 'an answer',
        ),
      );
      expect([error.code, error.message]).toEqual(['ERR_PERCORE_INVALID_ARGUMENT', message]);
    }
    expect(runtime.status().main.callsInFlight).toBe(0);
  });

  it('of an address are refused before anything is written', async () => {
    expect(await inside(runtime, 0, (reactor) => {
      type AnyAddress = Record<string, (value: unknown) => unknown>;
      const address = reactor.address('nobody', { reactor: 1 }) as unknown as AnyAddress;
      return ['16', 16.5, -1, NaN, 2 ** 40, undefined].flatMap((length) => ['tryClaim', 'commit'].map((method) => {
        try {
          return `${method}(${String(length)}) is taken`;
        } finally {
          try {
            address[method]!(length);
          } catch (error) {
            // eslint-disable-next-line no-unsafe-finally
            return (error as { code: string }).code;
          }
        }
      }));
    })).toEqual(Array.from({ length: 12 }, () => 'ERR_PERCORE_INVALID_ARGUMENT'));
  });

  it('of a commit are told in the bytes of the message, without the head that the lane puts before it', async () => {
    expect(await inside(runtime, 0, (reactor) => {
      const address = reactor.address('nobody', { reactor: 1 });
      const commit = (length: number): unknown => {
        try {
          address.commit(length);
          return 'taken';
        } catch (error) {
          const { code, message, value } = error as { code: string; message: string; value: number };
          return [code, message, value];
        }
      };
      const unclaimed = commit(5);
      address.tryClaim(8);
      const larger = commit(16);
      address.abort();
      return [unclaimed, larger];
    })).toEqual([5, 16].map((length) => ['ERR_PERCORE_CLAIM', `commit(${length}) without a claim that large. Call `
      + `tryClaim first, check that it is not negative, and send nothing else to that reactor in the same band before `
      + `commit`, length]));
  });
});
