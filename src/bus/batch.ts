/**
 * A batch: several messages of one topic in one record of a lane.
 *
 *    of a struct      message | message | …               each at the next multiple of 8
 *    of other codecs  length | 0 | message | length | …   each length at the next multiple of 8
 *
 * How many there are stands in the head of the record: see message.ts. Messages of a struct that were published one by
 * one may lie in such a record too: see recipient.ts.
 */
import { PercoreError } from '../errors.js';
import {
  TOO_LARGE, codecOf, recordMemory, type Codec, type CodecDescription, type CodecFor, type RecordMemory,
} from '../queues/index.js';
import { makeCodec } from '../queues/internal.js';

/** Most messages of a record, and of a list that a subscriber is handed. */
export const MOST_MESSAGES = 256;
/** Bytes before each message whose length its codec does not say. */
const LENGTH_BYTES = 8;

/** As many places as a record has messages, and none of them a hole: what is sliced off is a fast list as well. */
const NO_VALUES: readonly unknown[] = Array.from({ length: MOST_MESSAGES });

/** Where the next message begins. */
export const padded = (bytes: number): number => (bytes + 7) & ~7;

/** The publishing end: gathers messages in memory of this thread. */
export class GatheredBatch {
  memory: RecordMemory = recordMemory(new ArrayBuffer(0));
  /** The bytes of all messages, and where the last one lies. */
  length = 0;
  lastAt = 0;
  lastLength = 0;

  private readonly codec: Codec<unknown>;

  /** A batch has up to `batchBytes`; a message that is longer, up to `maxBytes`, goes by itself. */
  constructor(description: CodecDescription, private readonly batchBytes: number, private readonly maxBytes: number) {
    const described = description as CodecFor<unknown>;
    // No room is claimed while this is written, so a struct need not be read before and kept.
    this.codec = described.name === 'struct' ? codecOf(described) : makeCodec(described);
  }

  /**
   * Writes as many of the values from `from` on as fit, and returns how many; TOO_LARGE if the first one never fits. It
   * stops before a value that the codec cannot write, and throws ERR_PERCORE_UNSERIALIZABLE if that is the first.
   */
  gather(values: readonly unknown[], from: number, end: number): number {
    const most = Math.min(end - from, MOST_MESSAGES);
    return this.codec.recordBytes > 0 ? this.gatherStructs(values, from, most) : this.gatherOthers(values, from, most);
  }

  private gatherStructs(values: readonly unknown[], from: number, most: number): number {
    const { codec, maxBytes } = this;
    const { recordBytes } = codec;
    if (recordBytes > maxBytes) return TOO_LARGE;
    const stride = padded(recordBytes);
    const fit = Math.min(most, Math.max(1, Math.floor(this.batchBytes / stride)));
    const memory = this.room(fit * stride);
    let count = 0;
    try {
      for (; count < fit; count++) codec.write(values[from + count], memory, count * stride);
    } catch (error) {
      if (count === 0) throw error;
    }
    this.length = (count - 1) * stride + recordBytes;
    this.lastAt = (count - 1) * stride;
    this.lastLength = recordBytes;
    return count;
  }

  private gatherOthers(values: readonly unknown[], from: number, most: number): number {
    const { codec } = this;
    let count = 0;
    let at = 0;
    try {
      for (; count < most; count++) {
        const value = values[from + count];
        const room = count === 0 ? this.maxBytes : this.batchBytes - at - LENGTH_BYTES;
        if (room < 0) break;
        const needed = codec.measure(value, room);
        if (needed > room) {
          codec.forget();
          if (count === 0) return TOO_LARGE;
          break;
        }
        const memory = this.room(Math.max(this.batchBytes, LENGTH_BYTES + padded(needed)));
        this.lastAt = at + LENGTH_BYTES;
        this.lastLength = codec.write(value, memory, this.lastAt);
        memory.words[at >> 2] = this.lastLength;
        memory.words[(at >> 2) + 1] = 0;
        this.length = this.lastAt + this.lastLength;
        at = padded(this.length);
      }
    } catch (error) {
      codec.forget();
      if (count === 0) throw error;
    }
    return count;
  }

  /** Memory for so many bytes, which keeps what it holds unless it is too small: that happens at the first message. */
  private room(bytes: number): RecordMemory {
    if (this.memory.bytes.length < bytes) this.memory = recordMemory(new ArrayBuffer(padded(bytes)));
    return this.memory;
  }
}

/** The subscribing end: where the messages of a record lie, and what they say. */
export class OpenBatch {
  /** How many there are, and the index of the first that was not handed on. */
  count = 0;
  next = 0;
  /** By index: the messages, once somebody reads values. A fresh list for each batch, since subscribers may keep it. */
  values: unknown[] | undefined;
  /** Where the first message of a struct lies, and how far the next one is; 0 for other codecs. */
  private begin = 0;
  private readonly stride: number;
  /** By index, for other codecs: where each message lies, and its length. */
  private readonly offsets: number[] = [];
  private readonly lengths: number[] = [];

  constructor(private readonly codec: Codec<unknown>) {
    this.stride = padded(codec.recordBytes);
  }

  /** Begins with the record of `count` messages, whose payload of `length` bytes lies at `at`. */
  open({ words }: RecordMemory, at: number, length: number, count: number): void {
    const { offsets, lengths, stride } = this;
    this.values = undefined;
    this.next = 0;
    this.count = count;
    this.begin = at;
    const end = at + length;
    if (stride !== 0) {
      if ((count - 1) * stride + this.codec.recordBytes > length) throw damagedBatch(count - 1, count);
      return;
    }
    for (let i = 0; i < count; i++) {
      const own = words[at >> 2]!;
      at += LENGTH_BYTES;
      if (own >>> 0 > end - at) throw damagedBatch(i, count);
      offsets[i] = at;
      lengths[i] = own;
      at += padded(own);
    }
  }

  offsetOf(index: number): number {
    return this.stride === 0 ? this.offsets[index]! : this.begin + index * this.stride;
  }

  lengthOf(index: number): number {
    return this.stride === 0 ? this.lengths[index]! : this.codec.recordBytes;
  }

  /**
   * Reads the messages that were not handed on. Leaves out those that cannot be read, tells `report` about each, and
   * returns how many.
   */
  read(memory: RecordMemory, report: (error: unknown) => void): number {
    const { codec, count, next, offsets, lengths, stride } = this;
    if (stride !== 0) {
      const { recordBytes } = codec;
      // A list that grows is copied three times on its way to 64 values.
      const structs = NO_VALUES.slice(0, count);
      // Any bytes of its length are a struct.
      for (let i = next, at = this.begin + next * stride; i < count; i++, at += stride) {
        structs[i] = codec.read(memory, at, recordBytes);
      }
      this.values = structs;
      return 0;
    }
    const values: unknown[] = NO_VALUES.slice(0, next);
    for (let i = next; i < count; i++) {
      try {
        const value = codec.read(memory, offsets[i]!, lengths[i]!);
        offsets[values.length] = offsets[i]!;
        lengths[values.length] = lengths[i]!;
        values.push(value);
      } catch (error) {
        report(error);
      }
    }
    this.values = values;
    this.count = values.length;
    return count - values.length;
  }
}

const damagedBatch = (index: number, count: number): PercoreError => new PercoreError(
  'ERR_PERCORE_DAMAGED', `message ${index} of a batch of ${count} reaches beyond its record`,
);
