/**
 * Splits an inline command, a line as somebody types it into telnet, into its words:
 *
 *     set greeting "hello\r\n" 'it\'s'      -> set | greeting | hello<CR><LF> | it's
 *
 * "…" knows \n \r \t \b \a and \xHH, '…' only \'. A closing quote must be followed by a space or the end. A NUL ends
 * the line. Not on the way of a client library, so it makes new arrays and is written to be read.
 */
import type { Arguments } from './arguments.js';

const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const BACKSLASH = 0x5c;
const ESCAPES: Record<string, number> = { n: 0x0a, r: 0x0d, t: 0x09, b: 0x08, a: 0x07 };

/** Undefined when a quote is not closed, or is closed in the middle of a word. */
export function splitInline(bytes: Uint8Array, start: number, end: number): Arguments | undefined {
  const words: number[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  let at = start;
  const isEnd = (): boolean => at >= end || bytes[at] === 0;
  const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

  /** A quoted part from behind its opening quote; false when it is not closed properly. */
  const quoted = (quote: number): boolean => {
    for (;;) {
      if (isEnd()) return false;
      const byte = bytes[at]!;
      if (byte === quote) {
        at++;
        return isEnd() || isSpace(bytes[at]!);
      }
      if (byte === BACKSLASH && quote === DOUBLE_QUOTE && at + 1 < end && bytes[at + 1] !== 0) {
        const hex =
          at + 3 < end && bytes[at + 1] === 0x78
            ? /^[0-9a-fA-F]{2}$/.exec(String.fromCharCode(bytes[at + 2]!, bytes[at + 3]!))
            : null;
        if (hex !== null) {
          words.push(Number.parseInt(hex[0], 16));
          at += 4;
        } else {
          words.push(ESCAPES[String.fromCharCode(bytes[at + 1]!)] ?? bytes[at + 1]!);
          at += 2;
        }
      } else if (byte === BACKSLASH && quote === SINGLE_QUOTE && at + 1 < end && bytes[at + 1] === SINGLE_QUOTE) {
        words.push(SINGLE_QUOTE);
        at += 2;
      } else {
        words.push(byte);
        at++;
      }
    }
  };

  for (;;) {
    while (!isEnd() && isSpace(bytes[at]!)) at++;
    if (isEnd()) break;
    starts.push(words.length);
    while (!isEnd() && !isSpace(bytes[at]!)) {
      const byte = bytes[at++]!;
      if (byte !== DOUBLE_QUOTE && byte !== SINGLE_QUOTE) words.push(byte);
      else if (!quoted(byte)) return undefined;
    }
    ends.push(words.length);
  }
  return {
    bytes: Uint8Array.from(words), count: starts.length, starts: Int32Array.from(starts), ends: Int32Array.from(ends),
  };
}
