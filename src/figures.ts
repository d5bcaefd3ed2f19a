/**
 * What operators see of the counters in shared memory, derived from the layout table: a field with `status` appears in
 * a status under that name. Whoever adds a counter writes one row of the table and the line that counts.
 *
 *     layout.ts    received: { at: 1016, …, status: 'received' }      accepts: { …, status: 'io.accepts' }
 *     status()     { received: 7, io: { accepts: 2 } }
 */
import type { LayoutField, Unit } from './layout.js';

type Fields = Readonly<Record<string, LayoutField>>;
type Value<F> = F extends { readonly count: number } ? readonly number[] : number;
/** Names of the figures that stand in no group, and of the groups. */
type NameOf<F> = F extends { readonly status: infer S extends string }
  ? (S extends `${string}.${string}` ? never : S)
  : never;
type GroupOf<F> = F extends { readonly status: `${infer G}.${string}` } ? G : never;
type NameIn<F, G extends string> = F extends { readonly status: `${G}.${infer N}` } ? N : never;

/** The figures of a structure's fields by name: a number each, several where the field holds several. */
export type FiguresOf<T> =
  & { readonly [K in keyof T as NameOf<T[K]>]: Value<T[K]> }
  & { readonly [G in GroupOf<T[keyof T]>]: { readonly [K in keyof T as NameIn<T[K], G>]: Value<T[K]> } };

/** One figure, as an exporter needs it. */
export interface Figure {
  /** Its place in a status: 'steps', 'io.receives'. */
  readonly name: string;
  readonly unit: Unit;
  /** True: how much there is now. False: a count that only grows. */
  readonly isGauge: boolean;
  readonly means: string;
  /** Numbers that it holds: 8 where there is one for each band, else 1. */
  readonly count: number;
  /** Bytes from the beginning of what the list is of. */
  readonly at: number;
}

/** The figures that a structure's fields have, in the order of the table. The structure begins at byte `offset`. */
export function listFigures(fields: Fields, offset = 0): Figure[] {
  return Object.values(fields).flatMap(({ status, unit = 'count', isGauge = false, means, count = 1, at }) =>
    (status === undefined ? [] : [{ name: status, unit, isGauge, means, count, at: offset + at }]));
}

/**
 * Reads the figures of a structure that begins at byte `offset` of `numbers`. They are statistics: their owner writes
 * them plainly, so a value may be a moment old. When the owner `isOver`, its gauges are 0, since it has nothing any
 * more; its counts stay. Allocates; blocks nobody; any thread.
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
