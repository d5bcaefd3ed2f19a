// Which declarations a package needs: those that its entries import, and what these import in turn.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const COMMENT = /\/\*[^]*?\*\/|^\s*\/\/.*$/gm;
// from './x.js', import './x.js', and import('./x.js') within a type.
const IMPORTED = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g;

/** The paths, from `root`, of the declarations that users of these `exports` of a manifest can come to. */
export function neededTypes(root, exports) {
  const needed = new Set();
  const open = Object.values(exports).flatMap(({ types }) => (types === undefined ? [] : [join(root, types)]));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (needed.has(relative(root, path))) continue;
    if (!existsSync(path)) throw new Error(`${relative(root, path)} is imported by declarations, and not there`);
    needed.add(relative(root, path));
    for (const [, name] of readFileSync(path, 'utf8').replace(COMMENT, '').matchAll(IMPORTED)) {
      open.push(join(dirname(path), `${name}.d.ts`));
    }
  }
  return needed;
}
