// Makes the few files of the package. Nearly all of the code is in two scripts; the files that users import only export
// parts of them:
//
//     dist/percore/queues.js          import core from './load.cjs'; export const { … } = core;
//     dist/percore/load.cjs           runs the script once in each thread, from compiled code if there is any
//     dist/percore/percore-core.cjs   the code that a reactor's thread runs until its first messages
//     dist/percore/percore-later.cjs  the code of queues, timers and io beside that; the core loads it at its first use
//     dist/percore/percore-rest.cjs   the code of what starts reactors, and of everything above them
//     dist/percore/load-later.cjs …   load those two, which take from the core what it has
//     dist/percore/kept-code.cjs      compiled code of earlier processes, where PERCORE_CODE_CACHE names a folder
//     dist/percore/nats.js …          code that is seldom needed, as modules that import from the scripts
//
// So each class exists only once in a thread, whoever imports it and by whichever entry; and a reactor's thread, whose
// start somebody waits for, loads the others only if its entry imports them or uses what is in them.
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LATER_BANNER, atFirstUse, fromLater, outside } from './later.mjs';
import { findOrigins } from './origins.mjs';

const beside = (name) => join(dirname(fileURLToPath(import.meta.url)), name);
const LOADER = beside('load-script.cjs');
const KEEPER = beside('kept-code.cjs');
const IMPORT = /(?<=^|; )(?:import|export)\s+\{([^}]*)\}\s+from\s+['"](\.[^'"]+)['"];?(?=$| import)/gm;
const IMPORT_ALL = /^export\s+\*\s+from\s+['"](\.[^'"]+)['"];?$/gm;
/** What is left out of the text of programs for threads. */
const IMPORT_CALL = /(?<![`'"\w$.])import\(/g;
const NAMESPACE = 'scripts';

/**
 * `core` are compiled files: they, and all that they import, are in the first script, except for `deferred` and what
 * these alone import. `later` are others, which are in a second script together with those of `deferred`, and `rest`
 * others again, in a third one; each has what those before it do not have. `faces` are entries of one file each, and
 * `others` entries beside the scripts, each by the name of what is made; `programs` are those that run when they are
 * loaded, and so are in no script. `common` are names of faces that are made as CommonJS modules too, NAME.cjs.
 * `loader` is the file that runs a script, `edit` changes the text of compiled files, and `options` are those of
 * esbuild. Returns the metafiles, and of each module in a script what is exported of it, each by its own name and by
 * that in the script.
 */
export async function bundle(
  { build, compiled, core, later = [], deferred = [], rest = [], programs = [], faces, others, common = [], outdir,
    options, loader = LOADER, edit },
) {
  const scripts = [{ name: 'core', loader: 'load.cjs', entries: core, modules: [] }];
  if (later.length > 0) {
    scripts.push({ name: 'later', loader: 'load-later.cjs', entries: [...later, ...deferred], modules: [] });
  }
  if (rest.length > 0) scripts.push({ name: 'rest', loader: 'load-rest.cjs', entries: rest, modules: [] });
  const origins = findOrigins(compiled, edit);
  const homes = new Map();
  const exportsOf = new Map();
  for (const script of scripts) {
    const plugins = [origins.plugin, ...(script.name === 'core' ? [outside(deferred)] : [])];
    for (const [path, names] of await namesOf(build, script.entries, { ...options, outdir }, compiled, plugins)) {
      exportsOf.set(path, names);
      if (homes.has(path) || programs.includes(path)) continue;
      homes.set(path, script);
      script.modules.push(path);
    }
  }
  const entries = [...Object.values(faces), ...Object.values(others)];
  const reached = await namesOf(build, entries, { ...options, outdir }, compiled);
  const used = namesUsed([...new Set([...homes.keys(), ...reached.keys()])], homes, exportsOf, origins);
  for (const path of scripts.flatMap((script) => script.entries)) {
    if (homes.has(path)) used.set(path, exportsOf.get(path));
  }
  const numbers = new Map([...homes.keys()].map((path, i) => [path, i]));
  const namesIn = new Map([...used].map(([path, names]) =>
    [path, names.map((name) => ({ name, inScript: `m${numbers.get(path)}_${name}` }))]));

  /** Modules in scripts, for all but the script `own`, and for the format that is made. */
  const fromScripts = (own, isCommon) => ({
    name: NAMESPACE,
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^percore:/ }, ({ path }) => ({ path: path.slice('percore:'.length), namespace: NAMESPACE }));
      onResolve({ filter: /^\.\/load(-\w+)?\.cjs$/ }, ({ path }) => ({ path, external: true }));
      onResolve({ filter: /\.js$/ }, ({ path, resolveDir }) => {
        const target = resolve(resolveDir, path);
        const home = homes.get(target);
        if (home === undefined || home === own) return undefined;
        if (own?.name === 'core') return fromLater(target);
        return { path: relative(compiled, target), namespace: NAMESPACE, pluginData: { target, home } };
      });
      onLoad({ filter: /./, namespace: NAMESPACE }, ({ path, pluginData: { target, home } = {} }) => ({
        resolveDir: compiled,
        contents: target === undefined ? scriptModule(scripts.find(({ name }) => name === path), isCommon)
          : `import script from 'percore:${home.name}';\nexport const ${taken(namesIn.get(target))} = script;\n`,
      }));
    },
  });

  const metafiles = [];
  for (const [i, script] of scripts.entries()) {
    const { name, modules } = script;
    const earlier = scripts[i - 1];
    const list = join(compiled, '..', `${name}.js`);
    writeFileSync(list, [...namesIn].filter(([path]) => homes.get(path) === script).map(([path, names]) =>
      `export { ${names.map(({ name: own, inScript }) => `${own} as ${inScript}`).join(', ')} } from `
        + `${JSON.stringify(`./${relative(dirname(list), path)}`)};\n`).join(''));
    const file = join(outdir, `percore-${name}.cjs`);
    const { metafile } = await build({
      ...options, splitting: false, format: 'cjs', metafile: true,
      plugins: [fromScripts(script, true), origins.plugin],
      entryPoints: [list], outfile: file,
      define: { ...options.define, 'import.meta.url': 'percoreModule.url' },
      banner: { js: name === 'core' && deferred.length > 0 ? BANNER + LATER_BANNER : BANNER },
      footer: { js: FOOTER },
    });
    metafiles.push(metafile);
    rmSync(list);
    const made = withoutRequire(readFileSync(file, 'utf8'));
    const text = inAscii(asConstants(withPlainExports(atFirstUse(made, namesIn), modules)));
    writeFileSync(file, text);
    const hash = createHash('sha256').update(text).digest('hex');
    script.hash = hash;
    writeFileSync(join(outdir, script.loader), readFileSync(loader, 'utf8').replace('THE_BUILD', hash)
      .replace('THE_FORMER', earlier?.hash ?? '')
      .replace('THE_EARLIER', earlier === undefined ? 'undefined' : `require('./${earlier.loader}')`)
      .replaceAll('THE_SCRIPT', `percore-${name}.cjs`));
  }

  copyFileSync(KEEPER, join(outdir, 'kept-code.cjs'));
  const above = { ...options, metafile: true, outdir, plugins: [fromScripts(undefined, false), origins.plugin] };
  // Files that every thread loads are one file each. The others share what is in no script.
  for (const [name, path] of Object.entries(faces)) {
    metafiles.push((await build({ ...above, splitting: false, entryPoints: { [name]: path } })).metafile);
    if (!common.includes(name)) continue;
    await build({
      ...above, splitting: false, format: 'cjs', entryPoints: { [name]: path }, outExtension: { '.js': '.cjs' },
      plugins: [fromScripts(undefined, true), origins.plugin],
      // Each script knows where it lies, beside this module.
      define: { ...options.define, 'import.meta.url': 'undefined' },
    });
  }
  if (Object.keys(others).length > 0) metafiles.push((await build({ ...above, entryPoints: others })).metafile);
  return { metafiles, namesIn };
}

/** Of each module in a script the names that these modules import of it, from outside of that script. */
function namesUsed(modules, homes, exportsOf, origins) {
  const used = new Map();
  const use = (path, from, names) => {
    const target = resolve(dirname(path), from);
    if (!homes.has(target) || homes.get(target) === homes.get(path)) return;
    used.set(target, [...new Set([...(used.get(target) ?? []), ...(names ?? exportsOf.get(target))])]);
  };
  for (const path of modules) {
    const text = origins.textOf(path);
    for (const [, list, from] of text.matchAll(IMPORT)) {
      use(path, from, list.split(',').map((item) => item.trim().split(/\s+as\s+/)[0]).filter((name) => name !== ''));
    }
    for (const [, from] of text.matchAll(IMPORT_ALL)) use(path, from);
  }
  return used;
}

/** The pattern that takes these names from the script. */
export const taken = (names) => `{ ${names.map(({ name, inScript }) => `${inScript}: ${name}`).join(', ')} }`;

/**
 * In a bundle of an application no script knows where it lies, nor has it a hash. Elsewhere a module takes its parts
 * out of the script that it was made with, and of no other, in which they have other names. CommonJS modules `require`
 * the script, since esbuild would make an object with a getter for each of some thousand exports where they import it.
 */
const scriptModule = ({ name, loader, hash }, isCommon) => `${isCommon ? `const script = require('./${loader}')`
  : `import script from './${loader}'`};
{
  const [known, found] = ['${hash}', script.percoreModule.build ?? '${hash}'];
  if (known !== found) {
    throw Object.assign(new Error('the files of percore are of two builds: this one knows the code of build '
      + known.slice(0, 12) + ', and finds that of ' + found.slice(0, 12)
      + '. If the package was replaced while the program runs, start the program again; else install it anew'),
    { name: 'PercoreError', code: 'ERR_PERCORE_LAYOUT_MISMATCH' });
  }
}
${name === 'core' ? 'script.percoreModule.url ??= import.meta.url;'
  : 'for (let each = script; each !== undefined; each = each.percoreModule.earlier) '
    + 'each.percoreModule.url ??= import.meta.url;'}
export default script;
`;

/** What replaces `import.meta.url` and `import(…)`: the script asks its loader for both. */
const BANNER = '"use strict";\n'
  + 'var percoreModule = { '
  + 'url: typeof __filename === "string" '
  + '? process.getBuiltinModule("node:url").pathToFileURL(__filename).href : undefined };\n'
  + 'var importModule = typeof percoreImport === "function" ? percoreImport : (name) => import(name);';

const FOOTER = 'module.exports.percoreModule = percoreModule;';

/**
 * Those of Node's own modules that are rarely needed. Each would add one to three milliseconds to the start of a
 * thread.
 */
const SELDOM = /^var (import_\w+) = (process\.getBuiltinModule\("node:(?:crypto|http|net|os|tty|v8|vm)"\));$/gm;

/** esbuild copies a module of Node that is imported as a whole, with a getter for each of its names. */
const NAMESPACE_OF_NODE = /^var (\w+) = __toESM\((process\.getBuiltinModule\("[\w:/]+"\)), 1\);$/gm;

/**
 * The banner has the only `import` that is left. The script gets Node's own modules without `require`, which does not
 * exist in an application's bundle that is an ES module.
 */
function withoutRequire(text) {
  const seldom = new Map();
  const whole = [];
  return text.slice(0, BANNER.length) + text.slice(BANNER.length)
    .replace(IMPORT_CALL, 'importModule(')
    .replace(/(?<![\w$.])require\(("[\w:/]+")\)/g, (all, name) =>
      (isBuiltin(JSON.parse(name)) ? `process.getBuiltinModule(${name})` : all))
    .replace(NAMESPACE_OF_NODE, (_all, name, loaded) => {
      whole.push(name);
      return `var ${name} = ${loaded};`;
    })
    .replace(SELDOM, (_all, name, loaded) => {
      seldom.set(name, `(${loaded})`);
      return '';
    })
    .replace(/\bimport_node_\w+(?=\.)/g, (name) => seldom.get(name) ?? name)
    .replace(/\b(\w+)\.default\b/g, (all, name) => (whole.includes(name) ? name : all));
}

const GETTERS =
  /^__export\((\w+), \{\n((?: {2}\w+: \(\) => [\w$]+,?\n)+)\}\);\nmodule\.exports = __toCommonJS\(\1\);\n/m;
const NAMES_FOR_IMPORT = /^\/\/ Annotate the CommonJS export names .*\n0 && \(module\.exports = \{\n[^}]*\}\);\n/m;

/**
 * Exports values where esbuild exports getters, which it does for modules that import each other and for variables that
 * change; `src/` has neither. To define each of them twice, and to call it, took a thread 3 to 15 ms.
 */
function withPlainExports(text, modules) {
  const changing = modules.find((path) => /^export (?:let|var)\b/m.test(readFileSync(path, 'utf8')));
  if (changing !== undefined) throw new Error(`${changing} exports a variable: the script cannot`);
  const [getters, , list] = GETTERS.exec(text);
  const values = list.replaceAll(': () => ', ': ').trimEnd();
  // The source map counts lines.
  return text.replace(getters, (lines) => lines.replace(/.+/g, '')).replace(NAMES_FOR_IMPORT, '')
    .replace(FOOTER, () => `module.exports = {\n${values},\n  percoreModule\n};`);
}

/**
 * A text of bytes below 128 is read without decoding, in half of the time. esbuild has escaped what strings contain,
 * so the rest is in comments.
 */
function inAscii(text) {
  return text.replace(/[\u0080-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Turns variables into constants. esbuild declares by `var` what the modules have as constants and classes. V8 takes a
 * constant of an outer function into the code that it compiles, but reads a variable each time.
 */
function asConstants(text) {
  const writes = (name) => {
    const escaped = name.replaceAll('$', '\\$');
    const written = new RegExp(
      `(?<![\\w$.])(?:${escaped}\\s*(?:[-+*/%&|^]|\\*\\*|<<|>>>?|&&|\\|\\||\\?\\?)?=(?![=>])|${escaped}(?:\\+\\+|--)`
        + `|(?:\\+\\+|--)${escaped}(?![\\w$]))`, 'g',
    );
    return (text.match(written) ?? []).length;
  };
  return text
    .replace(/^var ([\w$]+) = /gm, (all, name) => (writes(name) === 1 ? `const ${name} = ` : all))
    .replace(/^var \{ ([\w$:, ]+) \} = /gm, (all, list) => {
      const names = list.split(',').map((item) => item.trim().split(/:\s*/).at(-1));
      return names.every((name) => writes(name) === 0) ? `const${all.slice(3)}` : all;
    });
}

/** The modules below `folder` that these files reach, themselves among them, each with the names that it exports. */
export async function namesOf(build, files, options, folder, plugins = []) {
  const reached = await build({ ...options, plugins, entryPoints: files, write: false, metafile: true });
  const modules = Object.keys(reached.metafile.inputs).map((path) => resolve(path))
    .filter((path) => path.startsWith(folder));
  const { metafile } = await build({ ...options, entryPoints: modules, write: false, metafile: true });
  return new Map(Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint !== undefined)
    .map(({ entryPoint, exports }) => [resolve(entryPoint), exports]));
}
