/** The types of which the tables of shared memory are made: see layout.ts. */

export type WordType = 'i32' | 'f64';

/** One field of a structure. */
export interface LayoutField {
  /** Its offset in bytes from the beginning of the structure. */
  readonly at: number;
  readonly type: WordType;
  /** How many values of `type` lie here; 1 if left out. */
  readonly count?: number;
  /** Who writes it. */
  readonly writes: string;
  /** Who reads it. */
  readonly reads: string;
  readonly means: string;
  /** Its name in `runtime.status()`, such as 'turns' or 'io.receives': see figures.ts. Left out: it is not shown. */
  readonly status?: string;
  /** For a field with `status`: the unit of its value. */
  readonly unit?: Unit;
  /** For a field with `status`: it says how much there is now. Left out: it counts from 0 and only grows. */
  readonly isGauge?: true;
}

export type Unit = 'count' | 'bytes' | 'ns';

/** A structure in shared memory: its name, its size in bytes and its fields. */
export interface Structure {
  readonly name: string;
  readonly bytes: number;
  readonly fields: Readonly<Record<string, LayoutField>>;
}
