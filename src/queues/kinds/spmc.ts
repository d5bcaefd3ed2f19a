/** `spmc`: one ring, one producer, and consumers that each get every record; a consumer may read behind others. */
import { createRings, type Traits } from '../create.js';
import { openRing } from '../memory.js';
import { kindOfOneRing } from './one-ring.js';
import { consumerOf, producerOf } from './rings.js';

const traits: Traits = { kind: 'spmc', hasConsumers: true, isShared: true };

/** See the head of this file. */
export const spmc = kindOfOneRing({
  traits, countsRecords: true, producerOf, consumerOf,
  create: (options: Parameters<typeof createRings>[0]) => createRings(options, traits),
  open: (queue) => openRing(queue),
});
