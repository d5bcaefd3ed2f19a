/** What a table of shared memory is made of: see layout.ts. */

export type WordType = 'i32' | 'f64';

export interface LayoutField {
  readonly at: number;
  readonly type: WordType;
  /** How many of `type` lie here; 1 where it is missing. */
  readonly count?: number;
  readonly writes: string;
  readonly reads: string;
  readonly means: string;
  /** Where operators find it in `runtime.status()`, as 'turns' or 'io.receives': see figures.ts. Left out: nowhere. */
  readonly status?: string;
  /** Of a word with `status`. */
  readonly unit?: Unit;
  /** Of a word with `status`: it says how much there is now. Left out: it counts from 0 and only grows. */
  readonly isGauge?: true;
}

export type Unit = 'count' | 'bytes' | 'ns';

export interface Structure {
  readonly name: string;
  readonly bytes: number;
  readonly fields: Readonly<Record<string, LayoutField>>;
}
