/**
 * A queue's file with random words in random places, in the hands of C and of Python: each call answers a code or
 * raises a QueueError, in the end; none hangs, no process dies, and nothing is read or written beside the mapping. In C
 * 8,000 files in CI and 2 x 10^6 with `PERCORE_STRESS=1`; in Python 300 and 10^5.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queueFileLayout } from '../layout.js';
import { isLong } from './fixtures/stress.js';
import { create, pub, struct, type FixedQueue } from './index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const sources = join(root, 'src', 'queues', 'fixtures');
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-foreign-fuzz-'));
const program = join(scratch, 'foreign-fuzzer');
const files: string[] = [];
afterAll(() => rmSync(scratch, { recursive: true }));

const RECORD = struct({ number: 'u32', text: 'utf8[8]' });
/** The last ends where its file does, without the slack that `create` leaves behind each ring. */
const SHAPES: object[] = [
  ...(['spsc', 'mpsc', 'spmc'] as const).flatMap((kind) => [
    { kind, capacity: 16, recordBytes: 8 }, { kind, capacityBytes: 128 }, { kind, capacity: 16, codec: RECORD },
  ].map((shape) => ({ ...shape, ...(kind === 'spsc' ? {} : { maxConsumers: 2 }) }))),
  { kind: 'spmc', capacityBytes: 4096, maxConsumers: 14 },
];

beforeAll(() => {
  execFileSync('gcc', [
    '-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-Wno-unused-function', '-fsanitize=undefined',
    '-fsanitize-undefined-trap-on-error', '-I', join(root, 'foreign'), '-o', program,
    join(sources, 'foreign-fuzzer.c'),
  ]);
  for (const [i, shape] of SHAPES.entries()) {
    const path = join(scratch, `original-${i}`);
    const queue = create({ ...shape, startSequence: 2 ** 31 - 64, memory: { path } } as never) as unknown as FixedQueue;
    if (!('codec' in shape)) {
      // Somebody has written, and is gone.
      const producer = pub(queue);
      for (let k = 0; k < 4; k++) producer.offer(new Uint8Array(8).fill(k));
      producer.leave();
    }
    files.push(path);
  }
  const last = files.at(-1)!;
  const whole = readFileSync(last);
  const length = whole.length - 4096;
  whole.writeDoubleLE(length, queueFileLayout.fields.bytes.at);
  writeFileSync(last, whole.subarray(0, length));
});

/** Runs a fuzzer, and resolves with how often each code was answered. */
function fuzz(command: string, ...args: string[]): Promise<Map<string, number>> {
  const seed = String((Math.random() * 2 ** 31) | 0);
  const all = [...args.slice(0, -1), seed, args.at(-1)!, join(scratch, 'fuzzed'), ...files];
  const env = { ...process.env, PYTHONPATH: join(root, 'foreign'), PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(command, all, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let [said, complained] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (said += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (complained += text));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const lines = said.split('\n').slice(1, -1).map((line) => line.split(' '));
      if (code === 0) resolve(new Map(lines.map(([name, count]) => [name!, Number(count)])));
      else reject(new Error(`it ended by ${signal ?? code}, seed ${seed}, after ${said.length} dots: ${complained}`));
    });
  });
}

describe('an end of a file that is scribbled over', () => {
  it('in C answers a code, and touches nothing else', async () => {
    const codes = await fuzz(program, String(isLong ? 2_000_000 : 8_000));
    // What makes no sense is named: damage, a file that is no queue or is too short.
    for (const code of ['-101', '-102', '-103']) expect(codes.get(code), code).toBeGreaterThan(0);
  }, isLong ? 3_600_000 : 60_000);

  it('in Python raises what has a code, and leaves no descriptor behind', async () => {
    const codes = await fuzz('python3', join(sources, 'foreign-fuzzer.py'), String(isLong ? 100_000 : 300));
    // Of 300 files two or three are another version's on average, and now and then none.
    for (const code of ['ERR_PERCORE_DAMAGED', ...(isLong ? ['ERR_PERCORE_LAYOUT_MISMATCH'] : [])])
      expect(codes.get(code), code).toBeGreaterThan(0);
  }, isLong ? 3_600_000 : 60_000);
});
