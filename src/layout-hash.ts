import { constants, structures, words } from './layout.js';

/** scripts/build.mjs defines this constant in the bundle that users load. */
declare const PERCORE_LAYOUT_HASH: string | undefined;

/**
 * A hash over everything in the table that both languages must agree on: names, offsets, types, sizes and values, but
 * not the prose. In the bundle it is a constant, since computing it would add 2 ms to the start of every thread.
 */
export function layoutHash(): string {
  return typeof PERCORE_LAYOUT_HASH === 'string' ? PERCORE_LAYOUT_HASH : computeLayoutHash();
}

function computeLayoutHash(): string {
  const shape = structures.map((structure) => [
    structure.name,
    structure.bytes,
    Object.entries(structure.fields).map(([name, field]) => [name, field.at, field.type, field.count ?? 1]),
  ]);
  return fnv1a64(JSON.stringify([shape, words, constants]));
}

/**
 * FNV-1a with 64 bits, as hex. It only has to tell tables apart and need not resist an attacker; loading a
 * cryptographic hash would cost each worker 4 ms.
 */
function fnv1a64(text: string): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (let i = 0; i < text.length; i++) {
    low ^= text.charCodeAt(i);
    // Multiplies by 2^40 + 0x1b3, in two halves.
    const product = (low >>> 0) * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) | 0;
    low = product | 0;
  }
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}
