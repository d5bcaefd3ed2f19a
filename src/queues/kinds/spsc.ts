/** `spsc`: one ring, one producer, one consumer. */
import { createRings, type Traits } from '../create.js';
import { openRing } from '../memory.js';
import { kindOfOneRing } from './one-ring.js';
import { consumerOf, producerOf } from './rings.js';

const traits: Traits = { kind: 'spsc' };

/** See the head of this file. */
export const spsc = kindOfOneRing({
  traits, countsRecords: true, producerOf, consumerOf,
  create: (options: Parameters<typeof createRings>[0]) => createRings(options, traits),
  open: (queue) => openRing(queue),
});
