/**
 * One word for one thing: what docs/glossary.md has replaced does not come back, in code, examples, benches or pages.
 * Decisions and the changelog speak of their day, and tests may say what is refused now.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectExactly } from './known.mjs';
import { filesBelow, root } from './sources.mjs';

/** What was said, and what is said now. */
const REPLACED = [
  [/\bspaceSync\b|\bspace\(\)|\bonSpace\b/, 'room, roomSync, whenRoom'],
  [/\bwritable\(\)/, 'room()'],
  [/\bbackPressured\b/, 'refused'],
  [/\bonDatagram\b/, 'onData, onReceive'],
  [/\bstayOpen\b/, 'keepOpen'],
  [/\bcreateTimer\b/, 'createRateTimer'],
  [/\bERR_PERCORE_ABORTED\b/, 'signal.reason itself'],
  [/\bbudget\.(?:us|ns|steps)\b/, 'budget: { quanta, timeNs }'],
  [/\bpublishEvery\.(?:us|ns)\b/, 'publishEvery: { records, timeNs }'],
];
const FOLDERS = ['src', 'examples', 'bench', 'docs'];
const IS_TEXT = /\.(?:ts|mjs|md)$/;
const IS_OF_TESTS_OR_PAST = /\.test\.ts$|\/fixtures\/|^docs\/decisions\/2/;

it('no word that was replaced is used', () => {
  const below = FOLDERS.flatMap((folder) => filesBelow(folder, (name) => IS_TEXT.test(name)));
  const files = [...below, 'README.md', 'CONTRIBUTING.md'];
  const found = [];
  for (const file of files.filter((name) => !IS_OF_TESTS_OR_PAST.test(name))) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [word, by] of REPLACED) {
      const [said] = word.exec(text) ?? [];
      if (said !== undefined) found.push(`${file}: ${said}, which is ${by} now`);
    }
  }
  expect(files.length).toBeGreaterThan(200);
  expectExactly('words', found.sort());
});
