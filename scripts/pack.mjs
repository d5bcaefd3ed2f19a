// The compiled modules of `src/` in one file, for everything in dist/ that imports them one by one: tests, their
// fixtures, benches. A thread or a process spends five times the CPU on a hundred and fifty modules that it spends on
// one file with all of them, and the tests start thousands of threads. The package's own bundles (build.mjs) do the
// same for users.
//
//     dist/src/io/io.js        export { … } from '../../packed/modules.js';      a face: what tests import
//     dist/packed/modules.js   all of them; programs of threads lie beside it
//     dist/modules/io/io.js    what the compiler made, for the explorer, which runs the text of single modules
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/**
 * Packs all that can be reached from these files in `${dist}/src`. `programs` are those among them that run when they
 * are loaded. `options` are those of esbuild.
 */
export async function pack({ build, dist, libraries, programs, options }) {
  const compiled = join(dist, 'src');
  const modules = (await exportsOf(build, [...libraries, ...programs], { ...options, outdir: dist }, compiled))
    .filter(({ path, names }) => names.length > 0 && !programs.includes(path));

  // A prefix for each module, since two of them may export one name.
  const list = join(dist, 'modules.js');
  const from = (path) => JSON.stringify(`./${relative(dist, path)}`);
  writeFileSync(list, modules.map(({ path, names }, i) =>
    `export { ${names.map((name) => `${name} as m${i}_${name}`).join(', ')} } from ${from(path)};\n`).join(''));
  const packed = join(dist, 'packed');
  const nameOf = (path) => relative(dirname(path), path);
  await build({
    ...options, outdir: packed,
    entryPoints: [list, ...programs].map((path) => ({ in: path, out: nameOf(path).replace(/\.js$/, '') })),
  });
  rmSync(list);

  const replace = (path, textOf) => {
    for (const file of [path, `${path}.map`]) {
      const kept = join(dist, 'modules', relative(compiled, file));
      mkdirSync(dirname(kept), { recursive: true });
      if (existsSync(file)) renameSync(file, kept);
    }
    writeFileSync(path, textOf((name) => JSON.stringify(join(relative(dirname(path), packed), name))));
  };
  modules.forEach(({ path, names }, i) => {
    const exported = names.map((name) => `m${i}_${name} as ${name}`).join(', ');
    replace(path, (inPacked) => `export { ${exported} } from ${inPacked('modules.js')};\n`);
  });
  for (const path of programs) replace(path, (inPacked) => `import ${inPacked(nameOf(path))};\n`);
}

/** The modules below `folder` that these files reach, themselves among them, each with the names that it exports. */
async function exportsOf(build, files, options, folder) {
  const reached = await build({ ...options, entryPoints: files, write: false, metafile: true });
  const modules = Object.keys(reached.metafile.inputs).map((path) => resolve(path))
    .filter((path) => path.startsWith(folder));
  const { metafile } = await build({ ...options, entryPoints: modules, write: false, metafile: true });
  return Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint !== undefined)
    .map(({ entryPoint, exports }) => ({ path: resolve(entryPoint), names: exports }));
}
