import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectExactly } from './known.mjs';
import { filesBelow, root } from './sources.mjs';

const COLUMNS = 120;
const FOLDERS = ['src', 'native', 'bench', 'examples', 'scripts', 'test', '.ci'];
const IS_CODE = /\.(?:ts|mjs|js|cc|c|h|sh)$|^\.ci\/run$/;
/** What a machine has written. */
const IS_GENERATED = /^native\/layout\.h$|\/build\//;

it(`no line is longer than ${COLUMNS} columns`, () => {
  const files = FOLDERS.flatMap((folder) =>
    filesBelow(folder, (name) => IS_CODE.test(name) && !IS_GENERATED.test(name)),
  );
  expect(files.length).toBeGreaterThan(300);
  const isLong = (file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .some((line) => [...line].length > COLUMNS);
  expectExactly('long-lines', files.filter(isLong));
});
