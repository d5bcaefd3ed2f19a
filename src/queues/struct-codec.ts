/**
 * The codec of a struct: from whole objects to records of one length, and back.
 *
 *     measure({ price: 101.5, size: 20 })    checks every field; the first that does not fit throws, nothing is written
 *     write(order, memory, at)               checks and stores field after field
 *     offer(order, ring, memory)             the same for a ring of such records: claims, stores, commits
 *     read(memory, at, length)               an object literal, so that all records have one hidden class
 *
 * Everything that is to be stored is first read into variables and checked. A getter may answer differently each time,
 * or may itself offer to the same queue, and that must not happen while a record is claimed. Where `measure` and
 * `write` are called one after the other with a claim in between (`isKept`), `measure` keeps the record in memory of
 * its own and `write` copies that.
 *
 * A field that is missing or of a wrong type throws ERR_PERCORE_UNSERIALIZABLE with the path (`value.size`), the value
 * and what is allowed. Properties that the struct does not declare are ignored, as a function ignores arguments that it
 * does not ask for: to look for them would cost more than everything else.
 *
 * The methods are straight-line code made for this struct. A loop over fields would call through a table for each
 * field, and could not build an object in one step (docs/decisions). Where code must not be made from strings, such a
 * loop does the same.
 */
import { checkInteger, invalidArgument, PercoreError, show } from '../errors.js';
import { canGenerateCode, generate } from './code-generation.js';
import type { Codec, RecordMemory } from './codec.js';
import { checkMemory, recordMemory } from './record-memory.js';
import type { ResultCode } from '../result-codes.js';
import {
  layoutOf, type PlacedField, type StructFields, type StructLayout, type StructRecord,
} from './struct-layout.js';
import { kindOf, memberPath } from './value-path.js';

type AnyRecord = Record<string, unknown>;
interface Methods {
  measure(value: AnyRecord): number;
  write(value: AnyRecord, memory: RecordMemory, at: number): number;
  read(memory: RecordMemory, at: number, length: number): AnyRecord;
  offer(value: AnyRecord, ring: StructRing, memory: RecordMemory): ResultCode;
  forget(): void;
}

/** The part of a ring that `offer` uses. */
export interface StructRing {
  claimOrBlock(count: number): number;
  offsetOf(at: number): number;
  commit(count: number): ResultCode;
}

/** A struct's codec for one end. Its methods are made for its fields by the constructor. */
export class StructCodec<Fields extends StructFields> implements Codec<StructRecord<Fields>> {
  readonly description: { readonly name: 'struct'; readonly fields: Fields };
  readonly recordBytes: number;
  /** Checks every field and returns `recordBytes`. Allocates nothing unless it throws. */
  readonly measure: (value: StructRecord<Fields>) => number;
  /**
   * Reads every field once, checks it as `measure` does, and writes it. `at` is the beginning of any record in a queue
   * of such records, or else a multiple of the largest field's size (at most 8). Any other position, and a record that
   * does not lie in `memory`, throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  readonly write: (value: StructRecord<Fields>, memory: RecordMemory, at: number) => number;
  /**
   * Makes a new object with its fields in the order of declaration. Throws ERR_PERCORE_INVALID_ARGUMENT for a wrong
   * `at`, or if the payload is too short.
   */
  readonly read: (memory: RecordMemory, at: number, length: number) => StructRecord<Fields>;

  /** Checks a value and puts it into a ring of such records with the memory `memory`. Returns a result code. */
  readonly offer: (value: StructRecord<Fields>, ring: StructRing, memory: RecordMemory) => ResultCode;
  /** Forgets a measured value that will not be written. */
  readonly forget: () => void;

  constructor(
    description: { readonly name: 'struct'; readonly fields: Fields }, isGenerated = canGenerateCode(), isKept = false,
  ) {
    const layout = layoutOf(description.fields);
    this.description = description;
    this.recordBytes = layout.recordBytes;
    const methods = isGenerated ? generatedMethods(layout, isKept) : loopingMethods(layout, isKept);
    this.measure = methods.measure as typeof this.measure;
    this.write = methods.write as typeof this.write;
    this.read = methods.read as typeof this.read;
    this.offer = methods.offer as typeof this.offer;
    this.forget = methods.forget;
  }
}

/** Throws for the first field of `value` that does not fit. */
function refuse({ places }: StructLayout, value: unknown): never {
  if (typeof value !== 'object' || value === null)
    throw refusal('value', value, `an object with the fields ${places.map(({ name }) => name).join(', ')}`);
  for (const { name, field } of places) {
    const part = (value as AnyRecord)[name];
    if (!field.accepts(part)) refuseField(name, field.allowed, part);
  }
  throw refusal('value', value, 'an object whose properties keep their values while it is sent');
}

/** Throws an error such as `value.size must be a whole number from 0 to 255, not 300`. */
export function refuseField(name: string, allowed: string, part: unknown): never {
  throw refusal(memberPath('value', name), part, allowed);
}

function refusal(path: string, value: unknown, allowed: string): PercoreError {
  const shown = typeof value === 'object' || typeof value === 'function' ? kindOf(value) : show(value);
  return new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `${path} must be ${allowed}, not ${shown}`, {
    argument: path, value, allowed,
  });
}

/** Throws for a record that would not lie in the memory, or whose 32-bit fields would not begin at words. */
export function misplaced(
  { alignment, recordBytes }: StructLayout, memory: Pick<RecordMemory, 'bytes'>, at: number,
): never {
  const last = memory.bytes.length - recordBytes;
  throw invalidArgument(
    'at',
    at,
    last < 0
      ? `impossible: the memory has ${memory.bytes.length} bytes, a record ${recordBytes}`
      : `a multiple of ${alignment} from 0 to ${last}`,
  );
}

/** Throws for a payload that is no record of this struct. */
function wrongLength({ recordBytes }: StructLayout, most: number, length: number): never {
  checkInteger('length', length, 0, most);
  throw invalidArgument(
    'length', length, `at least ${recordBytes}, the bytes of such a record; was it sent with another codec?`,
  );
}

/**
 * Code that is true when a record at `at` is misplaced; `at` and `size` are expressions. It is also true for positions
 * that are negative, fractional or undefined.
 */
export const misplacedCode = ({ alignment, recordBytes }: StructLayout, at: string, size: string): string =>
  `${at} >>> 0 !== ${at} || (${at} & ${alignment - 1}) !== 0 || ${at} + ${recordBytes} > ${size}`;

/** What `misplacedCode` computes, as a function. */
export function isMisplaced({ alignment, recordBytes }: StructLayout, at: number, size: number): boolean {
  return at >>> 0 !== at || (at & (alignment - 1)) !== 0 || at + recordBytes > size;
}

/** What is longer than this is copied by `set`. */
const MOST_STORED_BYTES = 64;

/** The methods as generated code. */
function generatedMethods(layout: StructLayout, isKept: boolean): Methods {
  const { places, recordBytes } = layout;
  const quoted = ({ name }: PlacedField): string => JSON.stringify(name);
  const accepted = places.map(({ field }, i) => field.code?.accepts(`x${i}`) ?? `fields[${i}].accepts(x${i})`)
    .join('\n      && ');
  const storeOf = ({ offset, field }: PlacedField, i: number): string =>
    field.code?.write(offset, `x${i}`) ?? `fields[${i}].write(memory, at + ${offset}, x${i})`;
  const stored = places.map((place, i) => `${storeOf(place, i)};`).join('\n    ');
  const taken = `if (typeof value !== 'object' || value === null) refuse(value);
    ${places.map((place, i) => `const x${i} = value[${quoted(place)}];`).join('\n    ')}
    if (!(${accepted})) refuse(value);`;
  const keeping = `const at = 0;
    const { words, bytes, view } = own, memory = own;
    ${stored}
    measured = value;`;
  const storing = `const { words, bytes, view } = memory;
    ${stored}`;
  // A few words are stored one by one: `set` costs as much as thirty of them.
  const copied = layout.alignment >= 4 && recordBytes <= MOST_STORED_BYTES
    ? `const { words } = memory, to = at >> 2;
    ${Array.from({ length: recordBytes >> 2 }, (_, i) => `words[to + ${i}] = keptWords[${i}];`).join('\n    ')}`
    : 'memory.bytes.set(kept, at);';
  // Memory that was checked once is remembered: an end of a queue has only one.
  const source = `
const nothing = {};
let known = nothing;
let measured = nothing;
const keptWords = own.words;
function measure(value) {
    ${taken}
    ${isKept ? keeping : ''}
    return ${recordBytes};
}
return {
  measure,
  write(value, memory, at) {
    if (memory !== known) known = checkMemory(memory);
    if (${misplacedCode(layout, 'at', 'memory.bytes.length')}) misplaced(memory, at);
    ${isKept ? `if (value !== measured) measure(value);
    measured = nothing;
    ${copied}` : `${taken}
    ${storing}`}
    return ${recordBytes};
  },
  offer(value, ring, memory) {
    ${taken}
    const index = ring.claimOrBlock(1);
    if (index < 0) return index;
    const at = ring.offsetOf(index);
    ${storing}
    return ring.commit(1);
  },
  forget() {
    measured = nothing;
  },
  read(memory, at, length) {
    if (memory !== known) known = checkMemory(memory);
    const most = memory.bytes.length - at;
    if (${misplacedCode(layout, 'at', 'memory.bytes.length')}) misplaced(memory, at);
    if (length >>> 0 !== length || length < ${recordBytes} || length > most) wrongLength(most, length);
    const { words, bytes, view } = memory;
    return {
      ${places
        .map(
          (place, i) =>
            `${quoted(place)}: `
            + `${place.field.code?.read(place.offset) ?? `fields[${i}].read(memory, at + ${place.offset})`},`,
        )
        .join('\n      ')}
    };
  },
};`;
  const own = recordMemory(new ArrayBuffer(isKept ? ownBytes(layout) : 0));
  const parameters = ['own', 'kept', 'fields', 'refuse', 'misplaced', 'wrongLength', 'checkMemory'];
  return generate<Methods>(parameters, source, [
    own,
    own.bytes.subarray(0, recordBytes),
    places.map(({ field }) => field),
    (value: unknown) => refuse(layout, value),
    (memory: RecordMemory, at: number) => misplaced(layout, memory, at),
    (most: number, length: number) => wrongLength(layout, most, length),
    checkMemory,
  ]);
}

/** A multiple of 4, since one of the views consists of words. */
const ownBytes = ({ recordBytes }: StructLayout): number => (recordBytes + 3) & ~3;

/** The methods as loops over the fields. */
function loopingMethods(layout: StructLayout, isKept: boolean): Methods {
  const { places, recordBytes } = layout;
  // Stands for "no memory yet": an object that nobody can pass in. undefined or null would not do, since a caller can
  // pass those.
  const nothing = {};
  let known: unknown = nothing;
  let measured: AnyRecord = nothing;
  const own = recordMemory(new ArrayBuffer(isKept ? ownBytes(layout) : 0));
  const kept = own.bytes.subarray(0, recordBytes);
  const take = (value: AnyRecord): unknown[] => {
    if (typeof value !== 'object' || value === null) refuse(layout, value);
    const parts = places.map(({ name }) => value[name]);
    for (const [i, { name, field }] of places.entries()) {
      if (!field.accepts(parts[i])) refuseField(name, field.allowed, parts[i]);
    }
    return parts;
  };
  const store = (parts: readonly unknown[], memory: RecordMemory, at: number): void => {
    for (const [i, { offset, field }] of places.entries()) field.write(memory, at + offset, parts[i]);
  };
  const measure = (value: AnyRecord): number => {
    const parts = take(value);
    if (isKept) {
      store(parts, own, 0);
      measured = value;
    }
    return recordBytes;
  };
  return {
    measure,
    write(value, memory, at) {
      if (memory !== known) known = checkMemory(memory);
      if (isMisplaced(layout, at, memory.bytes.length)) misplaced(layout, memory, at);
      if (isKept) {
        if (value !== measured) measure(value);
        measured = nothing;
        memory.bytes.set(kept, at);
      } else {
        store(take(value), memory, at);
      }
      return recordBytes;
    },
    offer(value, ring, memory) {
      const parts = take(value);
      const index = ring.claimOrBlock(1);
      if (index < 0) return index as ResultCode;
      store(parts, memory, ring.offsetOf(index));
      return ring.commit(1);
    },
    forget() {
      measured = nothing;
    },
    read(memory, at, length) {
      if (memory !== known) known = checkMemory(memory);
      const most = memory.bytes.length - at;
      if (isMisplaced(layout, at, memory.bytes.length)) misplaced(layout, memory, at);
      if (length >>> 0 !== length || length < recordBytes || length > most) wrongLength(layout, most, length);
      const value: AnyRecord = {};
      for (const { name, offset, field } of places) value[name] = field.read(memory, at + offset);
      return value;
    },
  };
}
