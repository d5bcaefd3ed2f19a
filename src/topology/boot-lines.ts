/**
 * The lines of a boot script and their positions: each element of an array by itself, so that every fault has a line.
 */
import { PercoreError } from '../errors.js';

/** One element: its value, and where it begins in the file. */
export interface BootLine {
  readonly value: unknown;
  /** Its line in the file, from 1; in a module, its place in the list, from 1. */
  readonly line: number;
  /** Its text in the file; empty for a module. */
  readonly text: string;
}

/** Elements of a JSON array with their lines. Throws ERR_PERCORE_TOPOLOGY, with the line of the faulty element. */
export function readLines(file: string, text: string): BootLine[] {
  const found: BootLine[] = [];
  const open = text.search(/\S/);
  if (text[open] !== '[') throw bootError(file, lineAt(text, open), 'a boot script is a JSON array of lines');
  let depth = 0;
  let begin = -1;
  let end = -1;
  let inString = false;
  for (let at = open; at < text.length && end < 0; at++) {
    const letter = text[at]!;
    if (inString) {
      if (letter === '\\') at++;
      else if (letter === '"') inString = false;
      continue;
    }
    const closes = letter === ']' || letter === '}';
    if (closes) depth--;
    if (begin >= 0 && (depth === 0 || (depth === 1 && letter === ','))) {
      found.push(element(file, text, begin, at));
      begin = -1;
    } else if (begin < 0 && depth === 1 && !closes && /\S/.test(letter)) {
      if (letter === ',') throw bootError(file, lineAt(text, at), 'a comma stands where a line should');
      begin = at;
    } else if (begin < 0 && depth === 0 && found.length > 0) {
      throw bootError(file, lineAt(text, at), 'a comma stands behind the last line');
    }
    if (letter === '"') inString = true;
    if (letter === '[' || letter === '{') depth++;
    if (depth === 0) end = at;
  }
  if (end < 0) {
    const at = begin < 0 ? text.length - 1 : begin;
    throw bootError(file, lineAt(text, at), 'the array does not end, or this line of it does not');
  }
  if (text[end] !== ']') throw bootError(file, lineAt(text, end), 'the array ends with a bracket, not with a brace');
  const rest = text.slice(end + 1).search(/\S/);
  if (rest >= 0) throw bootError(file, lineAt(text, end + 1 + rest), 'nothing may follow the array');
  return found;
}

function element(file: string, whole: string, begin: number, end: number): BootLine {
  const text = whole.slice(begin, end);
  const line = lineAt(whole, begin);
  try {
    return { value: JSON.parse(text) as unknown, line, text };
  } catch (cause) {
    throw bootError(file, line, `this is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** The line of a field of an element; that of the element if the field is not found. */
export function lineOfField({ line, text }: BootLine, field: string): number {
  const at = text.indexOf(`"${field}"`);
  return at < 0 ? line : line + lineAt(text, at) - 1;
}

/** "boot.json:3: …" */
export function bootError(
  file: string, line: number, why: string, about: { argument?: string; value?: unknown; cause?: unknown } = {},
): PercoreError {
  return new PercoreError('ERR_PERCORE_TOPOLOGY', `${file}:${line}: ${why}`, about);
}

function lineAt(text: string, at: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) line++;
  return line;
}
