/**
 * A queue's file with random words in random places, while its ends go on: each call answers a code or throws a
 * PercoreError, in the end; none hangs, and no process dies. 20,000 mutations in CI, 10^7 with `PERCORE_STRESS=1`.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { QUEUE_FILE_TEXT, queueFileLayout } from '../layout.js';
import { isLong } from './fixtures/stress.js';
import { create, inspect, open, pub, recover, struct, sub, type FixedQueue, type VariableQueue } from './index.js';

const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-fuzz-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const MUTATIONS = isLong ? 10_000_000 : 20_000;
/** Mutations of one file before it is made anew. */
const A_FILE = 40;
const record = struct({ number: 'u32', text: 'utf8[8]' });

it('throws what has a name, and goes on or ends, whatever is written over the file', () => {
  const seed = (Math.random() * 2 ** 31) | 0;
  let random = seed;
  const draw = (below: number): number => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((random >>> 0) / 2 ** 32) * below);
  };
  const values = [0, 1, -1, 2, 7, 8, 16, 17, 48, 64, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, 4096];
  const codes = new Map<string, number>();
  const attempt = (run: () => unknown): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof PercoreError)) throw new Error(`seed ${seed}: no PercoreError`, { cause: error });
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    }
  };
  const shapes = (['spsc', 'mpsc', 'spmc'] as const).flatMap((kind) => [
    { kind, capacity: 16, recordBytes: 8 }, { kind, capacityBytes: 128 }, { kind, capacity: 16, codec: record },
  ]);
  const originals = shapes.map((shape, i) => {
    const path = join(scratch, `original-${i}`);
    create({ ...shape, ...(shape.kind === 'spsc' ? {} : { maxConsumers: 2 }), memory: { path } } as never);
    return path;
  });
  const path = join(scratch, 'fuzzed');
  for (let done = 0; done < MUTATIONS; done += A_FILE) {
    const shape = shapes[draw(shapes.length)]!;
    rmSync(path, { force: true });
    copyFileSync(originals[shapes.indexOf(shape)]!, path);
    const { capacity: _, capacityBytes: __, ...asked } = shape as { capacity?: number; capacityBytes?: number };
    const openIt = (): FixedQueue => open({ ...asked, memory: { path } } as never) as unknown as FixedQueue;
    const queue = openIt();
    const ends: { producer?: { offer(value: unknown): number }; consumer?: { poll(): unknown; drain: Function } } = {};
    const words = new Int32Array(queue.buffer);
    const headerEnd = Math.min(queue.byteOffset + 10_240, words.length * 4);
    attempt(() => (ends.producer = pub(queue) as never));
    attempt(() => (ends.consumer = sub(queue as never as VariableQueue) as never));
    for (let i = 0; i < A_FILE; i++) {
      // Mostly the headers, where most words have a meaning; a fifth of the time the sharers and the text.
      const at = draw(5) === 0
        ? draw(QUEUE_FILE_TEXT + 64 - queueFileLayout.bytes) + (draw(4) === 0 ? 0 : queueFileLayout.bytes)
        : queue.byteOffset + draw(headerEnd - queue.byteOffset + 512);
      const word = Math.min(at >> 2, words.length - 1);
      words[word] = draw(3) === 0 ? values[draw(values.length)]! : draw(2) === 0
        ? words[word]! ^ (1 << draw(32)) : draw(2 ** 32) | 0;
      const value = 'codec' in shape ? { number: i, text: 'text' } : new Uint8Array(8);
      for (let j = 0; j < 3; j++) attempt(() => ends.producer?.offer(value));
      attempt(() => ends.consumer?.poll());
      attempt(() => ends.consumer?.drain(() => {}, 8));
      if (draw(10) === 0) attempt(() => inspect(queue));
      if (draw(20) === 0) attempt(() => void (openIt(), recover(queue)));
      if (draw(20) === 0) attempt(() => (ends.consumer = sub(queue as never as VariableQueue) as never));
      if (draw(20) === 0) attempt(() => (ends.producer = pub(queue) as never));
    }
  }
  expect(codes.get('ERR_PERCORE_DAMAGED'), JSON.stringify([...codes])).toBeGreaterThan(10);
}, isLong ? 3_600_000 : 60_000);
