import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { cpuBudget } from '../realtime/index.js';
import type { Asks } from './fixtures/asks.js';
import type { Work } from './fixtures/work.js';
import { offload, offloadStatus, type OffloadOptions } from './index.js';

const entry = new URL('./fixtures/asks.js', import.meta.url);
const module = new URL('./fixtures/work.js', import.meta.url);
const to = { reactor: 0 };

let runtime: Runtime<Asks>;
beforeAll(async () => {
  runtime = await createRuntime<Asks>({ entry, reactors: 2, idle: { strategy: 'park' } });
});
afterAll(() => runtime.close({ drainMs: 1000 }));

const inReactor = (work: Work, options?: OffloadOptions): Promise<unknown> =>
  runtime.call('run', options === undefined ? { work } : { work, options }, to);
const inMain = (work: Work, options?: OffloadOptions): Promise<unknown> => offload(runtime, module, work, options);
const shared = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(words * 4));
async function until(is: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!is()) {
    if (performance.now() > endMs) throw new Error(`did not come true within 10 s: ${is.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string; cause?: unknown }> {
  return promise.then(() => Promise.reject(new Error('nothing was thrown')), (error: Error) => error);
}

describe.each([['a reactor', inReactor], ['the main thread', inMain]])('a task of %s', (_who, ask) => {
  it('answers what it returns, at once or later, from another thread', async () => {
    const value = { text: 'x', list: [1, 2n], map: new Map([[1, new Date(5)]]) };
    expect(await ask({ do: 'echo', value })).toEqual(value);
    expect(await ask({ do: 'later', ms: 5, value: 7 })).toBe(7);
    expect(await ask({ do: 'thread' })).toBeGreaterThan(2);
  });

  it('that throws brings class, code, cause and the stack of its thread', async () => {
    const error = await errorOf(ask({ do: 'throw' }));
    expect([error instanceof RangeError, error.message, error.code, (error.cause as Error).message]).toEqual([
      true, 'too far', 'E_FAR', 'why',
    ]);
    expect(error.stack).toMatch(/offload of file:.*work\.js[\s\S]*at work /);
  });

  it('whose thread ends is an error with a code, and the next one runs', async () => {
    const lost = offloadStatus(runtime)!.lost;
    expect((await errorOf(ask({ do: 'exit' }))).code).toBe('ERR_PERCORE_OFFLOAD');
    expect(await ask({ do: 'echo', value: 1 })).toBe(1);
    expect(offloadStatus(runtime)!.lost).toBe(lost + 1);
  });

  it('whose result cannot be sent says so, and its thread goes on', async () => {
    expect((await errorOf(ask({ do: 'function' }))).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
    expect(await ask({ do: 'echo', value: 2 })).toBe(2);
  });

  it('may throw what is no error, answer what throws when it is copied, and end its thread late', async () => {
    expect((await errorOf(ask({ do: 'throw null' }))).message).toMatch(/not an Error/);
    for (const value of [null, 'why', { message: 5 }]) {
      expect(await errorOf(ask({ do: 'hostile result', value })), String(value)).toMatchObject({
        code: 'ERR_PERCORE_UNSERIALIZABLE',
      });
    }
    for (const what of ['late exit', 'uncaught'] as const) {
      expect((await errorOf(ask({ do: what, ms: 5 }))).code, what).toBe('ERR_PERCORE_OFFLOAD');
    }
    expect(await ask({ do: 'echo', value: 3 })).toBe(3);
  });

  it('that is late is given up; one that has not begun by then never does', async () => {
    const before = offloadStatus(runtime)!.dropped;
    const threads = offloadStatus(runtime)!.threads.length;
    const busy = Array.from({ length: threads }, () => ask({ do: 'spin', ms: 100 }));
    const late = await Promise.all(
      Array.from({ length: 5 }, () => errorOf(ask({ do: 'echo', value: 0 }, { deadlineMs: 20 }))),
    );
    expect(late.map(({ code }) => code)).toEqual(late.map(() => 'ERR_PERCORE_TIMEOUT'));
    await Promise.all(busy);
    await until(() => offloadStatus(runtime)!.waiting === 0);
    expect(offloadStatus(runtime)!.dropped).toBe(before + 5);
  });
});

describe('the pool', () => {
  it('runs higher bands first, and in each the one that came first', async () => {
    const threads = offloadStatus(runtime)!.threads.length;
    const notes = shared(32);
    const busy = Array.from({ length: threads }, () => inMain({ do: 'spin', ms: 60 }));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const given = [2, 5, 0, 7, 5, 2, 7, 3].map((priority, i) => ({ priority, value: priority * 10 + i }));
    await Promise.all([
      ...busy, ...given.map(({ priority, value }) => inMain({ do: 'note', value, notes, ms: 2 }, { priority })),
    ]);
    const order = given.toSorted((a, b) => b.priority - a.priority).map(({ value }) => value);
    // One thread runs them in this very order; of several each takes the next.
    if (threads === 1) expect(Array.from(notes.slice(1, 9))).toEqual(order);
    expect(notes[0]).toBe(8);
  });

  it('runs the tasks of one key one after the other, and in order', async () => {
    const notes = shared(64);
    await Promise.all(
      Array.from({ length: 40 }, (_, value) =>
        inMain({ do: 'note', value, notes }, { key: 'k', priority: value % 8 })),
    );
    expect(Array.from(notes.slice(1, 41))).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it('goes on with a key whose task was given up while it waited, or threw, or ended its thread', async () => {
    const abort = new AbortController();
    const all = [
      inMain({ do: 'spin', ms: 30 }, { key: 'w' }), inMain({ do: 'echo' }, { key: 'w', signal: abort.signal }),
      inMain({ do: 'throw' }, { key: 'w' }), inMain({ do: 'exit' }, { key: 'w' }),
      inMain({ do: 'echo', value: 5 }, { key: 'w' }),
    ];
    abort.abort('enough');
    const ends = await Promise.allSettled(all);
    expect(ends.map(({ status }) => status)).toEqual([
      'fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled',
    ]);
    expect((ends[1] as PromiseRejectedResult).reason).toBe('enough');
  });

  it('tells a task that runs that nobody waits any more', async () => {
    const abort = new AbortController();
    const notes = shared(2);
    const task = errorOf(inMain({ do: 'until unwanted', notes }, { signal: abort.signal }));
    await until(() => Atomics.load(notes, 0) === 1);
    abort.abort(new Error('enough'));
    expect((await task).message).toBe('enough');
    await until(() => Atomics.load(notes, 1) === 1);
    await until(() => offloadStatus(runtime)!.running === 0);
  });

  it('serves many from both reactors at once, each its own results', async () => {
    const counts = await Promise.all(
      [0, 1].map((reactor) => runtime.call('many', { count: 300, work: { do: 'echo' } }, { reactor })),
    );
    expect(counts).toEqual([300, 300]);
    expect(await runtime.call('move', 2 ** 20, to)).toEqual([0, 2 ** 20]);
    // The last result goes straight to who asked; the main thread hears of it beside.
    await until(() => offloadStatus(runtime)!.waiting + offloadStatus(runtime)!.running === 0);
  });

  it('refuses beyond 4,096 tasks, and all others are answered', async () => {
    const codes = await Promise.all(
      Array.from({ length: 4200 }, (_, value) =>
        inMain({ do: 'echo', value }).then(() => 'answered', ({ code }: { code: string }) => code)),
    );
    expect(codes.filter((code) => code === 'answered').length).toBe(4096);
    expect(new Set(codes)).toEqual(new Set(['answered', 'ERR_PERCORE_BACK_PRESSURED']));
  });

  it('takes new tasks at once when thousands were given up while its threads were busy', async () => {
    const threads = offloadStatus(runtime)!.threads.length;
    const notes = shared(2);
    const end = new AbortController();
    const busy = Array.from(
      { length: threads }, () => errorOf(inMain({ do: 'until unwanted', notes }, { signal: end.signal })),
    );
    await until(() => offloadStatus(runtime)!.running === threads);
    const before = offloadStatus(runtime)!;
    for (let round = 0; round < 2; round++) {
      const abort = new AbortController();
      const many = Array.from(
        { length: 4000 }, (_, i) => errorOf(inMain({ do: 'echo' }, { priority: i % 8, signal: abort.signal })),
      );
      await until(() => offloadStatus(runtime)!.waiting === 4000);
      abort.abort(new Error('enough'));
      expect(new Set((await Promise.all(many)).map(({ message }) => message))).toEqual(new Set(['enough']));
      expect(offloadStatus(runtime)!.waiting).toBe(0);
    }
    const later = inMain({ do: 'echo', value: 'later' });
    end.abort(new Error('enough'));
    expect(await later).toBe('later');
    await Promise.all(busy);
    const { lost, refused, dropped } = offloadStatus(runtime)!;
    expect([lost - before.lost, refused - before.refused, dropped - before.dropped]).toEqual([0, 0, 8000]);
  });

  it('says where its threads run: away from the reactors, where there are other CPUs', async () => {
    await using small = await createRuntime<Asks>({ entry, reactors: 1, idle: { strategy: 'park' } });
    await offload(small, module, { do: 'echo' });
    const { allowed } = cpuBudget();
    const [own] = small.status().reactors[0]!.cpuGranted;
    const { threads } = offloadStatus(small)!;
    expect(threads.length).toBeGreaterThan(0);
    for (const { cpusGranted, cpusAsked, refusals } of threads) {
      expect(refusals).toEqual([]);
      if (allowed.length === 1) expect(cpusAsked).toBeUndefined();
      else expect(cpusGranted).not.toContain(own);
    }
  });

  it('drops what a reactor had asked that has died', async () => {
    const mortal = await createRuntime<Asks>({ entry, reactors: 2, idle: { strategy: 'park' } });
    mortal.on('reactorDied', () => undefined);
    try {
      void mortal.call('many', { count: 50, work: { do: 'spin', ms: 10 } }, { reactor: 1 }).catch(() => undefined);
      await until(() => (offloadStatus(mortal)?.waiting ?? 0) > 20);
      void mortal.call('die', undefined, { reactor: 1 }).catch(() => undefined);
      await until(() => offloadStatus(mortal)!.waiting + offloadStatus(mortal)!.running === 0);
      expect(offloadStatus(mortal)!.dropped).toBeGreaterThan(10);
    } finally {
      await mortal.close({ drainMs: 100 });
    }
  });

  it('tells a task that runs that the reactor which asked has died', async () => {
    const mortal = await createRuntime<Asks>({ entry, reactors: 2, idle: { strategy: 'park' } });
    mortal.on('reactorDied', () => undefined);
    try {
      void mortal.call('run', { work: { do: 'until unwanted' } }, { reactor: 1 }).catch(() => undefined);
      await until(() => offloadStatus(mortal)?.running === 1);
      void mortal.call('die', undefined, { reactor: 1 }).catch(() => undefined);
      await until(() => offloadStatus(mortal)!.running === 0);
      expect(await offload(mortal, module, { do: 'echo', value: 5 })).toBe(5);
    } finally {
      await mortal.close({ drainMs: 100 });
    }
  });

  it('lets modules and their libraries post what they like', async () => {
    const posted = [null, 5, 'text', { kind: 'place' }, { kind: 'port', port: 5 }, { kind: 'percore:place' }];
    expect(await inMain({ do: 'post', value: posted })).toEqual(posted);
    expect(await inMain({ do: 'post', value: [{ kind: 'percore:port', asker: 0, port: {} }] })).toHaveLength(1);
    expect(await inMain({ do: 'echo', value: 6 })).toBe(6);
  });

  it('does not keep close() from ending when a task is in a read that blocks, and says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percore-offload-'));
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const warnings: string[] = [];
    const listen = ({ code }: Error & { code?: string }): void => void warnings.push(code ?? '');
    process.on('warning', listen);
    try {
      const closing = await createRuntime<Asks>({ entry, reactors: 1, idle: { strategy: 'park' } });
      const notes = shared(1);
      const read = errorOf(offload(closing, module, { do: 'read', value: fifo, notes }));
      await until(() => Atomics.load(notes, 0) === 1);
      const closed = closing.close({ drainMs: 0 });
      let isClosed = false;
      void closed.then(() => (isClosed = true));
      await until(() => isClosed);
      expect(await closed).toMatchObject({ stillRunning: [] });
      expect((await read).code).toBe('ERR_PERCORE_CLOSED');
      await until(() => warnings.length > 0);
      expect(warnings).toEqual(['PERCORE_OFFLOAD_RUNS']);
    } finally {
      writeFileSync(fifo, 'x');
      process.off('warning', listen);
      rmSync(folder, { recursive: true });
    }
  });

  it('ends with its runtime: what waits is rejected', async () => {
    const closing = await createRuntime<Asks>({ entry, reactors: 1, idle: { strategy: 'park' } });
    const tasks = Array.from({ length: 20 }, () => errorOf(offload(closing, module, { do: 'spin', ms: 50 })));
    await until(() => offloadStatus(closing)!.running > 0);
    await closing.close({ drainMs: 0 });
    const errors = await Promise.race([Promise.all(tasks), new Promise<never>((_, reject) => {
      setTimeout(reject, 5000, new Error('some were not settled'));
    })]).catch((error: Error) => [error]);
    expect(new Set((errors as { code?: string }[]).map(({ code }) => code))).toEqual(new Set(['ERR_PERCORE_CLOSED']));
    expect((await errorOf(offload(closing, module, {}))).code).toBe('ERR_PERCORE_CLOSED');
    // What had begun was lost with its thread, and the others never ran.
    const { completed, dropped, lost, waiting, running } = offloadStatus(closing)!;
    expect(lost).toBeLessThanOrEqual(offloadStatus(closing)!.threads.length + 1);
    expect({ all: completed + dropped + lost, waiting, running }).toEqual({ all: 20, waiting: 0, running: 0 });
  });

  it('is loaded by the first task alone', () => {
    const program = `
      import { createRuntime, offload } from ${JSON.stringify(new URL('../index.js', import.meta.url).href)};
      import { createRequire } from 'node:module';
      const { cache } = createRequire(${JSON.stringify(import.meta.url)});
      const has = () => Object.keys(cache).some((path) => path.includes('/piscina/'));
      const runtime = await createRuntime({ entry: new URL(${JSON.stringify(entry.href)}), reactors: 1 });
      const before = has();
      await offload(runtime, ${JSON.stringify(module.href)}, { do: 'echo' });
      console.log(JSON.stringify([before, has()]));
      await runtime.close();
    `;
    const out = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
    expect(JSON.parse(out)).toEqual([false, true]);
  });
});

describe('mistakes', () => {
  it('in the arguments are named', async () => {
    const ask = offload as unknown as (...args: unknown[]) => Promise<unknown>;
    for (const [argument, ...args] of [
      ['reactor', {}, module], ['module', runtime, './work.js'], ['module', runtime, 5],
      ['priority', runtime, module, 1, { priority: 8 }], ['key', runtime, module, 1, { key: 5 }],
      ['deadlineMs', runtime, module, 1, { deadlineMs: -1 }], ['signal', runtime, module, 1, { signal: 5 }],
      ['transfer', runtime, module, 1, { transfer: 5 }],
    ] as const) {
      expect(await errorOf(ask(...args)), argument).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument });
    }
    expect((await errorOf(ask(runtime, module, 1, { prio: 5 }))).message).toContain('prio');
    expect((await errorOf(ask(runtime, module, () => 1))).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
  });

  it('of a getter that aborts while the payload is copied leaves no task behind', async () => {
    const notes = shared(4);
    const abort = new AbortController();
    const payload = {
      do: 'note', notes,
      get value() {
        abort.abort(new Error('enough'));
        return 1;
      },
    };
    const { dropped } = offloadStatus(runtime)!;
    expect((await errorOf(offload(runtime, module, payload, { signal: abort.signal }))).message).toBe('enough');
    await until(() => offloadStatus(runtime)!.waiting + offloadStatus(runtime)!.running === 0);
    expect([notes[0], offloadStatus(runtime)!.dropped - dropped]).toEqual([0, 1]);
  });

  it('in the module are errors of its task', async () => {
    const missing = new URL('./fixtures/missing.js', import.meta.url);
    expect((await errorOf(offload(runtime, missing, 1))).code).toBe('ERR_MODULE_NOT_FOUND');
    const noDefault = new URL('../reactor/fixtures/no-default.js', import.meta.url);
    expect((await errorOf(offload(runtime, noDefault, 1))).code).toBe('ERR_PERCORE_OFFLOAD');
  });
});
