import { createHash } from 'node:crypto';
import { constants, structures, words } from './layout.js';

/** What of the table both languages must share: names, offsets, types, sizes and values; not the prose. */
export function layoutHash(): string {
  const shape = structures.map((structure) => [
    structure.name,
    structure.bytes,
    Object.entries(structure.fields).map(([name, field]) => [name, field.at, field.type, field.count ?? 1]),
  ]);
  return createHash('sha256').update(JSON.stringify([shape, words, constants])).digest('hex').slice(0, 16);
}
