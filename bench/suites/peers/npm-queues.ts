/** npm's queues between two workers, as baselines of the rows of queues. */
import { rmSync } from 'node:fs';
import { RingBuffer } from 'ringbuf.js';
import type { Contender } from '../../harness.js';
import { workers } from '../queues/race.js';
import { threadStream } from '../queues/thread-stream.js';
import type { RingbufSetup } from './ends/ringbuf.js';
import { makeShared, type DisruptorSetup } from './ends/shared-memory-disruptor.js';
import type { WordsOf } from './ends/words.js';
import type { PackageTrial } from './npm.js';

interface Shape {
  readonly capacity: number;
  readonly bytes: 8 | 64;
  readonly batch: number;
  readonly pauses: number;
}

/** The slice for calls into an addon, for which the slice of the others would take too long. */
const SLICE = 4096;
const wordsOf = (bytes: 8 | 64): WordsOf => (bytes === 8 ? 2 : 16);
const nameOf = (name: string, { batch }: Shape): string => (batch === 1 ? name : `${name} batch`);

/** Messages one by one, or `batch` at a time for those that can. */
export function byPackage(shape: Shape): PackageTrial<'rate'>[] {
  return [
    { package: 'ringbuf.js', contender: () => ringbuf(shape) },
    { package: 'shared-memory-disruptor', contender: (entry) => disruptor(entry, shape, 1) },
    ...(shape.batch === 1 ? [stream(shape.bytes)] : []),
    { package: '@nxtedition/shared' },
  ];
}

function ringbuf(shape: Shape): Contender<'rate'> {
  const { capacity, bytes, batch, pauses } = shape;
  const perMessage = wordsOf(bytes);
  return workers<RingbufSetup>({
    name: nameOf('ringbuf.js', shape),
    ends: '../../peers/ends/ringbuf',
    setup: () => ({
      buffer: RingBuffer.getStorageForCapacity(capacity * perMessage, Int32Array), perMessage, batch, pauses,
    }),
  });
}

/** It keeps no boundaries between messages, and its buffer has a fixed size of 4 MiB. */
const stream = (bytes: number): PackageTrial<'rate'> => (
  { package: 'thread-stream', contender: () => threadStream(new Int32Array(4096).fill(bytes)) });

let made = 0;
/** Makes a new ring for each run. */
export function disruptor(entry: string, shape: Shape, readers: number): Contender<'rate'> {
  const { capacity, bytes, batch, pauses } = shape;
  return {
    name: nameOf('shared-memory-disruptor', shape),
    async run() {
      const name = `/percore-peers-${process.pid}-${made++}`;
      const setup: DisruptorSetup = { entry, name, capacity, perMessage: wordsOf(bytes), batch, readers, pauses };
      try {
        makeShared(setup);
        const race = { name: '', ends: '../../peers/ends/shared-memory-disruptor', slice: SLICE, setup: () => setup };
        return await workers<DisruptorSetup>(race).run();
      } finally {
        rmSync(`/dev/shm${name}`, { force: true });
      }
    },
  };
}
