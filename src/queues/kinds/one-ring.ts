/** Kinds with one ring: spsc and spmc, and linked, whose ring lies in chunks. */
import type { Traits } from '../create.js';
import type { FixedConsumer, FixedProducer } from '../fixed-records.js';
import { closeRing } from '../group.js';
import type { Queue } from '../handles.js';
import { inspectRing, type RingsProperties } from '../inspect.js';
import { publishEveryOf } from '../lazy.js';
import type { LossyConsumer } from '../lossy-consumer.js';
import { recoverRing } from '../place-recovery.js';
import { join, type JoinOptions } from '../places.js';
import type { QueueMemory } from '../ring.js';
import { idOfDead } from '../thread-ids.js';
import { ValueProducer } from '../value-queue.js';
import type { VariableConsumer } from '../variable-consumer.js';
import type { VariableProducer } from '../variable-records.js';
import type { RingKind } from './queue-kind.js';
import { isHeldBy, joinOptions, noteOpened, refuseQuantum, takeProducer, withHandle } from './rings.js';

/** How one of these kinds differs from the others. */
interface OneRing<Handle extends Queue, Options, Memory extends QueueMemory> {
  readonly traits: Traits;
  readonly countsRecords: boolean;
  create(options: Options): Handle;
  open(queue: Handle): Memory;
  producerOf(memory: Memory, publishEvery: number): FixedProducer | VariableProducer;
  consumerOf(memory: Memory, place: number): FixedConsumer | VariableConsumer | LossyConsumer;
  /** Refuses options that this kind cannot meet. */
  check?(options: JoinOptions): void;
  /** Further figures of this kind. */
  inspect?(memory: Memory): Partial<RingsProperties>;
}

type Producer = FixedProducer | VariableProducer;
type Consumer = FixedConsumer | VariableConsumer | LossyConsumer;

/** The verbs of a kind with one ring. */
export function kindOfOneRing<Handle extends Queue, Options, Memory extends QueueMemory>(
  own: OneRing<Handle, Options, Memory>,
): RingKind<Handle, Options, Producer, Consumer> {
  const inspect = (queue: Handle): RingsProperties => {
    const memory = own.open(queue);
    return withHandle(queue, { ...inspectRing(memory, queue.consumers ?? {}), ...own.inspect?.(memory) });
  };
  return {
    countsRecords: own.countsRecords,
    create: own.create,
    pub(queue, options) {
      const publishEvery = publishEveryOf(options);
      const memory = own.open(queue);
      noteOpened(queue);
      return own.producerOf(takeProducer(memory), publishEvery);
    },
    pubValues: (ring, codec) => new ValueProducer(ring, codec),
    sub(queue, options) {
      const wanted = joinOptions(queue, options, own.traits);
      refuseQuantum(options);
      own.check?.(wanted);
      const memory = own.open(queue);
      noteOpened(queue);
      return own.consumerOf(memory, join(memory, wanted));
    },
    close: (queue) => closeRing(own.open(queue)),
    recover: (queue, worker) => recoverRing(own.open(queue), idOfDead(worker)),
    recoverSharer: (queue, dead) => recoverRing(own.open(queue), dead - 1),
    inspect,
    hasPlace: (queue, threadId) => isHeldBy(inspect(queue), threadId),
  };
}
