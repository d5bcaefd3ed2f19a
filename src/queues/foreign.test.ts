/** C and Python at the other end of a queue in a file: tests of what docs/guide/processes.md says about them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { queueFileLayout, queueLayout } from '../layout.js';
import { can, where } from '../realtime/fixtures/privileges.js';
import { RECORD as SHARED, type Work } from './fixtures/sharer-program.js';
import { PROGRAM, Sharer } from './fixtures/sharers.js';
import {
  BACK_PRESSURED, CLOSED, EVICTED, OK, close, create, inspect, pub, struct, sub, type ValueOf, type VariableQueue,
} from './index.js';
import type { LossyConsumer } from './lossy-consumer.js';

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
const commandOf = (language: string, ...args: string[]): [string, ...string[]] =>
  language === 'C' ? [program, ...args] : ['python3', join(sources, 'foreign.py'), ...args];
const sharers = new Set<Sharer>();
function startAs(...[command, ...args]: [string, ...string[]]): Sharer {
  const sharer = Sharer.command(command, args, environment);
  sharers.add(sharer);
  return sharer;
}
const start = (language: string, ...args: string[]): Sharer => startAs(...commandOf(language, ...args));
afterEach(() => {
  for (const { child } of sharers) child.kill('SIGKILL');
  sharers.clear();
});
/** Takes an end, and sleeps. */
async function holding(language: string, path: string, end: 'producer' | 'consumer' | 'fork'): Promise<Sharer> {
  const sharer = start(language, path, 'hold', end, '0');
  await sharer.says('ready');
  return sharer;
}
/** A pid namespace of its own, whose processes end with the command. */
const UNSHARE = ['--pid', '--fork', '--kill-child', '--mount-proc'] as const;
const canUnshare = can('unshare', ...UNSHARE, 'true');

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

  it('reads the lanes of all producers, each in its order, those that come and go too, to the end', async () => {
    const path = newPath();
    const queue = create({
      kind: 'mpsc', capacity: 16, codec: RECORD, maxProducers: 4, startSequence: 2 ** 31 - 100, memory: { path },
    });
    const producers = [pub(queue)];
    const reader = start(language, path, 'consumer', 'lanes', String(3 * COUNT));
    await reader.says('ready');
    const other = start(language, path, 'producer', 'struct', String(COUNT));
    producers.push(pub(queue));
    await Promise.all(producers.map(async (producer, i) => {
      for (let k = 0; k < COUNT;) {
        if (producer.offer(made(COUNT * (i + 1) + k)) === OK) k++;
        else expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
      }
      producer.leave();
    }));
    expect(await other.end()).toBe('done 0\n');
    close(queue);
    expect(await reader.end()).toBe('ready\ndone 0\n');
  });

  it('reads the lanes that another consumer gives up, JavaScript or not, and gives up its own', async () => {
    const path = newPath();
    const queue = create({
      kind: 'mpsc', capacity: 1024, codec: RECORD, maxProducers: 2, maxConsumers: 2, memory: { path },
    });
    const producer = pub(queue);
    const first = sub(queue);
    producer.offer(made(0));
    expect(first.poll()).toMatchObject({ b: 0 });
    const reader = start(language, path, 'consumer', 'struct', '9');
    await reader.says('ready');
    for (let k = 0; k < 9; k++) producer.offer(made(k));
    first.leave();
    producer.close();
    close(queue);
    expect(await reader.end()).toBe('ready\ndone 0\n');
    expect(await sub(queue).ready({ timeoutMs: 20_000 })).toBe(CLOSED);
  });

  it('frees the places of the dead, when it wants one itself and nobody else is there', async () => {
    for (const kind of ['spsc', 'mpsc', 'spmc'] as const) {
      const path = newPath();
      const queue = create({
        kind, capacity: 16, codec: RECORD, memory: { path },
        ...(kind === 'mpsc' ? { maxProducers: 1 } : {}), ...(kind === 'spsc' ? {} : { maxConsumers: 1 }),
      });
      for (const end of ['producer', 'consumer'] as const) {
        const holder = await holding(language, path, end);
        expect(await start(language, path, 'hold', end, '0').end()).toMatch(/done -104|ERR_PERCORE_NO_PLACE/);
        await holder.kill();
      }
      const reader = start(language, path, 'consumer', 'struct', '100');
      await reader.says('ready');
      expect(await start(language, path, 'producer', 'struct', '100').end()).toBe('done 0\n');
      if (kind === 'mpsc') close(queue);
      expect(await reader.end()).toBe('ready\ndone 0\n');
    }
  });

  it('frees what JavaScript had that has died, whatever its policy, and says how much', async () => {
    for (const whenSlow of ['wait', 'drop-oldest'] as const) {
      const path = newPath();
      const queue = create({ kind: 'spmc', capacity: 16, codec: SHARED, maxConsumers: 2, memory: { path } });
      const work: Work = { path, kind: 'spmc', role: 'consumer', options: { whenSlow } };
      const consumer = Sharer.start(work);
      sharers.add(consumer);
      await consumer.says('ready');
      const producer = Sharer.start({ path, kind: 'spmc', role: 'producer', messages: 5 });
      sharers.add(producer);
      await producer.end();
      await consumer.kill();
      expect(inspect(queue).consumers).toMatchObject([{ processId: consumer.pid }]);
      expect(await start(language, path, 'recover', '-', '0').end()).toMatch(/^freed [12]\n/);
      expect(inspect(queue).consumers.filter(({ threadId }) => threadId !== undefined)).toEqual([]);
      // The place is held, and the next consumer goes on where the dead one had stopped.
      const next = pub(queue);
      expect(next.offer({ from: 1, number: 77, check: 0, text: '' })).toBe(OK);
      const found: number[] = [];
      sub(queue).drain(({ number }) => void found.push(number));
      expect(found.at(-1)).toBe(77);
    }
  });

  it.each(['struct', 'bytes'])('laps consumers that allow it, which know how much they lost (%s)', async (form) => {
    const shape = form === 'struct' ? { capacity: 16, codec: RECORD } : { capacityBytes: 256 };
    for (const kind of ['spmc', 'mpsc'] as const) {
      const memory = { path: newPath() };
      const options = { kind, maxConsumers: 1, startSequence: 2 ** 31 - 800, memory, ...shape };
      const queue = create(options as never) as unknown as VariableQueue;
      const consumer = sub(queue, { whenSlow: 'drop-oldest' }) as LossyConsumer;
      const writer = start(language, memory.path, 'producer', form, String(COUNT));
      // What is read meanwhile, and at the end, is as it should be.
      let [next, read] = [0, 0];
      for (let isOver = false; !isOver;) {
        isOver = writer.hasSaid('done');
        await new Promise((resolve) => setTimeout(resolve, 1));
        consumer.drain((view, offset, length, type) => {
          const value = view as unknown as ValueOf<typeof RECORD>;
          const k = form === 'struct' ? -value.e / 1000 : type - 1;
          expect(k).toBeGreaterThanOrEqual(next);
          if (form === 'struct') expect(plain(value)).toEqual(plain(made(k)));
          else expect(new Uint8Array(view.buffer, view.byteOffset + offset, length)).toEqual(bytesOf(k));
          next = k + 1;
          read++;
        });
      }
      expect(await writer.end()).toBe('done 0\n');
      expect([next, read + consumer.lost, inspect(queue).dropped.oldest]).toEqual([COUNT, COUNT, consumer.lost]);
    }
    const memory = { path: newPath() };
    const queue = create({ kind: 'spmc', maxConsumers: 1, memory, ...shape } as never) as unknown as VariableQueue;
    const consumer = sub(queue, { whenSlow: 'evict', evictAfterMs: 1 });
    expect(await start(language, memory.path, 'producer', form, String(COUNT)).end()).toBe('done 0\n');
    expect(consumer.drain(() => {})).toBe(EVICTED);
    expect(inspect(queue).dropped.evicted).toBeGreaterThan(COUNT / 2);
  });

  it('goes on when it waits for a consumer that is killed, with nobody there but C and Python', async () => {
    const path = newPath();
    const queue = create({ kind: 'spmc', capacity: 16, codec: RECORD, maxConsumers: 2, memory: { path } });
    const reader = start(language, path, 'consumer', 'struct', String(COUNT));
    await reader.says('ready');
    const stuck = await holding(language, path, 'consumer');
    const writer = start(language, path, 'producer', 'struct', String(COUNT));
    while (inspect(queue).published < 16) await new Promise((resolve) => setTimeout(resolve, 2));
    await stuck.kill();
    expect(await writer.end()).toBe('done 0\n');
    expect(await reader.end()).toBe('ready\ndone 0\n');
  });

  it('is dead though a child of it lives that it has forked', async () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path } });
    const parent = await holding(language, path, 'fork');
    const [, child] = /child (\d+)/.exec(parent.output)!;
    try {
      expect(() => pub(queue)).toThrow(/taken/);
      parent.child.kill('SIGKILL');
      // Its output stays open as long as the child has it.
      await once(parent.child, 'exit');
      expect(pub(queue).offer(made(1))).toBe(OK);
    } finally {
      process.kill(Number(child), 'SIGKILL');
    }
  });

  where(canUnshare)('is known to be dead in another pid namespace, and knows of deaths there', async () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path } });
    const inside = (...command: string[]): Sharer => startAs('unshare', ...UNSHARE, ...command);
    const foreign = inside(...commandOf(language, path, 'hold', 'producer', '0'));
    await foreign.says('ready');
    expect(() => pub(queue)).toThrow(/taken/);
    foreign.child.kill('SIGKILL');
    await foreign.end();
    pub(queue).leave();
    const other = newPath();
    create({ kind: 'spsc', capacity: 16, codec: SHARED, memory: { path: other } });
    const work: Work = { path: other, kind: 'spsc', role: 'producer' };
    const ours = inside(process.execPath, PROGRAM, JSON.stringify(work));
    await ours.says('ready');
    expect(await start(language, other, 'recover', '-', '0').end()).toMatch(/^freed 0\n/);
    ours.child.kill('SIGKILL');
    await ours.end();
    expect(await start(language, other, 'recover', '-', '0').end()).toMatch(/^freed 1\n/);
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
    while (consumer.drain(() => {}) > 0);
    expect(producer.offer(made(3))).toBe(OK);
    expect(consumer.poll()).toMatchObject({ b: 3 });
  });

  it('names what is wrong with a file, and ends', () => {
    const path = newPath();
    create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path } });
    const run = (file: string, ...what: string[]): string => {
      const args = [file, ...what];
      const { stdout } = language === 'C'
        ? spawnSync(program, args, { encoding: 'utf8', timeout: 20_000 })
        : spawnSync('python3', [join(sources, 'foreign.py'), ...args], {
          encoding: 'utf8', env: environment, timeout: 20_000,
        });
      return stdout;
    };
    const broken = (change: (file: string) => void, from = path, what = ['consumer', 'struct', '1']): string => {
      const file = newPath();
      copyFileSync(from, file);
      change(file);
      return run(file, ...what);
    };
    const withWords = (...words: [at: number, word: number][]) => (file: string): void => {
      const bytes = readFileSync(file);
      for (const [at, word] of words) bytes.writeInt32LE(word, at);
      writeFileSync(file, bytes);
    };
    const withWord = (at: number, word: number): ((file: string) => void) => withWords([at, word]);
    const { fields } = queueFileLayout;
    const at = readFileSync(path).readInt32LE(fields.queueAt.at);
    const names = language === 'C'
      ? { cut: 'done -102', layout: 'done -101', damaged: 'done -103' }
      : { cut: 'ERR_PERCORE_FILE_TRUNCATED', layout: 'ERR_PERCORE_LAYOUT_MISMATCH', damaged: 'ERR_PERCORE_DAMAGED' };
    expect(broken((file) => truncateSync(file, 100))).toContain(names.cut);
    expect(broken((file) => truncateSync(file, at + 4))).toContain(names.cut);
    expect(broken(withWord(fields.magic.at, 1))).toContain(names.layout);
    // Others may use it too.
    expect(broken((file) => chmodSync(file, 0o660))).toMatch(/done -106|ERR_PERCORE_INVALID_ARGUMENT.*0o660/);
    expect(broken(withWord(fields.capacity.at, 3))).toContain(names.damaged);
    expect(broken(withWord(fields.queueAt.at, -4096))).toContain(names.damaged);
    expect(broken(withWord(at + queueLayout.fields.magic.at, 1))).toContain(names.damaged);
    expect(broken(withWord(at + queueLayout.fields.producerCursor.at, 1 << 20))).toContain(names.damaged);
    // It points beyond the end of the file.
    expect(broken(withWords([fields.queueAt.at, 1 << 30], [fields.textBytes.at, 1 << 29]))).toContain(names.damaged);
    expect(broken((file) => writeFileSync(file, 'x'.repeat(1000)))).toContain(names.layout);
    // A ring of records of any length that ends where its file does, in which nothing begins at a multiple of 8.
    const tight = newPath();
    create({ kind: 'spmc', capacityBytes: 4096, maxConsumers: 14, memory: { path: tight } });
    const ends = readFileSync(tight).length - 4096;
    truncateSync(tight, ends);
    const cut = (file: string): void => {
      const bytes = readFileSync(file);
      bytes.writeDoubleLE(ends, fields.bytes.at);
      writeFileSync(file, bytes);
    };
    const [written, read] = [queueLayout.fields.producerCursor.at, queueLayout.fields.consumerCursor.at];
    for (const [role, by] of [['producer', 0], ['consumer', 64]] as const) {
      const odd = withWords([at + written, 4092 + by], [at + read, 4092]);
      const found = broken((file) => (cut(file), odd(file)), tight, [role, 'bytes', '60']);
      expect(found, role).toContain(names.damaged);
    }
    // Nobody has the place whose cursor is so far behind that no record would ever fit.
    expect(broken(withWord(at + read, -(1 << 20)), path, ['producer', 'struct', '1'])).toContain(names.damaged);
  });

  it('does not wait for ever for the lock of a file, which a process holds that stands still', async () => {
    const path = newPath();
    create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path } });
    const holder = Sharer.stopped(path);
    sharers.add(holder);
    await holder.says('locked');
    expect(await start(language, path, 'producer', 'struct', '1').end()).toMatch(/done -107|ERR_PERCORE_TIMEOUT/);
  });
});

it('says in C what a code means, and opens the file of a group where that is meant', () => {
  const path = newPath();
  create({ kind: 'spsc', capacity: 16, codec: RECORD, memory: { path, mode: 0o660 } });
  const source = join(scratch, 'texts.c');
  writeFileSync(source, `#include "percore_queue.h"
    int main(int argc, char **argv) {
      percore_queue queue;
      puts(percore_text_of(percore_open(&queue, argv[argc - 1])));
      puts(percore_text_of(percore_open(&queue, "/nowhere")));
      puts(percore_text_of(percore_open_shared(&queue, argv[argc - 1], geteuid(), 0660)));
      percore_close(&queue);
      return 0;
    }`);
  execFileSync('gcc', [
    '-Wall', '-Wextra', '-Werror', '-Wno-unused-function', '-I', join(root, 'foreign'), '-o', `${source}.out`, source,
  ]);
  expect(execFileSync(`${source}.out`, [path], { encoding: 'utf8' })).toMatch(
    /^an argument is out of range; .*open to more people\nNo such file or directory\nOK\n$/);
  const script = 'import sys, percore_queue as p; print(p.open(sys.argv[1], mode=0o660).capacity)';
  expect(execFileSync('python3', ['-c', script, path], { encoding: 'utf8', env: environment })).toBe('16\n');
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
