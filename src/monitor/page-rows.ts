/**
 * Rows of the counters page by its tables: `packRow` writes one, `unpackRow` reads one. A text lies in words, and
 * `<name>Bytes` is its length; the rest of a longer text is left out.
 */
import type { LayoutField, Structure } from '../layout.js';

/** The content of a row, by the names of its table, without the `<name>Bytes`. */
export type Row = Readonly<Record<string, number | boolean | string | readonly number[]>>;

/** Memory of a page: the same bytes, seen in three ways. */
export class PageMemory {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly numbers: Float64Array;

  constructor(memory: ArrayBuffer | SharedArrayBuffer) {
    this.bytes = Buffer.from(memory);
    this.words = new Int32Array(memory);
    this.numbers = new Float64Array(memory);
  }

  /** Writes the row that begins at byte `at`. Whatever `row` does not name stays as it is. */
  pack({ fields }: Structure, at: number, row: Row): void {
    for (const name in row) {
      const field = fields[name]!;
      const value = row[name]!;
      if (typeof value === 'string') this.text(fields, name, at, value);
      else if (typeof value === 'object') this.numbers.set(value, (at + field.at) >> 3);
      else if (field.type === 'f64') this.numbers[(at + field.at) >> 3] = Number(value);
      else this.words[(at + field.at) >> 2] = Number(value);
    }
  }

  private text(fields: Structure['fields'], name: string, at: number, text: string): void {
    const { at: place, count = 1 } = fields[name]!;
    // A letter that does not fit is left out whole.
    this.words[(at + fields[`${name}Bytes`]!.at) >> 2] = this.bytes.write(text, at + place, count * 4, 'utf8');
  }
}

/** Reads the row that begins at byte `at`. Allocates. */
export function unpackRow({ fields }: Structure, bytes: Buffer, at: number): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const [name, field] of Object.entries<LayoutField>(fields)) {
    if (name.endsWith('Bytes') && fields[name.slice(0, -5)] !== undefined) continue;
    const length = fields[`${name}Bytes`];
    if (length !== undefined) {
      const most = (field.count ?? 1) * 4;
      const count = Math.max(0, Math.min(most, bytes.readInt32LE(at + length.at)));
      row[name] = bytes.toString('utf8', at + field.at, at + field.at + count);
    } else if (field.count === undefined) {
      row[name] = field.type === 'f64' ? bytes.readDoubleLE(at + field.at) : bytes.readInt32LE(at + field.at);
    } else {
      row[name] = Array.from({ length: field.count }, (_, i) => bytes.readDoubleLE(at + field.at + i * 8));
    }
  }
  return row;
}
