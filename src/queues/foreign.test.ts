/** C and Python at the other end of a queue in a file: tests of what docs/guide/processes.md says about them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queueFileLayout, queueLayout } from '../layout.js';
import { Sharer } from './fixtures/sharers.js';
import { BACK_PRESSURED, CLOSED, OK, create, pub, struct, sub, type ValueOf, type VariableQueue } from './index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const sources = join(root, 'src', 'queues', 'fixtures');
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-foreign-'));
let names = 0;
const newPath = (): string => join(scratch, `queue-${names++}`);
const program = join(scratch, 'foreign');
beforeAll(() => {
  execFileSync('gcc', [
    '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-Wno-unused-function', '-I', join(root, 'foreign'),
    '-o', program,
    join(sources, 'foreign.c'),
  ]);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const COUNT = 500;
const RECORD = struct({
  a: 'i8', b: 'u8', c: 'i16', d: 'u16', e: 'i32', f: 'u32', g: 'i64', h: 'u64', i: 'f32', j: 'f64', k: 'bool',
  l: 'u8[3]', m: 'f64[2]', n: 'utf8[11]', o: 'i64[2]',
});
const made = (k: number): ValueOf<typeof RECORD> => ({
  a: (k % 256) - 128, b: k % 256, c: -k, d: (k + 65_000) % 65_536, e: -k * 1000, f: 4_000_000_000 + k,
  g: BigInt(-k) * 1_000_000_000_000n, h: 18_446_744_073_709_550_000n + BigInt(k), i: Math.fround(k / 4), j: k * 1e100,
  k: k % 2 === 1, l: new Uint8Array([k, k + 1, k + 2]), m: new Float64Array([k, -k]), n: `nü${k}`,
  o: new BigInt64Array([BigInt(k), BigInt(-k)]),
});
/** Takes -0 as 0 if the value was sent as a whole number. */
const plain = (value: ValueOf<typeof RECORD>): unknown =>
  JSON.parse(JSON.stringify(value, (_name, each: unknown) => (typeof each === 'bigint' ? String(each) : each)));
const bytesOf = (k: number): Uint8Array => new Uint8Array(k % 50).fill(k);

const environment = { ...process.env, PYTHONPATH: join(root, 'foreign'), PYTHONDONTWRITEBYTECODE: '1' };
const start = (language: string, ...args: string[]): Sharer =>
  language === 'C'
    ? Sharer.command(program, args)
    : Sharer.command('python3', [join(sources, 'foreign.py'), ...args], environment);

it('has the numbers of the layout table in the header and in the module', async () => {
  const { foreignFiles } = (await import(join(root, 'scripts', 'foreign-layout.mjs'))) as {
    foreignFiles(): { path: string; text: string }[];
  };
  for (const { path, text } of foreignFiles())
    expect(readFileSync(path, 'utf8'), 'node scripts/foreign-layout.mjs writes it anew').toBe(text);
});

describe.each(['C', 'Python'])('%s', (language) => {
  it('is read by JavaScript: every type of field, lanes, and records of any length, over the wrap', async () => {
    for (const kind of ['spsc', 'mpsc', 'spmc'] as const) {
      const path = newPath();
      const queue = create({ kind, capacity: 16, codec: RECORD, startSequence: 2 ** 31 - 100, memory: { path } });
      const consumer = sub(queue);
      const writer = start(language, path, 'producer', 'struct', String(COUNT));
      let k = 0;
      while (k < COUNT) {
        if (consumer.drain((value) => expect(plain(value)).toEqual(plain(made(k++)))) > 0) continue;
        expect(await consumer.ready({ timeoutMs: 20_000 })).toBe(OK);
      }
      expect(await writer.end()).toBe('done 0\n');
      // The end of this producer's lane is not the end of the queue.
      if (kind !== 'mpsc') expect(await consumer.ready({ timeoutMs: 20_000 })).toBe(CLOSED);
    }
    const path = newPath();
    const queue = create({ kind: 'spsc', capacityBytes: 256, startSequence: 2 ** 31 - 800, memory: { path } });
    const consumer = sub(queue as VariableQueue);
    const writer = start(language, path, 'producer', 'bytes', String(COUNT));
    for (let k = 0; ;) {
      const record = consumer.poll();
      if (record instanceof Uint8Array) {
        expect([record, consumer.type]).toEqual([bytesOf(k), 1 + k]);
        k++;
      } else if (record === CLOSED) {
        expect(k).toBe(COUNT);
        break;
      } else {
        await consumer.ready({ timeoutMs: 20_000 });
      }
    }
    expect(await writer.end()).toBe('done 0\n');
  });

  it('reads JavaScript: every type of field, and records of any length, over the wrap', async () => {
    for (const kind of ['spsc', 'spmc'] as const) {
      const path = newPath();
      const queue = create({ kind, capacity: 16, codec: RECORD, startSequence: 2 ** 31 - 100, memory: { path } });
      const reader = start(language, path, 'consumer', 'struct', String(COUNT));
      const producer = pub(queue);
      for (let k = 0; k < COUNT;) {
        if (producer.offer(made(k)) === OK) k++;
        else expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
      }
      producer.close();
      expect(await reader.end()).toBe('ready\ndone 0\n');
    }
    const path = newPath();
    const queue = create({ kind: 'spsc', capacityBytes: 256, startSequence: 2 ** 31 - 800, memory: { path } });
    const reader = start(language, path, 'consumer', 'bytes', String(COUNT));
    const producer = pub(queue as VariableQueue);
    for (let k = 0; k < COUNT;) {
      const code = producer.offer(bytesOf(k), 1 + k);
      if (code === OK) k++;
      else {
        expect(code).toBe(BACK_PRESSURED);
        expect(await producer.room(k % 50, { timeoutMs: 20_000 })).toBe(OK);
      }
    }
    producer.close();
    expect(await reader.end()).toBe('ready\ndone 0\n');
  });

  it('is recovered by JavaScript after its death', async () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path } });
    const writer = start(language, path, 'producer', 'struct', '1000');
    const consumer = sub(queue);
    while ((await consumer.ready({ timeoutMs: 20_000 })) !== OK);
    expect(() => pub(queue)).toThrow(/taken/);
    await writer.kill();
    const producer = pub(queue);
    expect(consumer.poll()).toMatchObject({ b: 0 });
    consumer.drain(() => {});
    expect(producer.offer(made(3))).toBe(OK);
    expect(consumer.poll()).toMatchObject({ b: 3 });
  });

  it('names what is wrong with a file, and ends', () => {
    const path = newPath();
    create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path } });
    const run = (file: string): string => {
      const args = [file, 'consumer', 'struct', '1'];
      const { stdout } = language === 'C'
        ? spawnSync(program, args, { encoding: 'utf8', timeout: 20_000 })
        : spawnSync('python3', [join(sources, 'foreign.py'), ...args], {
          encoding: 'utf8', env: environment, timeout: 20_000,
        });
      return stdout;
    };
    const broken = (change: (file: string) => void): string => {
      const file = newPath();
      copyFileSync(path, file);
      change(file);
      return run(file);
    };
    const withWord = (at: number, word: number) => (file: string): void => {
      const bytes = readFileSync(file);
      bytes.writeInt32LE(word, at);
      writeFileSync(file, bytes);
    };
    const { fields } = queueFileLayout;
    const at = readFileSync(path).readInt32LE(fields.queueAt.at);
    const names = language === 'C'
      ? { cut: 'done -102', layout: 'done -101', damaged: 'done -103' }
      : { cut: 'ERR_PERCORE_FILE_TRUNCATED', layout: 'ERR_PERCORE_LAYOUT_MISMATCH', damaged: 'ERR_PERCORE_DAMAGED' };
    expect(broken((file) => truncateSync(file, 100))).toContain(names.cut);
    expect(broken((file) => truncateSync(file, at + 4))).toContain(names.cut);
    expect(broken(withWord(fields.magic.at, 1))).toContain(names.layout);
    expect(broken(withWord(fields.capacity.at, 3))).toContain(names.damaged);
    expect(broken(withWord(fields.queueAt.at, -4096))).toContain(names.damaged);
    expect(broken(withWord(at + queueLayout.fields.magic.at, 1))).toContain(names.damaged);
    expect(broken(withWord(at + queueLayout.fields.producerCursor.at, 1 << 20))).toContain(names.damaged);
  });
});

it('gives Python runs of records in place, and room for many, over the wrap', async () => {
  const [there, back] = [newPath(), newPath()];
  const shape = { kind: 'spsc', capacity: 16, codec: RECORD, startSequence: 2 ** 31 - 100 } as const;
  const [toPython, fromPython] = [there, back].map((path) => create({ ...shape, memory: { path } }));
  const reader = start('Python', there, 'consumer', 'runs', String(COUNT));
  const writer = start('Python', back, 'producer', 'runs', String(COUNT));
  const producer = pub(toPython!);
  for (let k = 0; k < COUNT;) {
    if (producer.offer(made(k)) === OK) k++;
    else expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
  }
  producer.close();
  const consumer = sub(fromPython!);
  let k = 0;
  for await (const value of consumer) expect(plain(value)).toEqual(plain(made(k++)));
  expect(k).toBe(COUNT);
  expect([await reader.end(), await writer.end()]).toEqual(['ready\ndone 0\n', 'done 0\n']);
});
