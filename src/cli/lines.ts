/** Lines of what somebody types, or writes into a pipe. */
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';

/**
 * Calls `onLine` for each line without its end, also for the last one if no line feed ends it. A line of more than
 * `most` characters takes no more memory than that: it is left out, and `onTooLong` is called once for it. Returns what
 * ends this; a second call does nothing.
 */
export function readLines(
  input: Readable, most: number, onLine: (line: string) => void, onTooLong: () => void,
): () => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let isTooLong = false;
  const add = (text: string): void => {
    if (isTooLong) return;
    rest += text;
    if (rest.length <= most) return;
    isTooLong = true;
    rest = '';
    onTooLong();
  };
  const end = (): void => {
    const line = rest.endsWith('\r') ? rest.slice(0, -1) : rest;
    const isWhole = !isTooLong;
    rest = '';
    isTooLong = false;
    if (isWhole) onLine(line);
  };
  const onData = (bytes: Buffer): void => {
    const [first, ...others] = decoder.write(bytes).split('\n');
    add(first!);
    for (const text of others) {
      end();
      add(text);
    }
  };
  const onEnd = (): void => {
    add(decoder.end());
    if (rest !== '') end();
  };
  input.on('data', onData).on('end', onEnd);
  return () => void input.off('data', onData).off('end', onEnd);
}
