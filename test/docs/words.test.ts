/**
 * One word for one thing: what docs/glossary.md has replaced does not come back, in code, examples, benches or pages.
 * Decisions and the changelog speak of their day.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './pages.js';

const REPLACED: readonly { readonly word: RegExp; readonly by: string }[] = [
  { word: /\bspaceSync\b|\.space\(|\bspace\(\)/, by: 'room, roomSync' },
  { word: /\bwritable\(\)|\.writable\(/, by: 'room()' },
  { word: /\bonSpace\b/, by: 'whenRoom' },
  { word: /\bbackPressured\b/, by: 'refused' },
  { word: /\bonDatagram\b/, by: 'onData, onReceive' },
  { word: /\bstayOpen\b/, by: 'keepOpen' },
  { word: /\bcreateTimer\b(?!s)/, by: 'createRateTimer' },
  { word: /\bERR_PERCORE_ABORTED\b/, by: 'signal.reason itself' },
  { word: /\bbudget\.(?:us|ns|steps)\b/, by: 'budget: { quanta, timeNs }' },
  { word: /\bpublishEvery\.(?:us|ns)\b/, by: 'publishEvery: { records, timeNs }' },
];

const FOLDERS = ['src', 'examples', 'bench', 'test', 'docs', 'native', 'README.md', 'CONTRIBUTING.md'];
const EXEMPT = /^docs\/decisions\/2|^test\/docs\/words\.test\.ts$/;

/** Every text file of these folders. */
function* filesIn(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) {
    if (/\.(?:ts|mjs|md|cc|h|c)$/.test(path)) yield path;
    return;
  }
  for (const name of readdirSync(path)) {
    if (name !== 'build') yield* filesIn(join(path, name));
  }
}

describe('the vocabulary', () => {
  it('has no words that were replaced', () => {
    const found: string[] = [];
    for (const file of FOLDERS.flatMap((folder) => [...filesIn(join(root, folder))])) {
      const path = relative(root, file);
      if (EXEMPT.test(path)) continue;
      for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
        for (const { word, by } of REPLACED) {
          if (word.test(line)) found.push(`${path}:${i + 1}: ${line.trim().slice(0, 100)} (now ${by})`);
        }
      }
    }
    expect(found).toEqual([]);
  });
});
