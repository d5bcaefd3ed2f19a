/**
 * Pipes with other processes at the other end: `cat`, `echo`, writers of one byte at a time, and processes that are
 * killed.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, closeSync, constants, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { descriptors, errorOf, sleep, until, within } from '../reactor/fixtures/inside.js';
import type { PipeWork } from './fixtures/pipe-worker.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe } from './pipe.js';
import type { QueueConsumer } from './queue-ends.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK } from '../result-codes.js';

const scratch = mkdtempSync(join(tmpdir(), 'percore-fifo-'));
const children = new Set<ChildProcess>();
let names = 0;
const newPath = (): string => join(scratch, `fifo-${names++}`);
const compiled = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url));

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** A child process and what it prints. */
function run(
  command: string, args: readonly string[], stdin: number | 'ignore' = 'ignore',
): { child: ChildProcess; output: () => string; exit: Promise<unknown[]> } {
  const child = spawn(command, args, { stdio: [stdin, 'pipe', 'inherit'] });
  children.add(child);
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => void (output += text));
  return { child, output: () => output, exit: within(20_000, once(child, 'close'), `the end of ${command}`) };
}
const shell = (script: string) => run('sh', ['-c', script]);

async function readAll<T>(consumer: QueueConsumer<T>): Promise<T[]> {
  const values: T[] = [];
  await within(20_000, (async () => {
    for await (const value of consumer) values.push(value);
  })(), 'the end of the pipe');
  return values;
}

describe('a FIFO', () => {
  it('is made with the mode that was asked for, less the umask, and used as it is if it exists', () => {
    const path = newPath();
    createPipe({ path, mode: 0o640 });
    expect(statSync(path).isFIFO()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
    expect(createPipe({ path, mode: 0o666 })).toMatchObject({ path, readDescriptor: -1, writeDescriptor: -1 });
    expect(statSync(path).mode & 0o777, 'an existing FIFO is left as it is').toBe(0o640 & ~process.umask());
  });

  it('shows its lines to `cat`, which sees the end when the producer closes', async () => {
    const before = descriptors();
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const producer = pubPipe(queue);
    const cat = run('cat', [queue.path]);
    expect(await within(10_000, producer.room(), 'a reader')).toBe(OK);
    const lines = ['first', 'zweite Zeile: ü€', '', 'last'];
    for (const line of lines) expect(producer.offer(line)).toBe(OK);
    producer.close();
    expect(await cat.exit).toEqual([0, null]);
    expect(cat.output()).toBe(`${lines.join('\n')}\n`);
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 4, dropped: { closed: 0 }, isClosed: true });
    expect(descriptors()).toEqual(before);
  });

  it('answers BACK_PRESSURED until somebody reads, sleeps meanwhile, and is not misled by another writer or by a '
    + 'reader that came and went', async () => {
    const open = descriptors();
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const producer = pubPipe(queue);
    expect(producer.offer('nobody')).toBe(BACK_PRESSURED);
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 0, refused: 1 });
    expect(await errorOf(() => producer.room({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
    expect(producer.offer('nobody')).toBe(BACK_PRESSURED);
    let answer: number | undefined;
    const room = producer.room().then((code) => (answer = code));
    // Another producer begins to wait, and gives up.
    const other = pubPipe(createPipe({ path: queue.path, framing: 'line' }));
    expect(await errorOf(() => other.room({ timeoutMs: 5 }))).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
    other.close();
    const before = performance.nodeTiming.uvMetricsInfo.loopCount;
    await sleep(200);
    expect(answer, 'no reader has come').toBe(undefined);
    expect(performance.nodeTiming.uvMetricsInfo.loopCount - before, 'the loop slept').toBeLessThan(20);
    closeSync(openSync(queue.path, constants.O_RDONLY | constants.O_NONBLOCK));
    expect(producer.offer('nobody'), 'that reader has gone').toBe(BACK_PRESSURED);
    const cat = run('cat', [queue.path]);
    expect(await within(10_000, room, 'a reader')).toBe(OK);
    expect(producer.offer('somebody')).toBe(OK);
    producer.close();
    expect(await cat.exit).toEqual([0, null]);
    expect(cat.output()).toBe('somebody\n');
    expect(descriptors()).toEqual(open);
  });

  it('leaves nothing behind when a worker is terminated that waits for a reader', async () => {
    const before = descriptors();
    const queue = createPipe({ path: newPath() });
    const worker = new Worker(new URL('./fixtures/pipe-worker.js', import.meta.url), {
      workerData: { role: 'hold', queue, end: 'producer', bytes: 1 } satisfies PipeWork,
    });
    expect(await within(10_000, once(worker, 'message'), 'the worker')).toEqual([BACK_PRESSURED]);
    await sleep(20);
    expect(descriptors(), 'it waits').toContain('anon_inode:inotify');
    await worker.terminate();
    expect(descriptors()).toEqual(before);
    // And the end is free again.
    pubPipe(queue).close();
  });

  it('tells every producer that waits when a reader comes', async () => {
    const path = newPath();
    const producers = Array.from({ length: 3 }, () => pubPipe(createPipe({ path, framing: 'line' })));
    const spaces = producers.map((producer) => producer.room());
    await sleep(20);
    const cat = run('cat', [path]);
    expect(await within(10_000, Promise.all(spaces), 'a reader')).toEqual([OK, OK, OK]);
    for (const [i, producer] of producers.entries()) {
      expect(producer.offer(`from ${i}`)).toBe(OK);
      producer.close();
    }
    await cat.exit;
    expect(cat.output()).toBe('from 0\nfrom 1\nfrom 2\n');
  });

  it('makes a producer that has sent nothing wait for the next reader if another has filled it and its reader '
    + 'dies', async () => {
    const path = newPath();
    const queues = [createPipe({ path, capacityBytes: 4096 }), createPipe({ path })];
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const [first, second] = queues.map((queue) => pubPipe(queue)) as [
      ReturnType<typeof pubPipe>, ReturnType<typeof pubPipe>,
    ];
    while (first.offer(new Uint8Array(1020)) === OK);
    let answer: number | undefined;
    const room = second.room().then((code) => (answer = code));
    await sleep(20);
    closeSync(fd);
    await sleep(20);
    expect(first.offer(new Uint8Array(1))).toBe(CLOSED);
    expect(answer).toBe(undefined);
    const consumer = subPipe(createPipe({ path }));
    expect(await within(10_000, consumer.ready(), 'what the first has left')).toBe(OK);
    expect(consumer.drain(() => undefined)).toBe(4);
    expect(await within(10_000, room, 'room')).toBe(OK);
    expect(second.offer(new Uint8Array([7]))).toBe(OK);
    second.close();
    expect(await readAll(consumer)).toEqual([new Uint8Array([7])]);
  });

  it('sends what was flushed before anybody read, as soon as somebody does', async () => {
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const producer = pubPipe(queue, { publishEvery: { records: 10 } });
    for (const line of ['a', 'b', 'c']) expect(producer.offer(line)).toBe(OK);
    expect(producer.flush()).toBe(OK);
    await sleep(20);
    // A reader that leaves again without reading does not count.
    closeSync(openSync(queue.path, constants.O_RDONLY | constants.O_NONBLOCK));
    await sleep(20);
    const consumer = subPipe(createPipe({ path: queue.path, framing: 'line' }));
    expect(await within(10_000, consumer.ready(), 'the lines')).toBe(OK);
    producer.close();
    expect(await readAll(consumer)).toEqual(['a', 'b', 'c']);
  });

  it('finds a reader that has been waiting in open(2)', async () => {
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const cat = run('cat', [queue.path]);
    const producer = pubPipe(queue);
    // There are no calls but offers, each of which tries to open the FIFO.
    await until(() => producer.offer('hello') === OK, 'a reader');
    producer.close();
    await cat.exit;
    expect(cat.output()).toBe('hello\n');
  });

  it('tells the producer CLOSED when its reader was killed', async () => {
    const before = descriptors();
    const queue = createPipe({ path: newPath(), capacityBytes: 4096 });
    const producer = pubPipe(queue);
    const reader = run('sleep', ['60'], openReader(queue.path));
    expect(producer.offer(new Uint8Array(50_000))).toBe(OK);
    expect(propertiesOfPipe(queue)).toMatchObject({ capacity: 4096, depth: 4096 });
    const room = producer.room();
    reader.child.kill('SIGKILL');
    expect(await within(10_000, room, 'the end')).toBe(CLOSED);
    expect(producer.offer(new Uint8Array(1))).toBe(CLOSED);
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 1, dropped: { closed: 1 }, isClosed: true });
    await reader.exit;
    expect(descriptors()).toEqual(before);

    function openReader(path: string): number {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      queueMicrotask(() => closeSync(fd));
      return fd;
    }
  });

  it('gives up what was gathered for a reader that never came, and counts it', () => {
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const producer = pubPipe(queue, { publishEvery: { records: 10 } });
    expect([producer.offer('a'), producer.offer('b')]).toEqual([OK, OK]);
    producer.close();
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 2, dropped: { closed: 2 }, isClosed: true });
  });

  it('is empty, not ended, before anybody has written, and ended after', async () => {
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const consumer = subPipe(queue);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
    const ready = consumer.ready();
    const before = performance.nodeTiming.uvMetricsInfo.loopCount;
    await sleep(100);
    expect(performance.nodeTiming.uvMetricsInfo.loopCount - before, 'the loop slept').toBeLessThan(20);
    const echo = shell(`echo one > ${queue.path}`);
    expect(await within(10_000, ready, 'a line')).toBe(OK);
    expect(consumer.poll()).toBe('one');
    await echo.exit;
    expect(await consumer.ready()).toBe(CLOSED);
    expect(consumer.state).toBe(OK);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
  });

  it('takes the lines of one `echo` after another with keepOpen, and the last part of each is a line', async () => {
    const before = descriptors();
    const queue = createPipe({ path: newPath(), framing: 'line', keepOpen: true });
    const consumer = subPipe(queue);
    for (let i = 0; i < 5; i++) {
      const ready = consumer.ready();
      await shell(`echo line ${i} > ${queue.path}`).exit;
      expect(await within(10_000, ready, 'a line')).toBe(OK);
      expect(consumer.poll()).toBe(`line ${i}`);
      expect(consumer.poll(), 'and this is not the end').toBe(undefined);
      expect(consumer.state).toBe(EMPTY);
    }
    // A writer that writes nothing ends nothing either, not even for a consumer that is waiting.
    const ready = consumer.ready();
    await shell(`: > ${queue.path}`).exit;
    await sleep(20);
    await shell(`printf 'whole\\nunfinished' > ${queue.path}`).exit;
    expect(await within(10_000, ready, 'a line')).toBe(OK);
    expect(consumer.poll()).toBe('whole');
    expect(consumer.poll()).toBe('unfinished');
    expect(consumer.poll()).toBe(undefined);
    await shell(`echo after > ${queue.path}`).exit;
    await within(10_000, consumer.ready(), 'a line');
    expect(consumer.poll(), 'not joined to what was there').toBe('after');
    expect(propertiesOfPipe(queue)).toMatchObject({ consumed: 8, dropped: { closed: 0 }, isClosed: false });
    // While nobody writes, waiting costs nothing.
    const last = consumer.ready();
    const loops = performance.nodeTiming.uvMetricsInfo.loopCount;
    await sleep(100);
    expect(performance.nodeTiming.uvMetricsInfo.loopCount - loops).toBeLessThan(20);
    consumer.close();
    expect(await last).toBe(CLOSED);
    expect(descriptors()).toEqual(before);
  });

  it('puts together what is written one byte at a time', async () => {
    const text = Array.from({ length: 60 }, (_, i) => `line ${i} ${'ü'.repeat(i)}`);
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const consumer = subPipe(queue);
    const writer = shell(`printf '${text.join('\\n')}\\n' | dd bs=1 of=${queue.path} status=none`);
    expect(await readAll(consumer)).toEqual(text);
    await writer.exit;
    expect(propertiesOfPipe(queue)).toMatchObject({ consumed: 60, dropped: { closed: 0, tooLarge: 0 } });
  });

  it('ends with what was written of a line when its writer is killed in the middle of it', async () => {
    const queue = createPipe({ path: newPath(), framing: 'line' });
    const consumer = subPipe(queue);
    const writer = shell(`exec 3> ${queue.path}; printf 'whole\\npart of a' >&3; exec sleep 60`);
    expect(await within(10_000, consumer.ready(), 'a line')).toBe(OK);
    expect(consumer.poll()).toBe('whole');
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
    const ready = consumer.ready();
    writer.child.kill('SIGKILL');
    expect(await within(10_000, ready, 'the end')).toBe(OK);
    expect([consumer.poll(), consumer.poll(), consumer.state]).toEqual(['part of a', undefined, CLOSED]);
    expect(await consumer.ready()).toBe(CLOSED);
    expect(propertiesOfPipe(queue)).toMatchObject({ consumed: 2, dropped: { closed: 0 }, isClosed: true });
  });

  it('takes the last part as a line, with or without a line feed, in every way of reading', async () => {
    const cases = [['a\\nb', ['a', 'b']], ['a\\n', ['a']], ['b', ['b']], ['a\\n\\n', ['a', '']]] as const;
    for (const [written, lines] of cases) {
      const fifo = () => createPipe({ path: newPath(), framing: 'line' });
      const looped = fifo();
      const reading = readAll(subPipe(looped));
      await shell(`printf '${written}' > ${looped.path}`).exit;
      expect(await reading, written).toEqual(lines);
      const drained = fifo();
      const consumer = subPipe(drained);
      await shell(`printf '${written}' > ${drained.path}`).exit;
      const seen: string[] = [];
      expect(consumer.drain((line) => void seen.push(line as string)), written).toBe(lines.length);
      expect([seen, consumer.drain(() => undefined)]).toEqual([lines, CLOSED]);
      expect(propertiesOfPipe(drained)).toMatchObject({ consumed: lines.length, dropped: { closed: 0 } });
      // What nobody reads is counted once, whether the end was seen before or not.
      for (const hasLooked of [false, true]) {
        const closed = fifo();
        const end = subPipe(closed);
        await shell(`printf '${written}' > ${closed.path}`).exit;
        if (hasLooked) expect(await end.ready()).toBe(OK);
        end.close();
        end.close();
        expect([end.poll(), end.state]).toEqual([undefined, CLOSED]);
        expect(propertiesOfPipe(closed)).toMatchObject({ consumed: 0, dropped: { closed: lines.length } });
      }
    }
  });

  it('takes a last line of exactly a buffer, and counts one that is too long', async () => {
    for (const [length, tooLarge] of [[65_535, 0], [65_536, 0], [65_537, 0], [100_000, 0], [100_001, 1]] as const) {
      const queue = createPipe({ path: newPath(), framing: 'line', maxRecordBytes: 100_000 });
      const reading = readAll(subPipe(queue));
      await shell(`{ echo first; head -c ${length} /dev/zero; } > ${queue.path}`).exit;
      expect((await reading).map((line) => line.length), `${length}`).toEqual(tooLarge === 0 ? [5, length] : [5]);
      expect(propertiesOfPipe(queue).dropped).toMatchObject({ closed: 0, tooLarge });
    }
  });

  it('skips a line that is too long, whoever wrote it, in bounded memory, and counts it', async () => {
    const queue = createPipe({ path: newPath(), framing: 'line', maxRecordBytes: 100 });
    const consumer = subPipe(queue);
    const writer = shell(`{ echo short; head -c 3000000 /dev/zero; echo; echo end; } > ${queue.path}`);
    expect(await readAll(consumer)).toEqual(['short', 'end']);
    await writer.exit;
    expect(propertiesOfPipe(queue)).toMatchObject({ consumed: 2, dropped: { closed: 0, tooLarge: 1 } });
  });

  it('can be opened again at either end after it was closed', async () => {
    const queue = createPipe({ path: newPath(), framing: 'line' });
    for (let i = 0; i < 3; i++) {
      const consumer = subPipe(queue);
      const producer = pubPipe(queue);
      expect(producer.offer(`round ${i}`)).toBe(OK);
      expect(await errorOf(() => pubPipe(structuredClone(queue)))).toMatchObject({ argument: 'queue' });
      producer.close();
      expect(await readAll(consumer)).toEqual([`round ${i}`]);
    }
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 3, consumed: 3 });
  });

  it('keeps the lines of several writing processes whole, up to PIPE_BUF', { timeout: 60_000 }, async () => {
    const queue = createPipe({ path: newPath(), framing: 'line', keepOpen: true });
    const consumer = subPipe(queue);
    const [lines, length] = [2000, 1500];
    const writers = ['a', 'b', 'c'].map((name) =>
      run(process.execPath, [compiled('pipe-writer'), queue.path, name, String(lines), String(length)]),
    );
    const next: Record<string, number> = { a: 0, b: 0, c: 0 };
    const exits = Promise.all(writers.map(({ exit }) => exit));
    let isDone = false;
    void exits.then(() => (isDone = true));
    while (!isDone || consumer.poll() !== undefined) {
      consumer.drain((line) => {
        const [name, number] = line.split(' ') as [string, string];
        expect(line).toBe(`${name} ${next[name]!++} `.padEnd(length, name));
        expect(line.startsWith(`${name} ${number} `)).toBe(true);
      });
      await sleep(1);
    }
    expect(await exits).toEqual([[0, null], [0, null], [0, null]]);
    expect(next).toEqual({ a: lines, b: lines, c: lines });
    consumer.close();
  });
});

describe('an anonymous pipe', () => {
  it('feeds a child that was given its reading end; the end comes when the producer closes', async () => {
    const before = descriptors();
    const queue = createPipe({ framing: 'line' });
    const cat = run('cat', [], queue.readDescriptor);
    closePipe(queue, 'consumer');
    const producer = pubPipe(queue);
    for (let i = 0; i < 1000; i++) {
      while (producer.offer(`${i} ${'x'.repeat(i)}`) === BACK_PRESSURED)
        expect(await within(10_000, producer.room(), 'space')).toBe(OK);
    }
    producer.close();
    expect(await cat.exit).toEqual([0, null]);
    expect(cat.output()).toBe(Array.from({ length: 1000 }, (_, i) => `${i} ${'x'.repeat(i)}\n`).join(''));
    await until(() => descriptors().length === before.length, 'all descriptors closed');
  });

  it('reads a child that was given its writing end', async () => {
    const queue = createPipe({ framing: 'line' });
    const child = spawn('sh', ['-c', 'echo one; echo two'], { stdio: ['ignore', queue.writeDescriptor, 'inherit'] });
    children.add(child);
    closePipe(queue, 'producer');
    expect(await readAll(subPipe(queue))).toEqual(['one', 'two']);
  });

  it('is not inherited by a child that was not given it', () => {
    const queue = createPipe();
    const open = execFileSync('sh', ['-c', 'ls -l /proc/self/fd'], {
      encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ours = `pipe:[${statSync(`/proc/self/fd/${queue.readDescriptor}`).ino}]`;
    expect(readFileSync('/proc/self/cmdline').length, 'sanity: /proc is there').toBeGreaterThan(0);
    expect(open).not.toContain(ours);
    closePipe(queue);
  });
});

describe('a process', () => {
  it('does not die of SIGPIPE, even where the signal would kill, and its children know nothing of it', () => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [compiled('pipe-signal')], {
      encoding: 'utf8',
    });
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      isDeadly: true, whileOpen: { isBlocked: true, isBlockedInChild: false }, codes: [CLOSED, CLOSED],
      isBlockedAfter: false, isPendingAfter: false,
    });
  });

  it('that is out of descriptors is told so, and loses none', () => {
    const script = `import { createPipe, closePipe } from ${JSON.stringify(new URL('./pipe.js', import.meta.url).href)};
      const pipes = []; let error;
      try { for (;;) pipes.push(createPipe()); } catch (caught) { error = caught; }
      for (const pipe of pipes) closePipe(pipe);
      closePipe(createPipe());
      const { code, errno, syscall } = error;
      console.log(JSON.stringify({ code, errno, syscall, some: pipes.length > 5 }));`;
    const { status, stdout, stderr } = spawnSync(
      'sh', ['-c', 'ulimit -n 64 && exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ code: 'ERR_PERCORE_SYSTEM', errno: 'EMFILE', syscall: 'pipe2', some: true });
  });

  it('ends by itself while pipes are open and nobody waits, and does not while somebody does', () => {
    const module = JSON.stringify(new URL('./pipe.js', import.meta.url).href);
    const runScript = (rest: string) =>
      spawnSync(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          `import { createPipe, pubPipe, subPipe } from ${module};
      const queue = createPipe({ capacityBytes: 4096 });
      const producer = pubPipe(queue);
      const consumer = subPipe(queue); ${rest}`,
        ],
        { encoding: 'utf8', timeout: 20_000 },
      );
    expect(runScript('producer.offer(new Uint8Array(3));')).toMatchObject({ status: 0, stderr: '' });
    const waited = runScript(
      'setTimeout(() => producer.offer(new Uint8Array(1)), 50).unref(); consumer.ready().then((code) => '
        + 'console.log(code));',
    );
    expect(waited).toMatchObject({ status: 0, stdout: '0\n', stderr: '' });
    expect(existsSync(scratch)).toBe(true);
  });
});
