/**
 * V8's serialization, with two things done here instead: views and errors.
 *
 *       serialized:  … host object | sort | length |  …  host object | ERROR | class | number | …
 *       beside it:   bytes of the first view | bytes of the second | …
 *
 * The bytes of views travel beside what V8 writes, in the order in which V8 came upon the views. They go straight from
 * the sender's memory into the ring, and from there straight into memory that belongs to the reader alone. If a view is
 * a window on a larger buffer, only the window is sent. Why not v8.serialize, which would be the obvious way: it
 * silently copies shared memory, and v8.deserialize hands out parts of Buffer's pool, where the bytes of other messages
 * lie.
 *
 * The classes are made for the first value that needs them: a thread takes half a millisecond to load node:v8.
 */
import { Deserializer, Serializer } from 'node:v8';
import type { RecordMemory } from './codec.js';
import { makeShell, type ErrorHead } from './value-errors.js';
import { bytesOfView, isShared, sortOfView, viewOfSort } from './value-views.js';

/** Written in place of the sort of a view. */
const ERROR = 0xff;
const NO_HEADS: ReadonlyMap<object, ErrorHead> = new Map();

/** `bytes`, rounded up to a multiple of 8. */
export const padded = (bytes: number): number => (bytes + 7) & ~7;

/** Serializes one value; the bytes of its views are in `views` afterwards. */
export interface ValueSerializer {
  /** The memory of the views so far; undefined if there was none. */
  readonly views: Uint8Array[] | undefined;
  /** How many bytes all views have together, as of the moment when V8 came upon each. */
  readonly viewBytes: number;
  /** Serializes `value`. Throws for what V8 cannot serialize, and for shared memory. */
  serialize(value: unknown): Buffer;
}

/** Reads back what a ValueSerializer has written. */
export interface ValueDeserializer {
  /** The errors so far, by their numbers: of the right class, and empty. */
  readonly shells: readonly Error[];
  /** Reads the value. Throws for bytes that V8 cannot read. */
  deserialize(): unknown;
}

interface Classes {
  /** `heads` are the errors' heads, by the objects that stand in the places of the errors. */
  readonly OwnSerializer: new (heads?: ReadonlyMap<object, ErrorHead>) => ValueSerializer;
  /** The bytes of the views lie in `memory` from `at` to `end`. */
  readonly OwnDeserializer: new (
    serialized: Uint8Array, memory: RecordMemory, at: number, end: number,
  ) => ValueDeserializer;
}

let made: Classes | undefined;
/** The two classes, for those who call `new` at once. */
export const serializers = (): Classes => (made ??= makeClasses());

function makeClasses(): Classes {
  class OwnSerializer extends Serializer {
    views: Uint8Array[] | undefined;
    viewBytes = 0;

    constructor(private readonly heads = NO_HEADS) {
      super();
      // Otherwise V8 writes the whole buffer behind a view.
      this.setViewsAsHostObjects(true);
    }

    serialize(value: unknown): Buffer {
      this.writeHeader();
      this.writeValue(value);
      return this.releaseBuffer();
    }

    /** V8 calls this for views, and for those objects of Node that hold something native. */
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

  class OwnDeserializer extends Deserializer {
    readonly shells: Error[] = [];

    constructor(
      serialized: Uint8Array, private readonly memory: RecordMemory, private at: number, private readonly end: number,
    ) {
      super(serialized as Buffer);
    }

    deserialize(): unknown {
      this.readHeader();
      return this.readValue();
    }

    /** V8 calls this for what `_writeHostObject` has written. */
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
      // Not `bytes.slice`, since a Buffer's slice is a window on the same memory.
      return viewOfSort(sort, Uint8Array.prototype.slice.call(this.memory.bytes, from, from + length));
    }
  }

  return { OwnSerializer, OwnDeserializer };
}
