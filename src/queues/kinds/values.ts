/** A codec on top of a kind of queue made of rings: its ends carry values if the handle has a codec. */
import { checkInteger, invalidArgument } from '../../errors.js';
import type { CodecFor } from '../codec.js';
import { describe, makeCodec } from '../codecs.js';
import type { Queue } from '../handles.js';
import { ValueConsumer, type ByteConsumer } from '../value-queue.js';
import type { QueueKind, RingKind } from './queue-kind.js';

interface Given {
  readonly codec?: CodecFor<unknown>;
  readonly capacity?: number;
  readonly capacityBytes?: number;
}
type MayCarry = Queue & { readonly codec?: CodecFor<unknown> };

/** `kind`, for bytes and for values. */
export function withCodecs<Options, Producer, Consumer>(
  kind: RingKind<Queue, Options, Producer, Consumer>,
): QueueKind<MayCarry, Given> {
  return {
    ...kind,
    create(options) {
      const { codec: given, ...rest } = options;
      if (given === undefined) return kind.create(options as Options);
      const codec = describe(given);
      return { ...kind.create(optionsOfRing(codec, rest, kind.countsRecords) as Options), codec };
    },
    pub(queue, options) {
      if (queue.codec === undefined) return kind.pub(queue, options);
      checkCodec(queue.codec, queue.recordBytes);
      return kind.pubValues(kind.pub(queue, options), queue.codec);
    },
    sub(queue, options) {
      if (queue.codec === undefined) return kind.sub(queue, options);
      checkCodec(queue.codec, queue.recordBytes);
      return new ValueConsumer(kind.sub(queue, options) as ByteConsumer, queue.codec);
    },
  };
}

/** The options of the ring that carries such values. */
function optionsOfRing(codec: CodecFor<unknown>, options: Given, countsRecords: boolean): object {
  const { capacity, capacityBytes, ...common } = options;
  const { recordBytes } = makeCodec(codec);
  const isFixed = recordBytes > 0 && countsRecords;
  if (isFixed && capacityBytes !== undefined) {
    throw invalidArgument(
      'capacityBytes', capacityBytes,
      `left out for a struct: its records have ${recordBytes} bytes each, so capacity says how many`,
    );
  }
  if (!isFixed && capacity !== undefined) {
    throw invalidArgument(
      'capacity', capacity, 'left out where records vary in length: capacityBytes says how many bytes',
    );
  }
  return isFixed ? { ...common, capacity, recordBytes } : { ...common, capacityBytes };
}

/** Throws unless the handle, which may have been made by hand, has a codec whose records are those of its ring. */
function checkCodec(codec: CodecFor<unknown>, recordBytes: number): void {
  checkInteger('queue.recordBytes', recordBytes, 0, 2 ** 30);
  const { recordBytes: ofCodec, description } = makeCodec(codec);
  if (recordBytes === 0 || ofCodec === recordBytes) return;
  throw invalidArgument(
    'queue.codec', description.name, `a codec whose records have ${recordBytes} bytes each, as those of the queue`,
  );
}
