/** How lines are found in what comes in pieces. */
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { readLines } from './lines.js';

/** What is told of these pieces, in its order; `-` is a line that is too long. */
async function told(pieces: readonly (string | Buffer)[], most = 10): Promise<string[]> {
  const input = new PassThrough();
  const all: string[] = [];
  readLines(input, most, (line) => all.push(line), () => all.push('-'));
  for (const piece of pieces) input.write(piece);
  input.end();
  await finished(input);
  return all;
}

it('lines end with a line feed or both of CR and LF, wherever pieces end; the last one needs no end', async () => {
  expect(await told(['a\nb', 'c\r\n\n', 'd', 'e'])).toEqual(['a', 'bc', '', 'de']);
  expect(await told(['a\r', '\nb\n'])).toEqual(['a', 'b']);
  expect(await told([])).toEqual([]);
  const [first, second] = [Buffer.from('ä').subarray(0, 1), Buffer.from('ä').subarray(1)];
  expect(await told([first, second, '\n'])).toEqual(['ä']);
});

it('a line that is too long is told once and left out, and the next one is read', async () => {
  expect(await told(['0123456789\n', '0123456789a\nb\n'])).toEqual(['0123456789', '-', 'b']);
  expect(await told([...Array<string>(100).fill('0123456789'), '\nb'])).toEqual(['-', 'b']);
  expect(await told([...Array<string>(100).fill('0123456789')])).toEqual(['-']);
});

it('nothing is told after the end of it', () => {
  const input = new PassThrough();
  const all: string[] = [];
  const end = readLines(input, 10, (line) => all.push(line), () => all.push('-'));
  input.emit('data', Buffer.from('a\nb'));
  end();
  end();
  input.emit('data', Buffer.from('c\n'));
  input.emit('end');
  expect(all).toEqual(['a']);
});
