/**
 * Makes queues that are one ring, or a group of rings of one size: checks the options, makes the memory and returns the
 * handle.
 */
import { PercoreError, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import { MAX_CONSUMERS, MAX_PRODUCERS, queueLayout } from '../layout.js';
import { groupBytesFor, makeGroup } from './group.js';
import type { DeclaredConsumer, FixedOptions, FixedQueue, Kind, VariableOptions, VariableQueue } from './handles.js';
import {
  MAX_BYTES, MAX_CAPACITY, MAX_RECORD_BYTES, bytesFor, isPowerOfTwo, makeRing, sharedMemory, type DeclaredPlace,
} from './memory.js';
import { isLosing } from './places.js';
import { POLICIES, type WhenSlow } from './ring.js';

/** How a kind of queue differs from the others when it is made or joined. */
export interface Traits {
  readonly kind: Kind;
  /** There may be several producers, each with a ring of its own. */
  readonly hasLanes?: boolean;
  /** Several consumers may join. */
  readonly hasConsumers?: boolean;
  /** Every consumer gets every record. Only then can consumers be declared, and read behind one another. */
  readonly isShared?: boolean;
  /** How many rings it has, if it is a group of rings. */
  readonly rings?: (maxProducers: number) => number;
}

/** Returns `value`, or throws unless it is a power of two from `least` on. */
function checkPowerOfTwo(argument: string, value: unknown, least: number): number {
  if (!isPowerOfTwo(value, least))
    throw invalidArgument(argument, value, `a power of two from ${least} to ${MAX_CAPACITY}`);
  return value;
}

/** Returns `value`, or throws unless it names a policy. */
export const checkPolicy = (value: unknown): WhenSlow => checkOneOf('whenSlow', value, POLICIES);

/** Makes a queue of rings in shared memory. See `create` in index.ts. */
export function createRings(
  options: FixedOptions<Kind> | VariableOptions<Kind>, traits: Traits,
): FixedQueue<Kind> | VariableQueue<Kind> {
  const { kind } = traits;
  checkOptions('options', options, OPTIONS);
  const fixed = 'recordBytes' in options && options.recordBytes !== undefined;
  checkShape(options, fixed);
  const recordBytes = fixed ? checkInteger('recordBytes', options.recordBytes, 1, MAX_RECORD_BYTES) : 0;
  const capacity = fixed
    ? checkPowerOfTwo('capacity', options.capacity, 2)
    : checkPowerOfTwo('capacityBytes', (options as VariableOptions).capacityBytes, 32);
  const start = checkInteger('startSequence', options.startSequence ?? 0, -(2 ** 31), 2 ** 32 - 1) | 0;
  if (!fixed && (start & 7) !== 0)
    throw invalidArgument('startSequence', start, 'a multiple of 8 for a queue of variable records');
  const maxProducers = places('maxProducers', options.maxProducers, traits.hasLanes, MAX_PRODUCERS, kind);
  const maxConsumers = places('maxConsumers', options.maxConsumers, traits.hasConsumers, MAX_CONSUMERS, kind);
  const { consumers } = options;
  if (consumers !== undefined && (typeof consumers !== 'object' || consumers === null || Array.isArray(consumers)))
    throw invalidArgument('consumers', consumers, 'an object of declared consumers by name');
  const declared: [string, DeclaredConsumer][] = Object.entries(consumers ?? {});
  if (declared.length > 0 && traits.isShared !== true)
    throw invalidArgument('consumers', options.consumers, "left out, unless kind is 'spmc'");
  if (declared.length > maxConsumers)
    throw invalidArgument(
      'maxConsumers', maxConsumers, `at least ${declared.length}, the number of declared consumers`,
    );

  const rings = traits.rings?.(maxProducers) ?? 0;
  const shape = { capacity, recordBytes, maxConsumers: rings > 0 ? 1 : maxConsumers, rings, groupPlaces: maxConsumers };
  if (bytesFor(capacity, recordBytes, shape.maxConsumers) > MAX_BYTES) {
    throw invalidArgument(
      'capacity', capacity,
      `a power of two below ${Math.ceil(2 ** 31 / recordBytes)} for records of ${recordBytes} bytes: a ring takes `
        + `less than 2 GiB`,
    );
  }
  const bytes = rings > 0 ? groupBytesFor(shape) : bytesFor(capacity, recordBytes, maxConsumers);
  const byteOffset = options.byteOffset ?? 0;
  const buffer = options.buffer ?? sharedMemory(bytes);
  if (!(buffer instanceof SharedArrayBuffer)) throw invalidArgument('buffer', buffer, 'a SharedArrayBuffer');
  if (typeof byteOffset !== 'number' || byteOffset % 8 !== 0)
    throw invalidArgument('byteOffset', byteOffset, 'a multiple of 8');
  if (buffer.byteLength < bytes) throw invalidArgument('buffer', buffer.byteLength, `at least ${bytes} bytes long`);
  checkInteger('byteOffset', byteOffset, 0, buffer.byteLength - bytes);

  // What another thread keeps in this memory would be lost.
  const header = new Int32Array(buffer, byteOffset, queueLayout.bytes >> 2);
  for (let i = 0; i < header.length; i++)
    if (header[i] !== 0)
      throw invalidArgument(
        'buffer', 'memory that is in use', 'all zero from byteOffset on: there is a queue already, or something else',
      );

  const names = declared.map(([name]) => name);
  if (rings > 0) makeGroup({ ...shape, buffer, byteOffset }, start);
  else
    makeRing(
      { ...shape, buffer, byteOffset }, start,
      declared.map(([name, consumer], i) => declare(name, consumer, declared.slice(0, i), capacity, traits)),
    );
  return {
    kind, backend: 'fixed', buffer, byteOffset, capacity, recordBytes, maxProducers, maxConsumers, fixed,
    ...(names.length === 0 ? {} : { consumers: Object.fromEntries(names.map((name, place) => [name, place])) }),
  } as FixedQueue<Kind> | VariableQueue<Kind>;
}

const OPTIONS = [
  'kind', 'backend', 'capacity', 'recordBytes', 'capacityBytes', 'maxProducers', 'maxConsumers', 'consumers',
  'startSequence', 'buffer', 'byteOffset', 'codec',
];

/**
 * Throws unless the options give either `capacity` with `recordBytes` (records of one length) or `capacityBytes`
 * (others).
 */
function checkShape(options: { capacity?: unknown; capacityBytes?: unknown }, fixed: boolean): void {
  const { capacity, capacityBytes } = options;
  if (fixed && capacityBytes !== undefined)
    throw invalidArgument(
      'capacityBytes', capacityBytes,
      'left out where recordBytes says how long each record is: capacity says how many there are',
    );
  if (fixed || capacity === undefined) return;
  throw new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    'capacity counts records of one length, so it needs recordBytes, the bytes of each. For records of any length '
      + 'give capacityBytes in its place; for values a codec',
    {
      argument: 'recordBytes', value: undefined, allowed: `a whole number from 1 to ${MAX_RECORD_BYTES}`,
    },
  );
}

/**
 * How many producers or consumers a queue has places for. Throws if its kind allows only one and more are asked for.
 */
function places(
  argument: string, value: number | undefined, isMany: boolean | undefined, most: number, kind: Kind,
): number {
  if (isMany === true) return checkInteger(argument, value ?? 16, 1, most);
  if (value !== undefined && value !== 1) throw invalidArgument(argument, value, `1 for a queue of kind '${kind}'`);
  return 1;
}

/** The place of a declared consumer, made from its options. Throws for a bad one. */
function declare(
  name: string, consumer: DeclaredConsumer, before: readonly (readonly [string, DeclaredConsumer])[], capacity: number,
  traits: Traits,
): DeclaredPlace {
  if (typeof consumer !== 'object' || consumer === null)
    throw invalidArgument(`consumers.${name}`, consumer, 'an object, such as { after: [] } or {}');
  checkOptions(`consumers.${name}`, consumer, ['after', 'whenSlow', 'evictAfterMs']);
  const whenSlow = checkPolicy(consumer.whenSlow ?? 'wait');
  checkShared(traits, whenSlow);
  if (consumer.after !== undefined && !Array.isArray(consumer.after))
    throw invalidArgument(`consumers.${name}.after`, consumer.after, 'an array of names of consumers');
  const names = before.map(([each]) => each);
  const after = (consumer.after ?? []).map((other) => {
    const place = names.indexOf(other);
    if (place < 0)
      throw invalidArgument(
        `consumers.${name}.after`, other, `a consumer declared before it: ${names.join(', ') || 'there is none'}`,
      );
    if (isLosing(before[place]![1].whenSlow))
      throw invalidArgument(
        `consumers.${name}.after`, other,
        "a consumer that is not lapped ('drop-oldest' or 'evict'): such a consumer reads copies, and does not say how "
          + 'far it has read',
      );
    return place;
  });
  checkLossy(whenSlow, after.length > 0, capacity);
  return { whenSlow, evictAfterMs: checkInteger('evictAfterMs', consumer.evictAfterMs ?? 1000, 0, 2 ** 31 - 1), after };
}

/** Throws if one of several consumers asks that records be dropped for all of them. */
export function checkShared({ isShared }: Traits, whenSlow: WhenSlow): void {
  if (isShared === true && whenSlow === 'drop-newest') {
    throw invalidArgument(
      'whenSlow', whenSlow,
      "'wait', 'block', 'drop-oldest' or 'evict' for kind 'spmc', where a record that is dropped at the producer is "
        + "lost for every consumer ('drop-oldest' costs its own consumer alone)",
    );
  }
}

/**
 * Throws if a consumer that may be lapped reads behind others, which it cannot since it copies what it reads, or if the
 * ring has 2^30 units, which leaves no room for the arithmetic of laps.
 */
export function checkLossy(whenSlow: WhenSlow, hasAfter: boolean, capacity: number): void {
  if (!isLosing(whenSlow)) return;
  if (hasAfter) throw invalidArgument('whenSlow', whenSlow, "'wait' or 'block' for a consumer with `after`");
  if (typeof capacity === 'number' && capacity > MAX_CAPACITY / 2)
    throw invalidArgument(
      'whenSlow', whenSlow, `'wait', 'block' or 'drop-newest' for a capacity above ${MAX_CAPACITY / 2}`,
    );
}
