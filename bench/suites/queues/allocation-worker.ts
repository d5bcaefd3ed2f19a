/**
 * Measures what a message leaves on the heap when it goes through a ring in one of several ways, with both ends in this
 * thread.
 *
 * The used heap is read before and after windows of 1024 messages, after the compilers have come to rest. The figure is
 * the median of many windows, since a garbage collection makes a few of them useless. Windows without messages show
 * what reading the figure costs by itself. A loop that leaves one object for each message shows that the measurement
 * would notice it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { getHeapStatistics } from 'node:v8';
import { create, pub, sub, type FixedConsumer, type FixedProducer } from 'percore/queues';
import type { AllocationWorkerData, Way } from './allocation.js';

const WINDOW = 1024;
const WINDOWS = 1001;
const WARMUP_MS = 500;
/** The most messages that are under way. */
const BATCH = 64;
const CAPACITY = 4096;

const { way } = workerData as AllocationWorkerData;
const kept: { i: number }[] = [];
const leaving = measure((messages) => { for (let i = 0; i < messages; i++) kept[0] = { i }; });
// Such an object has three words of header and one of number.
if (!(leaving >= 16 && leaving <= 64)) throw new Error(`an object a message was measured as ${leaving} bytes`);
parentPort!.postMessage(measure(openWay(way)));

function measure(move: (messages: number) => void): number {
  for (const endMs = performance.now() + WARMUP_MS; performance.now() < endMs;) used(move, WINDOW);
  const empty: number[] = [];
  const full: number[] = [];
  for (let i = 0; i < WINDOWS; i++) {
    empty.push(used(move, 0));
    full.push(used(move, WINDOW));
  }
  return (median(full) - median(empty)) / WINDOW;
}

function used(move: (messages: number) => void, messages: number): number {
  const before = getHeapStatistics().used_heap_size;
  move(messages);
  return getHeapStatistics().used_heap_size - before;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/**
 * Makes a queue old, as if 2^32 records had gone through it. Their count is then too large for a small integer. V8
 * could keep it on the heap, with a new object for each change, so a queue that allocates nothing for its first 2^31
 * records might allocate for ever after.
 */
function age(producer: FixedProducer, consumer: FixedConsumer): void {
  for (let records = 0; records < 2 ** 32; records += CAPACITY) {
    producer.tryClaim(CAPACITY);
    producer.commit(CAPACITY);
    consumer.release(consumer.available());
  }
}

/** The loop for one of the ways, for a multiple of 64 messages. */
function openWay(name: Way): (messages: number) => void {
  let sum = 0;
  const record = new Uint8Array(8);
  const addFirst = (view: DataView, offset: number): void => { sum = (sum + view.getInt32(offset, true)) | 0; };
  switch (name) {
    case 'empty loop':
      return (messages) => { for (let i = 0; i < messages; i++) sum = (sum + i) | 0; };
    case 'words':
    case 'batch64': {
      const queue = create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 });
      const producer = pub(queue, { publishEvery: { records: BATCH } });
      const consumer = sub(queue);
      age(producer, consumer);
      const { words } = producer;
      const claim = name === 'words' ? 1 : BATCH;
      return (messages) => {
        for (let i = 0; i < messages; i += claim) {
          const at = producer.tryClaim(claim);
          for (let j = 0; j < claim; j++) words[producer.wordOf(at, j)] = i + j;
          producer.commit(claim);
          const ready = consumer.available();
          for (let j = 0; j < ready; j++) sum = (sum + words[consumer.wordOf(j)]) | 0;
          if (ready > 0) consumer.release(ready);
        }
      };
    }
    case 'offer':
    case 'drain': {
      const queue = create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 });
      const producer = pub(queue);
      const consumer = sub(queue);
      age(producer, consumer);
      const { words } = consumer;
      const isDrained = name === 'drain';
      return (messages) => {
        for (let i = 0; i < messages; i++) {
          record[0] = i;
          producer.offer(record);
          if (isDrained) consumer.drain(addFirst);
          else {
            if (consumer.available(1) > 0) sum = (sum + words[consumer.wordOf()]) | 0;
            consumer.release();
          }
        }
      };
    }
    default: {
      const queue = create({ kind: 'spsc', capacityBytes: 65_536 });
      const producer = pub(queue);
      const consumer = sub(queue);
      const { words } = producer;
      const isOffered = name === 'variable-offer';
      const isDrained = name === 'variable-drain';
      return (messages) => {
        for (let i = 0; i < messages; i++) {
          if (isOffered) producer.offer(record);
          else {
            words[producer.tryClaim(8 + (i & 31)) >> 2] = i;
            producer.commit();
          }
          if (isDrained) consumer.drain(addFirst);
          else {
            sum = (sum + words[consumer.peek() >> 2]) | 0;
            consumer.advance();
            consumer.publishRelease();
          }
        }
      };
    }
  }
}
