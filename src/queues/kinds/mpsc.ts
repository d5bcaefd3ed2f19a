/** `mpsc`: one ring for each producer, and consumers that share the lanes. See mpsc-queue.ts. */
import { PercoreError } from '../../errors.js';
import { createRings, type Traits } from '../create.js';
import type { FixedProducer } from '../fixed-records.js';
import { closeGroup, joinGroup, openGroup, recoverGroup, threadsOf, type Group } from '../group.js';
import type { Queue } from '../handles.js';
import { inspectGroup, type RingsProperties } from '../inspect.js';
import { publishEveryOf } from '../lazy.js';
import { joinLane } from '../mpsc-lanes.js';
import { MpscConsumer } from '../mpsc-queue.js';
import { idOfDead } from '../thread-ids.js';
import { ValueProducer } from '../value-queue.js';
import type { VariableProducer } from '../variable-records.js';
import type { RingKind } from './queue-kind.js';
import {
  checkOpen, consumerOf, groupOf, isHeldBy, joinOptions, noteOpened, producerOf, refuseQuantum, withHandle,
} from './rings.js';

const traits: Traits = { kind: 'mpsc', hasLanes: true, hasConsumers: true, rings: (maxProducers) => maxProducers };

const open = (queue: Queue): Group => openGroup(groupOf(queue, queue.maxProducers));
const inspect = (queue: Queue): RingsProperties => withHandle(queue, inspectGroup(open(queue)));

/** See the head of this file. */
export const mpsc: RingKind<Queue, Parameters<typeof createRings>[0], FixedProducer | VariableProducer, MpscConsumer> =
  {
    countsRecords: true,
    create: (options) => createRings(options, traits),
    pub(queue, options) {
      const publishEvery = publishEveryOf(options);
      const group = checkOpen(open(queue));
      noteOpened(queue);
      return producerOf(joinLane(group), publishEvery);
    },
    pubValues: (ring, codec) => new ValueProducer(ring, codec),
    sub(queue, options) {
      const wanted = joinOptions(queue, options, traits);
      refuseQuantum(options);
      const group = open(queue);
      noteOpened(queue);
      const place = joinGroup(group);
      if (place < 0) throw noPlace(group);
      return new MpscConsumer(group, place, consumerOf, wanted);
    },
    close: (queue) => closeGroup(open(queue)),
    recover: (queue, worker) => recoverGroup(open(queue), idOfDead(worker), false),
    recoverSharer: (queue, dead) => recoverGroup(open(queue), dead - 1, false),
    inspect,
    // A consumer has a place in the group even while it has no lane.
    hasPlace: (queue, threadId) => isHeldBy(inspect(queue), threadId, threadsOf(open(queue))),
  };

/** The error for a consumer that finds no place; it says who has the places. */
function noPlace(group: Group): PercoreError {
  const { places } = group;
  const which = places === 1 ? 'the only place for a consumer is' : `all ${places} places for consumers are`;
  return new PercoreError(
    'ERR_PERCORE_NO_PLACE',
    `${which} taken (threads ${threadsOf(group).join(', ')}). Create the queue with a larger maxConsumers, or call `
      + 'recover(queue, worker) for a worker that has exited',
    {
      argument: 'maxConsumers', value: group.places,
    },
  );
}
