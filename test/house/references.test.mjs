/** A comment that sends its reader to a file must name one that is there. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { expectExactly } from './known.mjs';
import { filesBelow, root } from './sources.mjs';

const FOLDERS = ['src', 'native', 'bench', 'examples', 'test', 'scripts'];
const IS_CODE = /\.(?:ts|mjs|cc|h|c)$/;
const IS_MADE = /(?:^|\/)build\//;
const IS_COMMENT = /^\s*(?:\*|\/\/|\/\*\*)/;
/** `ring.ts`, `src/layout.ts`, `docs/architecture.md`. Not `*.test.ts`, nor what stands in a URL or in an import. */
const NAME = /(?<![\w./*@-])((?:[\w-]+\/)*[\w.-]*[\w-]\.(?:ts|mjs|cc|h|md))\b(?!['"])/g;
/** Files of other projects, named as sources of ideas. */
const FOREIGN = new Set(['lib.rs']);

it('comments name files that are there', () => {
  const files = FOLDERS.flatMap((folder) => filesBelow(folder, (name) => IS_CODE.test(name) && !IS_MADE.test(name)));
  const below = ['docs', 'bench', 'examples'].flatMap((folder) => filesBelow(folder, (name) => name.endsWith('.md')));
  const pages = [...below, 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
  const known = [...files, ...pages];
  const names = new Set(known.map((file) => basename(file)));
  const isPath = (name) => known.some((file) => `/${file}`.endsWith(`/${name}`));
  const isThere = (name) => (name.includes('/') ? isPath(name) : names.has(name));
  const missing = files.flatMap((file) => readFileSync(join(root, file), 'utf8').split('\n')
    .filter((line) => IS_COMMENT.test(line))
    .flatMap((line) => [...line.matchAll(NAME)].map(([, name]) => name))
    .filter((name) => !FOREIGN.has(name) && !isThere(name))
    .map((name) => `${file}: ${name}`));
  expect(files.length).toBeGreaterThan(300);
  expectExactly('references', [...new Set(missing)].sort());
});
