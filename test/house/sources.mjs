/** What the tests of the house read: files of the repository, and what modules import. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The files below `folder` whose names `isWanted`, as paths from the root of the repository, sorted. */
export function filesBelow(folder, isWanted) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`).filter(isWanted).sort();
}

/** The syntax tree of a TypeScript file, a declaration file included. Throws where it cannot be parsed. */
export function parse(file, text = readFileSync(join(root, file), 'utf8')) {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  return program;
}

/** Calls `visit` with each node of a syntax tree, and not with what is below a node for which it answers false. */
export function walk(node, visit) {
  if (Array.isArray(node)) {
    for (const each of node) walk(each, visit);
  } else if (node !== null && typeof node === 'object') {
    if (typeof node.type === 'string' && visit(node) === false) return;
    for (const value of Object.values(node)) if (value !== null && typeof value === 'object') walk(value, visit);
  }
}

/** What `file` imports, of values and of types, in every form: the texts between the quotation marks. */
export function importsOf(file, text) {
  const found = new Set();
  walk(parse(file, text), ({ type, source }) => {
    const isImport =
      type === 'ImportDeclaration'
      || type === 'ExportNamedDeclaration'
      || type === 'ExportAllDeclaration'
      || type === 'ImportExpression'
      || type === 'TSImportType';
    if (isImport && typeof source?.value === 'string') found.add(source.value);
  });
  return [...found];
}

/** The file that `file` means by the relative import `specifier`; `extension` is what it has in place of `.js`. */
export function resolveImport(file, specifier, extension) {
  return relative(root, resolve(root, dirname(file), specifier)).replace(/\.js$/, extension);
}
