/** Queues in files: between processes, and files that are wrong, cut short or scribbled over. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync,
  symlinkSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { FIRST_PLACE_BYTES, placeLayout, QUEUE_FILE_TEXT, queueFileLayout } from '../layout.js';
import { can, where } from '../realtime/fixtures/privileges.js';
import { checkOf, RECORD, type Work } from './fixtures/sharer-program.js';
import { Sharer } from './fixtures/sharers.js';
import {
  BACK_PRESSURED, CLOSED, OK, close, create, inspect, open, pub, recover, struct, sub, value, type FixedQueue,
  type VariableQueue,
} from './index.js';
import { BLOCK, GATING, POLICY, STATE, THREAD } from './ring.js';

// In memory, as users have it, and where nothing stays on a disk if a test is killed.
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-queue-'));
let names = 0;
const newPath = (): string => join(scratch, `queue-${names++}`);
const sharers = new Set<Sharer>();
function start(work: Work): Sharer {
  const sharer = Sharer.start(work);
  sharers.add(sharer);
  return sharer;
}
afterEach(() => {
  for (const { child } of sharers) child.kill('SIGKILL');
  sharers.clear();
});
afterAll(() => rmSync(scratch, { recursive: true }));

const canMount = can('unshare', '--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt');

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
};

describe('a queue in a file', () => {
  it('is found by another process that opens it, with each kind of record, across the wrap', () => {
    const startSequence = 2 ** 31 - 16;
    for (const kind of ['spsc', 'mpsc', 'spmc'] as const) {
      const fixed = { kind, memory: { path: newPath() } };
      const made = create({ ...fixed, capacity: 8, recordBytes: 8, startSequence });
      const [producer, consumer] = [pub(made as FixedQueue), sub(open({ ...fixed, recordBytes: 8 }) as FixedQueue)];
      for (let i = 0; i < 40; i++) {
        expect(producer.offer(new Uint8Array(8).fill(i))).toBe(OK);
        expect(consumer.poll()).toEqual(new Uint8Array(8).fill(i));
      }
      const variable = { kind, memory: { path: newPath() } };
      const writer = pub(create({ ...variable, capacityBytes: 128, startSequence }) as VariableQueue);
      const reader = sub(open(variable) as VariableQueue);
      for (let i = 0; i < 40; i++) {
        expect(writer.offer(new Uint8Array(i % 40).fill(i))).toBe(OK);
        expect(reader.poll()).toEqual(new Uint8Array(i % 40).fill(i));
      }
      const values = { kind, codec: value<unknown>(), memory: { path: newPath() } };
      const sender = pub(create({ ...values, capacityBytes: 1024, startSequence }));
      const receiver = sub(open(values));
      for (let i = 0; i < 40; i++) {
        expect(sender.offer({ i, text: 'ü€' })).toBe(OK);
        expect(receiver.poll()).toEqual({ i, text: 'ü€' });
      }
    }
  });

  it('has the mode that was asked for, and is in /dev/shm by its name', () => {
    const name = `percore-test-${process.pid}`;
    try {
      const queue = create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { name, mode: 0o660 } });
      expect(queue.memory!.path).toBe(`/dev/shm/${name}`);
      expect(statSync(queue.memory!.path).mode & 0o777).toBe(0o660);
      expect(codeOf(() => open({ kind: 'spsc', recordBytes: 8, memory: { name } }))).toBe(
        'ERR_PERCORE_INVALID_ARGUMENT');
      expect(open({ kind: 'spsc', recordBytes: 8, memory: { name, mode: 0o660 } }).capacity).toBe(8);
    } finally {
      rmSync(`/dev/shm/${name}`, { force: true });
    }
  });

  it('carries records from process to process, both ways, to readers that sleep and to those that freeze', async () => {
    for (const isSync of [false, true]) {
      const [there, back] = [newPath(), newPath()];
      create({ kind: 'spsc', capacity: 64, codec: RECORD, memory: { path: there }, startSequence: -32 });
      create({ kind: 'mpsc', capacity: 64, codec: RECORD, memory: { path: back } });
      const reader = start({ path: there, kind: 'spsc', role: 'consumer', isSync, messages: 5000 });
      const writers = [1, 2].map(() => start({ path: back, kind: 'mpsc', role: 'producer', isSync, messages: 5000 }));
      const producer = pub(open({ kind: 'spsc', codec: RECORD, memory: { path: there } }));
      for (let number = 0; number < 5000;) {
        if (producer.offer({ from: 7, number, check: checkOf(7, number), text: `n${number}` }) === OK) number++;
        else expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
      }
      expect(await reader.end()).toContain('done 5000');
      const consumer = sub(open({ kind: 'mpsc', codec: RECORD, memory: { path: back } }));
      const next = new Map<number, number>();
      for (let count = 0; count < 10_000;) {
        const read = consumer.drain(({ from, number, check }) => {
          expect([number, check]).toEqual([next.get(from) ?? 0, checkOf(from, number)]);
          next.set(from, number + 1);
        });
        if (read > 0) count += read;
        else expect(await consumer.ready({ timeoutMs: 20_000 })).toBe(OK);
      }
      for (const writer of writers) expect(await writer.end()).toContain('done 5000');
    }
  });

  it('is refused if it is not as expected, with an error that says what to do', () => {
    const path = newPath();
    const asked = { kind: 'spsc', memory: { path } } as const;
    expect(codeOf(() => open(asked))).toBe('ERR_PERCORE_SYSTEM');
    expect(() => open(asked)).toThrow(/Its maker calls create/);
    create({ ...asked, capacity: 8, codec: RECORD });
    expect(() => create({ ...asked, capacity: 8, codec: RECORD })).toThrow(/already.*open\({ memory }\)/);
    expect(() => open({ ...asked, kind: 'mpsc', codec: RECORD })).toThrow(/kind must be 'spsc'/);
    expect(() => open(asked)).toThrow(/codec must be struct/);
    expect(() => open({ ...asked, codec: struct({ from: 'u32' }) })).toThrow(/codec must be struct/);
    const owner = process.geteuid!() + 1;
    expect(() => open({ ...asked, memory: { path, owner } })).toThrow(/belongs to somebody else/);
    chmodSync(path, 0o606);
    expect(() => open({ ...asked, codec: RECORD })).toThrow(/memory.mode must be 0o600 or less/);
    chmodSync(path, 0o600);
    const folder = newPath();
    mkdirSync(folder);
    const fifo = newPath();
    execFileSync('mkfifo', ['-m', '600', fifo]);
    for (const other of [folder, fifo])
      expect(['ERR_PERCORE_SYSTEM', 'ERR_PERCORE_INVALID_ARGUMENT']).toContain(
        codeOf(() => open({ ...asked, memory: { path: other } })));
    const wrong = [
      {}, { path, name: 'x' }, { name: '../x' }, { name: '..' }, { path: 'a\0b' }, { path, mode: -1 }, { paht: path },
    ];
    for (const memory of wrong)
      expect(codeOf(() => open({ kind: 'spsc', memory: memory as never }))).toBe('ERR_PERCORE_INVALID_ARGUMENT');
    for (const memory of [null, 7, {}, { path: 7 }])
      expect(codeOf(() => pub({ ...open({ ...asked, codec: RECORD }), memory } as never))).toBe(
        'ERR_PERCORE_INVALID_ARGUMENT');
    const link = newPath();
    symlinkSync(path, link);
    expect(() => open({ ...asked, memory: { path: link } })).toThrow(/is a symbolic link, which is not followed/);
    for (const taken of [link, folder, fifo])
      expect(codeOf(() => create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: taken } }))).toBe(
        'ERR_PERCORE_NAME_TAKEN');
    const nowhere = { path: '/nowhere/at/all' };
    expect(codeOf(() => create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: nowhere }))).toBe(
      'ERR_PERCORE_SYSTEM');
    expect(codeOf(() => create({
      kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: newPath() }, buffer: new SharedArrayBuffer(4096),
    }))).toBe('ERR_PERCORE_INVALID_ARGUMENT');
  });

  it('is refused if the file is cut short, of another version, or says something impossible', () => {
    const asked = { kind: 'spsc', recordBytes: 8 } as const;
    const made = newPath();
    create({ ...asked, capacity: 512, memory: { path: made } });
    const whole = readFileSync(made);
    const { fields } = queueFileLayout;
    const opened = (bytes: Uint8Array): unknown => {
      const path = newPath();
      writeFileSync(path, bytes, { mode: 0o600 });
      return codeOf(() => pub(open({ ...asked, memory: { path } })).offer(new Uint8Array(8)));
    };
    const withWord = (at: number, word: number): Uint8Array => {
      const bytes = Buffer.from(whole);
      bytes.writeInt32LE(word, at);
      return bytes;
    };
    expect(opened(whole)).toBe(OK);
    // Something else that is short was not cut short.
    expect(opened(Buffer.alloc(9000, 'x'))).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    for (const size of [0, 1, 8192, whole.length - 4096, whole.length - 1])
      expect(opened(whole.subarray(0, size)), `${size}`).toBe('ERR_PERCORE_FILE_TRUNCATED');
    for (const field of [fields.magic, fields.version, fields.ringVersion])
      expect(opened(withWord(field.at, 77))).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    for (const field of [fields.kind, fields.queueAt, fields.textBytes]) {
      for (const word of [-1, 77, 2 ** 31 - 1, -(2 ** 31)])
        expect(opened(withWord(field.at, word)), `${field.at} ${word}`).toBe('ERR_PERCORE_DAMAGED');
    }
    expect(opened(withWord(QUEUE_FILE_TEXT, 0))).toBe('ERR_PERCORE_DAMAGED');
    const withText = (text: string): Uint8Array => {
      const bytes = withWord(fields.textBytes.at, text.length);
      bytes.set(Buffer.from(text), QUEUE_FILE_TEXT);
      return bytes;
    };
    expect(opened(withText('{"more":1}'))).toBe(OK);
    const notText = Buffer.from(withText('{"more":"x"}'));
    notText[QUEUE_FILE_TEXT + 9] = 0xff;
    expect(opened(notText)).toBe('ERR_PERCORE_DAMAGED');
    for (const text of [
      '7', 'null', '[]', '{"codec":null}', '{"codec":7}', '{"codec":{}}', '{"codec":{"name":"struct","fields":7}}',
      '{"consumers":null}', '{"consumers":[]}', '{"consumers":{"a":"b"}}',
    ])
      expect(opened(withText(text)), text).toBe('ERR_PERCORE_DAMAGED');
    for (const bytes of [-1, 0, whole.length - 1, Number.NaN]) {
      const other = Buffer.from(whole);
      other.writeDoubleLE(bytes, fields.bytes.at);
      expect(['ERR_PERCORE_DAMAGED', 'ERR_PERCORE_FILE_TRUNCATED'], `${bytes}`).toContain(opened(other));
    }
    for (const field of [fields.capacity, fields.recordBytes, fields.maxConsumers])
      expect(opened(withWord(field.at, 77))).toBe('ERR_PERCORE_INVALID_ARGUMENT');
  });

  it('is not waited for where nobody could ever make room, since something has written a cursor', async () => {
    const path = newPath();
    const made = { kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } } as const;
    const producer = pub(create(made));
    expect(producer.offer(new Uint8Array(8))).toBe(OK);
    const words = new Int32Array(open({ kind: 'spsc', recordBytes: 8, memory: { path } }).buffer);
    const at = (readFileSync(path).readInt32LE(queueFileLayout.fields.queueAt.at) + FIRST_PLACE_BYTES) >> 2;
    words[at] = -1000;
    const offer = (): number => producer.offer(new Uint8Array(8));
    expect(codeOf(() => { while (offer() === OK); })).toBe('ERR_PERCORE_DAMAGED');
    await expect(producer.room(1, { timeoutMs: 10_000 })).rejects.toMatchObject({ code: 'ERR_PERCORE_DAMAGED' });
  });

  it('stands still for nobody who does not share it, whatever has been written into a place', () => {
    const path = newPath();
    const producer = pub(create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } }));
    const words = new Int32Array(open({ kind: 'spsc', recordBytes: 8, memory: { path } }).buffer);
    const place = (readFileSync(path).readInt32LE(queueFileLayout.fields.queueAt.at) + FIRST_PLACE_BYTES) >> 2;
    words[place + THREAD] = 99;
    words[place + POLICY] = BLOCK;
    words[place + STATE] = GATING;
    for (let i = 0; i < 8; i++) expect(producer.offer(new Uint8Array(8))).toBe(OK);
    expect(producer.offer(new Uint8Array(8))).toBe(BACK_PRESSURED);
  });

  it('does not count for minutes what a dead consumer has taken, where that makes no sense', async () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacityBytes: 1024, memory: { path } }) as unknown as VariableQueue;
    const dead = Sharer.command(process.execPath, ['--input-type=module', '-e', `
      import { open, sub } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      sub(open({ kind: 'spsc', memory: { path: ${JSON.stringify(path)} } }));
      console.log('ready');
      setInterval(() => {}, 1000);`]);
    sharers.add(dead);
    await dead.says('ready');
    const place = (readFileSync(path).readInt32LE(queueFileLayout.fields.queueAt.at) + FIRST_PLACE_BYTES) >> 2;
    const words = new Int32Array((open({ kind: 'spsc', memory: { path } }) as unknown as VariableQueue).buffer);
    // So far that it takes 2^28 steps of records without a byte.
    words[place + (placeLayout.fields.taken.at >> 2)] = 2 ** 31 - 1;
    await dead.kill();
    expect(recover(queue)).toEqual({ producers: 0, consumers: 1, taken: 0 });
    expect(pub(queue).offer(new Uint8Array(8))).toBe(OK);
    expect(sub(queue).poll()).toEqual(new Uint8Array(8));
  });

  it('is found by its path where a handle has the memory of something else', () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } });
    const { buffer: _, ...others } = queue;
    const odd = { ...others, buffer: new SharedArrayBuffer(2 ** 16) } as FixedQueue;
    expect(pub(odd).offer(new Uint8Array(8).fill(7))).toBe(OK);
    expect(sub(queue as FixedQueue).poll()).toEqual(new Uint8Array(8).fill(7));
  });

  it('is mapped as far as it says, however long somebody has made the file', () => {
    const asked = { kind: 'spsc', recordBytes: 8, memory: { path: newPath() } } as const;
    create({ ...asked, capacity: 512 });
    truncateSync(asked.memory.path, 2 ** 40);
    const queue = open(asked);
    expect(pub(queue).offer(new Uint8Array(8))).toBe(OK);
    expect(queue.buffer.byteLength).toBeLessThan(2 ** 20);
    const file = openSync(asked.memory.path, 'r+');
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(2 ** 39);
    writeSync(file, bytes, 0, 8, queueFileLayout.fields.bytes.at);
    closeSync(file);
    expect(codeOf(() => open(asked))).toBe('ERR_PERCORE_DAMAGED');
  });

  it('is made though somebody has left a file there that looks like a draft, and leaves none itself', () => {
    const path = newPath();
    writeFileSync(`${path}.${process.pid}.${threadId}.new`, '');
    create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } });
    rmSync(`${path}.${process.pid}.${threadId}.new`);
    expect(readdirSync(scratch).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  where(existsSync('/dev/shm'))('is nowhere to be found before it is complete, and so not after a kill', async () => {
    const folder = newPath();
    mkdirSync(folder);
    const maker = Sharer.command(process.execPath, ['--input-type=module', '-e', `
      import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      import { rmSync } from 'node:fs';
      const memory = { path: ${JSON.stringify(join(folder, 'queue'))} };
      console.log('begins');
      for (let i = 0; i < 60; i++, rmSync(memory.path))
        create({ kind: 'spsc', capacity: 2 ** 16, recordBytes: 64, memory });
      console.log('ends');`]);
    sharers.add(maker);
    await maker.says('begins');
    const found = new Set<string>();
    // It stays in a loop of its own, since such a file would be there for a moment alone.
    while (maker.child.exitCode === null) {
      for (let i = 0; i < 200; i++) for (const name of readdirSync(folder)) found.add(name);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await maker.end()).toContain('ends');
    // It may be seen when it is complete, and nothing else may.
    expect([...found].filter((name) => name !== 'queue')).toEqual([]);
  });

  it('is made by one of two processes that make it at the same time', async () => {
    const path = newPath();
    const program = `
      const { create } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)});
      // The two wait for the same moment.
      while (Date.now() < Number(process.argv[1]));
      for (let i = 0; i < 50; i++) {
        try {
          create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: '${path}-' + i } });
          console.log(i);
        } catch (error) {
          if (error.code !== 'ERR_PERCORE_NAME_TAKEN') console.log(error);
        }
      }`;
    const moment = String(Date.now() + 500);
    const outputs = await Promise.all([1, 2].map(() =>
      Sharer.command(process.execPath, ['--input-type=module', '-e', program, moment]).end()));
    expect(outputs.join('').trim().split('\n').map(Number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => i));
  });

  where(canMount)('says so where there is no room for it, and leaves nothing behind', () => {
    const folder = newPath();
    mkdirSync(folder);
    const script = `import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      try { create({ kind: 'spsc', capacity: 2 ** 16, recordBytes: 8, memory: { path: '${folder}/queue' } }); }
      catch ({ code, errno, message }) { console.log(code, errno, message); }
      console.log((await import('node:fs')).readdirSync('${folder}').length, 'files');`;
    const { stdout } = spawnSync('unshare', [
      '--mount', 'sh', '-c', 'mount -t tmpfs -o size=128k none "$0" && exec "$@"', folder,
      process.execPath, '--input-type=module', '-e', script,
    ], { encoding: 'utf8' });
    expect(stdout).toMatch(/^ERR_PERCORE_SYSTEM ENOSPC .*Free some, or ask for less\n0 files\n$/);
  });

  it('throws a named error at each end when its file is cut short under them, and for who waits', async () => {
    for (const kind of ['spsc', 'mpsc'] as const) {
      for (const size of [0, 4096]) {
        const path = newPath();
        const queue = create({
          kind, capacity: 1024, recordBytes: 64, maxProducers: kind === 'mpsc' ? 2 : 1, memory: { path },
        }) as unknown as FixedQueue;
        const [producer, consumer] = [pub(queue), sub(queue)];
        const waiting = consumer.ready();
        for (let i = 0; i < 3; i++) producer.offer(new Uint8Array(64).fill(1));
        await waiting;
        while (consumer.poll() instanceof Uint8Array);
        const asleep = consumer.ready();
        truncateSync(path, size);
        await expect(asleep).rejects.toMatchObject({ code: 'ERR_PERCORE_FILE_TRUNCATED' });
        const named = (run: () => unknown): void => {
          for (let i = 0; i < 3000; i++) {
            const answer = codeOf(run);
            if (answer === 'ERR_PERCORE_DAMAGED' || answer === CLOSED) return;
          }
          expect.unreachable(`${kind} ${size}: no error in 3,000 calls`);
        };
        named(() => producer.offer(new Uint8Array(64)));
        named(() => consumer.poll());
        expect(['ERR_PERCORE_DAMAGED', 'ERR_PERCORE_FILE_TRUNCATED', CLOSED]).toContain(
          codeOf(() => consumer.readySync({ timeoutMs: 1000 })));
        for (const other of [() => pub(queue), () => sub(queue), () => inspect(queue), () => close(queue)])
          expect(codeOf(other), other.toString()).toBe('ERR_PERCORE_FILE_TRUNCATED');
      }
    }
  }, 30_000);

  it('says on the portable backend what is missing', () => {
    const script = `import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      try { create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: '${newPath()}' } }); }
      catch (error) { console.log(error.code, error.message); }`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8', env: { ...process.env, PERCORE_BACKEND: 'portable' },
    });
    expect(stdout).toMatch(/^ERR_PERCORE_NATIVE_UNAVAILABLE a queue in a file needs the native addon.*=portable/);
  });
});
