/** How the ends of a pipe come, go and wait: they are closed, given up, taken over and woken. */
import { closeSync, existsSync, mkdtempSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, describe, expect, it } from 'vitest';
import { pipeLayout } from '../layout.js';
import { descriptors, errorOf, sleep, within } from '../reactor/fixtures/inside.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe, type PipeQueue } from './pipe.js';
import { CLOSED, OK } from '../result-codes.js';
import { bytes, both, fill, isWaiting } from './fixtures/pipe-ends.js';

const scratch = mkdtempSync(join(tmpdir(), 'percore-pipe-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('the ends of a pipe', () => {
  it('the consumer reads what is left and then gets CLOSED when the producer has closed', async () => {
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

  it('the producer gets CLOSED when the consumer has closed; what was under way is counted', () => {
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

  it('waits end with room, a record, a time-out, an abort, or when their own end closes', async () => {
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

  it('waiting does not poll: the event loop sleeps until something happens', async () => {
    const { queue, producer, consumer } = both({ capacityBytes: 4096 });
    const ready = consumer.ready();
    const full = both({ capacityBytes: 4096 });
    fill(full.producer, 1020);
    const room = full.producer.room();
    // One byte of a record wakes the consumer, but is no record.
    writeSync(queue.writeDescriptor, new Uint8Array(1));
    // The least of five: what else is in this process may turn the loop for a while, and polling would do so always.
    const passes: number[] = [];
    for (let i = 0; i < 5; i++) {
      const before = performance.nodeTiming.uvMetricsInfo.loopCount;
      await sleep(100);
      passes.push(performance.nodeTiming.uvMetricsInfo.loopCount - before);
    }
    expect(Math.min(...passes)).toBeLessThan(20);
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

  it('a handler may offer, poll, throw and close the end', async () => {
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

  it('a writer that keeps up does not make a drain go on for ever', () => {
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

  it('each can be opened once, in one thread; a later attempt is told so', async () => {
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
    expect(producer.offer(bytes(1)), 'closePipe does not touch open ends').toBe(OK);
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

  it('hundreds of pipes, opened and closed in every order, leave no descriptor open and close none that is not '
    + 'theirs', () => {
    const before = descriptors();
    for (let i = 0; i < 300; i++) {
      const queue = createPipe();
      if (i % 3 === 0) closePipe(queue, i % 2 === 0 ? 'producer' : 'consumer');
      const ends = [i % 6 === 0 ? undefined : pubPipe(queue), i % 6 === 3 ? undefined : subPipe(queue)];
      if (i % 2 === 0) ends.reverse();
      const other = createPipe();
      for (const end of ends) end?.close();
      // If a descriptor were closed twice, it would now be this one.
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

  it('memory that was written over can name no other descriptor: not the other end, not an open one, not another '
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

  it('what the system refuses becomes an error with errno and syscall', async () => {
    const { queue, producer, consumer } = both();
    // Somebody else's mistake has closed our descriptor.
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
    // An offer that threw was not taken: its record does not come out when there is a FIFO again.
    const again = subPipe(createPipe({ path: fifo.path }));
    expect(gone.offer(bytes(2))).toBe(OK);
    gone.close();
    expect(again.poll()).toEqual(bytes(2));
    again.close();
    expect(propertiesOfPipe(fifo)).toMatchObject({ published: 1 });
  });

  it('an end that cannot send what it has gathered throws in close(), and is closed nevertheless', async () => {
    const fifo = createPipe({ path: join(scratch, 'taken-away') });
    const producer = pubPipe(fifo, { publishEvery: { records: 10 } });
    expect([producer.offer(bytes(1)), producer.offer(bytes(2))]).toEqual([OK, OK]);
    rmSync(fifo.path);
    expect(await errorOf(() => producer.close())).toMatchObject({ code: 'ERR_PERCORE_SYSTEM', errno: 'ENOENT' });
    producer.close();
    expect([producer.offer(bytes(3)), await producer.room()]).toEqual([CLOSED, CLOSED]);
    expect(propertiesOfPipe(fifo)).toMatchObject({ published: 2, dropped: { closed: 2 }, isClosed: true });
  });
});
