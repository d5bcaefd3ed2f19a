import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { drained, eight, errorOf, field, fixed, rejectionOf, variable } from './fixtures/helpers.js';
import { Other } from './fixtures/party.js';
import {
  BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK, close, create, pub, sub, value, type VariableQueue,
} from './index.js';

const spsc = (capacity = 2) => create({ kind: 'spsc', capacity, recordBytes: 8 });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** True if a wait is not over yet. */
async function isPending(wait: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([wait, pause(20).then(() => 'pending')])) === 'pending';
}

describe('ready', () => {
  it('resolves at once when there is a record', async () => {
    const { producer, consumer } = fixed();
    producer.offer(eight(1));
    expect([await consumer.ready({ timeoutMs: 0 }), drained(consumer)]).toEqual([OK, [1]]);
  });

  it('resolves when a record is published, not before', async () => {
    const { producer, consumer } = fixed({}, { publishEvery: { records: 2 } });
    const ready = consumer.ready();
    producer.offer(eight(1));
    expect(await isPending(ready), 'a committed record is not published').toBe(true);
    producer.flush();
    expect([await ready, drained(consumer)]).toEqual([OK, [1]]);
  });

  it('takes nothing', async () => {
    const { producer, consumer } = variable();
    const ready = consumer.ready();
    producer.offer(Uint8Array.of(7));
    expect([await ready, await consumer.ready(), drained(consumer)]).toEqual([OK, OK, [7]]);
  });

  it('releases what was read before it waits; otherwise the producer of a full ring would wait for it', async () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    for (let i = 0; i < 2; i++) {
      consumer.peek();
      consumer.advance();
    }
    const ready = consumer.ready();
    expect(producer.offer(eight(3))).toBe(OK);
    expect(await ready).toBe(OK);
  });

  it('does so in lanes and bands, too, also after a handler that threw', async () => {
    for (const kind of ['mpsc', 'banded'] as const) {
      const queue = create({ kind, capacityBytes: 64 });
      const consumer = sub(queue as VariableQueue<'mpsc'>);
      const producer = kind === 'mpsc'
        ? pub(queue as VariableQueue<'mpsc'>) : pub(queue as VariableQueue<'banded'>).band(3);
      const longest = new Uint8Array(producer.maxRecordBytes);
      while (producer.offer(longest) === OK);
      const throwing = (): never => {
        throw new Error('no');
      };
      while (consumer.look() === OK) expect(() => consumer.drain(throwing)).toThrow('no');
      const ready = consumer.ready();
      expect(await producer.room(longest.length, { timeoutMs: 5000 }), kind).toBe(OK);
      producer.offer(longest);
      expect(await ready).toBe(OK);
      // The same by hand, and for a thread that freezes.
      const ring = consumer.select()!;
      for (; ring.peek() >= 0;) ring.advance();
      expect(consumer.readySync({ timeoutMs: 0 })).toBe(EMPTY);
      expect(producer.offer(longest)).toBe(OK);
    }
  });

  it('resolves CLOSED when nothing will follow', async () => {
    const byProducer = fixed();
    const waits = [byProducer.consumer.ready()];
    byProducer.producer.close();
    for (const kind of ['spsc', 'spmc', 'mpsc', 'banded'] as const) {
      const queue = create({ kind, capacity: 2, recordBytes: 8 });
      waits.push(sub(queue as ReturnType<typeof spsc>).ready());
      close(queue);
    }
    expect(await Promise.all(waits)).toEqual(waits.map(() => CLOSED));
  });

  it('wakes everybody who waits for the same record', async () => {
    const queue = create({ kind: 'spmc', capacity: 2, recordBytes: 8, maxConsumers: 8 });
    const producer = pub(queue);
    const consumers = Array.from({ length: 8 }, () => sub(queue));
    const waits = consumers.flatMap((consumer) => [consumer.ready(), consumer.ready(), consumer.ready()]);
    producer.offer(eight(1));
    expect(await Promise.all(waits)).toEqual(waits.map(() => OK));
  });
});

describe('room', () => {
  it('resolves at once when there is room, and with DROPPED if a slow consumer has asked for drops', async () => {
    const { producer } = fixed({ capacity: 2 });
    expect(await producer.room(2, { timeoutMs: 0 })).toBe(OK);
    const queue = spsc();
    sub(queue, { whenSlow: 'drop-newest' });
    const dropping = pub(queue);
    while (dropping.offer(eight(1)) === OK);
    expect([await dropping.room(), dropping.offer(eight(1))]).toEqual([DROPPED, DROPPED]);
  });

  it('resolves when there is room for as many records as it was asked for', async () => {
    const { producer, consumer } = fixed({ capacity: 4 });
    while (producer.offer(eight(1)) === OK);
    const room = producer.room(3);
    drained(consumer, 2);
    expect(await isPending(room)).toBe(true);
    drained(consumer, 1);
    expect([await room, producer.tryClaim(3)]).toEqual([OK, 0]);
  });

  it('counts padding of a variable record', async () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    [0, 0, 0].forEach((length) => producer.offer(new Uint8Array(length)));
    const room = producer.room(8);
    consumer.poll();
    expect(await isPending(room), 'sixteen bytes are free, but not contiguous').toBe(true);
    consumer.poll();
    expect([await room, producer.offer(eight(1))]).toEqual([OK, OK]);
  });

  it('publishes what is committed, since otherwise nobody could make room', async () => {
    const { producer, consumer } = fixed({ capacity: 2 }, { publishEvery: { records: 100 } });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    const room = producer.room();
    expect(drained(consumer)).toEqual([1, 2]);
    expect(await room).toBe(OK);
  });

  it('resolves CLOSED when nobody will make room', async () => {
    const abandoned = fixed({ capacity: 2 });
    const closed = spsc();
    const producers = [abandoned.producer, pub(closed)];
    producers.forEach((producer) => {
      while (producer.offer(eight(1)) === OK);
    });
    const waits = producers.map((producer) => producer.room());
    abandoned.consumer.close();
    close(closed);
    expect([...await Promise.all(waits), await producers[0]!.room()]).toEqual([CLOSED, CLOSED, CLOSED]);
  });

  it('is refused for more than can ever fit', () => {
    const { producer } = fixed({ capacity: 2 });
    for (const count of [0, 3, 1.5, NaN])
      expect(errorOf(() => producer.room(count))).toMatchObject({
        argument: 'count', message: `count must be a whole number from 1 to 2, not ${count}`,
      });
    expect(errorOf(() => variable({ capacityBytes: 32 }).producer.roomSync(9)).message).toBe(
      'length must be a whole number from 0 to 8, not 9',
    );
  });
});

describe('a wait', () => {
  it('ends with ERR_PERCORE_TIMEOUT after timeoutMs, and the end can still be used', async () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    const began = performance.now();
    expect(await rejectionOf(consumer.ready({ timeoutMs: 30 }))).toEqual({
      code: 'ERR_PERCORE_TIMEOUT', message: 'no record in the queue within 30 ms', argument: 'timeoutMs',
    });
    expect(performance.now() - began).toBeGreaterThanOrEqual(29);
    while (producer.offer(eight(1)) === OK);
    expect(await rejectionOf(producer.room(1, { timeoutMs: 0 }))).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', message: 'no room in the queue within 0 ms',
    });
    drained(consumer);
    expect([await producer.room(), producer.offer(eight(2)), await consumer.ready()]).toEqual([OK, OK, OK]);
  });

  it('leaves no listener at its signal, however it ends', async () => {
    const { producer, consumer } = fixed();
    const { signal } = new AbortController();
    await rejectionOf(consumer.ready({ signal, timeoutMs: 5 }));
    const wait = consumer.ready({ signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    producer.offer(eight(1));
    expect([await wait, getEventListeners(signal, 'abort')]).toEqual([OK, []]);
  });

  it('ends with the reason of its signal, whether that aborts before it or during it', async () => {
    const { consumer } = fixed();
    const abort = new AbortController();
    const reason = new Error('enough');
    const wait = consumer.ready({ signal: abort.signal });
    abort.abort(reason);
    await expect(wait).rejects.toBe(reason);
    await expect(consumer.ready({ signal: abort.signal })).rejects.toBe(reason);
  });

  it('does not end other waits when it is aborted', async () => {
    const queue = create({ kind: 'mpsc', capacity: 2, recordBytes: 8 });
    const producer = pub(queue);
    const consumer = sub(queue);
    const abort = new AbortController();
    const [aborted, goesOn] = [consumer.ready({ signal: abort.signal }), consumer.ready()];
    abort.abort('enough');
    await expect(aborted).rejects.toBe('enough');
    expect(await isPending(goesOn)).toBe(true);
    producer.offer(eight(1));
    expect(await goesOn).toBe(OK);
  });

  it('is refused with a time-out that makes no sense', async () => {
    const { producer, consumer } = fixed();
    for (const timeoutMs of [-1, NaN, Infinity, 2 ** 31, '5' as never]) {
      const error = await rejectionOf(consumer.ready({ timeoutMs }));
      expect(error).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'timeoutMs' });
      expect(errorOf(() => producer.roomSync(1, { timeoutMs })).argument).toBe('timeoutMs');
    }
  });

  it('takes no signal if it freezes its thread, since the signal could not abort meanwhile', () => {
    const { producer, consumer } = fixed();
    const options = { signal: new AbortController().signal, timeoutMs: 5 } as { timeoutMs: number };
    for (const wait of [() => consumer.readySync(options), () => producer.roomSync(1, options)]) {
      expect(errorOf(wait)).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'options.signal' });
    }
  });

  it('ends by its signal or its time-out, whichever comes first', async () => {
    const { consumer } = fixed();
    expect((await rejectionOf(consumer.ready({ timeoutMs: 10, signal: AbortSignal.timeout(60_000) }))).code).toBe(
      'ERR_PERCORE_TIMEOUT',
    );
    await expect(consumer.ready({ timeoutMs: 60_000, signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
  });

  it('lets the event loop do other work', async () => {
    const { producer, consumer } = fixed();
    const wait = consumer.ready();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    while (ticks <= 5) await pause(1);
    clearInterval(timer);
    producer.offer(eight(1));
    await wait;
  });

  it('shares one futex with others, and each gets its record', async () => {
    const queues = Array.from({ length: 50 }, () => spsc());
    const waits = queues.map(async (queue, i) => {
      const consumer = sub(queue);
      await consumer.ready();
      return drained(consumer)[0] === i;
    });
    queues.map((queue) => pub(queue)).forEach((producer, i) => producer.offer(eight(i)));
    expect((await Promise.all(waits)).every(Boolean)).toBe(true);
  });
});

describe('between two threads', () => {
  it('ready and room pass records to and fro without polling', async () => {
    const queue = spsc();
    const rounds = 40;
    const other = new Other(queue, [
      { do: 'pub' },
      ...Array.from({ length: rounds }, (_, i) => [{ do: 'room' as const }, { do: 'offer' as const, value: i }]).flat(),
      { do: 'close' },
    ]);
    const consumer = sub(queue);
    const seen: number[] = [];
    while (await consumer.ready() === OK) seen.push(...drained(consumer, 1));
    expect(seen).toEqual(Array.from({ length: rounds }, (_, i) => i));
    await other.ended();
  });

  it('readySync and roomSync sleep until the other side has done its part', async () => {
    const queue = spsc();
    const rounds = 40;
    const other = new Other(queue, [
      { do: 'sub' },
      ...Array.from({ length: rounds }, () => [
        { do: 'readySync' as const }, { do: 'drain' as const, limit: 1 },
      ]).flat(),
      { do: 'readySync' },
    ]);
    const producer = pub(queue);
    for (let value = 0; value < rounds; value++) {
      expect(producer.roomSync()).toBe(OK);
      expect(producer.offer(eight(value))).toBe(OK);
    }
    producer.close();
    const answers = await other.ended();
    expect(answers.slice(1, -1)).toEqual(Array.from({ length: rounds }, (_, i) => [OK, [i]]).flat());
    expect(answers.at(-1)).toBe(CLOSED);
  });

  it('readySync of lanes and bands, too', async () => {
    const [lanes, bands] = [
      create({ kind: 'mpsc', capacity: 2, recordBytes: 8 }), create({ kind: 'banded', capacity: 2, recordBytes: 8 }),
    ];
    const [ofLanes, ofBands] = [sub(lanes), sub(bands)];
    const other = new Other(lanes, [{ do: 'pub' }, { do: 'sleep', ms: 30 }, { do: 'offer', value: 4 }]);
    expect([ofLanes.readySync({ timeoutMs: 30_000 }), drained(ofLanes)]).toEqual([OK, [4]]);
    await other.ended();
    const closing = new Other(bands, [{ do: 'sleep', ms: 30 }, { do: 'close queue' }]);
    expect(ofBands.readySync({ timeoutMs: 30_000 })).toBe(CLOSED);
    await closing.ended();
  });

  it('roomSync of an end with a codec is that of its ring', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256, codec: value<string>() });
    const producer = pub(queue);
    const consumer = sub(queue);
    expect(producer.roomSync()).toBe(OK);
    while (producer.offer('x'.repeat(40)) === OK);
    expect(producer.roomSync({ timeoutMs: 10 })).toBe(BACK_PRESSURED);
    expect(errorOf(() => producer.roomSync({ timeoutMs: -1 })).argument).toBe('timeoutMs');
    consumer.drain(() => undefined);
    expect([producer.roomSync({ timeoutMs: 0 }), producer.offer('x'.repeat(40))]).toEqual([OK, OK]);
    consumer.close();
    while (producer.offer('x'.repeat(40)) === OK);
    expect(producer.roomSync()).toBe(CLOSED);
  });

  it('readySync and roomSync end without an error after timeoutMs', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    const began = performance.now();
    expect(consumer.readySync({ timeoutMs: 20 })).toBe(EMPTY);
    while (producer.offer(eight(1)) === OK);
    expect(producer.roomSync(1, { timeoutMs: 20 })).toBe(BACK_PRESSURED);
    expect(performance.now() - began).toBeGreaterThanOrEqual(38);
    expect([consumer.readySync({ timeoutMs: 0 }), drained(consumer), producer.roomSync(2, { timeoutMs: 0 })]).toEqual([
      OK, [1, 1], OK,
    ]);
  });

  it('readySync is refused in a thread that may not block, and ready is not', async () => {
    const queue = spsc();
    const other = new Other(queue, [
      { do: 'forbidBlocking' }, { do: 'sub' }, { do: 'readySync', timeoutMs: 0 }, { do: 'ready' },
    ]);
    expect(await other.did(2)).toBe('ERR_PERCORE_WOULD_BLOCK');
    pub(queue).offer(eight(1));
    expect((await other.ended())[3]).toBe(OK);
  });
});

describe('whoever rings', () => {
  it('rings only while somebody waits', async () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    const bell = (): number => Atomics.load(producer.words, field('recordsBell'));
    producer.offer(eight(1));
    drained(consumer);
    expect([bell(), Atomics.load(producer.words, field('roomBell'))]).toEqual([0, 0]);
    const wait = consumer.ready();
    producer.offer(eight(2));
    expect(bell()).toBe(1);
    await wait;
    drained(consumer);
    producer.offer(eight(3));
    expect(bell(), 'one wish makes it ring once').toBe(1);
  });
});

describe('the loop of a thread', () => {
  const script = fileURLToPath(new URL('./fixtures/loop-life.js', import.meta.url));
  async function run(mode: string): Promise<string> {
    const child = spawn(process.execPath, [script, mode], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return `${output.trim()} (${code ?? signal})`;
  }

  it('is kept alive by a pending wait', async () => {
    expect(await Promise.all([run('ready'), run('space')])).toEqual(['waited: 0 (0)', 'waited: 0 (0)']);
  });

  it('is no longer kept alive when no wait is pending', async () => {
    expect(await run('after')).toBe('ERR_PERCORE_TIMEOUT ERR_PERCORE_TIMEOUT enough (0)');
  });
});
