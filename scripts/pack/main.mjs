// Packs the compiled modules of `src/` into one script, for everything in dist/ that imports them one by one: tests,
// their fixtures, benches. Loading a hundred and fifty modules costs a thread or a process ten times the CPU of loading
// one script that is already compiled, and the tests start thousands of threads. The files of the package are made in
// the same way (scripts/bundle/).
//
//     dist/src/io/io.js             import core from '../../packed/load.cjs';      a face: what tests import
//                                   export const { … } = core;
//     dist/packed/percore-core.cjs  all modules; programs of threads lie beside it
//     dist/packed/build/*.code      what V8 has compiled of it, for each version of Node (keep-code.mjs)
//     dist/modules/io/io.js         what the compiler made, for the explorer, which runs the text of single modules
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle, namesOf, taken } from '../bundle/main.mjs';

const LOADER = fileURLToPath(new URL('load-packed.cjs', import.meta.url));

/**
 * Packs these files in `${dist}/src` and everything that they import. `programs` are those files that run when they are
 * loaded. `options` are those of esbuild.
 */
export async function pack({ build, dist, libraries, programs, options }) {
  const compiled = join(dist, 'src');
  const packed = join(dist, 'packed');
  const reached = await namesOf(build, [...libraries, ...programs], { ...options, outdir: packed }, compiled);
  const modules = [...reached.keys()].filter((path) => reached.get(path).length > 0 && !programs.includes(path));
  const nameOf = (path) => relative(dirname(path), path);
  const { namesIn } = await bundle({
    build, compiled, options, outdir: packed, core: modules, others: {}, loader: LOADER, common: ['worker-main'],
    faces: Object.fromEntries(programs.map((path) => [nameOf(path).replace(/\.js$/, ''), path])),
  });

  const replace = (path, textOf) => {
    for (const file of [path, `${path}.map`]) {
      const kept = join(dist, 'modules', relative(compiled, file));
      mkdirSync(dirname(kept), { recursive: true });
      if (existsSync(file)) renameSync(file, kept);
    }
    writeFileSync(path, textOf((name) => JSON.stringify(join(relative(dirname(path), packed), name))));
  };
  for (const path of modules) {
    replace(path, (inPacked) =>
      `import core from ${inPacked('load.cjs')};\nexport const ${taken(namesIn.get(path))} = core;\n`);
  }
  for (const path of programs) replace(path, (inPacked) => `import ${inPacked(nameOf(path))};\n`);
}
