/**
 * Runs the text of a compiled ES module with other globals: the same code that ships, but with the `Atomics` and typed
 * arrays of a virtual memory. `import` and `export` are rewritten, since `new Function` takes a script. Relative
 * imports are loaded the same way, so that all modules see the same globals; other imports are the real modules.
 *
 *     import { a, b as c } from './x.js';      const { a, b: c } = $import('./x.js');
 *     export class Ring {}                     class Ring {}          ... return { Ring };
 *     export * from './y.js';                                         ... return { ...$import('./y.js') };
 *
 * This is no parser. It knows the forms that the compiler writes at the start of a line, and throws for forms that it
 * does not know (`export default`, `export * as`, destructuring exports, `import.meta` except for its url).
 * vm.SourceTextModule would do the same but needs a flag of Node.
 *
 * One import is not the real one: `threadId` of node:worker_threads. Since many virtual threads run one module, each
 * mention of it becomes a call of the global `$threadId`, if there is one.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Changes the text of a module, whose address it is given, before the module runs. So a test can put bugs into it. */
export type Edit = (text: string, url: string) => string;

const IMPORT = /^import\s+([^'"]+?)\s+from\s+(['"][^'"]+['"]);?$/gm;
const EXPORT_FROM = /^export\s+\{([^}]*)\}\s+from\s+(['"][^'"]+['"]);?$/gm;
const EXPORT_ALL = /^export\s+\*\s+from\s+(['"][^'"]+['"]);?$/gm;
const EXPORT_LIST = /^export\s+\{([^}]*)\};?$/gm;
const EXPORT_DECLARATION = /^export\s+((?:async\s+)?function\*?|class|const|let)\s+([\w$]+)/gm;
const WORKER_THREADS = /^import\s+\{([^}]*)\}\s+from\s+['"](?:node:)?worker_threads['"];?$/m;
/**
 * The loaders that the package's entries import would run the scripts with the real globals, so load the scripts
 * themselves.
 */
const SCRIPTS: Readonly<Record<string, string>> = {
  './load.cjs': './percore-core.cjs', './load-later.cjs': './percore-later.cjs',
  './load-rest.cjs': './percore-rest.cjs',
};
const LEFT_OVER = /^(?:import|export)\b.*$|\bimport\.meta\b/m;

/** The exports of the module at `url`, run with `globals` in place of the real ones. Synchronous. */
export function loadModule(
  url: URL, globals: Readonly<Record<string, unknown>>, edit: Edit = (text) => text,
): Record<string, unknown> {
  const loaded = new Map<string, Record<string, unknown> | null>();

  function load(at: URL): Record<string, unknown> {
    const known = loaded.get(at.href);
    if (known === null) throw new Error(`${at.href} imports itself, by a circle; loadModule cannot run that`);
    if (known !== undefined) return known;
    loaded.set(at.href, null);
    const isVirtual = '$threadId' in globals;
    const text = edit(readFileSync(at, 'utf8'), at.href);
    const body = at.pathname.endsWith('.cjs') ? commonBody(text, at, isVirtual)
      : asScript(isVirtual ? withVirtualThreadId(text) : text, at.href);
    const run = new Function(...Object.keys(globals), '$import', body) as (
      ...values: unknown[]
    ) => Record<string, unknown>;
    const exports = run(...Object.values(globals), (name: string) =>
      name.startsWith('.') ? load(new URL(SCRIPTS[name] ?? name, at)) : createRequire(at)(name),
    );
    loaded.set(at.href, exports);
    return exports;
  }
  return load(url);
}

/** The body for a CommonJS script, such as those with most of the package: see scripts/bundle/main.mjs. */
function commonBody(text: string, url: URL, isVirtual: boolean): string {
  const body = isVirtual ? text.replace(/\bimport_node_worker_threads\d*\.threadId\b/g, '$threadId()') : text;
  const path = JSON.stringify(fileURLToPath(url));
  return `'use strict';\nconst module = { exports: {} }, __filename = ${path}, `
    + `require = (name) => name.startsWith('.') ? $import(name).default : $import(name), `
    + `__dirname = ${JSON.stringify(dirname(fileURLToPath(url)))};\n${body}\nreturn { default: module.exports };\n`
    + `//# sourceURL=${url.href}?virtual`;
}

/** A function body that does what the module does, and returns its exports. */
function asScript(text: string, url: string): string {
  const exported: string[] = [];
  const body = text
    .replaceAll('import.meta.url', () => JSON.stringify(url))
    .replace(IMPORT, (_all, clause: string, from: string) => `const ${asPattern(clause.trim())} = $import(${from});`)
    .replace(EXPORT_FROM, (_all, list: string, from: string) => {
      for (const [name, as] of pairs(list)) exported.push(`${as}: $import(${from}).${name}`);
      return '';
    })
    .replace(EXPORT_ALL, (_all, from: string) => {
      // What the module itself declares takes precedence, so these come first.
      exported.unshift(`...$import(${from})`);
      return '';
    })
    .replace(EXPORT_LIST, (_all, list: string) => {
      for (const [name, as] of pairs(list)) exported.push(`${as}: ${name}`);
      return '';
    })
    .replace(EXPORT_DECLARATION, (_all, kind: string, name: string) => {
      exported.push(name);
      return `${kind} ${name}`;
    });
  const leftOver = LEFT_OVER.exec(withoutComments(body));
  if (leftOver !== null) throw new Error(`${url}: loadModule does not know this form: ${leftOver[0]}`);
  // Modules are strict; a function body must say so.
  return `'use strict';\n${body}\nreturn { ${exported.join(', ')} };\n//# sourceURL=${url}?virtual`;
}

/**
 * Calls `$threadId` wherever the module mentions the name under which it has imported `threadId`. If a parameter has
 * that name too, the result is no valid code.
 */
function withVirtualThreadId(text: string): string {
  const clause = WORKER_THREADS.exec(text)?.[1];
  const alias = clause === undefined ? undefined : pairs(clause).find(([name]) => name === 'threadId')?.[1];
  if (clause === undefined || alias === undefined) return text;
  const rest = clause.split(',').filter((item) => !/^\s*threadId\b/.test(item)).join(',');
  const mention = new RegExp(`(?<![\\w$.])${alias.replaceAll('$', '\\$')}(?![\\w$]|\\s*:)`, 'g');
  return text
    .replace(WORKER_THREADS, (all) => all.replace(clause, () => rest))
    .replace(mention, (name, at: number, whole: string) => (isInComment(whole, at) ? name : '$threadId()'));
}

/** True if the position is in a comment that has lines of its own, as the compiler writes them. */
function isInComment(text: string, at: number): boolean {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  return /^\s*(?:\/\/|\/?\*)/.test(line);
}

/** `{ a, b as c }` -> `{ a: a, b: c }`, `* as all` -> `all`, `one` -> `{ default: one }`. */
function asPattern(clause: string): string {
  if (clause.startsWith('{'))
    return `{ ${pairs(clause.slice(1, -1))
      .map(([name, as]) => `${name}: ${as}`)
      .join(', ')} }`;
  return clause.startsWith('*') ? clause.replace(/^\*\s+as\s+/, '') : `{ default: ${clause} }`;
}

function pairs(list: string): [name: string, as: string][] {
  return list.split(',').map((item) => item.trim()).filter((item) => item !== '').map((item) => {
    const [name, as = name] = item.split(/\s+as\s+/);
    return [name, as];
  });
}

const withoutComments = (text: string): string => text.replace(/^\s*(?:\/\*[^]*?\*\/|\/\/.*)$/gm, '');
