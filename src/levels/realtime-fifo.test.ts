import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { DROPPED, OK, struct } from '../queues/index.js';
import { errorOf } from '../reactor/fixtures/inside.js';
import {
  clearCore, createRealtimeFifo, fifoToPipe, openRealtimeFifo, readRealtimeFifo, realtimeFifoStatus,
} from './index.js';

const codec = struct({ at: 'f64', value: 'u32' });
const folder = mkdtempSync(join(tmpdir(), 'percore-fifo-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a real-time FIFO', () => {
  it('drops and counts what finds it full, and gives the rest in order', async () => {
    const fifo = createRealtimeFifo({ capacity: 8, codec });
    const writer = openRealtimeFifo(fifo);
    const codes = Array.from({ length: 11 }, (_, value) => writer.write({ at: value / 2, value }));
    expect(codes).toEqual([...new Array<number>(8).fill(OK), DROPPED, DROPPED, DROPPED]);
    expect(realtimeFifoStatus(fifo)).toEqual({ written: 8, dropped: 3 });
    const seen: number[] = [];
    for await (const { at, value } of readRealtimeFifo(fifo, { pollMs: 1 })) {
      expect(at).toBe(value / 2);
      seen.push(value);
      // There is room again, and the last record ends it.
      if (value === 2) expect(writer.write({ at: 50, value: 100 })).toBe(OK);
      if (value === 7) setTimeout(() => writer.close(), 20);
      if (value === 100) expect(at).toBe(50);
      if (seen.length === 9) break;
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 100]);
  });

  it.each([[3], [1], [2 ** 21], ['8']])('refuses a capacity of %s, with its own range', async (capacity) => {
    expect(await errorOf(async () => createRealtimeFifo({ capacity: capacity as number, codec }))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'capacity', value: capacity,
      allowed: 'a power of two from 2 to 1048576',
    });
  });

  it('ends with its writer, in another thread, and by a signal', async () => {
    const fifo = createRealtimeFifo({ capacity: 1024, codec });
    const program = `const { workerData } = require('node:worker_threads');
      import(workerData.url).then(({ openRealtimeFifo }) => {
        const writer = openRealtimeFifo(workerData.fifo);
        for (let value = 0; value < 500; value++) writer.write({ at: 0, value });
        writer.close();
      });`;
    const url = new URL('./index.js', import.meta.url).href;
    const worker = new Worker(program, { eval: true, workerData: { fifo, url } });
    let next = 0;
    for await (const { value } of readRealtimeFifo(fifo)) expect(value).toBe(next++);
    expect(next).toBe(500);
    await worker.terminate();

    const other = createRealtimeFifo({ codec });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    for await (const _record of readRealtimeFifo(other, { signal: controller.signal })) expect.unreachable();
  });

  it('is read by cat, line by line', async () => {
    const fifo = createRealtimeFifo({ capacity: 64, codec });
    const path = join(folder, 'samples');
    const writer = openRealtimeFifo(fifo);
    const carried = fifoToPipe(fifo, { path, pollMs: 1, format: ({ value }) => `value ${value}` });
    const cat = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    for (let value = 0; value < 40; value++) expect(writer.write({ at: 0, value })).toBe(OK);
    writer.close();
    expect(await carried).toBe(40);
    expect(await text(cat.stdout)).toBe(Array.from({ length: 40 }, (_, value) => `value ${value}\n`).join(''));
  });

  it('goes on with the next reader when one has gone, and loses no line that was not in the pipe', async () => {
    const fifo = createRealtimeFifo({ capacity: 1024, codec });
    const path = join(folder, 'readers');
    const writer = openRealtimeFifo(fifo);
    let value = 0;
    const writing = setInterval(() => {
      for (let i = 0; i < 3; i++) if (writer.write({ at: 0, value }) === OK) value++;
    }, 2);
    const carried = fifoToPipe(fifo, { path, pollMs: 1, format: (record) => String(record.value) });
    const seen: number[] = [];
    for (let reader = 0; reader < 3; reader++) {
      const head = spawn('head', ['-n', '20', path], { stdio: ['ignore', 'pipe', 'inherit'] });
      seen.push(...(await text(head.stdout)).trimEnd().split('\n').map(Number));
    }
    clearInterval(writing);
    const cat = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const last = text(cat.stdout);
    writer.write({ at: 0, value: value++ });
    writer.close();
    expect(await carried).toBe(value);
    seen.push(...(await last).trimEnd().split('\n').map(Number));
    expect(seen).toHaveLength(new Set(seen).size);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(60);
    expect(seen.at(-1)).toBe(value - 1);
  });

  it('ends with an error at a line that no pipe takes, and does not try it for ever', async () => {
    const fifo = createRealtimeFifo({ capacity: 8, codec });
    openRealtimeFifo(fifo).write({ at: 0, value: 1 });
    const format = (): string => 'x'.repeat(2 ** 24);
    expect(await errorOf(() => fifoToPipe(fifo, { path: join(folder, 'long'), pollMs: 1, format }))).toMatchObject({
      code: 'ERR_PERCORE_TOO_LARGE', argument: 'format',
    });
  });

  it('refuses what is none', async () => {
    expect(await errorOf(async () => createRealtimeFifo({ codec: {} as never }))).toMatchObject({ argument: 'codec' });
    expect(await errorOf(async () => createRealtimeFifo({ codec, capacity: 1 }))).toMatchObject({
      argument: 'capacity', value: 1,
    });
    expect(await errorOf(async () => openRealtimeFifo({} as never))).toMatchObject({ argument: 'fifo' });
    expect(await errorOf(() => readRealtimeFifo(createRealtimeFifo({ codec }), { pollMs: 0 }).next())).toMatchObject({
      argument: 'pollMs',
    });
  });
});

describe('clearCore', () => {
  it('does not say of a CPU that is not there that it is clear', () => {
    expect(clearCore(8000)).toEqual({ cpu: 8000, moved: [], kept: [], refusals: ['this machine has no CPU 8000'] });
  });

  it('moves every thread off a CPU that another thread has for itself, or says that there is no other', () => {
    const { threads } = native();
    const before = threads.getAffinity();
    const cpu = before.at(-1)!;
    const { moved, kept, refusals } = clearCore(cpu);
    try {
      if (before.length === 1) {
        expect(moved).toEqual([]);
        expect(refusals.join()).toContain('the only one');
        expect(threads.getAffinity()).toEqual(before);
      } else {
        expect(refusals).toEqual([]);
        expect(moved.map(({ tid }) => tid)).toContain(threads.id());
        expect(moved.every(({ cpus }) => !cpus.includes(cpu))).toBe(true);
        expect(kept.every(({ cpus }) => cpus.length === 1)).toBe(true);
        expect(threads.getAffinity()).not.toContain(cpu);
      }
    } finally {
      for (const { tid } of moved) threads.setAffinityOf(tid, before);
    }
    expect(threads.getAffinity()).toEqual(before);
  });
});
