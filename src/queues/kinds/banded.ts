/** `banded`: eight rings, one for each band, with one producer and one consumer. See banded-queue.ts. */
import { BandedConsumer, BandedProducer, checkQuantum } from '../banded-queue.js';
import { BANDS } from '../../layout.js';
import { createRings, type Traits } from '../create.js';
import { closeGroup, openGroup, openRingOf, recoverGroup, type Group } from '../group.js';
import type { Queue } from '../handles.js';
import { inspectGroup, type RingsProperties } from '../inspect.js';
import { publishEveryOf } from '../lazy.js';
import { join } from '../places.js';
import type { QueueMemory } from '../ring.js';
import { idOfDead } from '../thread-ids.js';
import { BandedValueProducer } from '../value-queue.js';
import type { RingKind } from './queue-kind.js';
import {
  consumerOf, groupOf, isHeldBy, joinOptions, noteOpened, producerOf, takeProducer, withHandle,
} from './rings.js';

const traits: Traits = { kind: 'banded', rings: () => BANDS };

const open = (queue: Queue): Group => openGroup(groupOf(queue, BANDS));
const inspect = (queue: Queue): RingsProperties => withHandle(queue, inspectGroup(open(queue)));

/** See the head of this file. */
export const banded: RingKind<Queue, Parameters<typeof createRings>[0], BandedProducer, BandedConsumer> = {
  countsRecords: true,
  create: (options) => createRings(options, traits),
  pub(queue, options) {
    const publishEvery = publishEveryOf(options);
    const group = open(queue);
    noteOpened(queue);
    return new BandedProducer(group, joinBands(group, (ring) => producerOf(takeProducer(ring), publishEvery)));
  },
  pubValues: (ring, codec) => new BandedValueProducer(ring, codec),
  sub(queue, options) {
    const wanted = joinOptions(queue, options, traits);
    const group = open(queue);
    const quantum = checkQuantum(options.quantum);
    noteOpened(queue);
    return new BandedConsumer(group, joinBands(group, (ring) => consumerOf(ring, join(ring, wanted))), quantum);
  },
  close: (queue) => closeGroup(open(queue)),
  // Whoever has one band has all of them, and counts once.
  recover: (queue, worker) => recoverGroup(open(queue), idOfDead(worker), true),
  recoverSharer: (queue, dead) => recoverGroup(open(queue), dead - 1, true),
  inspect,
  hasPlace: (queue, threadId) => isHeldBy(inspect(queue), threadId),
};

/** Opens an end in every band, or in none. If another end still has some of the bands, it is about to leave them. */
function joinBands<End extends { leave(): void }>(group: Group, joinBand: (ring: QueueMemory) => End): End[] {
  const ends: End[] = [];
  try {
    for (let band = 0; band < group.rings; band++) ends.push(joinBand(openRingOf(group, band, false)));
  } catch (error) {
    for (const end of ends) end.leave();
    throw error;
  }
  return ends;
}
