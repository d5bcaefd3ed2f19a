/** Who shares a queue in a file: their deaths, and what the others do then. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ECANCELED, EINTR } from '../errno.js';
import { MAX_SHARERS, queueFileLayout, sharerAt } from '../layout.js';
import { native, type NativeMappings } from '../native.js';
import { can, where } from '../realtime/fixtures/privileges.js';
import { checkOf, RECORD, type Work } from './fixtures/sharer-program.js';
import { PROGRAM, Sharer } from './fixtures/sharers.js';
import { GATING, STATE, placeAt } from './ring.js';
import {
  BACK_PRESSURED, CLOSED, EMPTY, OK, close, create, inspect, pub, recover, sub, value,
} from './index.js';

const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-sharers-'));
let names = 0;
const newPath = (): string => join(scratch, `queue-${names++}`);
const sharers = new Set<Sharer>();
function start(work: Work): Sharer {
  const sharer = Sharer.start(work);
  sharers.add(sharer);
  return sharer;
}
/** A queue with two consumers: one in this process, with which `fill` reads, and one in a process that begins. */
function besideAnother() {
  const path = newPath();
  const queue = create({ kind: 'spmc', capacity: 8, codec: RECORD, maxConsumers: 2, memory: { path } });
  const own = sub(queue);
  const producer = pub(queue);
  const other = start({ path, kind: 'spmc', role: 'consumer' });
  let sent = 0;
  const send = (): number => producer.offer({ from: 1, number: sent, check: checkOf(1, sent), text: `n${sent}` });
  const fill = (): void => {
    for (; send() === OK; sent++) own.poll();
  };
  return { path, queue, own, producer, other, send, fill };
}
afterEach(() => {
  for (const { child } of sharers) child.kill('SIGKILL');
  sharers.clear();
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** A pid namespace of its own, whose processes end with the command. */
const UNSHARE = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const canUnshare = can('unshare', ...UNSHARE, 'true');

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
};

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
    const { producer, other, send, fill } = besideAnother();
    await other.says('ready');
    other.child.kill('SIGSTOP');
    fill();
    // Stopped is not dead: it holds the producer back.
    expect(send()).toBe(BACK_PRESSURED);
    other.child.kill('SIGKILL');
    if (isFrozen) expect(producer.roomSync({ timeoutMs: 20_000 })).toBe(OK);
    else expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
    expect(send()).toBe(OK);
    await other.end();
  });

  it.each([8, 0])('sleeps on for no consumer that is killed (records of %s bytes)', async (recordBytes) => {
    const memory = { path: newPath() };
    const made = recordBytes === 0
      ? create({ kind: 'spsc', capacityBytes: 512, codec: value<object>(), memory })
      : create({ kind: 'spsc', capacity: 8, codec: RECORD, memory });
    const consumer = Sharer.command(process.execPath, ['--input-type=module', '-e', `
      import { open, sub, struct, value } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      import { RECORD } from ${JSON.stringify(new URL('./fixtures/sharer-program.js', import.meta.url).href)};
      const codec = ${recordBytes} === 0 ? value() : RECORD;
      sub(open({ kind: 'spsc', codec, memory: ${JSON.stringify(memory)} }), { whenSlow: 'block' });
      console.log('ready');
      setInterval(() => {}, 1000);`]);
    sharers.add(consumer);
    await consumer.says('ready');
    const producer = pub(made as never) as unknown as { offer(value: object): number };
    // This thread stands still, so that somebody else has to do it.
    const killer = spawn('sh', ['-c', `sleep 0.3; kill -9 ${consumer.pid}`]);
    let code: number = OK;
    for (let number = 0; code === OK; number++)
      code = producer.offer({ from: 1, number, check: checkOf(1, number), text: `n${number}` });
    expect(code).toBe(BACK_PRESSURED);
    await Promise.all([consumer.end(), once(killer, 'close')]);
  });

  /** A word of a queue's file that means nothing, for waiting at it. */
  const SPARE_WORD = 16;
  const mappedWords = (): Int32Array => {
    const path = newPath();
    pub(create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } }));
    const file = openSync(path, 'r+');
    const words = new Int32Array(native().mappings!.map(file, statSync(path).size) as SharedArrayBuffer);
    closeSync(file);
    return words;
  };

  it('tells a thread that has frozen at once when a process ends that it watches', () => {
    const mappings = native().mappings!;
    const words = mappedWords();
    // First what the tests before have left.
    while (mappings.wait(words, SPARE_WORD, 0, 0) === -ECANCELED);
    const { pid } = spawn('sleep', ['0.3']);
    // No other token is this one: see expect() of sharers.ts.
    expect(mappings.watchProcess(pid!, 2 ** 31 - 1)).toBe(0);
    expect(mappings.wait(words, SPARE_WORD, words[SPARE_WORD]!, 30_000)).toBe(-ECANCELED);
    expect(mappings.hasExited(pid!)).toBe(1);
  });

  it('does not wake a thread that has frozen for a signal, such as that of a child that ends', async () => {
    const mappings = native().mappings!;
    const words = mappedWords();
    const child = spawn('sleep', ['0.1']);
    // SIGCHLD comes during one of these.
    while (mappings.hasExited(child.pid!) !== 1)
      expect(mappings.wait(words, SPARE_WORD, words[SPARE_WORD]!, 200)).not.toBe(-EINTR);
    await once(child, 'close');
  });

  it('finds the dead later where no descriptor is left when they die', async () => {
    const path = newPath();
    create({ kind: 'spmc', capacity: 8, codec: RECORD, maxConsumers: 2, memory: { path } });
    const other = start({ path, kind: 'spmc', role: 'consumer' });
    await other.says('ready');
    other.child.kill('SIGSTOP');
    const program = `
      import { closeSync, openSync } from 'node:fs';
      import { open, pub, sub, OK } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      import { RECORD } from ${JSON.stringify(new URL('./fixtures/sharer-program.js', import.meta.url).href)};
      const queue = open({ kind: 'spmc', codec: RECORD, memory: { path: ${JSON.stringify(path)} } });
      const [producer, own] = [pub(queue), sub(queue)];
      while (producer.offer({ from: 1, number: 1, check: 1, text: '' }) === OK) own.poll();
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      await sleep(20);
      const files = [];
      try { for (;;) files.push(openSync('/dev/null')); } catch (error) { console.log(error.code); }
      process.kill(${other.pid}, 'SIGKILL');
      // Longer than it takes to be told of the death.
      await sleep(100);
      for (const file of files) closeSync(file);
      console.log(await producer.room({ timeoutMs: 20_000 }) === OK ? 'room' : 'none');
      process.exit();`;
    const script = 'ulimit -n 100; exec "$@"';
    const reader = Sharer.command('sh', ['-c', script, 'sh', process.execPath, '--input-type=module', '-e', program]);
    sharers.add(reader);
    expect(await reader.end()).toBe('EMFILE\nroom\n');
  });

  it('waits by one timer while a process stands still that has the lock of the file', async () => {
    const { path, producer, other, fill } = besideAnother();
    await other.says('ready');
    other.child.kill('SIGSTOP');
    fill();
    const holder = Sharer.stopped(path);
    sharers.add(holder);
    await holder.says('locked');
    await other.kill();
    const started: number[] = [];
    const { setTimeout: real } = globalThis;
    globalThis.setTimeout = ((then: () => void, ms: number) => {
      started.push(ms);
      return real(then, ms);
    }) as unknown as typeof setTimeout;
    try {
      // It looks for the dead all the time, finds one, and cannot have the lock.
      expect(producer.roomSync({ timeoutMs: 500 })).toBe(BACK_PRESSURED);
    } finally {
      globalThis.setTimeout = real;
    }
    expect(started.length).toBeLessThan(3);
    await holder.kill();
    expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
  });

  it('finds the dead also when the file has been removed', async () => {
    const { path, queue, own, producer, other, fill } = besideAnother();
    await other.says('ready');
    other.child.kill('SIGSTOP');
    rmSync(path);
    fill();
    other.child.kill('SIGKILL');
    expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
    own.leave();
    expect(sub(queue)).toBeDefined();
    await other.end();
  });

  it('lets go of files in which it has no end any more, and takes them up again', () => {
    const isShared = (path: string): boolean => {
      const words = new Int32Array(new Uint8Array(readFileSync(path)).buffer);
      return Array.from({ length: MAX_SHARERS }, (_, i) => words[sharerAt(i) >> 2]).some((pid) => pid !== 0);
    };
    const kinds = ['spsc', 'mpsc', 'spmc', 'banded'] as const;
    const queues = Array.from({ length: 120 }, (_, i) => {
      const memory = { path: newPath() };
      const queue = create({ kind: kinds[i % 4] as 'spsc', capacity: 8, codec: RECORD, memory });
      const [producer, consumer] = [pub(queue), sub(queue)];
      expect(isShared(memory.path)).toBe(true);
      producer.leave();
      // Every third has an end left.
      if (i % 3 > 0) consumer.leave();
      return { queue, consumer, path: memory.path };
    });
    const shared = queues.filter(({ path }) => isShared(path));
    // The forty that it has an end of, and fewer again of the others.
    expect(queues.filter((each, i) => i % 3 === 0 && !shared.includes(each))).toEqual([]);
    expect(shared.length).toBeLessThan(80);
    for (const { queue, consumer, path } of queues) {
      rmSync(path);
      // The band of a banded queue; others have none.
      const producer = pub(queue) as unknown as { offer(value: object, band: number): number; leave(): void };
      expect(producer.offer({ from: 1, number: 2, check: 3, text: '' }, 3)).toBe(OK);
      consumer.leave();
      expect(sub(queue).poll()).toMatchObject({ number: 2 });
      producer.leave();
    }
  });

  it('keeps no thread, lock or descriptor of a process for files that it has let go of', async () => {
    const paths = Array.from({ length: 60 }, () => newPath());
    // This process has an end of each, so that the other one watches it.
    const consumers = paths.map((path) => sub(create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } })));
    const other = Sharer.command(process.execPath, ['--input-type=module', '-e', `
      import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
      import { open, pub } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      for (const path of ${JSON.stringify(paths)}) {
        pub(open({ kind: 'spsc', recordBytes: 8, memory: { path } })).leave();
        // Until it watches the file.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const linkOf = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
      const watched = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).includes('pidfd')).length;
      const threads = /Threads:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
      console.log(JSON.stringify({ watched, threads: Number(threads) }) + ' ready');
      setInterval(() => {}, 1000);`]);
    sharers.add(other);
    await other.says('ready');
    const { watched, threads } = JSON.parse(other.output.split(' ')[0]!) as { watched: number; threads: number };
    const mappings = native().mappings!;
    const held = paths.filter((path) => {
      const file = openSync(path, 'r+');
      const words = new Int32Array(mappings.map(file, statSync(path).size) as SharedArrayBuffer);
      closeSync(file);
      // The entry of this process is the first.
      return mappings.isHeld(words, sharerAt(1)) === 1;
    }).length;
    expect(watched).toBeLessThan(40);
    expect(held).toBeLessThan(40);
    expect(threads).toBeLessThan(60);
    for (const consumer of consumers) consumer.leave();
  });

  it('finds the dead who are new, though it is woken all the time while it is blocked', async () => {
    const { path, producer, other, fill } = besideAnother();
    // From here on this thread does not return to its loop, which would see who is new.
    const queueAt = readFileSync(path).readInt32LE(queueFileLayout.fields.queueAt.at);
    while (readFileSync(path).readInt32LE(queueAt + 4 * (placeAt(1) + STATE)) !== GATING);
    process.kill(other.pid, 'SIGSTOP');
    fill();
    process.kill(other.pid, 'SIGKILL');
    // As if somebody rang all the time: it never sleeps for so long that it would look by itself.
    const mappings = native().mappings! as { -readonly [name in 'wait']: NativeMappings['wait'] };
    const { wait } = mappings;
    mappings.wait = (words, at, seen) => (wait(words, at, seen, 0) === -ECANCELED ? -ECANCELED : 0);
    try {
      expect(producer.roomSync({ timeoutMs: 10_000 })).toBe(OK);
    } finally {
      mappings.wait = wait;
    }
    await other.end();
  });

  it.each([true, false])('recovers a thread of its process that has ended (told by recover: %s)', async (isTold) => {
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
    // None, if its lock was seen to be gone before.
    if (isTold) expect([0, 1]).toContain(recover(queue, worker).producers);
    expect(pub(queue).offer(new Uint8Array(8).fill(6))).toBe(OK);
    const consumer = sub(queue);
    expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([
      new Uint8Array(8).fill(5), new Uint8Array(8).fill(6), EMPTY,
    ]);
    close(queue);
    expect(consumer.poll()).toBe(CLOSED);
  });

  const asProducer = (path: string, then: string): Sharer => {
    const sharer = Sharer.command(process.execPath, ['--input-type=module', '-e', `
      import { open, pub } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      pub(open({ kind: 'spsc', recordBytes: 8, memory: { path: ${JSON.stringify(path)} } }));
      console.log('ready');
      ${then}`]);
    sharers.add(sharer);
    return sharer;
  };

  where('execve' in process)('frees what a process had that runs another program now', async () => {
    const path = newPath();
    const queue = create({ kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path } });
    const other = asProducer(path, `
      setTimeout(() => process.execve('/bin/sh', ['sh', '-c', 'echo another; exec sleep 100'], {}), 10);`);
    await other.says('another');
    expect(other.child.exitCode).toBe(null);
    expect(pub(queue).offer(new Uint8Array(8))).toBe(OK);
  });

  where(canUnshare)('finds out that a process has died in another pid namespace', async () => {
    const path = newPath();
    const queue = create({ kind: 'spmc', capacity: 8, codec: RECORD, maxConsumers: 2, memory: { path } });
    const own = sub(queue);
    const producer = pub(queue);
    const work: Work = { path, kind: 'spmc', role: 'consumer' };
    const other = Sharer.command('unshare', [...UNSHARE, process.execPath, PROGRAM, JSON.stringify(work)]);
    sharers.add(other);
    await other.says('ready');
    const send = (): number => producer.offer({ from: 1, number: 0, check: checkOf(1, 0), text: 'n0' });
    // Its first process is the child of the one that we know.
    const [inner] = readFileSync(`/proc/${other.pid}/task/${other.pid}/children`, 'utf8').split(' ');
    process.kill(Number(inner), 'SIGSTOP');
    while (send() === OK) own.poll();
    expect(recover(queue)).toEqual({ producers: 0, consumers: 0, taken: 0 });
    other.child.kill('SIGKILL');
    expect(await producer.room({ timeoutMs: 20_000 })).toBe(OK);
    await other.end();
  });
});
