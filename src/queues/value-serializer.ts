/**
 * V8's serialization with two things done here: views and errors.
 *
 *    serialized:  … host object | sort | length |  …  host object | ERROR | class | number | …
 *    beside it:   bytes of the first view | bytes of the second | …
 *
 * The bytes of views travel beside what V8 writes, in the order in which it met them: they go straight from the
 * sender's memory into the ring, and straight out of it into memory that is the reader's alone. Of a window on a larger
 * buffer nothing but the window is sent. v8.serialize, the obvious way, copies shared memory without a word, and
 * v8.deserialize hands out parts of Buffer's pool, where the bytes of other messages lie.
 */
import { Deserializer, Serializer } from 'node:v8';
import type { RecordMemory } from './codec.js';
import { makeShell, type ErrorHead } from './value-errors.js';
import { bytesOfView, isShared, sortOfView, viewOfSort } from './value-views.js';

/** Stands where the sort of a view would. */
const ERROR = 0xff;
const NO_HEADS: ReadonlyMap<object, ErrorHead> = new Map();

export const padded = (bytes: number): number => (bytes + 7) & ~7;

export class ValueSerializer extends Serializer {
  /** Memory of the views met so far; undefined when there was none. */
  views: Uint8Array[] | undefined;
  /** Bytes of all of them, as they were when they were met. */
  viewBytes = 0;

  /** `heads`: errors, by what stands in their places. */
  constructor(private readonly heads = NO_HEADS) {
    super();
    // Else V8 writes the whole buffer behind a view.
    this.setViewsAsHostObjects(true);
  }

  serialize(value: unknown): Buffer {
    this.writeHeader();
    this.writeValue(value);
    return this.releaseBuffer();
  }

  /** Called by V8 for views, and for objects of Node's own that hold something native. */
  _writeHostObject(object: object): void {
    const head = this.heads.get(object);
    if (head !== undefined) {
      this.writeUint32(ERROR);
      this.writeUint32(head.kind);
      this.writeUint32(head.number);
      if (head.exception !== undefined) this.writeValue(head.exception);
      return;
    }
    if (!ArrayBuffer.isView(object)) throw new TypeError('an object of the system, which belongs to its thread');
    const bytes = bytesOfView(object);
    if (isShared(bytes)) throw new TypeError('memory that is shared');
    this.writeUint32(sortOfView(object));
    this.writeUint32(bytes.length);
    this.viewBytes += bytes.length;
    (this.views ??= []).push(bytes);
  }

  private setViewsAsHostObjects(isWanted: boolean): void {
    (
      this as unknown as { _setTreatArrayBufferViewsAsHostObjects(isWanted: boolean): void }
    )._setTreatArrayBufferViewsAsHostObjects(isWanted);
  }
}

export class ValueDeserializer extends Deserializer {
  /** Errors met so far, by their numbers: of the right class, and empty. */
  readonly shells: Error[] = [];

  /** The views' bytes lie in `memory` from `at` to `end`. */
  constructor(
    serialized: Uint8Array, private readonly memory: RecordMemory, private at: number, private readonly end: number,
  ) {
    super(serialized as Buffer);
  }

  deserialize(): unknown {
    this.readHeader();
    return this.readValue();
  }

  _readHostObject(): object {
    const sort = this.readUint32();
    if (sort === ERROR) {
      const kind = this.readUint32();
      const number = this.readUint32();
      return (this.shells[number] = makeShell(kind, () => this.readValue()));
    }
    const length = this.readUint32();
    const from = this.at;
    if (length > this.end - from) throw new RangeError('a view that ends behind its message');
    this.at = from + padded(length);
    // Not `bytes.slice`: a Buffer's slice is a window on the same memory.
    return viewOfSort(sort, Uint8Array.prototype.slice.call(this.memory.bytes, from, from + length));
  }
}
