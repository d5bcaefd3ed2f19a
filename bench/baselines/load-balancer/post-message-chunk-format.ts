/**
 * The messages of `postMessage a chunk`: lines that are packed one after the other.
 *
 *     line    seq f64 | hash i32 | band i32 | keyLength i32 | payloadLength i32 | key, payload, to a multiple of 8
 */

/** Lines for one owner, and room for their results. */
export interface Batch {
  readonly lines: ArrayBuffer;
  readonly results: ArrayBuffer;
  lineBytes: number;
  resultBytes: number;
}

export const LINE_HEAD = 24;
