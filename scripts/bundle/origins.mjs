// Where names come from. Files such as `queues/index.js` export what other files declare, and whoever imports one name
// of them would have all those files loaded:
//
//     import { OK, sub } from '../queues/index.js';
//     import { OK } from '../result-codes.js'; import { sub } from '../queues/index.js';      the same, by origins
import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';

const IMPORT = /^import\s+\{([^}]*)\}\s+from\s+['"](\.[^'"]+)['"];?$/gm;
const EXPORT = /^export\s+\{([^}]*)\}\s+from\s+['"](\.[^'"]+)['"];?$/gm;
const EXPORT_ALL = /^export\s+\*\s+from\s+['"](\.[^'"]+)['"];?$/gm;
const DECLARED = /^export\s+(?:async\s+)?(?:function\*?|class|const|let|var)\s+([\w$]+)/gm;
const DECLARED_LIST = /^export\s+\{([^}]*)\};?$/gm;

/** The items of `{ a, b as c }`, each as [a, a] or [b, c]. */
const itemsOf = (list) => list.split(',').map((item) => item.trim()).filter((item) => item !== '')
  .map((item) => item.split(/\s+as\s+/)).map(([name, as = name]) => [name, as]);

/**
 * Finds the origins of names in the files below `compiled`, and remembers what it has read, which `edit` may change.
 * Returns what it makes of a file, and that as a plugin of esbuild.
 */
export function findOrigins(compiled, edit = (_path, text) => text) {
  const known = new Map();

  const read = (path) => {
    if (known.has(path)) return known.get(path);
    const text = edit(path, readFileSync(path, 'utf8'));
    const at = (from) => resolve(dirname(path), from);
    const found = {
      text,
      own: new Set([
        ...[...text.matchAll(DECLARED)].map(([, name]) => name),
        ...[...text.matchAll(DECLARED_LIST)].flatMap(([, list]) => itemsOf(list).map(([, as]) => as)),
      ]),
      passed: new Map([...text.matchAll(EXPORT)].flatMap(([, list, from]) =>
        itemsOf(list).map(([name, as]) => [as, { name, path: at(from) }]))),
      all: [...text.matchAll(EXPORT_ALL)].map(([, from]) => at(from)),
    };
    known.set(path, found);
    return found;
  };

  /** The file that declares what `path` exports by this name, and its name there; undefined if it exports none. */
  const originOf = (path, name) => {
    const { own, passed, all } = read(path);
    if (own.has(name)) return { path, name };
    const from = passed.get(name);
    if (from !== undefined) return originOf(from.path, from.name);
    for (const other of all) {
      const found = originOf(other, name);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  /** The imports `{ … }` of the file, by origins: for each of its origins the names there, and those in the file. */
  const importsOf = (path, list, from) => {
    const origins = new Map();
    for (const [name, as] of itemsOf(list)) {
      const origin = originOf(resolve(dirname(path), from), name);
      if (origin === undefined) throw new Error(`${path} imports ${name} of ${from}, which does not export it`);
      origins.set(origin.path, [...(origins.get(origin.path) ?? []), { name: origin.name, as }]);
    }
    return origins;
  };

  /** The text of the file, in as many lines, where each import names the file that declares what it imports. */
  const textOf = (path) => read(path).text.replace(IMPORT, (all, list, from) => {
    const imports = [...importsOf(path, list, from)].map(([origin, names]) => {
      const to = relative(dirname(path), origin);
      const items = names.map(({ name, as }) => (name === as ? name : `${name} as ${as}`)).join(', ');
      return `import { ${items} } from '${to.startsWith('.') ? to : `./${to}`}';`;
    });
    return imports.join(' ') + '\n'.repeat(all.split('\n').length - 1);
  });

  const plugin = {
    name: 'origins',
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, ({ path, namespace }) =>
        (namespace === 'file' && path.startsWith(compiled) ? { contents: textOf(path) } : undefined));
    },
  };
  return { textOf, plugin };
}
