/** Lines of what somebody types, or writes into a pipe. */
import type { Readable } from 'node:stream';
import { LineReader } from '../io/index.js';

/**
 * Calls `onLine` for each line without its end, also for the last one if no line feed ends it. A line of more than
 * `most` bytes takes no more memory than that: it is left out, and `onTooLong` is called once for it, at its end.
 * Returns what ends this; a second call does nothing.
 */
export function readLines(
  input: Readable, most: number, onLine: (line: string) => void, onTooLong: () => void,
): () => void {
  const reader = new LineReader({ maxLineBytes: most, onTooLong }, onLine);
  const onData = (bytes: Buffer): void => reader.push(bytes);
  const onEnd = (): void => reader.end();
  input.on('data', onData).on('end', onEnd);
  return () => {
    reader.close();
    input.off('data', onData).off('end', onEnd);
  };
}
