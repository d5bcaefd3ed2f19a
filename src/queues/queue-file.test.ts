/** Queues in files: between processes, their deaths, and files that are wrong, cut short or scribbled over. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { queueFileLayout } from '../layout.js';
import { checkOf, RECORD, type Work } from './fixtures/sharer-program.js';
import { Sharer } from './fixtures/sharers.js';
import {
  BACK_PRESSURED, CLOSED, EMPTY, OK, close, create, inspect, open, pub, recover, struct, sub, value, type FixedQueue,
  type VariableQueue,
} from './index.js';

// Memory alone, as users have it, and where a test is killed nothing stays on a disk.
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

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
};

describe('a queue in a file', () => {
  it('is found by whoever opens it, with each kind of record, over the wrap', () => {
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

  it('refuses what is no such queue, by a name and with a way out', () => {
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
    const wrong = [{}, { path, name: 'x' }, { name: '../x' }, { path: 'a\0b' }, { path, mode: -1 }, { paht: path }];
    for (const memory of wrong)
      expect(codeOf(() => open({ kind: 'spsc', memory: memory as never }))).toBe('ERR_PERCORE_INVALID_ARGUMENT');
    const nowhere = { path: '/nowhere/at/all' };
    expect(codeOf(() => create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: nowhere }))).toBe(
      'ERR_PERCORE_SYSTEM');
    expect(codeOf(() => create({
      kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: newPath() }, buffer: new SharedArrayBuffer(4096),
    }))).toBe('ERR_PERCORE_INVALID_ARGUMENT');
  });

  it('is refused where the file is cut short, of another version, or says what cannot be', () => {
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
    for (const size of [0, 1, 8192, whole.length - 4096, whole.length - 1])
      expect(opened(whole.subarray(0, size)), `${size}`).toBe('ERR_PERCORE_FILE_TRUNCATED');
    for (const field of [fields.magic, fields.version, fields.ringVersion])
      expect(opened(withWord(field.at, 77))).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    for (const field of [fields.kind, fields.queueAt, fields.textBytes]) {
      for (const word of [-1, 77, 2 ** 31 - 1, -(2 ** 31)])
        expect(opened(withWord(field.at, word)), `${field.at} ${word}`).toBe('ERR_PERCORE_DAMAGED');
    }
    expect(opened(withWord(8448, 0))).toBe('ERR_PERCORE_DAMAGED');
    for (const field of [fields.capacity, fields.recordBytes, fields.maxConsumers])
      expect(opened(withWord(field.at, 77))).toBe('ERR_PERCORE_INVALID_ARGUMENT');
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
        expect(codeOf(() => pub(queue))).toBe('ERR_PERCORE_FILE_TRUNCATED');
      }
    }
  }, 30_000);

  it('says on the portable backend what it lacks', () => {
    const script = `import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      try { create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: '${newPath()}' } }); }
      catch (error) { console.log(error.code, error.message); }`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8', env: { ...process.env, PERCORE_BACKEND: 'portable' },
    });
    expect(stdout).toMatch(/^ERR_PERCORE_NATIVE_UNAVAILABLE a queue in a file needs the native addon.*=portable/);
  });
});

describe('who shares a queue in a file', () => {
  it('goes on after the death of a process, whose places are free', async () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacity: 8, codec: RECORD, memory: { path } });
    const producer = start({ path, kind: 'spsc', role: 'producer', messages: 4 });
    await producer.says('done 4');
    await producer.end();
    const consumer = start({ path, kind: 'spsc', role: 'consumer', messages: 3 });
    expect(await consumer.end()).toContain('done 3');
    const stuck = start({ path, kind: 'spsc', role: 'producer' });
    await stuck.says('ready');
    // Nobody reads: it fills the ring and waits.
    expect(inspect(queue).producers).toMatchObject([{ processId: stuck.pid, threadId: 0 }]);
    expect(codeOf(() => pub(queue))).toBe('ERR_PERCORE_NO_PLACE');
    await stuck.kill();
    const next = pub(queue);
    const reader = sub(queue);
    expect(reader.poll()).toMatchObject({ number: 3 });
    reader.drain(() => {});
    expect(next.offer({ from: 1, number: 0, check: 0, text: '' })).toBe(OK);
    expect(reader.poll()).toMatchObject({ from: 1 });
  });

  it.each([false, true])('goes on after a consumer that dies while the ring is full (frozen: %s)', async (isFrozen) => {
    const path = newPath();
    const queue = create({ kind: 'spmc', capacity: 8, codec: RECORD, maxConsumers: 2, memory: { path } });
    const own = sub(queue);
    const producer = pub(queue);
    const other = start({ path, kind: 'spmc', role: 'consumer' });
    await other.says('ready');
    other.child.kill('SIGSTOP');
    let sent = 0;
    const send = (): number => producer.offer({ from: 1, number: sent, check: checkOf(1, sent), text: `n${sent}` });
    for (; send() === OK; sent++) own.poll();
    // Stopped is not dead: it holds the producer back.
    expect(send()).toBe(BACK_PRESSURED);
    other.child.kill('SIGKILL');
    if (isFrozen) expect(producer.roomSync({ timeoutMs: 20_000 })).toBe(OK);
    else expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
    expect(send()).toBe(OK);
    await other.end();
  });

  it('recovers a thread of its own process when its supervisor says so', async () => {
    const queue = create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: newPath() } });
    const worker = new Worker(`
      import(require('node:worker_threads').workerData.url).then(({ pub }) => {
        pub(require('node:worker_threads').workerData.queue).offer(new Uint8Array(8).fill(5));
        require('node:worker_threads').parentPort.postMessage('sent');
        setInterval(() => {}, 1000);
      });`, { eval: true, workerData: { url: new URL('./index.js', import.meta.url).href, queue } });
    await once(worker, 'message');
    expect(codeOf(() => pub(queue))).toBe('ERR_PERCORE_NO_PLACE');
    const exit = once(worker, 'exit');
    await worker.terminate();
    await exit;
    expect(codeOf(() => pub(queue))).toBe('ERR_PERCORE_NO_PLACE');
    expect(recover(queue, worker)).toMatchObject({ producers: 1 });
    expect(pub(queue).offer(new Uint8Array(8).fill(6))).toBe(OK);
    const consumer = sub(queue);
    expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([
      new Uint8Array(8).fill(5), new Uint8Array(8).fill(6), EMPTY,
    ]);
    close(queue);
    expect(consumer.poll()).toBe(CLOSED);
  });
});
