import { constants, structures, words } from './layout.js';

/** Put in by scripts/build.mjs into the bundle that users load. */
declare const PERCORE_LAYOUT_HASH: string | undefined;

/**
 * What both languages must share of the table: names, offsets, types, sizes and values, but not the prose. In the
 * bundle it is a constant, since computing it would cost every thread 2 ms of its start.
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
 * FNV-1a, 64 bits, as hex: it tells tables apart, not adversaries; loading a cryptographic one would cost each worker 4
 * ms.
 */
function fnv1a64(text: string): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (let i = 0; i < text.length; i++) {
    low ^= text.charCodeAt(i);
    // Times 2^40 + 0x1b3, in two halves.
    const product = (low >>> 0) * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) | 0;
    low = product | 0;
  }
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}
