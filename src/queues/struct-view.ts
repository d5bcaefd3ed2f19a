/**
 * Records of a struct in place: an object with a property for each field, moved from record to record. It is a
 * flyweight (Gamma et al.): one object for all records, no copy of any.
 *
 *     const order = struct({ price: 'f64', size: 'u32', side: 'u8' });
 *     const writer = structWriter(order, producer);               // a FixedProducer has words, bytes and view
 *     const at = producer.tryClaim(16);
 *     for (let i = 0; i < 16; i++) {
 *       const record = writer.at(producer.offsetOf(at, i));       // always the same object
 *       record.price = 101.5;                                     // checked, then stored in the ring
 *     }
 *
 * `record` is valid until the next `at`, and until the record is committed or released. Assigning what a field cannot
 * hold throws ERR_PERCORE_UNSERIALIZABLE and stores nothing. Numbers and booleans allocate nothing; `i64` and `u64`
 * make a bigint, text and arrays are copied in and out.
 *
 * The object is of a class made for this struct and this memory. Its accessors are closures over the memory, and its
 * position is private, since a field may have any name. They are kept short, so that twelve of them fit into what V8
 * inlines: then a record costs about one and a half times what a DataView by hand does, on Node 24 mostly four to eight
 * times, for reasons not understood. An object literal with accessors takes 400 ns, because V8 keeps such objects as
 * dictionaries (docs/decisions).
 */
import { isBytes } from '../byte-views.js';
import { invalidArgument } from '../errors.js';
import { canGenerateCode, generate } from './code-generation.js';
import type { RecordMemory } from './codec.js';
import { isMisplaced, misplaced, misplacedCode, refuseField } from './struct-codec.js';
import { layoutOf, type StructFields, type StructLayout, type StructRecord } from './struct-layout.js';

/** What a flyweight needs: a queue's producer or consumer, or a RecordMemory. */
export type StructMemory = Pick<RecordMemory, 'words' | 'bytes' | 'view'> & { readonly buffer?: Buffer };

export interface StructWriter<Fields extends StructFields> {
  /**
   * The record at byte `offset`, to be read and written until the next call. Always the same object. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for a position that is no record's, such as the result code of a claim that failed.
   */
  at(offset: number): StructRecord<Fields>;
}
export interface StructReader<Fields extends StructFields> {
  /**
   * The record at byte `offset`, to be read until the next call. Always the same object; assigning to it throws a
   * TypeError.
   */
  at(offset: number): Readonly<StructRecord<Fields>>;
}

/**
 * Writes records where they lie. One thread only, while it holds the claim. Makes code; call it once for each producer,
 * not for each record.
 */
export function structWriter<Fields extends StructFields>(
  description: { readonly fields: Fields }, memory: StructMemory, isGenerated = canGenerateCode(),
): StructWriter<Fields> {
  return place(layoutOf(fieldsOf(description)), memory, true, isGenerated) as StructWriter<Fields>;
}

/**
 * Reads records where they lie. One thread only, before it releases them. Makes code; call it once for each consumer,
 * not for each record.
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

function generatedPlace(layout: StructLayout, memory: RecordMemory, canWrite: boolean): Place {
  const { places } = layout;
  // Computed names, since a class may not have an accessor that is plainly called "constructor".
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
