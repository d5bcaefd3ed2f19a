/** What the kinds made of rings in shared memory have in common: how ends are opened, and what their options mean. */
import { PercoreError, checkInteger, checkOptions, invalidArgument } from '../../errors.js';
import { checkLossy, checkPolicy, checkShared, type Traits } from '../create.js';
import { ON_UNPUBLISHED } from '../doors.js';
import { FixedConsumer, FixedProducer } from '../fixed-records.js';
import { IS_CLOSING, type Group, type GroupHandle } from '../group.js';
import type { Queue } from '../handles.js';
import type { RingsProperties } from '../inspect.js';
import { lazyHost } from '../lazy.js';
import { LossyConsumer } from '../lossy-consumer.js';
import { isLossyPlace, joinAsProducer, meIn, type JoinOptions } from '../places.js';
import { ATTENTION, CLOSING, OPEN, PHASE, PRODUCER_THREAD, type QueueMemory } from '../ring.js';
import { VariableConsumer } from '../variable-consumer.js';
import { VariableProducer } from '../variable-records.js';
import type { AnySubOptions } from './queue-kind.js';

/** Says that an end of this queue is about to take its place; see lazy.ts. */
export const noteOpened = (queue: Queue): void => lazyHost()?.onOpen(queue);

/** The producer for a ring whose place this thread has taken. */
export function producerOf(memory: QueueMemory, publishEvery: number): FixedProducer | VariableProducer {
  const isVariable = memory.recordBytes === 0;
  return flushedLate(isVariable ? new VariableProducer(memory, publishEvery) : new FixedProducer(memory, publishEvery));
}

/** If this thread has a reactor, lets it publish at the end of its step what the producer has not published. */
export function flushedLate<P extends FixedProducer | VariableProducer>(producer: P): P {
  const host = lazyHost();
  if (host === null || producer.publishEvery === 1) return producer;
  const late = {
    isDirty: false,
    flush(): void {
      late.isDirty = false;
      producer.flush();
    },
  };
  // Once in a step, however often the producer publishes by itself meanwhile.
  producer[ON_UNPUBLISHED](() => {
    if (late.isDirty) return;
    late.isDirty = true;
    host.markDirty(late);
  });
  return producer;
}

/**
 * Takes the only place for a producer. Throws ERR_PERCORE_NO_PLACE when it is taken, and ERR_PERCORE_CLOSED when the
 * queue is closed.
 */
export function takeProducer<M extends QueueMemory>(memory: M): M {
  // ring.attention: pairs with closeRing() and close() of a consumer. The phase changes only later, when an end of the
  // ring has noticed.
  if (Atomics.load(memory.words, PHASE) !== OPEN || (Atomics.load(memory.words, ATTENTION) & CLOSING) !== 0)
    throw closed();
  if (joinAsProducer(memory)) return memory;
  // Pairs with joinAsProducer() of the thread that has the place, for the text of the error alone.
  const owner = Atomics.load(memory.words, PRODUCER_THREAD);
  const fix =
    owner === meIn(memory.sharer)
      ? 'by this thread. Use that producer, or call its leave() first'
      : `by thread ${owner - 1}. Use kind 'mpsc' for several, or call recover(queue, worker) if that worker has exited`;
  throw new PercoreError('ERR_PERCORE_NO_PLACE', `the only place for a producer is taken ${fix}`, {
    argument: 'maxProducers', value: 1,
  });
}

/** Throws ERR_PERCORE_CLOSED when the group is closed. */
export function checkOpen(group: Group): Group {
  // group.close: pairs with closeGroup(). Whoever joins after this look finds that the ring itself is closing.
  if (Atomics.load(group.words, IS_CLOSING) === 1) throw closed();
  return group;
}

const closed = (): PercoreError =>
  new PercoreError('ERR_PERCORE_CLOSED', 'the queue is closed; nobody may join it any more');

/** The consumer for a place that was joined. The place's policy decides its class; a declared place brings its own. */
export function consumerOf(memory: QueueMemory, place: number): FixedConsumer | VariableConsumer | LossyConsumer {
  if (isLossyPlace(memory, place)) return new LossyConsumer(memory, place);
  return memory.recordBytes === 0 ? new VariableConsumer(memory, place) : new FixedConsumer(memory, place);
}

/** What `sub` asks of a place, after it was checked. Of all kinds only `banded` uses `quantum`. */
export function joinOptions(queue: Queue, options: AnySubOptions, traits: Traits): JoinOptions {
  checkOptions('options', options, ['whenSlow', 'evictAfterMs', 'name', 'after', 'quantum']);
  if (options.after !== undefined && !Array.isArray(options.after))
    throw invalidArgument('after', options.after, 'an array of names or places of consumers');
  const whenSlow = options.whenSlow === undefined ? undefined : checkPolicy(options.whenSlow);
  if (whenSlow !== undefined) checkShared(traits, whenSlow);
  const after = (options.after ?? []).map((other) =>
    typeof other === 'string'
      ? placeOf(queue, 'after', other)
      : checkInteger('after', other, 0, (queue?.maxConsumers ?? 1) - 1),
  );
  if (after.length > 0 && traits.isShared !== true)
    throw invalidArgument('after', options.after, "left out, unless kind is 'spmc'");
  checkLossy(whenSlow ?? 'wait', after.length > 0, queue?.capacity ?? 0);
  return {
    whenSlow, after, evictAfterMs: checkInteger('evictAfterMs', options.evictAfterMs ?? 1000, 0, 2 ** 31 - 1),
    ...(options.name === undefined ? {} : { place: placeOf(queue, 'name', options.name) }),
  };
}

/** Throws for `quantum` if there are no bands. */
export function refuseQuantum({ quantum }: AnySubOptions): void {
  if (quantum !== undefined) throw invalidArgument('quantum', quantum, "left out, unless kind is 'banded'");
}

/** The place of a declared consumer. Throws if none has this name. */
function placeOf(queue: Queue, argument: string, name: string): number {
  const consumers = queue?.consumers;
  const place =
    typeof consumers === 'object' && consumers !== null && typeof name === 'string' && Object.hasOwn(consumers, name)
      ? consumers[name]
      : undefined;
  if (place === undefined || !Number.isInteger(place) || place < 0 || place >= queue.maxConsumers)
    throw invalidArgument(
      argument, name, `a declared consumer: ${Object.keys(queue?.consumers ?? {}).join(', ') || 'the queue has none'}`,
    );
  return place;
}

/**
 * True while `threadId` has a place that others may want. In a closed queue, a place counts only while records are
 * left.
 */
export function isHeldBy(
  { producers, consumers, isClosed, depth }: RingsProperties, threadId: number, others: readonly number[] = [],
): boolean {
  if (isClosed && depth === 0) return false;
  return others.includes(threadId) || [...producers, ...consumers].some((end) => end.threadId === threadId);
}

/** The group of a queue's rings, as a handle. */
export function groupOf(
  { buffer, byteOffset, capacity, recordBytes, maxConsumers, ...more }: Queue, rings: number,
): GroupHandle {
  const { sharer = 0 } = more as { sharer?: number };
  return { buffer, byteOffset, capacity, recordBytes, rings, groupPlaces: maxConsumers, sharer };
}

/** The figures of a queue, together with what its handle says. */
export function withHandle<F>(
  { kind, backend, capacity, recordBytes }: Queue, figures: F,
): F & Pick<RingsProperties, 'kind' | 'backend' | 'capacity' | 'recordBytes'> {
  return { kind, backend, capacity, recordBytes, ...figures };
}
