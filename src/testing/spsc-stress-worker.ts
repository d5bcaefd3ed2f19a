/**
 * One end of a queue under load, in a real thread: every record is made from its sequence alone, so the consumer knows each word
 * of it, its length and its type, and a lost, doubled, reordered or torn record is named. Batch sizes, verbs, lazy
 * publishing and pauses change at random from seeds that differ between the two ends. Used by spsc-queue.stress.test.ts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, nameOfCode, pub, sub } from '../queues/index.js';
import type { FixedConsumer, FixedProducer, FixedQueue, VariableConsumer, VariableProducer, VariableQueue } from '../queues/index.js';

export interface StressWork {
  readonly queue: FixedQueue | VariableQueue;
  readonly role: 'producer' | 'consumer';
  readonly records: number;
  readonly seed: number;
}

export interface StressResult {
  readonly records: number;
  /** The first thing that was wrong; empty if nothing was. */
  readonly wrong: string;
  /** Times it found the ring full or empty, and times it slept. */
  readonly refusals: number;
  readonly pauses: number;
}

/** A word that anyone can compute from a record's number and a position in it. */
const wordAt = (record: number, position: number): number => {
  const mixed = Math.imul(record ^ Math.imul(position + 1, 0x9e3779b1), 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) | 0;
};
/** Payload words of variable record `record`: most are short, one of sixteen may be as long as `most`. */
const wordsOf = (record: number, most: number): number => {
  const bits = wordAt(record, -9) >>> 0;
  return (bits >>> 4) % ((bits & 15) === 0 ? most + 1 : Math.min(most, 8) + 1);
};
/** The longest payload used, in words. */
const mostWords = (capacity: number): number => Math.min(((capacity >> 1) - 8) >> 2, 64);
const typeOf = (record: number): number => wordAt(record, -7) & 0x7fff;

const { queue, role, records, seed } = workerData as StressWork;
const pauseWord = new Int32Array(new SharedArrayBuffer(4));
let random = seed;
let refusals = 0;
let pauses = 0;
let refusedInARow = 0;

/** The next random number below `bound`. */
function below(bound: number): number {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return (random >>> 0) % bound;
}

function sleep(): void {
  pauses++;
  Atomics.wait(pauseWord, 0, 0, 0.01 + below(100) / 2000);
}

/** Now and then a thread is slow: for a few instructions, or until the other one has caught up. */
function linger(): void {
  const choice = below(20_000);
  if (choice === 0) sleep();
  else if (choice < 400) for (let i = below(300); i > 0; i--) Atomics.load(pauseWord, 0);
}

/** After some refusals in a row the core is given away: the other end may need it. */
function refused(): void {
  refusals++;
  if (++refusedInARow % 400 === 0) sleep();
}

function check(record: number, position: number, actual: number): void {
  if (actual !== wordAt(record, position)) throw new Error(`word ${position} of record ${record} is ${actual}, not ${wordAt(record, position)}`);
}

function produceFixed(producer: FixedProducer): void {
  const words = producer.recordBytes >> 2;
  const copy = new Int32Array(words);
  const copyBytes = new Uint8Array(copy.buffer);
  for (let record = 0; record < records; linger()) {
    if (below(8) === 0) {
      for (let i = 0; i < words; i++) copy[i] = wordAt(record, i);
      const code = producer.offer(copyBytes);
      if (code === OK) record++;
      else lookAfter(producer, code);
      continue;
    }
    const count = Math.min(1 + below(producer.capacity), records - record);
    const at = producer.tryClaim(count);
    if (at < 0) {
      lookAfter(producer, at);
      continue;
    }
    const used = below(4) === 0 ? below(count + 1) : count;
    for (let i = 0; i < used; i++) for (let k = 0; k < words; k++) producer.words[producer.wordOf(at, i) + k] = wordAt(record + i, k);
    if (used === 0) producer.abort();
    else producer.commit(used);
    record += used;
    refusedInARow = 0;
  }
}

function produceVariable(producer: VariableProducer): void {
  const most = mostWords(producer.capacity);
  const copy = new Int32Array(most);
  for (let record = 0; record < records; linger()) {
    const words = wordsOf(record, most);
    if (below(8) === 0) {
      for (let i = 0; i < words; i++) copy[i] = wordAt(record, i);
      const code = producer.offer(new Uint8Array(copy.buffer, 0, words * 4), typeOf(record));
      if (code === OK) record++;
      else lookAfter(producer, code);
      continue;
    }
    // Claim more than is needed at times, and commit less.
    const claim = below(4) === 0 ? words + below(most - words + 1) : words;
    const offset = producer.tryClaim(claim * 4, typeOf(record));
    if (offset < 0) {
      lookAfter(producer, offset);
      continue;
    }
    for (let k = 0; k < words; k++) producer.words[(offset >> 2) + k] = wordAt(record, k);
    if (below(50) === 0) {
      producer.abort();
      continue;
    }
    producer.commit(words * 4);
    record++;
    refusedInARow = 0;
  }
}

/** Nobody waits on records it has not published. */
function lookAfter(producer: FixedProducer | VariableProducer, code: number): void {
  if (code !== BACK_PRESSURED) throw new Error(`the producer got ${nameOfCode(code)}`);
  producer.flush();
  refused();
  producer.publishEvery = below(3) === 0 ? 1 : 1 + below(64);
}

/** Returns how many records came before CLOSED. */
function consumeFixed(consumer: FixedConsumer): number {
  const words = consumer.recordBytes >> 2;
  const checkAt = (record: number, word: number): void => {
    for (let k = 0; k < words; k++) check(record, k, consumer.words[word + k]);
  };
  for (let record = 0; ; linger()) {
    const verb = below(8);
    let code: number;
    if (verb === 0) {
      const copy = consumer.poll();
      code = typeof copy === 'number' ? copy : 1;
      if (typeof copy !== 'number') new Int32Array(copy.buffer).forEach((word, k) => check(record, k, word));
      if (code > 0) record++;
    } else if (verb < 4) {
      code = consumer.peek(1 + below(consumer.capacity));
      for (let i = 0; i < code; i++) checkAt(record + i, consumer.wordOf(i));
      const used = code > 0 ? 1 + below(code) : 0;
      if (used > 0) consumer.release(used);
      record += used;
    } else {
      code = consumer.drain((_view, offset) => checkAt(record++, offset >> 2), 1 + below(consumer.capacity));
    }
    if (code === CLOSED) return record;
    if (code === 0 || code === EMPTY) refused();
    else refusedInARow = 0;
  }
}

/** Returns how many records came before CLOSED. */
function consumeVariable(consumer: VariableConsumer): number {
  const most = mostWords(consumer.capacity);
  const checkAt = (record: number, offset: number, length: number, type: number): void => {
    if (length !== wordsOf(record, most) * 4) throw new Error(`record ${record} has ${length} bytes, not ${wordsOf(record, most) * 4}`);
    if (type !== typeOf(record)) throw new Error(`record ${record} has type ${type}, not ${typeOf(record)}`);
    for (let k = 0; k < length >> 2; k++) check(record, k, consumer.words[(offset >> 2) + k]);
  };
  for (let record = 0; ; linger()) {
    const verb = below(8);
    let code: number;
    if (verb === 0) {
      const copy = consumer.poll();
      code = typeof copy === 'number' ? copy : 1;
      if (typeof copy !== 'number') new Int32Array(copy.buffer).forEach((word, k) => check(record, k, word));
      if (code > 0) record++;
    } else if (verb < 4) {
      code = consumer.peek();
      if (code > 0) {
        checkAt(record++, code, consumer.length, consumer.type);
        consumer.advance();
        if (below(2) === 0) consumer.publishRelease();
      }
    } else {
      code = consumer.drain((_view, offset, length, type) => checkAt(record++, offset, length, type), 1 + below(20));
    }
    if (code === CLOSED) return record;
    if (code === 0 || code === EMPTY) {
      consumer.publishRelease();
      refused();
    } else {
      refusedInARow = 0;
    }
  }
}

function run(): StressResult {
  let done = records;
  let wrong = '';
  try {
    if (role === 'producer') {
      const producer = queue.fixed ? pub(queue) : pub(queue);
      if (queue.fixed) produceFixed(producer as FixedProducer);
      else produceVariable(producer as VariableProducer);
      producer.close();
    } else {
      done = queue.fixed ? consumeFixed(sub(queue)) : consumeVariable(sub(queue));
    }
  } catch (error) {
    wrong = (error as Error).message;
  }
  return { records: done, wrong, refusals, pauses };
}

parentPort?.postMessage(run());
