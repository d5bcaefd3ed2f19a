/**
 * Values of a streaming answer that share one record, gathered in memory of this thread. Each is its length, padding,
 * and itself at a multiple of 8.
 */
import { ValueCodec } from '../queues/internal.js';
import { Scratch } from './parcels.js';

/** Most values in a record, and bytes of them. */
const MOST_VALUES = 64;
const MOST_BYTES = 2048;
/** Bytes before each value. */
export const VALUE_HEAD_BYTES = 8;

/** Where the value after one of `length` bytes at `at` begins, including its head. */
export const nextValue = (at: number, length: number): number => at + ((VALUE_HEAD_BYTES + length + 7) & ~7);

export class ValueBatch {
  readonly memory: Scratch;
  count = 0;
  length = 0;
  private readonly codec = new ValueCodec();

  /** `mostBytes` is what a record of its lane takes. */
  constructor(mostBytes: number) {
    this.memory = new Scratch(Math.min(MOST_BYTES, (mostBytes >> 2) & ~7));
  }

  get isFull(): boolean {
    return this.count === MOST_VALUES;
  }

  /** False when there is no room for it. Throws ERR_PERCORE_UNSERIALIZABLE. */
  add(value: unknown): boolean {
    const { codec, memory, length: at } = this;
    const room = memory.bytes.length - at - VALUE_HEAD_BYTES;
    if (codec.measure(value, Math.max(0, room)) > room) {
      codec.forget();
      return false;
    }
    const length = codec.write(value, memory, at + VALUE_HEAD_BYTES);
    memory.words[at >> 2] = length;
    this.length = nextValue(at, length);
    this.count++;
    return true;
  }

  clear(): void {
    this.count = this.length = 0;
  }
}
