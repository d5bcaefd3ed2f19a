/**
 * Records of a struct in place: an object with a property for each field, which is moved from record to record. It is a
 * flyweight (Gamma et al.): there is one object for all records, and no record is copied.
 *
 *     const order = struct({ price: 'f64', size: 'u32', side: 'u8' });
 *     const writer = structWriter(order, producer);               // a FixedProducer has words, bytes and view
 *     const at = producer.tryClaim(16);
 *     for (let i = 0; i < 16; i++) {
 *       const record = writer.at(producer.offsetOf(at, i));       // always the same object
 *       record.price = 101.5;                                     // checked, then stored in the ring
 *     }
 *
 * `record` is valid until the next `at`, and until the record is committed or released. Assigning a value that the
 * field cannot hold throws ERR_PERCORE_UNSERIALIZABLE and stores nothing. Numbers and booleans allocate nothing; `i64`
 * and `u64` make a bigint, and text and arrays are copied in and out.
 *
 * The object is of a class made for this struct and this memory. Its accessors are closures over the memory, and its
 * position is private, since a field may have any name. The accessors are short, so that V8 still inlines twelve of
 * them. A record then costs about one and a half times what a DataView by hand does; on Node 24 it is mostly four to
 * eight times, for reasons that are not understood. An object literal with accessors takes 400 ns, because V8 keeps
 * such objects as dictionaries (docs/decisions).
 */
import { isBytes } from '../byte-views.js';
import { invalidArgument } from '../errors.js';
import { canGenerateCode, generate } from './code-generation.js';
import type { RecordMemory } from './codec.js';
import { isMisplaced, misplaced, misplacedCode, refuseField } from './struct-codec.js';
import { layoutOf, type StructFields, type StructLayout, type StructRecord } from './struct-layout.js';

/** The memory that a flyweight needs: a queue's producer or consumer, or a RecordMemory. */
export type StructMemory = Pick<RecordMemory, 'words' | 'bytes' | 'view'> & { readonly buffer?: Buffer };

/** Writes records of a struct in place; see `structWriter`. */
export interface StructWriter<Fields extends StructFields> {
  /**
   * The record at byte `offset`, to be read and written until the next call. It is always the same object. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for a position that is not a record's, such as the result code of a claim that failed.
   */
  at(offset: number): StructRecord<Fields>;
}
/** Reads records of a struct in place; see `structReader`. */
export interface StructReader<Fields extends StructFields> {
  /**
   * The record at byte `offset`, to be read until the next call. It is always the same object; assigning to a field
   * throws a TypeError. Throws ERR_PERCORE_INVALID_ARGUMENT for a position that is not a record's.
   */
  at(offset: number): Readonly<StructRecord<Fields>>;
}

/**
 * Writes records in place. For the thread that holds the claim, while it holds it. This call generates code, so make
 * one writer for each producer and not one for each record. Throws ERR_PERCORE_INVALID_ARGUMENT for anything but a
 * struct and the memory of records.
 *
 *     const writer = structWriter(order, producer);
 *     const at = producer.tryClaim(1);
 *     if (at >= 0) writer.at(producer.offsetOf(at)).price = 101.5;
 */
export function structWriter<Fields extends StructFields>(
  description: { readonly fields: Fields }, memory: StructMemory, isGenerated = canGenerateCode(),
): StructWriter<Fields> {
  return place(layoutOf(fieldsOf(description)), memory, true, isGenerated) as StructWriter<Fields>;
}

/**
 * Reads records in place. For the thread of the consumer, before it releases them. This call generates code, so make
 * one reader for each consumer and not one for each record. Throws ERR_PERCORE_INVALID_ARGUMENT for anything but a
 * struct and the memory of records.
 *
 *     const reader = structReader(order, consumer);
 *     if (consumer.available() > 0) console.log(reader.at(consumer.offsetOf(0)).price);
 */
export function structReader<Fields extends StructFields>(
  description: { readonly fields: Fields }, memory: StructMemory, isGenerated = canGenerateCode(),
): StructReader<Fields> {
  return place(layoutOf(fieldsOf(description)), memory, false, isGenerated) as StructReader<Fields>;
}

function fieldsOf(description: { readonly fields: StructFields }): StructFields {
  if (typeof description?.fields !== 'object' || description.fields === null)
    throw invalidArgument('description', description, 'what struct({ … }) returns');
  return description.fields;
}

/** What `structWriter` and `structReader` return, without types. */
interface Place { at(offset: number): object }

function place(layout: StructLayout, memoryGiven: StructMemory, canWrite: boolean, isGenerated: boolean): Place {
  const { words, bytes, view } = memoryGiven ?? {};
  if (!(
    words instanceof Int32Array
    && isBytes(bytes)
    && view instanceof DataView
  )) {
    throw invalidArgument('memory', memoryGiven, 'an end of a queue, or what recordMemory() returns');
  }
  const memory: RecordMemory = {
    words, bytes, view,
    buffer: memoryGiven.buffer ?? Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length),
  };
  return isGenerated ? generatedPlace(layout, memory, canWrite) : definedPlace(layout, memory, canWrite);
}

/** A flyweight as generated code. */
function generatedPlace(layout: StructLayout, memory: RecordMemory, canWrite: boolean): Place {
  const { places } = layout;
  // The names are computed, since a class may not have an accessor that is plainly called "constructor".
  const accessors = places.map(({ name, offset, field }, i) => {
    const key = `[${JSON.stringify(name)}]`;
    const read = field.code?.read(offset) ?? `fields[${i}].read(memory, at + ${offset})`;
    const write = field.code?.write(offset, 'x') ?? `fields[${i}].write(memory, at + ${offset}, x)`;
    const accepts = field.code?.accepts('x') ?? `fields[${i}].accepts(x)`;
    return `get ${key}() { const at = this.#at; return ${read}; }
  ${canWrite ? `set ${key}(x) { if (!(${accepts})) refuse(${i}, x); const at = this.#at; ${write}; }` : ''}`;
  });
  const source = `
const { words, bytes, view } = memory;
const size = bytes.length;
class Record {
  #at = 0;
  static move(record, offset) { record.#at = offset; return record; }
  ${accessors.join('\n  ')}
}
const record = new Record();
class Place {
  at(offset) {
    if (${misplacedCode(layout, 'offset', 'size')}) misplaced(offset);
    return Record.move(record, offset);
  }
}
return new Place();`;
  return generate<Place>(['memory', 'fields', 'refuse', 'misplaced'], source, [
    memory,
    places.map(({ field }) => field),
    (i: number, x: unknown) => refuseField(places[i].name, places[i].field.allowed, x),
    (at: number) => misplaced(layout, memory, at),
  ]);
}

/** A flyweight made by Object.defineProperty, where code must not be generated. */
function definedPlace(layout: StructLayout, memory: RecordMemory, canWrite: boolean): Place {
  let at = 0;
  const record = Object.create({}) as object;
  for (const { name, offset, field } of layout.places) {
    Object.defineProperty(record, name, {
      get: () => field.read(memory, at + offset),
      ...(canWrite ? {
        set(x: unknown) {
          if (!field.accepts(x)) refuseField(name, field.allowed, x);
          field.write(memory, at + offset, x);
        },
      } : {}),
    });
  }
  return {
    at(offset) {
      if (isMisplaced(layout, offset, memory.bytes.length)) misplaced(layout, memory, offset);
      at = offset;
      return record;
    },
  };
}
