/** The small text files in which Linux describes itself, and the lists in them. */
import { readFileSync } from 'node:fs';
import { checkFunction } from '../errors.js';

/** Reads one file, or undefined where it does not exist or may not be read. */
export type SystemFiles = (path: string) => string | undefined;

export const readSystemFile: SystemFiles = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It does not exist, or we may not read it: then it says nothing.
    return undefined;
  }
};

/** What a caller has given to read files by. Whatever it answers that is no text counts as a missing file. */
export function checkFiles(files: unknown): SystemFiles {
  checkFunction('files', files);
  return (path) => {
    const text = (files as (path: string) => unknown)(path);
    return typeof text === 'string' ? text : undefined;
  };
}

/**
 * "0-2,5
 * " -> [0, 1, 2, 5]; empty if it is not a list. Source: cpuset(7), list format.
 */
export function parseList(text: string | undefined): number[] {
  const found = new Set<number>();
  for (const part of (text ?? '').trim().split(',')) {
    const [, first, last, used, group] = /^(\d+)(?:-(\d+)(?::(\d+)\/(\d+))?)?$/.exec(part) ?? [];
    if (first === undefined) continue;
    const end = Math.min(Number(last ?? first), Number(first) + MOST);
    for (let each = Number(first); each <= end; each++) {
      // "0-31:2/16" means two of each sixteen.
      if (group === undefined || (each - Number(first)) % Number(group) < Number(used)) found.add(each);
    }
  }
  return [...found].sort((a, b) => a - b);
}

/** No machine has more CPUs; a damaged file must not cost all memory. */
const MOST = 65_536;

/** [0, 1, 2, 5] -> "0-2,5". */
export function formatList(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const first = numbers[i]!;
    while (numbers[i + 1] === numbers[i]! + 1) i++;
    parts.push(first === numbers[i] ? String(first) : `${first}-${numbers[i]}`);
  }
  return parts.join(',');
}
