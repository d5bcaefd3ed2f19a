/**
 * shared-memory-disruptor, an addon, with `batch` elements for each claim. Consumers get everything that is new at
 * once, in place. Its blocking calls wait within the addon, without the pauses that a ring needs, so the others are
 * used.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { SALT } from '../../queues/messages.js';
import { pause } from '../../queues/pause.js';
import type { ConsumingEnd, Span } from '../../queues/race.js';
import type { WordsOf } from './words.js';

export interface DisruptorSetup {
  /** The URL of its module. */
  readonly entry: string;
  /** The name of the shared memory. */
  readonly name: string;
  readonly capacity: number;
  readonly perMessage: WordsOf;
  readonly batch: number;
  /** The readers, which are all in the consuming thread. */
  readonly readers: number;
  readonly pauses: number;
}

interface Disruptor {
  produceClaimManySync(count: number): Buffer[];
  produceCommitSync(): boolean;
  consumeNewSync(): Buffer[];
  consumeCommit(): boolean;
  release(): void;
}
type Constructor = new (
  name: string, elements: number, elementBytes: number, consumers: number, consumer: number, init: boolean,
  spin: boolean,
) => Disruptor;

const require = createRequire(import.meta.url);

const open = (setup: DisruptorSetup, consumer: number, init = false): Disruptor => {
  const { name, capacity, perMessage, readers, entry } = setup;
  const { Disruptor } = require(fileURLToPath(entry)) as { Disruptor: Constructor };
  return new Disruptor(name, capacity, perMessage * 4, readers, consumer, init, false);
};

/** Makes the shared memory. It stays until /dev/shm/NAME is removed. */
export function makeShared(setup: DisruptorSetup): void {
  open(setup, -1, true).release();
}

// Elements may begin at any byte of the mapping, so words are read and written by the methods of the buffer, as in the
// guide.

function write(piece: Buffer, perMessage: WordsOf, sequence: number): number {
  const bytes = piece.length;
  if (perMessage === 2) {
    for (let at = 0; at < bytes; at += 8, sequence++) {
      piece.writeInt32LE(sequence | 0, at);
      piece.writeInt32LE((sequence ^ SALT) | 0, at + 4);
    }
    return sequence;
  }
  for (let at = 0; at < bytes; sequence++) {
    for (let k = 0; k < 16; k++, at += 4) piece.writeInt32LE((sequence + k) | 0, at);
  }
  return sequence;
}

/** 0 if the messages in these bytes are those from `sequence` on. */
function differences(piece: Buffer, bytes: number, perMessage: WordsOf, sequence: number): number {
  let found = 0;
  if (perMessage === 2) {
    for (let at = 0; at < bytes; at += 8, sequence++) {
      found |= (piece.readInt32LE(at) ^ sequence) | (piece.readInt32LE(at + 4) ^ sequence ^ SALT);
    }
    return found;
  }
  for (let at = 0; at < bytes; sequence++) {
    for (let k = 0; k < 16; k++, at += 4) found |= piece.readInt32LE(at) ^ (sequence + k);
  }
  return found;
}

export function openProducer(setup: DisruptorSetup): Span {
  const { perMessage, batch, pauses } = setup;
  const disruptor = open(setup, -1);
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const claimed = disruptor.produceClaimManySync(batch);
      if (claimed.length === 0) {
        pause(pauses);
        continue;
      }
      // There are two pieces if the end of the ring lies in between.
      for (const piece of claimed) sequence = write(piece, perMessage, sequence);
      if (!disruptor.produceCommitSync()) throw new Error('a claim of the only producer was not committed');
    }
  };
}

/** Reads on as far as it may, and keeps the rest for the next time. */
class Reader {
  wrong = 0;
  private pieces: Buffer[] = [];

  constructor(private readonly disruptor: Disruptor, private readonly perMessage: WordsOf) {}

  /** Returns the sequence of the next message, which is at most `end`. */
  read(due: number, end: number): number {
    if (this.pieces.length === 0) this.pieces = this.disruptor.consumeNewSync();
    let sequence = due;
    while (this.pieces.length > 0 && sequence < end) {
      const piece = this.pieces[0];
      const bytes = Math.min(piece.length, (end - sequence) * this.perMessage * 4);
      this.wrong |= differences(piece, bytes, this.perMessage, sequence);
      sequence += bytes / (this.perMessage * 4);
      const rest = piece.subarray(bytes);
      if (rest.length > 0) this.pieces[0] = rest;
      else this.pieces.shift();
    }
    if (this.pieces.length === 0) this.disruptor.consumeCommit();
    return sequence;
  }
}

export function openConsumer(setup: DisruptorSetup): ConsumingEnd {
  const readers = Array.from({ length: setup.readers }, (_, id) => new Reader(open(setup, id), setup.perMessage));
  const due = readers.map(() => 0);
  return {
    consume(first, count) {
      const end = first + count;
      due.fill(first);
      for (let left = readers.length; left > 0;) {
        let hasRead = false;
        left = 0;
        for (let id = 0; id < readers.length; id++) {
          const before = due[id];
          due[id] = readers[id].read(before, end);
          hasRead ||= due[id] !== before;
          if (due[id] < end) left++;
        }
        if (!hasRead) pause(setup.pauses);
      }
    },
    wrong: () => readers.reduce((all, { wrong }) => all | wrong, 0),
  };
}
