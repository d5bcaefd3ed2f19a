/**
 * Whether a value is a DataView, of this realm or of another. `isDataView` of node:util is not used, because on Node 24
 * its optimized code says no to a DataView of shared memory after some thousands of calls. The getter of `buffer`
 * throws for everything but a DataView, and for nothing else.
 */
const bufferOf = Object.getOwnPropertyDescriptor(DataView.prototype, 'buffer')!.get!;

/** True for a DataView; see the head of this file. */
export function isDataView(value: unknown): value is DataView {
  try {
    bufferOf.call(value);
    return true;
  } catch {
    return false;
  }
}
