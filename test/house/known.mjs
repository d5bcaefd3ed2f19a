/**
 * Lists of what is known to be wrong: `known/<name>.txt`, one a line. They only become shorter. A test fails on what is
 * wrong and not in its list, and on what is in the list and not wrong any more.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** With `PERCORE_KNOWN=write` in the environment the list is written anew. */
export function expectExactly(name, wrong) {
  const path = join(dirname(fileURLToPath(import.meta.url)), 'known', `${name}.txt`);
  if (process.env.PERCORE_KNOWN === 'write') writeFileSync(path, wrong.map((line) => `${line}\n`).join(''));
  const known = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter((line) => line !== '') : [];
  expect({
    new: wrong.filter((line) => !known.includes(line)),
    gone: known.filter((line) => !wrong.includes(line)),
  }, `against ${path}; PERCORE_KNOWN=write writes it anew`).toEqual({ new: [], gone: [] });
}
