/**
 * Buffers for what comes in pieces, used again by whichever client of the thread needs one next. Fresh memory costs
 * more than the copy into it: the kernel has to zero it page by page, and the collector to find out when it is free
 * again.
 */
/** Kept in all; more is left to the collector. */
const MOST_BYTES = 8 * 2 ** 20;

const spare: Uint8Array[] = [];
let spareBytes = 0;

/** At least `length` bytes, with arbitrary content. */
export function takeBuffer(length: number): Uint8Array {
  for (let i = spare.length - 1; i >= 0; i--) {
    const buffer = spare[i]!;
    // One that is much too large is kept for what needs it.
    if (buffer.length < length || buffer.length > 4 * length) continue;
    spare[i] = spare[spare.length - 1]!;
    spare.pop();
    spareBytes -= buffer.length;
    return buffer;
  }
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** Gives a buffer back; the caller must not use it afterwards. */
export function giveBuffer(buffer: Uint8Array): void {
  // The oldest go, or small ones would keep the place of those that are asked for now.
  while (spare.length !== 0 && spareBytes + buffer.length > MOST_BYTES) spareBytes -= spare.shift()!.length;
  if (buffer.length > MOST_BYTES) return;
  spare.push(buffer);
  spareBytes += buffer.length;
}
