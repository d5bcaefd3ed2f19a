/** The backend `linked`: one producer, one consumer, and a ring in chunks that are made as they are needed. */
import { invalidArgument } from '../../errors.js';
import type { Traits } from '../create.js';
import { chunksOf, createLinked, openLinked } from '../linked-memory.js';
import { LinkedConsumer, LinkedProducer } from '../linked-queue.js';
import { isLosing } from '../places.js';
import { kindOfOneRing } from './one-ring.js';
import { flushedLate } from './rings.js';

const traits: Traits = { kind: 'spsc' };

/** See the head of this file. */
export const linked = kindOfOneRing({
  traits, countsRecords: false,
  create: createLinked,
  open: openLinked,
  producerOf: (memory, publishEvery) => flushedLate(new LinkedProducer(memory, publishEvery)),
  consumerOf: (memory, place) => new LinkedConsumer(memory, place),
  check({ whenSlow }) {
    if (isLosing(whenSlow))
      throw invalidArgument('whenSlow', whenSlow, "'wait', 'block' or 'drop-newest' for the backend 'linked'");
  },
  inspect: (memory) => ({ chunks: chunksOf(memory) }),
});
