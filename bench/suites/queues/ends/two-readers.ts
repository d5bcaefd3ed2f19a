/** The consuming thread of `spmc-2` and of its baseline. It has two readers, which both must see every message. */
import type { FixedConsumer } from 'percore/queues';
import { SALT } from '../messages.js';
import { pause } from '../pause.js';
import type { ConsumingEnd } from '../race.js';

const BATCH = 64;

export function readBoth(one: FixedConsumer, other: FixedConsumer, pauses: number): ConsumingEnd {
  let wrong = 0;
  /** Reads and releases what there is, at most a batch. Returns the sequence of the next message. */
  const read = (reader: FixedConsumer, due: number, end: number): number => {
    const ready = reader.available(Math.min(BATCH, end - due));
    if (ready <= 0) return due;
    const { words } = reader;
    let differences = 0;
    let sequence = due;
    for (let i = 0; i < ready; i++, sequence++) {
      const word = reader.wordOf(i);
      differences |= (words[word] ^ sequence) | (words[word + 1] ^ sequence ^ SALT);
    }
    reader.release(ready);
    wrong |= differences;
    return sequence;
  };
  return {
    consume(first, count) {
      const end = first + count;
      for (let dueToOne = first, dueToOther = first; dueToOne < end || dueToOther < end;) {
        const before = dueToOne + dueToOther;
        dueToOne = read(one, dueToOne, end);
        dueToOther = read(other, dueToOther, end);
        // They have caught up; see percore-each.ts.
        if (dueToOne + dueToOther - before < BATCH) pause(pauses);
      }
    },
    wrong: () => wrong,
  };
}
