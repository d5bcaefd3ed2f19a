import { closeSync, existsSync, mkdtempSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { pipeLayout } from '../layout.js';
import { descriptors, errorOf, sleep, within } from '../reactor/fixtures/inside.js';
import { isPatterned, patterned, type PipeWork } from './fixtures/pipe-worker.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe, type PipeQueue } from './pipe.js';
import type { QueueProperties } from './queue-ends.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK, TOO_LARGE } from '../result-codes.js';

const scratch = mkdtempSync(join(tmpdir(), 'percore-pipe-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const bytes = (...values: number[]) => Uint8Array.from(values);

/** A new pipe with both ends here. */
function both(options: Parameters<typeof createPipe>[0] = {}, publishEvery = 1) {
  const queue = createPipe(options) as PipeQueue<Uint8Array>;
  return {
    queue, producer: pubPipe(queue, { publishEvery: { records: publishEvery } }), consumer: subPipe(queue),
    properties: () => propertiesOfPipe(queue),
  };
}

/** Offers records of `length` until one is not taken; how many were. */
function fill(producer: { offer(value: Uint8Array): number }, length: number): number {
  let count = 0;
  while (producer.offer(new Uint8Array(length)) === OK) count++;
  return count;
}

function start(work: PipeWork): Worker {
  return new Worker(new URL('./fixtures/pipe-worker.js', import.meta.url), { workerData: work });
}

/** The worker's one message, or its error. */
function answerOf<T>(worker: Worker): Promise<T> {
  return within(10_000, new Promise((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
  }), 'a message of the worker');
}

async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  let isDecided = false;
  promise.then(() => (isDecided = true), () => (isDecided = true));
  await sleep(20);
  return !isDecided;
}

describe('a pipe', () => {
  it('carries bytes, of any content and length', () => {
    const { producer, consumer, properties } = both();
    const records = [bytes(), bytes(10), bytes(0, 255, 10, 13), new Uint8Array(5000).fill(10)];
    for (const record of records) expect(producer.offer(record)).toBe(OK);
    for (const record of records) {
      expect(consumer.poll()).toEqual(record);
      expect(consumer.state).toBe(OK);
    }
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
    expect(properties()).toMatchObject({
      kind: 'spsc', backend: 'pipe', published: 4, consumed: 4, depth: 0, isClosed: false,
    });
    producer.close();
    consumer.close();
  });

  it('carries text, as records of either framing', () => {
    for (const framing of ['line', 'length'] as const) {
      const queue = createPipe({ framing, values: 'text' });
      const [producer, consumer] = [pubPipe(queue), subPipe(queue)];
      const texts = ['', 'plain', 'ü€😀', '\r', '\0', 'x'.repeat(6000)];
      for (const text of texts) expect(producer.offer(text)).toBe(OK);
      producer.close();
      const read: string[] = [];
      expect(consumer.drain((text) => void read.push(text))).toBe(texts.length);
      expect(read).toEqual(texts);
      consumer.close();
    }
  });

  it('answers BACK_PRESSURED when it is full, counts that, and takes more when it was read', () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096 });
    expect(properties().capacity).toBe(4096);
    const count = fill(producer, 60);
    expect(count).toBe(64);
    expect(producer.offer(new Uint8Array(60))).toBe(BACK_PRESSURED);
    expect(properties()).toMatchObject({
      depth: 4096, highWater: 4096, published: 64, refused: 2, dropped: { newest: 0, closed: 0 },
      consumers: [{ place: 0, lag: 4096, consumed: 0 }],
    });
    expect(consumer.drain(() => undefined)).toBe(64);
    expect(producer.offer(new Uint8Array(60))).toBe(OK);
    expect(properties()).toMatchObject({ depth: 64, highWater: 4096, consumed: 64 });
    producer.close();
    consumer.close();
  });

  it('with drop-newest answers DROPPED and counts that', () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096, whenSlow: 'drop-newest' });
    expect(fill(producer, 1020)).toBe(4);
    expect(producer.offer(new Uint8Array(1020))).toBe(DROPPED);
    expect(properties()).toMatchObject({
      published: 4, refused: 0, dropped: { newest: 2, oldest: 0, evicted: 0, closed: 0, tooLarge: 0 },
    });
    producer.close();
    consumer.close();
  });

  it('takes a record longer than itself, which then goes out by itself, before anything else, and '
    + 'is not torn', async () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096 });
    const long = new Uint8Array(100_000).map((_, i) => i * 31);
    expect(producer.offer(long)).toBe(OK);
    expect(producer.offer(bytes(1)), 'its rest goes first').toBe(BACK_PRESSURED);
    expect(consumer.poll(), 'nobody sees a part').toBe(undefined);
    // Nothing but reading is done here: the producer's thread sends the rest.
    expect(await within(5000, consumer.ready(), 'the whole record')).toBe(OK);
    expect(Buffer.compare(consumer.poll()!, long)).toBe(0);
    expect(producer.offer(bytes(2))).toBe(OK);
    expect(consumer.poll()).toEqual(bytes(2));
    expect(properties()).toMatchObject({ published: 2, consumed: 2, refused: 1 });
    producer.close();
    consumer.close();
  });

  it('sends the rest of a long record although its thread makes no other call', async () => {
    const { producer, consumer } = both({ capacityBytes: 4096 });
    expect(producer.offer(new Uint8Array(20_000))).toBe(OK);
    expect(await within(5000, consumer.ready(), 'the whole record')).toBe(OK);
    expect(consumer.poll()!.length).toBe(20_000);
    producer.close();
    consumer.close();
  });

  it('refuses for good what is longer than maxRecordBytes', () => {
    const { producer, consumer, properties } = both({ maxRecordBytes: 10 });
    expect(producer.offer(new Uint8Array(10))).toBe(OK);
    expect(producer.offer(new Uint8Array(11))).toBe(TOO_LARGE);
    expect(properties()).toMatchObject({ published: 1, refused: 0 });
    producer.close();
    consumer.close();
  });

  it('gathers records for one write when told to, and writes them at the bound, at a page, at flush and at '
    + 'close', () => {
    const { producer, consumer, properties } = both({}, 10);
    for (let i = 0; i < 9; i++) producer.offer(bytes(i));
    expect(properties(), 'accepted, and not yet in the pipe').toMatchObject({ published: 9, depth: 0 });
    producer.offer(bytes(9));
    expect(properties().depth).toBe(50);
    expect(consumer.drain(() => undefined)).toBe(10);
    producer.offer(bytes(1));
    expect(producer.flush()).toBe(OK);
    expect(properties().depth).toBe(5);
    expect(consumer.poll()).toEqual(bytes(1));
    for (let i = 0; i < 5; i++) producer.offer(new Uint8Array(1000));
    expect(properties().depth, 'the fifth did not fit beside the others in 4,096 bytes').toBe(4 * 1004);
    expect(consumer.drain(() => undefined)).toBe(4);
    producer.offer(new Uint8Array(4093));
    expect(properties().depth, 'what is longer than 4,096 bytes waits for nobody').toBe(1004 + 4097);
    producer.offer(bytes(1));
    producer.close();
    expect(consumer.drain(() => undefined)).toBe(3);
    expect(consumer.drain(() => undefined)).toBe(CLOSED);
  });

  it('sends what was flushed into a full pipe as soon as there is room, without another call', async () => {
    const { producer, consumer } = both({ capacityBytes: 4096 }, 100);
    for (let i = 0; i < 4; i++) expect(producer.offer(new Uint8Array(1020))).toBe(OK);
    expect(producer.flush()).toBe(OK);
    for (let i = 0; i < 3; i++) expect(producer.offer(bytes(i))).toBe(OK);
    expect(producer.flush()).toBe(OK);
    expect(consumer.drain(() => undefined)).toBe(4);
    expect(await within(5000, consumer.ready(), 'the flushed records')).toBe(OK);
    expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([bytes(0), bytes(1), bytes(2)]);
    producer.close();
    consumer.close();
  });

  it('refuses values that its framing or kind cannot carry, by name, and takes nothing of them', async () => {
    const line = createPipe({ framing: 'line' });
    const [producer, consumer] = [pubPipe(line), subPipe(line)];
    expect(await errorOf(() => producer.offer('two\nlines'))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
      message: expect.stringContaining("framing 'line' ends a record there"),
    });
    expect(await errorOf(() => producer.offer('half \ud800'))).toMatchObject({ code: 'ERR_PERCORE_UNSERIALIZABLE' });
    expect(await errorOf(() => producer.offer(bytes(1) as never))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
    });
    expect(producer.offer('good')).toBe(OK);
    expect([consumer.poll(), consumer.poll()]).toEqual(['good', undefined]);
    producer.close();
    consumer.close();
    const raw = both({ framing: 'line', values: 'bytes' });
    expect(await errorOf(() => raw.producer.offer(bytes(65, 10)))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
    });
    expect(await errorOf(() => raw.producer.offer('text' as never))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
    });
    raw.producer.close();
    raw.consumer.close();
    expect(propertiesOfPipe(line)).toMatchObject({ published: 1, consumed: 1 });
  });

  it('reports the capacity that was granted, not the one asked for', () => {
    for (const [asked, granted] of [[undefined, 65_536], [1, 4096], [4097, 8192], [100_000, 131_072]] as const) {
      const queue = createPipe(asked === undefined ? {} : { capacityBytes: asked });
      expect(queue.capacityBytes).toBe(granted);
      expect(propertiesOfPipe(queue)).toMatchObject({ capacity: granted, depth: 0, consumers: [], isClosed: false });
      closePipe(queue);
    }
  });

  it('lets nothing but good options pass', async () => {
    const wrong: [string, unknown][] = [
      ['framing', 'lines'], ['values', 'json'], ['whenSlow', 'drop-oldest'], ['maxRecordBytes', 0],
      ['maxRecordBytes', 2 ** 28 + 1], ['capacityBytes', 0], ['capacityBytes', 2 ** 30 + 1], ['mode', 0o1000],
      ['path', ''], ['path', 3], ['path', 'a\0b'], ['keepOpen', true], ['keepOpen', 1],
    ];
    const before = descriptors();
    for (const [argument, value] of wrong) {
      expect(await errorOf(() => createPipe({ [argument]: value })), `${argument} ${String(value)}`).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument, value,
      });
    }
    const queue = createPipe();
    for (const publishEvery of [0, 1.5, 2 ** 31])
      expect(await errorOf(() => pubPipe(queue, { publishEvery: { records: publishEvery } }))).toMatchObject({
        argument: 'publishEvery.records',
      });
    expect(await errorOf(() => closePipe(queue, 'reader' as never))).toMatchObject({ argument: 'end' });
    closePipe(queue);
    for (const not of [undefined, {}, { shared: new SharedArrayBuffer(8) }])
      expect(await errorOf(() => pubPipe(not as never))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue',
      });
    expect(await errorOf(() => subPipe({ shared: new SharedArrayBuffer(pipeLayout.bytes) } as never))).toMatchObject({
      code: 'ERR_PERCORE_LAYOUT_MISMATCH',
    });
    expect(descriptors()).toEqual(before);
  });
});

describe('the ends of a pipe', () => {
  it('the consumer drains and then is told CLOSED when the producer has closed', async () => {
    const { producer, consumer, properties } = both();
    producer.offer(bytes(1));
    producer.close();
    producer.close();
    expect(producer.offer(bytes(2))).toBe(CLOSED);
    expect(producer.flush()).toBe(CLOSED);
    expect(await producer.room()).toBe(CLOSED);
    expect(await consumer.ready()).toBe(OK);
    expect(consumer.poll()).toEqual(bytes(1));
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    expect(await consumer.ready()).toBe(CLOSED);
    expect(consumer.drain(() => undefined)).toBe(CLOSED);
    expect(properties()).toMatchObject({
      published: 1, consumed: 1, isClosed: true, dropped: { closed: 0 }, consumers: [],
    });
  });

  it('closing sends the rest of a long record first, and only then ends the pipe', async () => {
    const { producer, consumer } = both({ capacityBytes: 4096 });
    producer.offer(new Uint8Array(50_000).fill(7));
    producer.close();
    expect(producer.offer(bytes(1))).toBe(CLOSED);
    const read: number[] = [];
    for await (const record of consumer) read.push(record.length);
    expect(read).toEqual([50_000]);
  });

  it('the producer is told CLOSED when the consumer has closed; what was on its way is counted', () => {
    const { producer, consumer, properties } = both();
    for (let i = 0; i < 5; i++) producer.offer(bytes(i));
    consumer.poll();
    consumer.close();
    consumer.close();
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    expect(producer.offer(bytes(9))).toBe(CLOSED);
    expect(producer.offer(bytes(9))).toBe(CLOSED);
    expect(properties()).toMatchObject({
      published: 5, consumed: 1, refused: 0, dropped: { closed: 4 }, isClosed: true,
    });
  });

  it('a producer that waits is told when the consumer closes, and its unsent rest is counted once', async () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096 });
    expect(producer.offer(new Uint8Array(50_000))).toBe(OK);
    const room = producer.room();
    expect(await isWaiting(room)).toBe(true);
    consumer.close();
    expect(await within(5000, room, 'CLOSED')).toBe(CLOSED);
    expect(properties()).toMatchObject({ published: 1, consumed: 0, dropped: { closed: 1 } });
  });

  it('waits end with room, a record, a time-out, an abort or the closing of the own end', async () => {
    const { producer, consumer } = both({ capacityBytes: 4096 });
    expect(await producer.room(), 'at once while there is room').toBe(OK);
    const ready = consumer.ready();
    expect(await isWaiting(ready)).toBe(true);
    producer.offer(bytes(1));
    expect(await within(5000, ready, 'a record')).toBe(OK);
    fill(producer, 1020);
    const room = producer.room();
    expect(await isWaiting(room)).toBe(true);
    consumer.drain(() => undefined);
    expect(await within(5000, room, 'room')).toBe(OK);

    expect(await errorOf(() => consumer.ready({ timeoutMs: 5 }))).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
    fill(producer, 1020);
    expect(await errorOf(() => producer.room({ timeoutMs: 5 }))).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
    const controller = new AbortController();
    const aborted = producer.room({ signal: controller.signal });
    controller.abort('enough');
    await expect(aborted).rejects.toBe('enough');
    expect(await errorOf(() => producer.room({ timeoutMs: -1 }))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT',
    });

    const mySpace = producer.room();
    producer.close();
    expect(await mySpace).toBe(CLOSED);
    consumer.drain(() => undefined);
    const other = both();
    const myReady = other.consumer.ready();
    other.consumer.close();
    expect(await myReady).toBe(CLOSED);
    other.producer.close();
  });

  it('waits without looking again and again: the loop sleeps until something happens', async () => {
    const { queue, producer, consumer } = both({ capacityBytes: 4096 });
    const ready = consumer.ready();
    const full = both({ capacityBytes: 4096 });
    fill(full.producer, 1020);
    const room = full.producer.room();
    // One byte of a record makes a wake-up and no record.
    writeSync(queue.writeDescriptor, new Uint8Array(1));
    const before = performance.nodeTiming.uvMetricsInfo.loopCount;
    await sleep(200);
    expect(performance.nodeTiming.uvMetricsInfo.loopCount - before).toBeLessThan(20);
    consumer.close();
    full.consumer.close();
    expect([await ready, await within(5000, room, 'the end')]).toEqual([CLOSED, CLOSED]);
    producer.close();
  });

  it('a loop left early leaves the pipe open', async () => {
    const { producer, consumer } = both();
    for (let i = 0; i < 3; i++) producer.offer(bytes(i));
    for await (const record of consumer) {
      expect(record).toEqual(bytes(0));
      break;
    }
    expect(consumer.poll()).toEqual(bytes(1));
    producer.close();
    const rest: Uint8Array[] = [];
    for await (const record of consumer) rest.push(record);
    expect(rest).toEqual([bytes(2)]);
  });

  it('a handler may offer, poll, throw and close', async () => {
    const { producer, consumer, properties } = both();
    for (let i = 0; i < 6; i++) producer.offer(bytes(i));
    expect(await errorOf(() => consumer.drain(() => {
      throw new Error('by the handler');
    }))).toMatchObject({ message: 'by the handler' });
    const seen: number[] = [];
    expect(consumer.drain((record) => {
      seen.push(record[0]!);
      if (seen.length === 1) seen.push(consumer.poll()![0]!);
      if (seen.length === 4) consumer.close();
    })).toBe(3);
    expect(seen, 'record 0 was read by the handler that threw').toEqual([1, 2, 3, 4]);
    expect(properties()).toMatchObject({ published: 6, consumed: 5, dropped: { closed: 1 } });
    producer.close();
  });

  it('a writer that keeps up does not keep a drain for ever', () => {
    const { producer, consumer } = both({ maxRecordBytes: 1000 });
    producer.offer(bytes(1));
    let handled = 0;
    consumer.drain(() => {
      handled++;
      producer.offer(new Uint8Array(900));
      producer.offer(new Uint8Array(900));
    });
    expect(handled).toBeGreaterThan(1);
    expect(handled).toBeLessThan(1000);
    consumer.close();
    producer.close();
  });

  it('each is opened once, in one thread; who comes too late is told so', async () => {
    const before = descriptors();
    const { queue, producer, consumer } = both();
    for (const open of [pubPipe, subPipe]) {
      const error = await errorOf(() => open(structuredClone(queue)));
      expect(error).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue',
        message: expect.stringMatching(/^the (producing|consuming) end of this pipe is open elsewhere, or was closed/),
      });
    }
    closePipe(queue);
    expect(producer.offer(bytes(1)), 'closePipe leaves open ends alone').toBe(OK);
    expect(consumer.poll()).toEqual(bytes(1));
    producer.close();
    consumer.close();
    for (const open of [pubPipe, subPipe])
      expect(await errorOf(() => open(queue))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue',
      });
    expect(descriptors()).toEqual(before);
  });

  it('an end that nobody opens can be closed, and the other end sees it', async () => {
    const before = descriptors();
    const first = createPipe();
    closePipe(first, 'consumer');
    expect(pubPipe(first).offer(bytes(1))).toBe(CLOSED);
    const second = createPipe();
    closePipe(second, 'producer');
    const consumer = subPipe(second);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    const third = createPipe();
    closePipe(third);
    closePipe(third);
    expect(propertiesOfPipe(third).isClosed).toBe(true);
    expect(await errorOf(() => pubPipe(third))).toMatchObject({ argument: 'queue' });
    expect(descriptors()).toEqual(before);
  });

  it('hundreds of pipes, opened and closed in every order, leave no descriptor and close none that is not '
    + 'theirs', () => {
    const before = descriptors();
    for (let i = 0; i < 300; i++) {
      const queue = createPipe();
      if (i % 3 === 0) closePipe(queue, i % 2 === 0 ? 'producer' : 'consumer');
      const ends = [i % 6 === 0 ? undefined : pubPipe(queue), i % 6 === 3 ? undefined : subPipe(queue)];
      if (i % 2 === 0) ends.reverse();
      const other = createPipe();
      for (const end of ends) end?.close();
      // A descriptor closed twice would have been this one's.
      const [producer, consumer] = [pubPipe(other), subPipe(other)];
      for (const end of ends) end?.close();
      closePipe(queue);
      expect(producer.offer(bytes(i & 0xff))).toBe(OK);
      expect(consumer.poll()).toEqual(bytes(i & 0xff));
      producer.close();
      consumer.close();
    }
    expect(descriptors()).toEqual(before);
  });

  it('whose memory was scribbled on names no other descriptor: not its other end, not one that is open, not another '
    + 'pipe of the process', async () => {
    const field = (name: 'producerFd' | 'consumerFd' | 'producerEnd' | 'producerInode'): number =>
      pipeLayout.fields[name].at;
    const other = both();
    const [swapped, twice, foreign] = [createPipe(), createPipe(), createPipe()];
    const words = (queue: PipeQueue): Int32Array => new Int32Array(queue.shared);
    words(swapped)[field('producerFd') >> 2] = swapped.readDescriptor;
    const open = pubPipe(twice);
    words(twice)[field('producerFd') >> 2] = twice.writeDescriptor;
    // Free again, it says.
    words(twice)[field('producerEnd') >> 2] = 0;
    words(foreign)[field('producerFd') >> 2] = other.queue.writeDescriptor;
    new Float64Array(foreign.shared)[field('producerInode') >> 3] = new Float64Array(other.queue.shared)[
      field('producerInode') >> 3
    ]!;
    for (const queue of [swapped, twice, foreign])
      expect(await errorOf(() => pubPipe(queue))).toMatchObject({ code: 'ERR_PERCORE_SYSTEM', errno: 'EBADF' });
    for (const queue of [swapped, twice, foreign]) closePipe(queue);
    expect(other.producer.offer(bytes(1))).toBe(OK);
    expect(other.consumer.poll()).toEqual(bytes(1));
    open.close();
    other.producer.close();
    other.consumer.close();
  });

  it('what the system says comes as an error with errno and syscall', async () => {
    const { queue, producer, consumer } = both();
    // Somebody else's mistake: our descriptor closed behind our back.
    closeSync(queue.readDescriptor);
    expect(await errorOf(() => consumer.poll())).toMatchObject({
      code: 'ERR_PERCORE_SYSTEM', errno: 'EBADF', syscall: 'read', message: 'EBADF: read failed',
    });
    expect(producer.offer(bytes(1))).toBe(CLOSED);
    expect(await errorOf(() => createPipe({ path: join(scratch, 'no', 'such', 'folder') }))).toMatchObject({
      code: 'ERR_PERCORE_SYSTEM', errno: 'ENOENT', syscall: 'mkfifo',
    });
    writeFileSync(join(scratch, 'file'), '');
    expect(await errorOf(() => createPipe({ path: join(scratch, 'file') }))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'path',
    });
    const fifo = createPipe({ path: join(scratch, 'gone') });
    rmSync(fifo.path);
    expect(existsSync(fifo.path)).toBe(false);
    expect(await errorOf(() => subPipe(fifo))).toMatchObject({
      code: 'ERR_PERCORE_SYSTEM', errno: 'ENOENT', syscall: 'open',
    });
    const gone = pubPipe(fifo);
    expect(await errorOf(() => gone.offer(bytes(1)))).toMatchObject({ code: 'ERR_PERCORE_SYSTEM', errno: 'ENOENT' });
    expect(await errorOf(() => gone.room())).toMatchObject({ code: 'ERR_PERCORE_SYSTEM', errno: 'ENOENT' });
    // What threw was not taken: it does not come out when there is a FIFO again.
    const again = subPipe(createPipe({ path: fifo.path }));
    expect(gone.offer(bytes(2))).toBe(OK);
    gone.close();
    expect(again.poll()).toEqual(bytes(2));
    again.close();
    expect(propertiesOfPipe(fifo)).toMatchObject({ published: 1 });
  });
});

describe('a pipe between threads', () => {
  for (const publishEvery of [1, 50]) {
    it(`brings every record whole and in order, from a worker and to one, written `
      + `${publishEvery === 1 ? 'one by one' : `by ${publishEvery}`}`, async () => {
      const before = descriptors();
      const records = 5000;
      const queue = createPipe();
      const [producing, consuming] = [
        start({ role: 'produce', queue, records, publishEvery }), start({ role: 'consume', queue }),
      ];
      const exits = [once(producing, 'exit'), once(consuming, 'exit')];
      const [totals, read] = await Promise.all([answerOf<QueueProperties>(producing), answerOf<number>(consuming)]);
      expect(read).toBe(records);
      expect(totals.published).toBe(records);
      await Promise.all(exits);
      expect(propertiesOfPipe(queue), 'from a third thread').toMatchObject({
        published: records, consumed: records, isClosed: true, dropped: { closed: 0, tooLarge: 0 },
      });
      expect(descriptors()).toEqual(before);
    });
  }

  it('tells anybody its depth and lag while others have the ends', async () => {
    const queue = createPipe();
    const holder = start({ role: 'hold', queue, end: 'producer', bytes: 1000 });
    expect(await answerOf(holder)).toBe(OK);
    expect(propertiesOfPipe(structuredClone(queue))).toMatchObject({
      depth: 1004, published: 1, consumers: [], isClosed: false,
    });
    await holder.terminate();
    closePipe(queue);
  });

  it("ends for the consumer when the producer's worker is terminated; a cut record is counted, not "
    + "delivered", async () => {
    const before = descriptors();
    const queue = createPipe({ capacityBytes: 4096 });
    const holder = start({ role: 'hold', queue, end: 'producer', bytes: 50_000 });
    expect(await answerOf(holder)).toBe(OK);
    const consumer = subPipe(queue);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
    await holder.terminate();
    expect(await within(5000, consumer.ready(), 'the end')).toBe(CLOSED);
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 1, consumed: 0, dropped: { closed: 1 } });
    expect(descriptors()).toEqual(before);
  });

  it('ends for the producer when the consumer\'s worker is terminated', async () => {
    const before = descriptors();
    const queue = createPipe({ capacityBytes: 4096 });
    const holder = start({ role: 'hold', queue, end: 'consumer' });
    expect(await answerOf(holder)).toBe(OK);
    const producer = pubPipe(queue);
    expect(fill(producer, 1020)).toBe(4);
    const room = producer.room();
    await holder.terminate();
    expect(await within(5000, room, 'CLOSED')).toBe(CLOSED);
    expect(producer.offer(bytes(1))).toBe(CLOSED);
    expect(descriptors()).toEqual(before);
  });

  it('closes what nobody opened when the worker that made it ends, and leaves alone what somebody has', async () => {
    const before = descriptors();
    const maker = start({ role: 'make', pipes: 40 });
    const pipes = await answerOf<PipeQueue<Uint8Array>[]>(maker);
    const producer = pubPipe(pipes[0]!);
    const consumer = subPipe(pipes[2]!);
    const [owned, read] = [pubPipe(pipes[3]!), subPipe(pipes[3]!)];
    await maker.terminate();
    expect(producer.offer(bytes(1)), 'its reading end went with its maker').toBe(CLOSED);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    expect(owned.offer(bytes(2))).toBe(OK);
    expect(read.poll()).toEqual(bytes(2));
    owned.close();
    read.close();
    expect(await errorOf(() => subPipe(pipes[4]!))).toMatchObject({ argument: 'queue' });
    expect(descriptors()).toEqual(before);
  });

  it('survives the death of either worker at any moment, again and again', { timeout: 120_000 }, async () => {
    const before = descriptors();
    for (let i = 0; i < 20; i++) {
      const queue = createPipe({ capacityBytes: i % 2 === 0 ? 4096 : 65_536 });
      const [dying, other] =
        i % 2 === 0
          ? [start({ role: 'produce', queue, records: 1e9, publishEvery: 1 + (i % 3) * 20 }), 'consumer']
          : [start({ role: 'consume', queue }), 'producer'];
      const gone = once(dying, 'exit');
      const failed: Error[] = [];
      dying.on('error', (error) => void failed.push(error));
      // It may have died before it opened its end: then that is still this thread's, and a supervisor gives it up.
      dying.on('exit', () => closePipe(queue));
      setTimeout(() => void dying.terminate(), 40 + ((i * 7919) % 40));
      if (other === 'consumer') {
        const consumer = subPipe(queue);
        let count = 0;
        for await (const record of consumer) {
          if (!isPatterned(record, count)) throw new Error(`record ${count} is not what was offered`);
          count++;
        }
        expect(consumer.state).toBe(CLOSED);
        expect(propertiesOfPipe(queue).dropped.closed, 'at most the one that was cut').toBeLessThanOrEqual(1);
      } else {
        const producer = pubPipe(queue);
        let code: number = OK;
        for (let n = 0; code !== CLOSED; n++) {
          while ((code = producer.offer(patterned(n))) === BACK_PRESSURED)
            await within(10_000, producer.room(), 'space or the end');
        }
      }
      await gone;
      expect(failed).toEqual([]);
    }
    expect(descriptors()).toEqual(before);
  });
});
