/**
 * The counters in shared memory as operators see them, derived from the layout table: a field with `status` appears in
 * a status under that name. So adding a counter takes one row in the table and the line of code that counts.
 *
 *     layout.ts    received: { at: 1016, …, status: 'received' }      accepts: { …, status: 'io.accepts' }
 *     status()     { received: 7, io: { accepts: 2 } }
 */
import type { LayoutField, Unit } from './layout.js';

type Fields = Readonly<Record<string, LayoutField>>;
type Value<F> = F extends { readonly count: number } ? readonly number[] : number;
/** The name of a figure that is in no group; below, the name of the group that a figure is in, and its name there. */
type NameOf<F> = F extends { readonly status: infer S extends string }
  ? (S extends `${string}.${string}` ? never : S)
  : never;
type GroupOf<F> = F extends { readonly status: `${infer G}.${string}` } ? G : never;
type NameIn<F, G extends string> = F extends { readonly status: `${G}.${infer N}` } ? N : never;

/** The figures of a structure's fields by name: one number each, or an array where the field holds several. */
export type FiguresOf<T> =
  & { readonly [K in keyof T as NameOf<T[K]>]: Value<T[K]> }
  & { readonly [G in GroupOf<T[keyof T]>]: { readonly [K in keyof T as NameIn<T[K], G>]: Value<T[K]> } };

/** One figure, as an exporter needs it. */
export interface Figure {
  /** Its name in a status: 'steps', or 'io.receives' in the group `io`. */
  readonly name: string;
  readonly unit: Unit;
  /** True: it says how much there is now. False: it counts and only grows. */
  readonly isGauge: boolean;
  /** What it means, in a sentence for operators. */
  readonly means: string;
  /** How many numbers it holds: 8 where there is one for each band, otherwise 1. */
  readonly count: number;
  /** Its offset in bytes from the beginning of the memory that was listed. */
  readonly at: number;
}

/** Lists the figures of a structure that begins at byte `offset`, in the order of the table. */
export function listFigures(fields: Fields, offset = 0): Figure[] {
  return Object.values(fields).flatMap(({ status, unit = 'count', isGauge = false, means, count = 1, at }) =>
    (status === undefined ? [] : [{ name: status, unit, isGauge, means, count, at: offset + at }]));
}

/**
 * Reads the figures of a structure that begins at byte `offset` of `numbers`. They are statistics that their owner
 * writes without atomics, so a value may be a moment old. Once the owner `isOver`, its gauges read as 0, since nothing
 * is left that they could count; its counts stay. Any thread may call this. It allocates and blocks nobody.
 */
export function readFigures<const T extends Fields>(
  fields: T, numbers: Float64Array, offset = 0, isOver = false,
): FiguresOf<T> {
  const result: Record<string, unknown> = {};
  for (const { at, count, status, isGauge = false } of Object.values<LayoutField>(fields)) {
    if (status === undefined) continue;
    const first = (offset + at) >> 3;
    const read = (index: number): number => (isGauge && isOver ? 0 : numbers[index]!);
    const value = count === undefined ? read(first) : Array.from({ length: count }, (_, i) => read(first + i));
    const [name, inner] = status.split('.') as [string, string?];
    if (inner === undefined) result[name] = value;
    else result[name] = { ...result[name] as object, [inner]: value };
  }
  return result as FiguresOf<T>;
}
