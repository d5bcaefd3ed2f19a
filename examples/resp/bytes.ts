/** Bytes from here to there, without making objects on the way. */
/** Writes a whole number of at most 2^53 in decimal; returns where it ends. */
export function writeNumber(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0) {
    bytes[at++] = 0x2d;
    value = -value;
  }
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits++;
  for (let i = at + digits - 1; i >= at; i--) {
    const rest = Math.floor(value / 10);
    bytes[i] = 0x30 + (value - rest * 10);
    value = rest;
  }
  return at + digits;
}

/** Copies `from[start, end)` to `to[at...]`; short pieces byte by byte, since `subarray` makes an object. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > 48) to.set(from.subarray(start, end), at);
  else while (start < end) to[at++] = from[start++]!;
}
