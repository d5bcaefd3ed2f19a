/** Streams: read by `for await`, and in the bands of reactors whose turns the test calls itself. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { create, pub, sub, value } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK } from '../result-codes.js';
import { Town } from '../reactor/fixtures/town.js';
import { createStream, type Stream, type StreamEnd } from './index.js';

async function listOf<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of stream) list.push(value);
  return list;
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
async function* later(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    await Promise.resolve();
    yield i;
  }
}
/** An iterable that knows how much of it was taken, and whether it was closed. */
function watched(count = Infinity): Iterable<number> & { taken: number; isClosed: boolean } {
  return {
    taken: 0,
    isClosed: false,
    [Symbol.iterator](): Iterator<number> {
      return {
        next: () => (this.taken < count ? { done: false, value: this.taken++ } : { done: true, value: undefined }),
        return: () => {
          this.isClosed = true;
          return { done: true, value: undefined };
        },
      };
    },
  };
}

let town: Town;
let reactor: Reactor;

beforeEach(() => {
  town = new Town({ reactors: 1, laneBytes: 4096 });
  town.start();
  reactor = town.reactor(0);
});

/** Lets turns and promises run until nothing happens any more. */
async function rest(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    for (const party of town.parties) party.stir();
    expect(town.settle(5000)).toBeGreaterThanOrEqual(0);
    for (let tick = 0; tick < 40; tick++) await Promise.resolve();
  }
}

describe('a stream', () => {
  it('runs nothing until it is read, and takes no more than is asked for', async () => {
    const source = watched();
    const stream = createStream(source).map((value) => value * 2).filter((value) => value % 4 === 0).take(3);
    expect(source.taken).toBe(0);
    expect(await listOf(stream)).toEqual([0, 4, 8]);
    expect([source.taken, source.isClosed]).toEqual([5, true]);
  });

  it('can be read once', () => {
    const stream = createStream([1]);
    stream.map(String);
    expect(() => stream.filter(Boolean)).toThrow(/read once: to read it twice, split it/);
  });

  it('closes its source when the loop is left, and passes on the errors of its source and stages', async () => {
    const source = watched();
    for await (const value of createStream(source)) if (value === 2) break;
    expect([source.taken, source.isClosed]).toEqual([3, true]);
    const broken = watched();
    await expect(listOf(createStream(broken).map((value) => {
      if (value === 2) throw new Error('two');
      return value;
    }))).rejects.toThrow('two');
    expect([broken.taken, broken.isClosed]).toEqual([3, true]);
    await expect(listOf(createStream((async function* () {
      yield 1;
      throw new Error('source');
    })()))).rejects.toThrow('source');
  });

  it('merges streams in turn, each in its order, and ends with the last of them', async () => {
    const merged = createStream(upTo(3)).merge(createStream([10, 11]), createStream(later(3)));
    const seen = await listOf(merged);
    expect(seen.slice(0, 4)).toEqual([0, 10, 1, 11]);
    expect(seen.toSorted((a, b) => a - b)).toEqual([0, 0, 1, 1, 2, 2, 10, 11]);
  });

  it('closes what it has opened when another source of a merge cannot be opened', async () => {
    const source = watched();
    const broken = {
      [Symbol.iterator](): Iterator<number> {
        throw new Error('not today');
      },
    };
    const merged = createStream(source).merge(createStream(broken));
    await expect(listOf(merged)).rejects.toThrow('not today');
    expect([source.taken, source.isClosed]).toEqual([0, true]);
  });

  it('closes the source of a stream that no value is taken from', async () => {
    const source = watched();
    expect(await listOf(createStream(source).take(0).merge(createStream([1])))).toEqual([1]);
    expect([source.taken, source.isClosed]).toEqual([0, true]);
  });

  it('fails when its consumer was evicted, which is not the end of its queue', async () => {
    for (const isMerged of [false, true]) {
      const queue = create({ kind: 'spsc', capacityBytes: 64, codec: value<number>() });
      const producer = pub(queue);
      const consumer = sub(queue, { whenSlow: 'evict', evictAfterMs: 0 });
      for (let i = 0; i < 10; i++) producer.offer(i);
      const stream = createStream(consumer);
      await expect(listOf(isMerged ? stream.merge(createStream([1])) : stream)).rejects.toMatchObject({
        code: 'ERR_PERCORE_CLOSED', message: expect.stringContaining('was evicted'),
      });
    }
  });

  it('hands on the last value that it takes, also if its source throws while it is closed', async () => {
    const source = function* (): Generator<number> {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        fail('cleaning up');
      }
    };
    const seen: number[] = [];
    await expect((async () => {
      for await (const value of createStream(source()).take(2)) seen.push(value);
    })()).rejects.toThrow('cleaning up');
    expect(seen).toEqual([0, 1]);
  });

  it('fails with its source, if that cannot be waited for', async () => {
    for (const isAtOnce of [true, false]) {
      let closed = 0;
      const source = () => createStream<number>({
        state: EMPTY,
        poll: () => undefined,
        ready: () => (isAtOnce ? fail('no waiting') : Promise.reject(new Error('no waiting'))),
        close: () => void closed++,
      });
      const [one, two] = source().split({ overlapped: 2 });
      const all = [source(), source().window({ count: 2 }), source().merge(createStream(later(1))), one!, two!];
      const ends = await Promise.allSettled(all.map((stream) => listOf<unknown>(stream)));
      expect(ends.map((end) => (end as PromiseRejectedResult).reason?.message)).toEqual(all.map(() => 'no waiting'));
      expect(closed).toBeGreaterThanOrEqual(4);
    }
  });

  it('gathers windows by count, and the rest at the end', async () => {
    expect(await listOf(createStream(later(7)).window({ count: 3 }))).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  });

  it('hands a window on when its time is over', async () => {
    let push!: (value: number) => void;
    let finish!: () => void;
    const source = (async function* () {
      for (let i = 0; i < 2; i++) yield await new Promise<number>((resolve) => (push = resolve));
      await new Promise<void>((resolve) => (finish = resolve));
    })();
    const windows = createStream(source).window({ count: 10, ms: 5 })[Symbol.asyncIterator]();
    const first = windows.next();
    await new Promise(setImmediate);
    push(1);
    expect(await first).toEqual({ done: false, value: [1] });
    const second = windows.next();
    await new Promise(setImmediate);
    push(2);
    expect(await second).toEqual({ done: false, value: [2] });
    const last = windows.next();
    await new Promise(setImmediate);
    finish();
    expect((await last).done).toBe(true);
  });

  it('hands on what a window held before an error', async () => {
    const windows = createStream((function* () {
      yield 1;
      throw new Error('then');
    })()).window({ count: 3 })[Symbol.asyncIterator]();
    expect((await windows.next()).value).toEqual([1]);
    await expect(windows.next()).rejects.toThrow('then');
  });

  it('refuses bad arguments', () => {
    const refusal = (run: (stream: Stream<number>) => unknown): string => {
      try {
        run(createStream([1]));
      } catch (error) {
        return (error as Error).message;
      }
      return 'taken';
    };
    expect(refusal(() => createStream(5 as never))).toMatch(/^source must be the consuming end of a queue/);
    expect(refusal((stream) => stream.map(5 as never))).toBe('change must be a function, not 5');
    expect(refusal((stream) => stream.take(-1))).toMatch(/^count must be a whole number from 0/);
    expect(refusal((stream) => stream.window({ count: 0 }))).toMatch(/^count must be a whole number from 1 to 1048576/);
    expect(refusal((stream) => stream.merge([2] as never))).toMatch(/^others must be streams/);
    expect(refusal((stream) => stream.split({}))).toMatch(/one of percent, overlapped and by/);
    expect(refusal((stream) => stream.split({ percent: [50, 40] }))).toMatch(/whose sum is 100/);
    expect(refusal((stream) => stream.split({ by: () => 0 }))).toMatch(/^branches must be a whole number from 1 to 64/);
    expect(refusal((stream) => stream.to(reactor, {} as never, () => undefined))).toMatch(/^name must be a string/);
    expect(refusal((stream) => stream.to(reactor, { name: 'a' }, {} as never))).toMatch(/^target must be a task/);
    expect(refusal((stream) => stream.to({} as never, { name: 'a' }, () => undefined))).toMatch(/^reactor must be/);
  });
});

describe('split', () => {
  it('by percent shares out each hundred values exactly, and gives no branch many in a row', async () => {
    const [most, some] = createStream(upTo(1000)).split({ percent: [80, 20], room: 1000 }) as [
      Stream<number>, Stream<number>,
    ];
    const counts = await Promise.all([listOf(most), listOf(some)]);
    expect(counts.map((list) => list.length)).toEqual([800, 200]);
    expect(counts.flat().toSorted((a, b) => a - b)).toEqual(upTo(1000));
    expect(counts[1]!.every((value, i) => Math.floor(value / 5) === i)).toBe(true);
  });

  it('overlapped gives each value to all branches, and the slowest holds the others back', async () => {
    const source = watched();
    const branches = createStream(source).split({ overlapped: 2, room: 2 });
    const [fast, slow] = branches.map((branch) => branch[Symbol.asyncIterator]());
    for (let i = 0; i < 3; i++) expect((await fast!.next()).value).toBe(i);
    // The slow branch has two values, and the third one waits for it.
    const fourth = fast!.next();
    let isThere = false;
    void fourth.then(() => (isThere = true));
    await new Promise(setImmediate);
    expect([isThere, source.taken]).toEqual([false, 3]);
    expect((await slow!.next()).value).toBe(0);
    expect((await fourth).value).toBe(3);
    await slow!.return(undefined);
    expect((await fast!.next()).value).toBe(4);
    await fast!.return(undefined);
    expect(source.isClosed).toBe(true);
  });

  it('by a function: values for no branch are counted', async () => {
    const stream = createStream(upTo(10));
    const [even, odd] = stream.split({ by: (value) => (value === 5 ? 7 : value % 2), branches: 2 }) as [
      Stream<number>, Stream<number>,
    ];
    expect(await Promise.all([listOf(even), listOf(odd)])).toEqual([[0, 2, 4, 6, 8], [1, 3, 7, 9]]);
    expect(stream.dropped).toBe(1);
  });

  it('hands on undefined as a value, and errors to all branches', async () => {
    const [all] = createStream([undefined, 1]).split({ overlapped: 1 }) as [Stream<number | undefined>];
    expect(await listOf(all)).toEqual([undefined, 1]);
    const branches = createStream((function* () {
      yield 1;
      throw new Error('broken');
    })()).split({ overlapped: 2 });
    const ends = await Promise.allSettled(branches.map(listOf));
    expect(ends.map((end) => (end as PromiseRejectedResult).reason.message)).toEqual(['broken', 'broken']);
  });

  it('loses nothing and keeps the order, whatever the rule, the room, and the order of reading', async () => {
    await fc.assert(fc.asyncProperty(
      fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }),
      fc.array(fc.nat(3), { maxLength: 60 }), fc.boolean(),
      async (count, branches, room, pauses, isOverlapped) => {
        const parts = createStream(later(count)).split(
          isOverlapped ? { overlapped: branches, room } : { by: (value) => value % branches, branches, room },
        );
        let at = 0;
        const seen = await Promise.all(parts.map(async (part) => {
          const list: number[] = [];
          for await (const value of part) {
            list.push(value);
            for (let i = pauses[at++ % (pauses.length + 1)] ?? 0; i > 0; i--) await Promise.resolve();
          }
          return list;
        }));
        for (const [branch, list] of seen.entries()) {
          expect(list).toEqual(isOverlapped ? upTo(count) : upTo(count).filter((value) => value % branches === branch));
        }
      },
    ), { numRuns: 100 });
  });
});

describe('a stream that a reactor reads', () => {
  it('carries backpressure from a full task up to the producer of its queue', async () => {
    const queue = create<number>({ backend: 'deque', capacity: 4 });
    const producer = pub(queue);
    const seen: number[] = [];
    let isOpen = false;
    const book = reactor.spawn<number>({ name: 'book', capacity: 1 }, (value) => {
      if (!isOpen) return gate.send(0) === OK ? BACK_PRESSURED : BACK_PRESSURED;
      seen.push(value);
      return OK;
    });
    const gate = reactor.spawn({ name: 'gate', capacity: 1 }, () => (isOpen ? OK : BACK_PRESSURED));
    const run = createStream(sub(queue)).map((value) => value + 1).to(reactor, { name: 'orders' }, book);
    let sent = 0;
    for (let i = 0; i < 20; i++) {
      while (producer.offer(sent) === OK) sent++;
      for (const party of town.parties) {
        party.stir();
        party.pass();
      }
      await Promise.resolve();
      await Promise.resolve();
    }
    // One value is in the task, one with the stream, and four are in the queue.
    expect([sent, seen]).toEqual([6, []]);
    isOpen = true;
    await rest();
    producer.close();
    await rest();
    expect([seen, await run.ended]).toEqual([[1, 2, 3, 4, 5, 6], { how: 'ended' }]);
  });

  it('runs in its band, and gives way between values', async () => {
    const order: string[] = [];
    const urgent = reactor.spawn({ name: 'urgent', priority: 6 }, () => void order.push('urgent'));
    createStream(upTo(3)).to(reactor, { name: 'low', priority: 1 }, (value) => {
      order.push(`low ${value}`);
      if (value === 0) urgent.send(0);
    });
    await rest();
    expect(order).toEqual(['low 0', 'urgent', 'low 1', 'low 2']);
  });

  it('reads an asynchronous source, one value at a time if its target is asynchronous', async () => {
    const seen: number[] = [];
    let most = 0;
    let running = 0;
    const run = createStream(later(20)).to(reactor, { name: 'a' }, async (value) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      seen.push(value);
      running--;
    });
    await rest();
    await rest();
    expect([seen, most, await run.ended]).toEqual([upTo(20), 1, { how: 'ended' }]);
  });

  it.each<[string, (source: Iterable<number>) => { ended: Promise<StreamEnd> }, string]>([
    [
      'a stage', (source) => createStream(source).map(() => fail('stage')).to(reactor, { name: 'a' }, () => OK),
      'stage',
    ],
    ['its target', (source) => createStream(source).to(reactor, { name: 'a' }, () => fail('target')), 'target'],
    [
      'its asynchronous target',
      (source) => createStream(source).to(reactor, { name: 'a' }, async () => fail('later')), 'later',
    ],
    [
      'a target that is closed', (source) => createStream(source).to(reactor, { name: 'a' }, () => CLOSED),
      'the target of a stream has answered CLOSED; the stream ends',
    ],
  ])('ends by an error of %s, and closes its source', async (_what, read, message) => {
    const source = watched();
    const { ended } = read(source);
    await rest();
    expect(await ended).toMatchObject({ how: 'failed', error: { message } });
    expect(source.isClosed).toBe(true);
    expect(town.parties[0]!.inside.isQuiet()).toBe(true);
  });

  it('ends although its source throws while it is closed, which is reported', async () => {
    const clean = (): never => fail('cleaning up');
    const source = (): Iterable<number> => ({
      [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 1 }), return: clean }),
    });
    const others = watched();
    const cancelled = createStream(source()).merge(createStream(others))
      .to(reactor, { name: 'a' }, () => new Promise<void>(() => undefined));
    await rest();
    cancelled.cancel('enough');
    const failed = createStream(source()).map(() => fail('stage')).to(reactor, { name: 'b' }, () => OK);
    const [one, two] = createStream(source()).map(() => fail('above')).split({ overlapped: 2 });
    const branches = [one!, two!].map((branch, i) => branch.to(reactor, { name: `c${i}` }, () => OK));
    await rest();
    expect(await cancelled.ended).toEqual({ how: 'cancelled', reason: 'enough' });
    expect(others.isClosed, 'beside a stream that throws').toBe(true);
    expect(await failed.ended).toMatchObject({ how: 'failed', error: { message: 'stage' } });
    for (const { ended } of branches) expect(await ended).toMatchObject({ how: 'failed', error: { message: 'above' } });
    expect(town.errors.map(({ where, error }) => [where, (error as Error).message])).toEqual(
      ['a', 'b'].map((name) => [`the source of stream "${name}", which was being closed`, 'cleaning up']),
    );
  });

  it('is cancelled by its signal, while it runs, waits, or is held', async () => {
    const never = (async function* () {
      yield 0;
      await new Promise(() => undefined);
    })();
    const full = reactor.spawn<number>({ name: 'full', capacity: 1, priority: 0 }, () => BACK_PRESSURED);
    void full;
    for (const [source, target] of [[watched(), () => OK], [never, () => OK]] as const) {
      const end = new AbortController();
      const run = createStream<number>(source).to(reactor, { name: 'a', signal: end.signal }, target);
      for (let i = 0; i < 5; i++) {
        for (const party of town.parties) {
          party.stir();
          party.pass();
        }
        await Promise.resolve();
      }
      end.abort('enough');
      await rest();
      expect(await run.ended).toEqual({ how: 'cancelled', reason: 'enough' });
    }
    const source = watched();
    const before = createStream(source).to(reactor, { name: 'a', signal: AbortSignal.abort('no') }, () => OK);
    await rest();
    expect([await before.ended, source.taken, source.isClosed]).toEqual([{ how: 'cancelled', reason: 'no' }, 0, true]);
  });

  it('ends with its reactor', async () => {
    const source = (async function* () {
      yield 0;
      await new Promise(() => undefined);
    })();
    const run = createStream(source).to(reactor, { name: 'a' }, () => OK);
    await rest();
    town.parties[0]!.inside.detach();
    expect(await run.ended).toMatchObject({ how: 'cancelled', reason: { code: 'ERR_PERCORE_CLOSED' } });
  });
});

function fail(message: string): never {
  throw new Error(message);
}

describe('a source that is not an iterator', () => {
  it('fails the stream, and the error says what it has answered', async () => {
    const invalid = 'ERR_PERCORE_INVALID_ARGUMENT';
    for (const walk of [Symbol.iterator, Symbol.asyncIterator]) {
      for (const result of [5, undefined, null, 'text']) {
        const source = { [walk]: () => ({ next: () => result }) } as unknown as Iterable<number>;
        await expect(listOf(createStream(source))).rejects.toMatchObject({
          code: invalid, value: result,
          message: expect.stringMatching(/^what next\(\) of the source of a stream answers must be an object/),
        });
        const run = createStream(source).to(reactor, { name: `odd ${String(walk)} ${String(result)}` }, () => OK);
        await rest();
        expect(await run.ended).toMatchObject({ how: 'failed', error: { code: invalid, value: result } });
      }
      for (const iterator of [5, undefined, {}, { next: 5 }]) {
        const source = { [walk]: () => iterator } as unknown as Iterable<number>;
        await expect(listOf(createStream(source))).rejects.toMatchObject({ code: invalid, argument: 'source' });
      }
    }
  });
});
