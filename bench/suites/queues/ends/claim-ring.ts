/**
 * `claim ring`: many producers on one ring with a shared tail, which is how most MPSC rings work. percore's lanes are
 * compared with this.
 *
 *     tail ──add──> position ──write──> slot | position + 1 | words |     consumer: reads a slot that says position + 1
 *
 * Each record costs a producer two locked instructions: the add that claims and the store that publishes. It costs the
 * consumer none: it stores one cursor for each batch, which producers look at when their copy says that the ring is
 * full. A producer that dies between its two instructions stops everybody.
 *
 * Source: the bounded queue of Dmitry Vyukov (a sequence in each slot), freed by cursor as in Agrona's
 * ManyToOneRingBuffer.
 */
import { pause } from '../pause.js';
import type { ConsumingEnd, Span } from '../race.js';
import type { ManySetup } from './percore-mpsc.js';

export interface ClaimRingSetup extends Omit<ManySetup, 'queue'> {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
}

/** Word numbers, 128 bytes apart. */
const TAIL = 0;
const CURSOR = 32;
const SLOTS = 64;
/** A slot has position + 1 of its record, two words, and one unused word. */
const SLOT_WORDS = 4;
const BATCH = 64;

export const claimRingBytes = (capacity: number): number => (SLOTS + capacity * SLOT_WORDS) * 4;

export function openProducer({ buffer, capacity, producers, pauses, sleepMs }: ClaimRingSetup, part: number): Span {
  const words = new Int32Array(buffer);
  const mask = capacity - 1;
  // Every other producer may claim a slot between our look and our claim, so leave as many slots free.
  const most = capacity - producers;
  let cursor = 0;
  return (first, count) => {
    for (let sequence = first, end = first + count; sequence < end;) {
      const tail = Atomics.load(words, TAIL);
      if (((tail - cursor) | 0) >= most) {
        cursor = Atomics.load(words, CURSOR);
        if (((tail - cursor) | 0) >= most) {
          if (sleepMs > 0) Atomics.wait(words, CURSOR, cursor, sleepMs);
          else pause(pauses);
          continue;
        }
      }
      const position = Atomics.add(words, TAIL, 1);
      const slot = SLOTS + (position & mask) * SLOT_WORDS;
      words[slot + 1] = sequence;
      words[slot + 2] = part;
      Atomics.store(words, slot, (position + 1) | 0);
      sequence++;
    }
  };
}

export function openConsumer({ buffer, capacity, producers, pauses }: ClaimRingSetup): ConsumingEnd {
  const words = new Int32Array(buffer);
  const mask = capacity - 1;
  const due = new Int32Array(producers);
  let wrong = 0;
  let next = 0;
  let released = 0;
  return {
    consume(_first, count) {
      let differences = 0;
      for (let left = count; left > 0;) {
        const slot = SLOTS + (next & mask) * SLOT_WORDS;
        if (Atomics.load(words, slot) !== ((next + 1) | 0)) {
          if (released !== next) Atomics.store(words, CURSOR, released = next);
          pause(pauses);
          continue;
        }
        differences |= words[slot + 1] ^ due[words[slot + 2]]++;
        next = (next + 1) | 0;
        left--;
        if (((next - released) | 0) >= BATCH) Atomics.store(words, CURSOR, released = next);
      }
      wrong |= differences;
    },
    wrong: () => wrong,
  };
}
