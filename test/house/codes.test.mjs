import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesBelow, parse, root, walk } from './sources.mjs';

const DECLARED_IN = 'src/errors.ts';

/** The texts in a file's code that are codes of errors, but for those in the union that declares them. */
function codesIn(file, isDeclaration) {
  const codes = [];
  walk(parse(file).body, (node) => {
    const isUnion = node.type === 'TSTypeAliasDeclaration' && node.id.name === 'PercoreErrorCode';
    if (isUnion) {
      if (isDeclaration) codes.push(...node.typeAnnotation.types.map(({ literal }) => literal.value));
      return false;
    }
    if (!isDeclaration && node.type === 'Literal' && String(node.value).startsWith('ERR_PERCORE_'))
      codes.push(node.value);
    return true;
  });
  return codes;
}

it('each code of an error is declared once and used', () => {
  const declared = codesIn(DECLARED_IN, true);
  const product = filesBelow('src', (name) => name.endsWith('.ts') && !/\.test\.ts$|\/fixtures\//.test(name));
  const native = filesBelow('native', (name) => /\.(?:cc|h)$/.test(name) && !name.includes('/build/'));
  const used = new Set([
    ...product.flatMap((file) => codesIn(file, false)),
    ...native.flatMap((file) => readFileSync(join(root, file), 'utf8').match(/\bERR_PERCORE_[A-Z_]+/g) ?? []),
  ]);
  expect(declared.length).toBeGreaterThan(20);
  expect(new Set(declared).size).toBe(declared.length);
  expect(declared.filter((code) => !used.has(code))).toEqual([]);
});
