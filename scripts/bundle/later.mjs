// The script that is loaded when something of it is used for the first time. What the core imports of its files becomes
//
//     (percoreLater()).m175_openUdp(core, options)
//
// so none of that may be used while the core's modules run; scripts/build.test.mjs looks at that.
import { resolve } from 'node:path';

/** What a file is called in the core that is in the other script. */
const LATER = 'percore-later:';
const REQUIRED = /^var (import_\w+) = require\("percore-later:([^"]+)"\);$/gm;

/** What the text of the core has above it. */
export const LATER_BANNER = `
var percoreLaterScript;
var percoreLater = () => percoreLaterScript ??= loadPercoreLater();
function loadPercoreLater() {
  try {
    const script = require("./load-later.cjs");
    script.percoreModule.url ??= percoreModule.url;
    return script;
  } catch (cause) {
    if (!["MODULE_NOT_FOUND", "ENOENT", "ERR_PERCORE_LAYOUT_MISMATCH"].includes(cause?.code)) throw cause;
    throw new PercoreError("ERR_PERCORE_LAYOUT_MISMATCH", "this needs a part of percore that the thread has not loaded "
      + "yet, and the files of the package were removed or replaced since the thread started: start the program again",
      { cause });
  }
}`;

/** What esbuild is told of a file in the other script. */
export const fromLater = (path) => ({ path: `${LATER}${path}`, external: true });

/** Leaves out `deferred`, and with them what they alone import. */
export const outside = (deferred) => ({
  name: 'outside',
  setup({ onResolve }) {
    onResolve({ filter: /\.js$/ }, ({ path, resolveDir }) =>
      (deferred.includes(resolve(resolveDir, path)) ? { path, external: true } : undefined));
  },
});

/** Takes what is in the other script where it is used, by its name there. */
export function atFirstUse(text, namesIn) {
  const paths = new Map();
  const without = text.replace(REQUIRED, (_all, name, path) => {
    paths.set(name, path);
    return '';
  });
  return without.replace(/\b(import_\w+)\.(\w+)/g, (all, module, name) => {
    if (!paths.has(module)) return all;
    // In parentheses, since `new percoreLater().m1_Part()` would make an object of the function.
    return `(percoreLater()).${namesIn.get(paths.get(module)).find((known) => known.name === name).inScript}`;
  });
}
