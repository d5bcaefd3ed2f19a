/**
 * One side of the row `process-ring`. The bench starts the first side as a process. That starts the second side, in the
 * way that is measured, and sends the figure to the bench. If messages go only one way, the second side measures it.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Worker, parentPort, workerData } from 'node:worker_threads';
import {
  CLOSED, create, open, pub, sub, type FixedConsumer, type FixedProducer, type FixedQueue,
} from 'percore/queues';
import { rootUrl } from '../../context.js';
import { pinThisThread } from '../../cpus.js';
import { percentile } from '../../harness.js';
import { socketPath, type Side, type SideResult } from './process-ring.js';

const BYTES = 64;
const WORDS = BYTES >> 2;
const CAPACITY = 4096;
/** The number of empty steps when the ring is full or empty, which take about 1 µs. */
const PAUSES = 2000;
/** A bound that no run reaches. */
const MOST_MS = 30_000;

const side = (workerData ?? JSON.parse(process.argv[2])) as Side & { readonly there?: FixedQueue; back?: FixedQueue };
const { way, work, isFirst, folder, cpus, warmupMs, measureMs } = side;
const other = { ...side, isFirst: false };
const report = (result: SideResult): void => {
  if (parentPort === null) process.send!(result);
  else parentPort.postMessage(result);
};
pinThisThread(cpus[isFirst ? 0 : 1]);

// ---- Rings

function ring(name: string): FixedQueue {
  const shape = { kind: 'spsc', recordBytes: BYTES } as const;
  if (way === 'threads') return create({ ...shape, capacity: CAPACITY });
  const memory = { path: join(folder, name) };
  return isFirst ? create({ ...shape, capacity: CAPACITY, memory }) : open({ ...shape, memory });
}

function rings(): void {
  const there = side.there ?? ring('there');
  const back = side.back ?? ring('back');
  if (isFirst) startOther({ there, back });
  if (work === 'rate') {
    if (isFirst) sendAll(pub(there, { publishEvery: { records: 64 } }));
    else report(receiveAll(sub(there)));
  } else if (isFirst) {
    report(ask(pub(there), sub(back)));
  } else {
    answer(sub(there), pub(back));
  }
}

function startOther(queues: { there: FixedQueue; back: FixedQueue }): void {
  if (way === 'threads') {
    new Worker(new URL(import.meta.url), { workerData: { ...other, ...queues } }).on('message', report);
  } else {
    fork(new URL(import.meta.url), [JSON.stringify(other)]).on('message', report);
  }
}

function pause(): void {
  for (let i = 0; i < PAUSES; i++);
}

/** Sends until the other side has enough and closes. Then hands on the result of that side. */
function sendAll(producer: FixedProducer): void {
  const endMs = performance.now() + MOST_MS;
  const { words } = producer;
  let number = 0;
  while (performance.now() < endMs) {
    for (let i = 0; i < 1024; i++) {
      const at = producer.tryClaim();
      if (at < 0) {
        if (at === CLOSED) return;
        pause();
        continue;
      }
      const word = producer.wordOf(at);
      write16(words, word, number);
      producer.commit();
      number = (number + 1) | 0;
    }
  }
}

function receiveAll(consumer: FixedConsumer): SideResult {
  const clock = new Clock();
  const { words } = consumer;
  let number = 0;
  let wrong = 0;
  do {
    const count = consumer.available(1024);
    if (count < 0) {
      pause();
      continue;
    }
    for (let i = 0; i < count; i++) {
      const word = consumer.wordOf(i);
      if (sumOf16(words, word) !== number << 4) wrong++;
      number = (number + 1) | 0;
    }
    consumer.release(count);
    clock.count += count;
  } while (clock.goesOn());
  consumer.close();
  return { value: clock.perSecond, wrong };
}

/** Writes all words of a record without a loop, as a program with fields would. */
function write16(words: Int32Array, at: number, number: number): void {
  words[at] = number;
  words[at + 1] = number;
  words[at + 2] = number;
  words[at + 3] = number;
  words[at + 4] = number;
  words[at + 5] = number;
  words[at + 6] = number;
  words[at + 7] = number;
  words[at + 8] = number;
  words[at + 9] = number;
  words[at + 10] = number;
  words[at + 11] = number;
  words[at + 12] = number;
  words[at + 13] = number;
  words[at + 14] = number;
  words[at + 15] = number;
}

function sumOf16(words: Int32Array, at: number): number {
  return (words[at] + words[at + 1] + words[at + 2] + words[at + 3] | 0)
    + (words[at + 4] + words[at + 5] + words[at + 6] + words[at + 7] | 0)
    + (words[at + 8] + words[at + 9] + words[at + 10] + words[at + 11] | 0)
    + (words[at + 12] + words[at + 13] + words[at + 14] + words[at + 15] | 0) | 0;
}

function ask(producer: FixedProducer, consumer: FixedConsumer): SideResult {
  const trips = new Trips();
  let wrong = 0;
  let round = 0;
  do {
    say(producer, ++round);
    if (hear(consumer) !== ~round) wrong++;
  } while (trips.note());
  producer.close();
  return { value: trips.p50Ns, wrong };
}

function answer(consumer: FixedConsumer, producer: FixedProducer): void {
  for (;;) say(producer, ~hear(consumer));
}

function say(producer: FixedProducer, word: number): void {
  producer.words[producer.wordOf(producer.tryClaim())] = word;
  producer.commit();
}

function hear(consumer: FixedConsumer): number {
  for (let looks = 1, count = consumer.available(1); count < 0; count = consumer.available(1), looks++) {
    // The first side has its result. This side is no longer needed, and must not spin for ever.
    if (count === CLOSED || (looks % 1_000_000 === 0 && performance.now() > MOST_MS)) process.exit();
  }
  const word = consumer.words[consumer.wordOf()];
  consumer.release();
  return word;
}

// ---- Sockets and channels

async function socket(): Promise<void> {
  if (!isFirst) {
    const [peer] = await connected(connect(socketPath(folder)));
    onStream(peer);
    return;
  }
  const server = createServer().listen(socketPath(folder));
  await once(server, 'listening');
  const child = fork(new URL(import.meta.url), [JSON.stringify(other)]);
  child.on('message', (result: SideResult) => report(result));
  const [peer] = (await once(server, 'connection')) as [Socket];
  // The other side ends when it has told its result.
  peer.on('error', () => {});
  if (work === 'rate') await writeAll((bytes) => peer.write(bytes), peer).catch(() => {});
  else askStream(peer);
}
const connected = async (peer: Socket): Promise<[Socket]> => {
  await once(peer, 'connect');
  return [peer];
};

/** Writes messages one by one, as long as the socket takes them. */
async function writeAll(write: (bytes: Uint8Array) => boolean, peer: Socket): Promise<void> {
  for (let number = 0; ; number = (number + 1) | 0) {
    if (!write(new Uint8Array(new Int32Array(WORDS).fill(number).buffer))) await once(peer, 'drain');
  }
}

function onStream(peer: Socket): void {
  const clock = new Clock();
  let number = 0;
  let wrong = 0;
  let rest = Buffer.alloc(0);
  peer.on('data', (bytes) => {
    if (work === 'roundTrip') return void peer.write(bytes);
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    for (; at + BYTES <= rest.length; at += BYTES) {
      if (rest.readInt32LE(at) !== number) wrong++;
      number = (number + 1) | 0;
      clock.count++;
    }
    rest = rest.subarray(at);
    if (!clock.goesOn()) {
      report({ value: clock.perSecond, wrong });
      peer.pause();
    }
  });
  peer.on('error', () => process.exit());
}

function askStream(peer: Socket): void {
  const trips = new Trips();
  const message = new Int32Array(WORDS);
  let wrong = 0;
  let round = 0;
  const send = (): void => {
    message[0] = ++round;
    peer.write(new Uint8Array(message.buffer.slice(0)));
  };
  peer.on('data', (bytes) => {
    if (bytes.length !== BYTES || bytes.readInt32LE() !== round) wrong++;
    if (trips.note()) send();
    else report({ value: trips.p50Ns, wrong });
  });
  send();
}

interface Told { readonly number: number; readonly text: string }
const TEXT = 'x'.repeat(BYTES - 12);

function channel(): void {
  if (!isFirst) return onChannel();
  const child = fork(new URL(import.meta.url), [JSON.stringify(other)]);
  if (work === 'rate') sendToChannel(child);
  else askChannel(child);
}

function sendToChannel(child: ChildProcess): void {
  child.on('message', (result: SideResult) => report(result));
  let number = 0;
  const some = (): void => {
    // Give it as many as it takes; then let it send them.
    for (let i = 0; i < 512; i++) if (!child.send({ number: number++, text: TEXT } satisfies Told)) break;
    setImmediate(some);
  };
  some();
}

function onChannel(): void {
  const clock = new Clock();
  let number = 0;
  let wrong = 0;
  let isOver = false;
  process.on('message', (told: Told) => {
    if (work === 'roundTrip') return void process.send!(told);
    if (told.number !== number++ || told.text !== TEXT) wrong++;
    clock.count++;
    if (!isOver && !clock.goesOn()) {
      isOver = true;
      report({ value: clock.perSecond, wrong });
    }
  });
  process.on('disconnect', () => process.exit());
}

function askChannel(child: ChildProcess): void {
  const trips = new Trips();
  let wrong = 0;
  let round = 0;
  const send = (): void => void child.send({ number: ++round, text: TEXT } satisfies Told);
  child.on('message', (told: Told) => {
    if (told.number !== round) wrong++;
    if (trips.note()) send();
    else report({ value: trips.p50Ns, wrong });
  });
  send();
}

// ---- Python

const RECORD_BYTES = 1024;

async function toPython(): Promise<void> {
  const seconds = [warmupMs / 1000, measureMs / 1000].map(String);
  const from = way === 'to-python-pipe' ? '-' : join(folder, 'python');
  const producer = from === '-' ? undefined : pub(recordsAt(from));
  const child = startPython('reader.py', [from, way === 'to-python-place' ? 'place' : 'copy', ...seconds]);
  let isOver = false;
  void once(createInterface(child.stdout!), 'line').then(([line]) => {
    isOver = true;
    report(JSON.parse(line as string) as SideResult);
  });
  if (producer === undefined) return await pipeAll(child);
  for (let number = 0; !isOver; await new Promise((resolve) => setImmediate(resolve))) {
    for (let i = 0; i < 256; i++) {
      const at = producer.tryClaim(64);
      if (at < 0) {
        pause();
        continue;
      }
      for (let j = 0; j < 64; j++, number++) {
        const word = producer.wordOf(at, j);
        producer.words.fill(number & 0xff, word, word + 256);
      }
      producer.commit();
    }
  }
}

const recordsAt = (path: string): FixedQueue =>
  create({ kind: 'spsc', capacity: 4096, recordBytes: RECORD_BYTES, memory: { path } });

function startPython(program: string, args: string[]): ChildProcess {
  const file = new URL(`bench/suites/beyond/${program}`, rootUrl).pathname;
  // On the other CPU, since a child process inherits that of the thread that starts it.
  return spawn('taskset', ['-c', String(cpus[1]), 'python3', file, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PYTHONPATH: new URL('foreign/', rootUrl).pathname },
  });
}

async function pipeAll({ stdin }: ChildProcess): Promise<void> {
  stdin!.on('error', () => {});
  const blocks = Array.from({ length: 4 }, (_, i) => {
    const words = new Int32Array(256 * 64);
    for (let j = 0; j < 64; j++) words.fill((i * 64 + j) & 0xff, j * 256, (j + 1) * 256);
    return new Uint8Array(words.buffer);
  });
  for (let i = 0; stdin!.writable; i++) {
    if (!stdin!.write(blocks[i % 4])) await Promise.race([once(stdin!, 'drain'), once(stdin!, 'close')]);
  }
}

/** Every record has its number in its bytes. Ours has it in each word, and the lowest byte of a word is compared. */
function fromPython(): void {
  const clock = new Clock();
  let wrong = 0;
  if (way === 'from-python') {
    const path = join(folder, 'python');
    const consumer = sub(recordsAt(path));
    const { bytes } = consumer;
    const child = startPython('writer.py', [path]);
    do {
      const count = consumer.available(256);
      if (count < 0) {
        pause();
        continue;
      }
      for (let i = 0; i < count; i++) {
        const at = consumer.offsetOf(i);
        const number = (clock.count + i) & 0xff;
        if (bytes[at] !== number || bytes[at + RECORD_BYTES - 1] !== number) wrong++;
      }
      consumer.release(count);
      clock.count += count;
    } while (clock.goesOn());
    child.kill('SIGKILL');
    report({ value: (clock.perSecond * RECORD_BYTES) / 1e9, wrong });
    return;
  }
  const child = startPython('writer.py', ['-']);
  let read = 0;
  child.stdout!.on('data', (chunk: Buffer) => {
    // Compare the first and the last byte of each record, wherever the pieces are cut.
    for (let at = (RECORD_BYTES - (read % RECORD_BYTES)) % RECORD_BYTES; at < chunk.length; at += RECORD_BYTES) {
      const number = ((read + at) / RECORD_BYTES) & 0xff;
      if (chunk[at] !== number) wrong++;
      if (at > 0 && chunk[at - 1] !== ((number - 1) & 0xff)) wrong++;
    }
    read += chunk.length;
    clock.count = read / RECORD_BYTES;
    if (clock.goesOn()) return;
    child.stdout!.destroy();
    child.kill('SIGKILL');
    report({ value: (clock.perSecond * RECORD_BYTES) / 1e9, wrong });
  });
}

// ---- Time

/** Counts the messages a second, from the end of the warm-up on. */
class Clock {
  count = 0;
  private beginMs = 0;
  private countAtBegin = 0;
  private readonly warmEndMs = performance.now() + warmupMs + 500;
  perSecond = 0;

  goesOn(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.warmEndMs) return true;
    if (this.beginMs === 0) {
      this.beginMs = nowMs;
      this.countAtBegin = this.count;
      return true;
    }
    if (nowMs < this.beginMs + measureMs) return true;
    this.perSecond = ((this.count - this.countAtBegin) / (nowMs - this.beginMs)) * 1000;
    return false;
  }
}

class Trips {
  private readonly samples = new Float64Array(1_000_000);
  private count = 0;
  private lastMs = performance.now();
  private readonly warmEndMs = this.lastMs + warmupMs + 500;

  /** False if there are enough. */
  note(): boolean {
    const nowMs = performance.now();
    if (nowMs > this.warmEndMs && this.count < this.samples.length) this.samples[this.count++] = nowMs - this.lastMs;
    this.lastMs = nowMs;
    return nowMs < this.warmEndMs + measureMs || this.count < 500;
  }

  get p50Ns(): number {
    return percentile(this.samples.subarray(0, this.count).sort(), 50) * 1e6;
  }
}

if (way === 'socket') await socket();
else if (way === 'channel') channel();
else if (way.startsWith('to-')) await toPython();
else if (way.startsWith('from-')) fromPython();
else rings();
